import { api, field } from './dsl.ts';

export const describeProducers = api(61, 'DescribeProducers', {
  about: 'DescribeProducers shows which producers wrote to a partition (KIP-664).',
  versions: '0',
  flexible: '0+',
  request: [
    field('topics', '[]TopicRequest', '0+', [
      field('name', 'string', '0+'),
      field('partitionIndexes', '[]int32', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('topics', '[]TopicResponse', '0+', [
      field('name', 'string', '0+'),
      field('partitions', '[]PartitionResponse', '0+', [
        field('partitionIndex', 'int32', '0+'),
        field('errorCode', 'int16', '0+'),
        field('errorMessage', 'string', '0+', { nullable: '0+', default: null }),
        field('activeProducers', '[]ProducerState', '0+', [
          field('producerId', 'int64', '0+'),
          field('producerEpoch', 'int32', '0+'),
          field('lastSequence', 'int32', '0+', { default: -1 }),
          field('lastTimestamp', 'int64', '0+', { default: -1 }),
          field('coordinatorEpoch', 'int32', '0+'),
          field('currentTxnStartOffset', 'int64', '0+', { default: -1 }),
        ]),
      ]),
    ]),
  ],
});
