import { api, field } from './dsl.ts';

export const offsetForLeaderEpoch = api(23, 'OffsetForLeaderEpoch', {
  about: 'TODO.',
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
    field('throttleTimeMs', 'int32', '2+', { ignorable: true }),
    field('topics', '[]OffsetForLeaderTopicResult', '0+', [
      field('topic', 'string', '0+'),
      field('partitions', '[]EpochEndOffset', '0+', [
        field('errorCode', 'int16', '0+'),
        field('partition', 'int32', '0+'),
        field('leaderEpoch', 'int32', '1+', { default: -1, ignorable: true }),
        field('endOffset', 'int64', '0+', { default: -1 }),
      ]),
    ]),
  ],
});
