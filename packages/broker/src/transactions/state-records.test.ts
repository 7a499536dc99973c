import { decodeVersioned, encodeVersioned, TransactionLogValue } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { decodeTransaction, isTagged, transactionRecord } from './state-records.ts';
import { newTransaction, STATES_BY_NUMBER, type TransactionImage, TransactionState } from './transaction.ts';
import { taken } from './transaction-end.ts';

const partitions = new Map([['t', new Set([0, 2])]]);

const prepared: TransactionImage = {
  ...newTransaction(7, 60_000, 1000),
  state: TransactionState.PREPARE_COMMIT,
  epoch: 5,
  partitions,
  startMs: 900,
};

/** The version of its value, and what is read of it again. */
function written(image: TransactionImage, mayTag = true): { version: number; image: TransactionImage } {
  const value = transactionRecord('id', image, mayTag).value!;
  return { version: value.readInt16BE(0), image: decodeTransaction(value) };
}

describe('what stands of a transactional id in __transaction_state', () => {
  it('says of a transaction that is being completed whether its end has raised the epoch', () => {
    expect(written({ ...prepared, isRaised: true })).toEqual({ version: 1, image: { ...prepared, isRaised: true } });
    const raised = transactionRecord('id', { ...prepared, isRaised: true }, true).value!;
    expect(decodeVersioned(TransactionLogValue, raised)).toMatchObject({ clientTransactionVersion: 2 });
    expect(written(prepared)).toEqual({ version: 0, image: prepared });
  });

  it('is what all releases of Kafka read, where they are to read it, and once the transaction is complete', () => {
    expect(written({ ...prepared, isRaised: true }, false)).toEqual({ version: 0, image: prepared });
    const complete = taken({ ...prepared, isRaised: true, state: TransactionState.COMPLETE_COMMIT });
    expect(isTagged(complete)).toBe(false);
    expect(written(complete).version).toBe(0);
  });

  it.each(STATES_BY_NUMBER)(
    'says nothing of an end that is not being carried out: %s, as Kafka 4 writes it',
    (state) => {
      const value = encodeVersioned(TransactionLogValue, 1, {
        producerId: 7,
        producerEpoch: 5,
        transactionTimeoutMs: 60_000,
        transactionStatus: STATES_BY_NUMBER.indexOf(state),
        transactionPartitions: null,
        transactionLastUpdateTimestampMs: 1000,
        transactionStartTimestampMs: -1,
        clientTransactionVersion: 2,
      });
      const isPrepared = state === TransactionState.PREPARE_COMMIT || state === TransactionState.PREPARE_ABORT;
      expect(decodeTransaction(value).isRaised).toBe(isPrepared);
    },
  );
});
