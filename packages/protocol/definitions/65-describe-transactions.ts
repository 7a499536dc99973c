import { api, field } from './dsl.ts';

export const describeTransactions = api(65, 'DescribeTransactions', {
  about: 'DescribeTransactions shows the state of transactions (KIP-664).',
  versions: '0',
  flexible: '0+',
  request: [field('transactionalIds', '[]string', '0+')],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('transactionStates', '[]TransactionState', '0+', [
      field('errorCode', 'int16', '0+'),
      field('transactionalId', 'string', '0+'),
      field('transactionState', 'string', '0+'),
      field('transactionTimeoutMs', 'int32', '0+'),
      field('transactionStartTimeMs', 'int64', '0+'),
      field('producerId', 'int64', '0+'),
      field('producerEpoch', 'int16', '0+'),
      field('topics', '[]TopicData', '0+', [field('topic', 'string', '0+'), field('partitions', '[]int32', '0+')]),
    ]),
  ],
});
