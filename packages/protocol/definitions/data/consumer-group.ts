import { field, message, struct } from '../dsl.ts';

export const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', {
  about: 'TODO.',
  versions: '3',
  flexible: 'none',
  body: [field('groupId', 'string', '3')],
});

export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: [field('epoch', 'int32', '0+')],
});

export const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', {
  about: 'TODO.',
  versions: '4',
  flexible: 'none',
  body: [field('groupId', 'string', '4')],
});

export const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: [
    field('topics', '[]TopicMetadata', '0+', [
      field('topicId', 'uuid', '0+'),
      field('topicName', 'string', '0+'),
      field('numPartitions', 'int32', '0+'),
      field('partitionMetadata', '[]PartitionMetadata', '0+', [
        field('partition', 'int32', '0+'),
        field('racks', '[]string', '0+'),
      ]),
    ]),
  ],
});

export const consumerGroupMemberMetadataKey = message('ConsumerGroupMemberMetadataKey', {
  about: 'TODO.',
  versions: '5',
  flexible: 'none',
  body: [field('groupId', 'string', '5'), field('memberId', 'string', '5')],
});

export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: [
    field('instanceId', 'string', '0+', { nullable: '0+' }),
    field('rackId', 'string', '0+', { nullable: '0+' }),
    field('clientId', 'string', '0+'),
    field('clientHost', 'string', '0+'),
    field('subscribedTopicNames', '[]string', '0+'),
    field('subscribedTopicRegex', 'string', '0+', { nullable: '0+' }),
    field('rebalanceTimeoutMs', 'int32', '0+', { default: -1 }),
    field('serverAssignor', 'string', '0+', { nullable: '0+' }),
    field('classicMemberMetadata', 'ClassicMemberMetadata', '0+', { nullable: '0+', default: null, tag: 0 }, [
      field('sessionTimeoutMs', 'int32', '0+'),
      field('supportedProtocols', '[]ClassicProtocol', '0+', [
        field('name', 'string', '0+'),
        field('metadata', 'bytes', '0+'),
      ]),
    ]),
  ],
});

export const consumerGroupTargetAssignmentMetadataKey = message('ConsumerGroupTargetAssignmentMetadataKey', {
  about: 'TODO.',
  versions: '6',
  flexible: 'none',
  body: [field('groupId', 'string', '6')],
});

export const consumerGroupTargetAssignmentMetadataValue = message('ConsumerGroupTargetAssignmentMetadataValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: [field('assignmentEpoch', 'int32', '0+')],
});

export const consumerGroupTargetAssignmentMemberKey = message('ConsumerGroupTargetAssignmentMemberKey', {
  about: 'TODO.',
  versions: '7',
  flexible: 'none',
  body: [field('groupId', 'string', '7'), field('memberId', 'string', '7')],
});

export const consumerGroupTargetAssignmentMemberValue = message('ConsumerGroupTargetAssignmentMemberValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: [
    field('topicPartitions', '[]TopicPartition', '0+', [
      field('topicId', 'uuid', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
  ],
});

export const consumerGroupCurrentMemberAssignmentKey = message('ConsumerGroupCurrentMemberAssignmentKey', {
  about: 'TODO.',
  versions: '8',
  flexible: 'none',
  body: [field('groupId', 'string', '8'), field('memberId', 'string', '8')],
});

export const consumerGroupCurrentMemberAssignmentValue = message('ConsumerGroupCurrentMemberAssignmentValue', {
  about: 'TODO.',
  versions: '0',
  flexible: '0+',
  body: {
    structs: [struct('TopicPartitions', [field('topicId', 'uuid', '0+'), field('partitions', '[]int32', '0+')])],
    fields: [
      field('memberEpoch', 'int32', '0+'),
      field('previousMemberEpoch', 'int32', '0+'),
      field('state', 'int8', '0+'),
      field('assignedPartitions', '[]TopicPartitions', '0+'),
      field('partitionsPendingRevocation', '[]TopicPartitions', '0+'),
    ],
  },
});
