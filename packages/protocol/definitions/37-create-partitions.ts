import { api, field } from './dsl.ts';

export const createPartitions = api(37, 'CreatePartitions', {
  about: 'CreatePartitions adds partitions to topics.',
  changes: {
    2: 'flexible',
    3: 'THROTTLING_QUOTA_EXCEEDED as an answer',
  },
  versions: '0-3',
  flexible: '2+',
  request: [
    field('topics', '[]CreatePartitionsTopic', '0+', [
      field('name', 'string', '0+'),
      field('count', 'int32', '0+', { about: 'How many there are to be in all.' }),
      field(
        'assignments',
        '[]CreatePartitionsAssignment',
        '0+',
        { nullable: '0+', about: 'For the new partitions; null leaves them to the controller.' },
        [field('brokerIds', '[]int32', '0+')],
      ),
    ]),
    field('timeoutMs', 'int32', '0+'),
    field('validateOnly', 'bool', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('results', '[]CreatePartitionsTopicResult', '0+', [
      field('name', 'string', '0+'),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
    ]),
  ],
});
