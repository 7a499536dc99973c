import { api, field } from './dsl.ts';

export const offsetDelete = api(47, 'OffsetDelete', {
  about: 'OffsetDelete forgets committed offsets of topics that a group no longer reads (KIP-496).',
  versions: '0',
  flexible: 'none',
  request: [
    field('groupId', 'string', '0+'),
    field('topics', '[]OffsetDeleteRequestTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]OffsetDeleteRequestPartition', '0+', [field('partitionIndex', 'int32', '0+')]),
    ]),
  ],
  response: [
    field('errorCode', 'int16', '0+'),
    field('throttleTimeMs', 'int32', '0+', { default: 0, ignorable: true }),
    field('topics', '[]OffsetDeleteResponseTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]OffsetDeleteResponsePartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ]),
  ],
});
