import { api, field } from './dsl.ts';

export const describeTopicPartitions = api(75, 'DescribeTopicPartitions', {
  about: 'DescribeTopicPartitions lists partitions page by page (KIP-966).',
  versions: '0',
  flexible: '0+',
  request: [
    field('topics', '[]TopicRequest', '0+', [field('name', 'string', '0+')]),
    field('responsePartitionLimit', 'int32', '0+', { default: 2000 }),
    field('cursor', 'Cursor', '0+', { nullable: '0+', default: null }, [
      field('topicName', 'string', '0+'),
      field('partitionIndex', 'int32', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0, ignorable: true }),
    field('topics', '[]DescribeTopicPartitionsResponseTopic', '0+', [
      field('errorCode', 'int16', '0+'),
      field('name', 'string', '0+', { nullable: '0+' }),
      field('topicId', 'uuid', '0+', { ignorable: true }),
      field('isInternal', 'bool', '0+', { ignorable: true }),
      field('partitions', '[]DescribeTopicPartitionsResponsePartition', '0+', [
        field('errorCode', 'int16', '0+'),
        field('partitionIndex', 'int32', '0+'),
        field('leaderId', 'int32', '0+'),
        field('leaderEpoch', 'int32', '0+', { default: -1, ignorable: true }),
        field('replicaNodes', '[]int32', '0+'),
        field('isrNodes', '[]int32', '0+'),
        field('eligibleLeaderReplicas', '[]int32', '0+', { nullable: '0+', default: null }),
        field('lastKnownElr', '[]int32', '0+', { nullable: '0+', default: null }),
        field('offlineReplicas', '[]int32', '0+', { ignorable: true }),
      ]),
      field('topicAuthorizedOperations', 'int32', '0+', { default: -2147483648 }),
    ]),
    field(
      'nextCursor',
      'Cursor',
      '0+',
      { nullable: '0+', default: null, about: 'Where the next page begins; null after the last.' },
      [field('topicName', 'string', '0+'), field('partitionIndex', 'int32', '0+')],
    ),
  ],
});
