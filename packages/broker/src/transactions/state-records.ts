/**
 * The records of `__transaction_state`: TransactionLogKey 0, and TransactionLogValue 0, which all releases of Kafka write and read; or 1,
 * where there is more to say and all brokers can read that: while a transaction is being completed whose end has raised the epoch, and where
 * a producer id has taken over from another, or will.
 */
import { decodeVersioned, encodeVersioned, TransactionLogKey, TransactionLogValue } from '@millrace/protocol';
import type { StateRecord } from '../coordinators/write-queue.ts';
import { isPrepared, NO_PARTITIONS, STATES_BY_NUMBER, type TransactionImage, TransactionState } from './transaction.ts';

const KEY_VERSION = 0;
const VALUE_VERSION = 0;
const TAGGED_VALUE_VERSION = 1;
/** `transaction.version` of producers whose epoch is raised with each transaction. */
const RAISING_VERSION = 2;

/** Whether there is something to say of a transactional id that only values with tags say. */
export function isTagged({ previousProducerId, nextProducerId, isRaised }: TransactionImage): boolean {
  return previousProducerId >= 0 || nextProducerId >= 0 || isRaised;
}

/** @param mayTag whether all brokers of the cluster read values with tags */
export function transactionRecord(id: string, image: TransactionImage, mayTag: boolean): StateRecord {
  const isEmpty = image.state === TransactionState.EMPTY;
  const { previousProducerId, nextProducerId, isRaised } = image;
  const hasTags = mayTag && isTagged(image);
  const tags = { previousProducerId, nextProducerId, clientTransactionVersion: isRaised ? RAISING_VERSION : 0 };
  return {
    key: transactionKey(id),
    value: encodeVersioned(TransactionLogValue, hasTags ? TAGGED_VALUE_VERSION : VALUE_VERSION, {
      ...(hasTags ? tags : {}),
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
    nextProducerId: stored.nextProducerId ?? -1,
    epoch: stored.producerEpoch,
    lastEpoch: -1,
    // Kafka writes the version in every state; of a transaction whose end is not decided, it says nothing about that end.
    isRaised: isPrepared(state) && stored.clientTransactionVersion >= RAISING_VERSION,
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
