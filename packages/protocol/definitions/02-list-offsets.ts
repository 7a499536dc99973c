import { api, field } from './dsl.ts';

export const listOffsets = api(2, 'ListOffsets', {
  about: 'ListOffsets finds the offset that belongs to a timestamp, or the first or last one.',
  changes: {
    1: 'one offset instead of a list',
    2: 'isolation levels',
    4: 'leader epochs',
    6: 'flexible',
    7: 'the largest timestamp (-3)',
    8: 'the earliest local offset (-4, tiered storage)',
    9: 'the last tiered offset (-5)',
    10: 'a timeout for remote lookups',
  },
  versions: '0-10',
  flexible: '6+',
  request: [
    field('replicaId', 'int32', '0+'),
    field('isolationLevel', 'int8', '2+'),
    field('topics', '[]ListOffsetsTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]ListOffsetsPartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('currentLeaderEpoch', 'int32', '4+', { default: -1, ignorable: true }),
        field('timestamp', 'int64', '0+', {
          about:
            '-1: end of the log; -2: its start; -3: the largest timestamp; -4: the earliest local offset; -5: the last tiered one.',
        }),
        field('maxNumOffsets', 'int32', '0', { default: 1, about: 'Version 0 only.' }),
      ]),
    ]),
    field('timeoutMs', 'int32', '10+', { ignorable: true }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '2+', { default: 0, ignorable: true }),
    field('topics', '[]ListOffsetsTopicResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]ListOffsetsPartitionResponse', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('oldStyleOffsets', '[]int64', '0', { about: 'Version 0 only.' }),
        field('timestamp', 'int64', '1+', { default: -1 }),
        field('offset', 'int64', '1+', { default: -1 }),
        field('leaderEpoch', 'int32', '4+', { default: -1 }),
      ]),
    ]),
  ],
});
