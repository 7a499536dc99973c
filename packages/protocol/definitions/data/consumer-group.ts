/**
 * Groups of the new protocol (KIP-848) as `__consumer_offsets` keeps them. The version of each key is its record type.
 */
import { field, message, struct } from '../dsl.ts';

export const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', {
  about: "The key of a group's epoch.",
  versions: '3',
  flexible: 'none',
  body: [field('groupId', 'string', '3')],
});

export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', {
  about: 'The epoch of a group: it grows whenever members or topics change.',
  versions: '0',
  flexible: '0+',
  body: [field('epoch', 'int32', '0+')],
});

export const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', {
  about: 'The key of the topics a group knows.',
  versions: '4',
  flexible: 'none',
  body: [field('groupId', 'string', '4')],
});

export const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', {
  about: 'The topics a group is subscribed to, as it knows them.',
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
  about: 'The key of a member.',
  versions: '5',
  flexible: 'none',
  body: [field('groupId', 'string', '5'), field('memberId', 'string', '5')],
});

export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', {
  about: 'A member: who it is and what it wants.',
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
  about: 'The key of the epoch of the target assignment.',
  versions: '6',
  flexible: 'none',
  body: [field('groupId', 'string', '6')],
});

export const consumerGroupTargetAssignmentMetadataValue = message('ConsumerGroupTargetAssignmentMetadataValue', {
  about: 'The epoch for which the target assignment was made.',
  versions: '0',
  flexible: '0+',
  body: [field('assignmentEpoch', 'int32', '0+')],
});

export const consumerGroupTargetAssignmentMemberKey = message('ConsumerGroupTargetAssignmentMemberKey', {
  about: "The key of a member's target assignment.",
  versions: '7',
  flexible: 'none',
  body: [field('groupId', 'string', '7'), field('memberId', 'string', '7')],
});

export const consumerGroupTargetAssignmentMemberValue = message('ConsumerGroupTargetAssignmentMemberValue', {
  about: 'What a member is to own in the end.',
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
  about: "The key of a member's current assignment.",
  versions: '8',
  flexible: 'none',
  body: [field('groupId', 'string', '8'), field('memberId', 'string', '8')],
});

export const consumerGroupCurrentMemberAssignmentValue = message('ConsumerGroupCurrentMemberAssignmentValue', {
  about: 'What a member owns now, and what it still has to give up.',
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
