import { api, field, struct } from './dsl.ts';

export const shareGroupHeartbeat = api(76, 'ShareGroupHeartbeat', {
  about: 'ShareGroupHeartbeat joins, keeps up and leaves a share group (KIP-932, not yet stable).',
  versions: '0',
  flexible: '0+',
  request: [
    field('groupId', 'string', '0+'),
    field('memberId', 'string', '0+'),
    field('memberEpoch', 'int32', '0+'),
    field('rackId', 'string', '0+', { nullable: '0+', default: null }),
    field('subscribedTopicNames', '[]string', '0+', { nullable: '0+', default: null }),
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
