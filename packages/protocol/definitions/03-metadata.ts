import { api, field } from './dsl.ts';

export const metadata = api(3, 'Metadata', {
  about: 'Metadata tells which brokers there are, who is controller, and who leads each partition.',
  changes: {
    1: 'null asks for all topics; racks and the controller',
    2: 'cluster id',
    3: 'throttle time',
    4: 'a client can forbid automatic topic creation',
    5: 'offline replicas',
    7: 'leader epochs',
    8: 'authorized operations',
    9: 'flexible',
    10: 'topic ids',
    11: "the cluster's authorized operations move to DescribeCluster",
    12: 'asking by topic id',
  },
  versions: '0-12',
  flexible: '9+',
  request: [
    field(
      'topics',
      '[]MetadataRequestTopic',
      '0+',
      { nullable: '1+', about: 'Null asks for all topics; in version 0 an empty list does.' },
      [field('topicId', 'uuid', '10+', { ignorable: true }), field('name', 'string', '0+', { nullable: '10+' })],
    ),
    field('allowAutoTopicCreation', 'bool', '4+', { default: true }),
    field('includeClusterAuthorizedOperations', 'bool', '8-10'),
    field('includeTopicAuthorizedOperations', 'bool', '8+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '3+', { default: 0, ignorable: true }),
    field('brokers', '[]MetadataResponseBroker', '0+', [
      field('nodeId', 'int32', '0+'),
      field('host', 'string', '0+'),
      field('port', 'int32', '0+'),
      field('rack', 'string', '1+', { nullable: '1+', default: null, ignorable: true }),
    ]),
    field('clusterId', 'string', '2+', { nullable: '2+', default: null, ignorable: true }),
    field('controllerId', 'int32', '1+', { default: -1, ignorable: true }),
    field('topics', '[]MetadataResponseTopic', '0+', [
      field('errorCode', 'int16', '0+'),
      field('name', 'string', '0+', { nullable: '12+' }),
      field('topicId', 'uuid', '10+', { ignorable: true }),
      field('isInternal', 'bool', '1+', { ignorable: true }),
      field('partitions', '[]MetadataResponsePartition', '0+', [
        field('errorCode', 'int16', '0+'),
        field('partitionIndex', 'int32', '0+'),
        field('leaderId', 'int32', '0+'),
        field('leaderEpoch', 'int32', '7+', { default: -1, ignorable: true }),
        field('replicaNodes', '[]int32', '0+'),
        field('isrNodes', '[]int32', '0+'),
        field('offlineReplicas', '[]int32', '5+', { ignorable: true }),
      ]),
      field('topicAuthorizedOperations', 'int32', '8+', {
        default: -2147483648,
        about: 'A set of bits; the default says that it was not asked for.',
      }),
    ]),
    field('clusterAuthorizedOperations', 'int32', '8-10', {
      default: -2147483648,
      about: 'A set of bits; the default says that it was not asked for.',
    }),
  ],
});
