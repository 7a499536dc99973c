import { api, field, struct } from './dsl.ts';

export const consumerGroupHeartbeat = api(68, 'ConsumerGroupHeartbeat', {
  about: 'ConsumerGroupHeartbeat joins, keeps up and leaves a group of the new protocol: the broker assigns (KIP-848).',
  changes: {
    1: 'subscription by a regular expression that the broker evaluates; the member chooses its own id',
  },
  versions: '0-1',
  flexible: '0+',
  request: [
    field('groupId', 'string', '0+'),
    field('memberId', 'string', '0+'),
    field('memberEpoch', 'int32', '0+', { about: '0 joins; -1 leaves; -2 leaves for a while as a static member.' }),
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
      field('throttleTimeMs', 'int32', '0+', { default: 0 }),
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
