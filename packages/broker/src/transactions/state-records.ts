/**
 * The records of `__transaction_state`: TransactionLogKey 0 and TransactionLogValue 0, which all releases of Kafka write and read, and
 * 1, which is read.
 */
import { decodeVersioned, encodeVersioned, TransactionLogKey, TransactionLogValue } from '@millrace/protocol';
import type { StateRecord } from '../coordinators/write-queue.ts';
import { NO_PARTITIONS, STATES_BY_NUMBER, type TransactionImage, TransactionState } from './transaction.ts';

const KEY_VERSION = 0;
const VALUE_VERSION = 0;

export function transactionRecord(id: string, image: TransactionImage): StateRecord {
  const isEmpty = image.state === TransactionState.EMPTY;
  return {
    key: transactionKey(id),
    value: encodeVersioned(TransactionLogValue, VALUE_VERSION, {
      producerId: image.producerId,
      producerEpoch: image.epoch,
      transactionTimeoutMs: image.timeoutMs,
      transactionStatus: STATES_BY_NUMBER.indexOf(image.state),
      transactionPartitions: isEmpty
        ? null
        : Array.from(image.partitions, ([topic, partitions]) => ({ topic, partitionIds: [...partitions] })),
      transactionLastUpdateTimestampMs: image.updateMs,
      transactionStartTimestampMs: image.startMs,
    }),
  };
}

export function transactionTombstone(id: string): StateRecord {
  return { key: transactionKey(id), value: null };
}

/** The transactional id of a key; undefined for keys of newer versions. */
export function decodeTransactionKey(key: Buffer): string | undefined {
  const version = key.length >= 2 ? key.readInt16BE(0) : -1;
  return version === KEY_VERSION ? decodeVersioned(TransactionLogKey, key).transactionalId : undefined;
}

export function decodeTransaction(value: Buffer): TransactionImage {
  const stored = decodeVersioned(TransactionLogValue, value);
  const state = STATES_BY_NUMBER[stored.transactionStatus];
  if (state === undefined) throw new RangeError(`There is no transaction state ${stored.transactionStatus}`);
  const partitions = stored.transactionPartitions ?? [];
  return {
    state,
    producerId: stored.producerId,
    previousProducerId: stored.previousProducerId ?? -1,
    epoch: stored.producerEpoch,
    lastEpoch: -1,
    timeoutMs: stored.transactionTimeoutMs,
    partitions:
      partitions.length === 0
        ? NO_PARTITIONS
        : new Map(partitions.map(({ topic, partitionIds }) => [topic, new Set(partitionIds)])),
    startMs: stored.transactionStartTimestampMs,
    updateMs: stored.transactionLastUpdateTimestampMs,
  };
}

function transactionKey(id: string): Buffer {
  return encodeVersioned(TransactionLogKey, KEY_VERSION, { transactionalId: id });
}
