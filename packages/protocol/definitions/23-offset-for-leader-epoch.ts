import { api, field } from './dsl.ts';

export const offsetForLeaderEpoch = api(23, 'OffsetForLeaderEpoch', {
  about:
    "OffsetForLeaderEpoch tells where an epoch ended in the leader's log, so that others can find where theirs diverges.",
  changes: {
    1: 'the response says which epoch was found',
    2: 'the epoch the reader believes in',
    3: 'followers name themselves',
    4: 'flexible',
  },
  versions: '0-4',
  flexible: '4+',
  request: [
    field('replicaId', 'int32', '3+', { default: -2, ignorable: true }),
    field('topics', '[]OffsetForLeaderTopic', '0+', [
      field('topic', 'string', '0+'),
      field('partitions', '[]OffsetForLeaderPartition', '0+', [
        field('partition', 'int32', '0+'),
        field('currentLeaderEpoch', 'int32', '2+', { default: -1, ignorable: true }),
        field('leaderEpoch', 'int32', '0+'),
      ]),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '2+', { default: 0, ignorable: true }),
    field('topics', '[]OffsetForLeaderTopicResult', '0+', [
      field('topic', 'string', '0+'),
      field('partitions', '[]EpochEndOffset', '0+', [
        field('errorCode', 'int16', '0+'),
        field('partition', 'int32', '0+'),
        field('leaderEpoch', 'int32', '1+', { default: -1, ignorable: true }),
        field('endOffset', 'int64', '0+', {
          default: -1,
          about: 'The offset after the last record of the epoch; -1 if unknown.',
        }),
      ]),
    ]),
  ],
});
