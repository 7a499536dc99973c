import { api, field, struct } from './dsl.ts';

export const addPartitionsToTxn = api(24, 'AddPartitionsToTxn', {
  about: 'AddPartitionsToTxn announces the partitions that a transaction will write to.',
  changes: {
    3: 'flexible',
    4: 'brokers verify for several transactions at once (KIP-890); clients stay at 3',
    5: 'TRANSACTION_ABORTABLE as an answer',
  },
  versions: '0-5',
  flexible: '3+',
  request: {
    structs: [struct('AddPartitionsToTxnTopic', [field('name', 'string', '0+'), field('partitions', '[]int32', '0+')])],
    fields: [
      field('transactions', '[]AddPartitionsToTxnTransaction', '4+', [
        field('transactionalId', 'string', '4+'),
        field('producerId', 'int64', '4+'),
        field('producerEpoch', 'int16', '4+'),
        field('verifyOnly', 'bool', '4+'),
        field('topics', '[]AddPartitionsToTxnTopic', '4+'),
      ]),
      field('v3AndBelowTransactionalId', 'string', '0-3'),
      field('v3AndBelowProducerId', 'int64', '0-3'),
      field('v3AndBelowProducerEpoch', 'int16', '0-3'),
      field('v3AndBelowTopics', '[]AddPartitionsToTxnTopic', '0-3'),
    ],
  },
  response: {
    structs: [
      struct('AddPartitionsToTxnTopicResult', [
        field('name', 'string', '0+'),
        field('resultsByPartition', '[]AddPartitionsToTxnPartitionResult', '0+'),
      ]),
      struct('AddPartitionsToTxnPartitionResult', [
        field('partitionIndex', 'int32', '0+'),
        field('partitionErrorCode', 'int16', '0+'),
      ]),
    ],
    fields: [
      field('throttleTimeMs', 'int32', '0+', { default: 0 }),
      field('errorCode', 'int16', '4+', { ignorable: true }),
      field('resultsByTransaction', '[]AddPartitionsToTxnResult', '4+', [
        field('transactionalId', 'string', '4+'),
        field('topicResults', '[]AddPartitionsToTxnTopicResult', '4+'),
      ]),
      field('resultsByTopicV3AndBelow', '[]AddPartitionsToTxnTopicResult', '0-3'),
    ],
  },
});
