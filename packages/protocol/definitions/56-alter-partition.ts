import { api, field } from './dsl.ts';

export const alterPartition = api(56, 'AlterPartition', {
  about: 'AlterPartition is how a leader tells the controller of changes to its in-sync replicas (KIP-497).',
  changes: {
    1: 'leader recovery state',
    2: 'topic ids instead of names',
    3: 'epochs of the in-sync replicas (KIP-903)',
  },
  versions: '0-3',
  flexible: '0+',
  request: [
    field('brokerId', 'int32', '0+'),
    field('brokerEpoch', 'int64', '0+', { default: -1 }),
    field('topics', '[]TopicData', '0+', [
      field('topicName', 'string', '0-1', { ignorable: true }),
      field('topicId', 'uuid', '2+', { ignorable: true }),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('leaderEpoch', 'int32', '0+'),
        field('newIsr', '[]int32', '0-2'),
        field('newIsrWithEpochs', '[]BrokerState', '3+', [
          field('brokerId', 'int32', '3+'),
          field('brokerEpoch', 'int64', '3+', { default: -1 }),
        ]),
        field('leaderRecoveryState', 'int8', '1+'),
        field('partitionEpoch', 'int32', '0+'),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('topics', '[]TopicData', '0+', [
      field('topicName', 'string', '0-1', { ignorable: true }),
      field('topicId', 'uuid', '2+', { ignorable: true }),
      field('partitions', '[]PartitionData', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('leaderId', 'int32', '0+'),
        field('leaderEpoch', 'int32', '0+'),
        field('isr', '[]int32', '0+'),
        field('leaderRecoveryState', 'int8', '1+', { ignorable: true }),
        field('partitionEpoch', 'int32', '0+'),
      ]),
    ]),
  ],
});
