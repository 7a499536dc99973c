import { batchBaseOffset, batchIsControl, RecordCursor, splitBatches } from '@millrace/records';
import type { StateLoader } from '../coordinators/coordinator-partition.ts';
import type { Logger } from '../shared/logger.ts';
import { decodeTransaction, decodeTransactionKey } from './state-records.ts';
import { Transaction, TransactionState } from './transaction.ts';

/** The transactional ids of a partition by their names. */
export type Transactions = Map<string, Transaction>;

/** Rebuilds the transactional ids of one partition of `__transaction_state` from its batches, in order. */
export class TransactionLoader implements StateLoader<Transactions> {
  readonly #logger: Logger;
  /** The last value of each id; decoded at the end, since all but the last are in vain. */
  readonly #values = new Map<string, Buffer>();
  #records = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get recordCount(): number {
    return this.#records;
  }

  addBatches(batches: Buffer): void {
    for (const at of splitBatches(batches)) {
      if (batchIsControl(batches, at)) continue;
      try {
        const record = new RecordCursor(batches, undefined, at);
        while (record.next()) this.#addRecord(record);
      } catch (error) {
        const recordOffset = batchBaseOffset(batches, at);
        this.#logger.error(
          { err: error, recordOffset },
          'Skipping the rest of a batch of __transaction_state that cannot be read',
        );
      }
    }
  }

  finish(): Transactions {
    const transactions: Transactions = new Map();
    for (const [id, value] of this.#values) {
      try {
        const image = decodeTransaction(value);
        if (image.state !== TransactionState.DEAD) transactions.set(id, new Transaction(id, image));
      } catch (error) {
        this.#logger.error({ err: error, transactionalId: id }, 'Skipping a transactional id that cannot be read');
      }
    }
    return transactions;
  }

  #addRecord(record: RecordCursor): void {
    this.#records += 1;
    const key = record.key();
    const id = key === null ? undefined : decodeTransactionKey(key);
    if (id === undefined) return;
    const value = record.value();
    if (value === null) this.#values.delete(id);
    else this.#values.set(id, Buffer.from(value));
  }
}
