import { api, field } from './dsl.ts';

export const writeTxnMarkers = api(27, 'WriteTxnMarkers', {
  about: 'WriteTxnMarkers is how a transaction coordinator writes commit and abort markers into partitions.',
  changes: {
    1: 'flexible',
    2: 'the transaction.version of the marker (KAFKA-19999)',
  },
  versions: '0-2',
  flexible: '1+',
  request: [
    field('markers', '[]WritableTxnMarker', '0+', [
      field('producerId', 'int64', '0+'),
      field('producerEpoch', 'int16', '0+'),
      field('transactionResult', 'bool', '0+'),
      field('topics', '[]WritableTxnMarkerTopic', '0+', [
        field('name', 'string', '0+'),
        field('partitionIndexes', '[]int32', '0+'),
      ]),
      field('coordinatorEpoch', 'int32', '0+'),
      field('transactionVersion', 'int8', '2+', { default: 0, ignorable: true }),
    ]),
  ],
  response: [
    field('markers', '[]WritableTxnMarkerResult', '0+', [
      field('producerId', 'int64', '0+'),
      field('topics', '[]WritableTxnMarkerTopicResult', '0+', [
        field('name', 'string', '0+'),
        field('partitions', '[]WritableTxnMarkerPartitionResult', '0+', [
          field('partitionIndex', 'int32', '0+'),
          field('errorCode', 'int16', '0+'),
        ]),
      ]),
    ]),
  ],
});
