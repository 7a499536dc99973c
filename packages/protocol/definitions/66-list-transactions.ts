import { api, field } from './dsl.ts';

export const listTransactions = api(66, 'ListTransactions', {
  about: 'ListTransactions lists the transactions that a broker coordinates (KIP-664).',
  changes: {
    1: 'filter by duration (KIP-994)',
    2: 'filter by a pattern of ids (KIP-1152)',
  },
  versions: '0-2',
  flexible: '0+',
  request: [
    field('stateFilters', '[]string', '0+'),
    field('producerIdFilters', '[]int64', '0+'),
    field('durationFilter', 'int64', '1+', { default: -1 }),
    field('transactionalIdPattern', 'string', '2+', { nullable: '2+', default: null }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('unknownStateFilters', '[]string', '0+'),
    field('transactionStates', '[]TransactionState', '0+', [
      field('transactionalId', 'string', '0+'),
      field('producerId', 'int64', '0+'),
      field('transactionState', 'string', '0+'),
    ]),
  ],
});
