import { api, field } from './dsl.ts';

export const describeLogDirs = api(35, 'DescribeLogDirs', {
  about: "DescribeLogDirs shows a broker's log directories and what is in them.",
  changes: {
    2: 'flexible',
    3: 'an error code for the whole',
    4: 'total and usable bytes of the volume',
  },
  versions: '0-4',
  flexible: '2+',
  request: [
    field('topics', '[]DescribableLogDirTopic', '0+', { nullable: '0+', about: 'Null asks for all.' }, [
      field('topic', 'string', '0+'),
      field('partitions', '[]int32', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '3+', { ignorable: true }),
    field('results', '[]DescribeLogDirsResult', '0+', [
      field('errorCode', 'int16', '0+'),
      field('logDir', 'string', '0+'),
      field('topics', '[]DescribeLogDirsTopic', '0+', [
        field('name', 'string', '0+'),
        field('partitions', '[]DescribeLogDirsPartition', '0+', [
          field('partitionIndex', 'int32', '0+'),
          field('partitionSize', 'int64', '0+'),
          field('offsetLag', 'int64', '0+'),
          field('isFutureKey', 'bool', '0+'),
        ]),
      ]),
      field('totalBytes', 'int64', '4+', { default: -1, ignorable: true }),
      field('usableBytes', 'int64', '4+', { default: -1, ignorable: true }),
    ]),
  ],
});
