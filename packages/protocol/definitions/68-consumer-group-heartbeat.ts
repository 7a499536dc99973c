import { api, field, struct } from './dsl.ts';

export const consumerGroupHeartbeat = api(68, 'ConsumerGroupHeartbeat', {
  about: 'TODO.',
  versions: '0-1',
  flexible: '0+',
  request: [
    field('groupId', 'string', '0+'),
    field('memberId', 'string', '0+'),
    field('memberEpoch', 'int32', '0+'),
    field('instanceId', 'string', '0+', { nullable: '0+', default: null }),
    field('rackId', 'string', '0+', { nullable: '0+', default: null }),
    field('rebalanceTimeoutMs', 'int32', '0+', { default: -1 }),
    field('subscribedTopicNames', '[]string', '0+', { nullable: '0+', default: null }),
    field('subscribedTopicRegex', 'string', '1+', { nullable: '1+', default: null }),
    field('serverAssignor', 'string', '0+', { nullable: '0+', default: null }),
    field('topicPartitions', '[]TopicPartitions', '0+', { nullable: '0+', default: null }, [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
  ],
  response: {
    structs: [struct('TopicPartitions', [field('topicId', 'uuid', '0+'), field('partitions', '[]int32', '0+')])],
    fields: [
      field('throttleTimeMs', 'int32', '0+'),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
      field('memberId', 'string', '0+', { nullable: '0+', default: null }),
      field('memberEpoch', 'int32', '0+'),
      field('heartbeatIntervalMs', 'int32', '0+'),
      field('assignment', 'Assignment', '0+', { nullable: '0+', default: null }, [
        field('topicPartitions', '[]TopicPartitions', '0+'),
      ]),
    ],
  },
});
