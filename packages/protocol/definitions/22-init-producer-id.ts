import { api, field } from './dsl.ts';

export const initProducerId = api(22, 'InitProducerId', {
  about: 'InitProducerId gives an idempotent or transactional producer its id and epoch.',
  changes: {
    2: 'flexible',
    3: 'a producer can raise its own epoch',
    4: 'PRODUCER_FENCED as an answer',
    5: 'TRANSACTION_ABORTABLE as an answer (KIP-890)',
  },
  versions: '0-5',
  flexible: '2+',
  request: [
    field('transactionalId', 'string', '0+', { nullable: '0+', about: 'Null for a producer that is only idempotent.' }),
    field('transactionTimeoutMs', 'int32', '0+'),
    field('producerId', 'int64', '3+', { default: -1 }),
    field('producerEpoch', 'int16', '3+', { default: -1 }),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0, ignorable: true }),
    field('errorCode', 'int16', '0+'),
    field('producerId', 'int64', '0+', { default: -1 }),
    field('producerEpoch', 'int16', '0+'),
  ],
});
