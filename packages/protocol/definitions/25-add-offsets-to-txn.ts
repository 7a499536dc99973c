import { api, field } from './dsl.ts';

export const addOffsetsToTxn = api(25, 'AddOffsetsToTxn', {
  about: 'AddOffsetsToTxn announces that a transaction will commit offsets of a group.',
  changes: {
    3: 'flexible',
    4: 'TRANSACTION_ABORTABLE as an answer (KIP-890)',
  },
  versions: '0-4',
  flexible: '3+',
  request: [
    field('transactionalId', 'string', '0+'),
    field('producerId', 'int64', '0+'),
    field('producerEpoch', 'int16', '0+'),
    field('groupId', 'string', '0+'),
  ],
  response: [field('throttleTimeMs', 'int32', '0+', { default: 0 }), field('errorCode', 'int16', '0+')],
});
