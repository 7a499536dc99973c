import { api, field } from './dsl.ts';

export const stopReplica = api(5, 'StopReplica', {
  about: 'StopReplica is how a controller makes a broker give up replicas, deleting them or not.',
  changes: {
    1: 'broker epochs; partitions are grouped by topic',
    2: 'flexible',
    3: 'leader epochs; deletion is chosen per partition',
    4: 'the sender may be a KRaft controller',
  },
  versions: '0-4',
  flexible: '2+',
  request: [
    field('controllerId', 'int32', '0+'),
    field('isKRaftController', 'bool', '4+'),
    field('controllerEpoch', 'int32', '0+'),
    field('brokerEpoch', 'int64', '1+', { default: -1, ignorable: true }),
    field('deletePartitions', 'bool', '0-2'),
    field('ungroupedPartitions', '[]StopReplicaPartitionV0', '0', [
      field('topicName', 'string', '0'),
      field('partitionIndex', 'int32', '0'),
    ]),
    field('topics', '[]StopReplicaTopicV1', '1-2', [
      field('name', 'string', '1-2'),
      field('partitionIndexes', '[]int32', '1-2'),
    ]),
    field('topicStates', '[]StopReplicaTopicState', '3+', [
      field('topicName', 'string', '3+'),
      field('partitionStates', '[]StopReplicaPartitionState', '3+', [
        field('partitionIndex', 'int32', '3+'),
        field('leaderEpoch', 'int32', '3+', { default: -1 }),
        field('deletePartition', 'bool', '3+'),
      ]),
    ]),
  ],
  response: [
    field('errorCode', 'int16', '0+'),
    field('partitionErrors', '[]StopReplicaPartitionError', '0+', [
      field('topicName', 'string', '0+'),
      field('partitionIndex', 'int32', '0+'),
      field('errorCode', 'int16', '0+'),
    ]),
  ],
});
