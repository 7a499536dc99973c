import { api, field, struct } from './dsl.ts';

export const describeQuorum = api(55, 'DescribeQuorum', {
  about: 'DescribeQuorum shows the Raft quorum of a KRaft cluster (KIP-836).',
  changes: {
    1: 'when each replica was last heard of',
    2: 'directory ids and endpoints (KIP-853)',
  },
  versions: '0-2',
  flexible: '0+',
  request: [
    field('topics', '[]TopicData', '0+', [
      field('topicName', 'string', '0+'),
      field('partitions', '[]PartitionData', '0+', [field('partitionIndex', 'int32', '0+')]),
    ]),
  ],
  response: {
    structs: [
      struct('ReplicaState', [
        field('replicaId', 'int32', '0+'),
        field('replicaDirectoryId', 'uuid', '2+'),
        field('logEndOffset', 'int64', '0+'),
        field('lastFetchTimestamp', 'int64', '1+', { default: -1, ignorable: true }),
        field('lastCaughtUpTimestamp', 'int64', '1+', { default: -1, ignorable: true }),
      ]),
    ],
    fields: [
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '2+', { nullable: '2+', ignorable: true }),
      field('topics', '[]TopicData', '0+', [
        field('topicName', 'string', '0+'),
        field('partitions', '[]PartitionData', '0+', [
          field('partitionIndex', 'int32', '0+'),
          field('errorCode', 'int16', '0+'),
          field('errorMessage', 'string', '2+', { nullable: '2+', ignorable: true }),
          field('leaderId', 'int32', '0+'),
          field('leaderEpoch', 'int32', '0+'),
          field('highWatermark', 'int64', '0+'),
          field('currentVoters', '[]ReplicaState', '0+'),
          field('observers', '[]ReplicaState', '0+'),
        ]),
      ]),
      field('nodes', '[]Node', '2+', [
        field('nodeId', 'int32', '2+'),
        field('listeners', '[]Listener', '2+', [
          field('name', 'string', '2+'),
          field('host', 'string', '2+'),
          field('port', 'uint16', '2+'),
        ]),
      ]),
    ],
  },
});
