/**
 * The state of transactions as `__transaction_state` keeps it.
 */
import { field, message } from '../dsl.ts';

export const transactionLogKey = message('TransactionLogKey', {
  about: 'The key of a transactional id.',
  versions: '0',
  flexible: 'none',
  body: [field('transactionalId', 'string', '0')],
});

export const transactionLogValue = message('TransactionLogValue', {
  about: 'The state of a transactional id.',
  versions: '0-1',
  flexible: '1+',
  body: [
    field('producerId', 'int64', '0+'),
    field('previousProducerId', 'int64', '1+', { default: -1, tag: 0 }),
    field('nextProducerId', 'int64', '1+', { default: -1, tag: 1 }),
    field('producerEpoch', 'int16', '0+'),
    field('transactionTimeoutMs', 'int32', '0+'),
    field('transactionStatus', 'int8', '0+', {
      about:
        '0: empty; 1: ongoing; 2: prepare commit; 3: prepare abort; 4: complete commit; 5: complete abort; 6: dead; 7: prepare epoch fence.',
    }),
    field('transactionPartitions', '[]PartitionsSchema', '0+', { nullable: '0+' }, [
      field('topic', 'string', '0+'),
      field('partitionIds', '[]int32', '0+'),
    ]),
    field('transactionLastUpdateTimestampMs', 'int64', '0+'),
    field('transactionStartTimestampMs', 'int64', '0+'),
    field('clientTransactionVersion', 'int16', '1+', { tag: 2 }),
  ],
});
