import { takeNoMore } from '@millrace/client/internal';
import { checkHeld, checkOffsets, groupOf, surplus } from '../arguments.ts';
import { noTransaction } from '../errors.ts';
import type { ProducerRecord, RecordMetadata } from '../record.ts';
import type { Transaction } from './transaction.ts';
import type { TransactionManager } from './transaction-manager.ts';

/** What sends the records of a transaction. */
export interface RecordSender<K, V> {
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>;
  sendBatch(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]>;
}

/** The transaction that has been begun, as a program has it in hand; when it is over, nothing gets from it into the next one. */
export function openTransaction<K, V>(
  producer: RecordSender<K, V>,
  transactions: TransactionManager,
): Transaction<K, V> {
  let isOver = false;
  let mayBeAborted = true;
  const part = <T>(attempted: string, attempt: () => Promise<T>): Promise<T> => {
    if (isOver) return Promise.reject(noTransaction());
    const result = transactions.part(attempted, attempt);
    // What fails is told by the transaction's end as well, so that nobody has to await each of its parts.
    result.catch(() => undefined);
    return result;
  };
  const transaction: Transaction<K, V> = {
    send: (record) => part('send records', () => producer.send(record)),
    sendBatch: (records) => part('send records', () => producer.sendBatch(records)),
    sendOffsets: (group, offsets) =>
      part('commit offsets', async () => {
        const member = groupOf(group);
        checkOffsets(offsets);
        checkHeld(group, member, offsets);
        await transactions.sendOffsets(member, offsets);
      }),
    commit: async () => {
      if (isOver) throw noTransaction();
      await transactions.commit();
      isOver = true;
    },
    abort: async () => {
      if (isOver) throw noTransaction();
      mayBeAborted = false;
      await transactions.abort();
      isOver = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (!isOver && mayBeAborted) await transactions.abort();
    },
  };
  takeNoMore(transaction, { send: 1, sendBatch: 1, sendOffsets: 2, commit: 0, abort: 0 }, (fault) =>
    part('take part in it', () => Promise.reject(surplus(fault))),
  );
  return transaction;
}
