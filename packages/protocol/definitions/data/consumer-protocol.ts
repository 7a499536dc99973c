/**
 * What consumers tell each other through a classic group: the bytes in JoinGroup and SyncGroup of protocol type `consumer`.
 * A member reads versions that are newer than it knows as the newest it knows, so that a group can be upgraded one by one.
 */
import { field, message } from '../dsl.ts';

export const consumerProtocolSubscription = message('ConsumerProtocolSubscription', {
  about: 'What a member of a consumer group wants, and what it owns now.',
  versions: '0-3',
  flexible: 'none',
  newerReadAsHighest: true,
  body: [
    field('topics', '[]string', '0+'),
    field('userData', 'bytes', '0+', { nullable: '0+', default: null }),
    field('ownedPartitions', '[]TopicPartition', '1+', { ignorable: true }, [
      field('topic', 'string', '1+'),
      field('partitions', '[]int32', '1+'),
    ]),
    field('generationId', 'int32', '2+', { default: -1, ignorable: true }),
    field('rackId', 'string', '3+', { nullable: '3+', default: null, ignorable: true }),
  ],
});

export const consumerProtocolAssignment = message('ConsumerProtocolAssignment', {
  about: 'What a member of a consumer group gets.',
  versions: '0-3',
  flexible: 'none',
  newerReadAsHighest: true,
  body: [
    field('assignedPartitions', '[]TopicPartition', '0+', [
      field('topic', 'string', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
    field('userData', 'bytes', '0+', { nullable: '0+', default: null }),
  ],
});
