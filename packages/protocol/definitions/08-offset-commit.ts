import { api, field } from './dsl.ts';

export const offsetCommit = api(8, 'OffsetCommit', {
  about: 'OffsetCommit keeps how far a group has read.',
  changes: {
    1: 'commits are fenced by generation and member',
    2: 'one retention time for the whole commit',
    3: 'throttle time',
    5: "the retention time is the broker's setting again",
    6: 'leader epochs',
    7: 'static members',
    8: 'flexible',
    9: 'member epochs of the new group protocol (KIP-848)',
  },
  versions: '0-9',
  flexible: '8+',
  request: [
    field('groupId', 'string', '0+'),
    field('generationIdOrMemberEpoch', 'int32', '1+', {
      default: -1,
      ignorable: true,
      about: '-1 for a commit by no member, such as an admin tool.',
    }),
    field('memberId', 'string', '1+', { ignorable: true }),
    field('groupInstanceId', 'string', '7+', { nullable: '7+', default: null }),
    field('retentionTimeMs', 'int64', '2-4', { default: -1, ignorable: true, about: "-1 for the broker's setting." }),
    field('topics', '[]OffsetCommitRequestTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]OffsetCommitRequestPartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('committedOffset', 'int64', '0+'),
        field('committedLeaderEpoch', 'int32', '6+', { default: -1, ignorable: true }),
        field('commitTimestamp', 'int64', '1', { default: -1 }),
        field('committedMetadata', 'string', '0+', { nullable: '0+' }),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '3+', { default: 0, ignorable: true }),
    field('topics', '[]OffsetCommitResponseTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]OffsetCommitResponsePartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ]),
  ],
});
