import { api, field } from './dsl.ts';

export const deleteRecords = api(21, 'DeleteRecords', {
  about: 'DeleteRecords moves the log start offset of partitions forward; what lies before it is gone.',
  changes: {
    2: 'flexible',
  },
  versions: '0-2',
  flexible: '2+',
  request: [
    field('topics', '[]DeleteRecordsTopic', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]DeleteRecordsPartition', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('offset', 'int64', '0+', { about: '-1 for the high watermark.' }),
      ]),
    ]),
    field('timeoutMs', 'int32', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('topics', '[]DeleteRecordsTopicResult', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]DeleteRecordsPartitionResult', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('lowWatermark', 'int64', '0+'),
        field('errorCode', 'int16', '0+'),
      ]),
    ]),
  ],
});
