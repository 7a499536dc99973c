import { api, field } from './dsl.ts';

export const endTxn = api(26, 'EndTxn', {
  about: 'EndTxn commits or aborts a transaction.',
  changes: {
    3: 'flexible',
    4: 'TRANSACTION_ABORTABLE as an answer (KIP-890)',
    5: "the response carries the producer's next id and epoch",
  },
  versions: '0-5',
  flexible: '3+',
  request: [
    field('transactionalId', 'string', '0+'),
    field('producerId', 'int64', '0+'),
    field('producerEpoch', 'int16', '0+'),
    field('committed', 'bool', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('producerId', 'int64', '5+', { default: -1, ignorable: true }),
    field('producerEpoch', 'int16', '5+', { default: -1, ignorable: true }),
  ],
});
