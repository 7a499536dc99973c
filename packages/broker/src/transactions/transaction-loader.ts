import { batchBaseOffset, batchIsControl, batchSizeBytes, readRecords, splitBatches } from '@millrace/records';
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
      const batch = batches.subarray(at, at + batchSizeBytes(batches, at));
      if (batchIsControl(batch, 0)) continue;
      try {
        for (const { key, value } of readRecords(batch)) this.#addRecord(key, value);
      } catch (error) {
        const recordOffset = batchBaseOffset(batch, 0);
        this.#logger.error({ err: error, recordOffset }, 'Skipping a batch of __transaction_state that cannot be read');
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

  #addRecord(key: Buffer | null, value: Buffer | null): void {
    this.#records += 1;
    const id = key === null ? undefined : decodeTransactionKey(key);
    if (id === undefined) return;
    if (value === null) this.#values.delete(id);
    else this.#values.set(id, Buffer.from(value));
  }
}
