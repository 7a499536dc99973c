import { api, field } from './dsl.ts';

export const listOffsets = api(2, 'ListOffsets', {
  about: 'TODO.',
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
        field('timestamp', 'int64', '0+'),
        field('maxNumOffsets', 'int32', '0', { default: 1 }),
      ]),
    ]),
    field('timeoutMs', 'int32', '10+', { ignorable: true }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '2+', { ignorable: true }),
    field('topics', '[]ListOffsetsTopicResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]ListOffsetsPartitionResponse', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('oldStyleOffsets', '[]int64', '0'),
        field('timestamp', 'int64', '1+', { default: -1 }),
        field('offset', 'int64', '1+', { default: -1 }),
        field('leaderEpoch', 'int32', '4+', { default: -1 }),
      ]),
    ]),
  ],
});
