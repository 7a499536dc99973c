import { api, field, struct } from './dsl.ts';

export const shareGroupDescribe = api(77, 'ShareGroupDescribe', {
  about: 'ShareGroupDescribe shows share groups (KIP-932, not yet stable).',
  versions: '0',
  flexible: '0+',
  request: [field('groupIds', '[]string', '0+'), field('includeAuthorizedOperations', 'bool', '0+')],
  response: {
    structs: [
      struct('TopicPartitions', [
        field('topicId', 'uuid', '0+'),
        field('topicName', 'string', '0+'),
        field('partitions', '[]int32', '0+'),
      ]),
      struct('Assignment', [field('topicPartitions', '[]TopicPartitions', '0+')]),
    ],
    fields: [
      field('throttleTimeMs', 'int32', '0+', { default: 0 }),
      field('groups', '[]DescribedGroup', '0+', [
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
        field('groupId', 'string', '0+'),
        field('groupState', 'string', '0+'),
        field('groupEpoch', 'int32', '0+'),
        field('assignmentEpoch', 'int32', '0+'),
        field('assignorName', 'string', '0+'),
        field('members', '[]Member', '0+', [
          field('memberId', 'string', '0+'),
          field('rackId', 'string', '0+', { nullable: '0+', default: null }),
          field('memberEpoch', 'int32', '0+'),
          field('clientId', 'string', '0+'),
          field('clientHost', 'string', '0+'),
          field('subscribedTopicNames', '[]string', '0+'),
          field('assignment', 'Assignment', '0+'),
        ]),
        field('authorizedOperations', 'int32', '0+', { default: -2147483648 }),
      ]),
    ],
  },
});
