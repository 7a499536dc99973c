import { basename, dirname, resolve } from 'node:path';
import { decodeVersioned, TransactionLogKey, TransactionLogValue } from '@millrace/protocol';
import { formatDuration, formatTimestamp, listPartitions, printable } from '../output/format.ts';

/** The states by their numbers in the log (`TransactionState`). */
const STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;

/** What a record of `__transaction_state` tells of a transactional id. */
export interface TransactionRecord {
  readonly transactionalId: string;
  /** Undefined where the id is forgotten. */
  readonly state: string | undefined;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly previousProducerId?: number;
  readonly nextProducerId?: number;
  /** `transaction.version` of who ended the transaction: from 2 on its end has raised the epoch. Undefined where the record tells none. */
  readonly clientTransactionVersion?: number;
  readonly timeoutMs?: number;
  readonly partitions?: readonly { readonly topic: string; readonly partition: number }[];
  /** Milliseconds since the Unix epoch; -1 where there was no transaction. */
  readonly startTimestamp?: number;
  readonly updateTimestamp?: number;
}

/** Whether a file belongs to a partition whose records tell of transactions. */
export function isOfTransactions(file: string): boolean {
  return /^__transaction_state-\d+$/.test(basename(dirname(resolve(file))));
}

/** Undefined for what is none, or of a version that is not known. */
export function transactionRecord(key: Buffer | null, value: Buffer | null): TransactionRecord | undefined {
  try {
    if (key === null) return undefined;
    const { transactionalId } = decodeVersioned(TransactionLogKey, key);
    if (value === null) return { transactionalId, state: undefined };
    const stored = decodeVersioned(TransactionLogValue, value);
    return {
      transactionalId,
      state: STATES[stored.transactionStatus] ?? String(stored.transactionStatus),
      producerId: stored.producerId,
      producerEpoch: stored.producerEpoch,
      ...(stored.previousProducerId >= 0 ? { previousProducerId: stored.previousProducerId } : {}),
      ...(stored.nextProducerId >= 0 ? { nextProducerId: stored.nextProducerId } : {}),
      ...(stored.clientTransactionVersion > 0 ? { clientTransactionVersion: stored.clientTransactionVersion } : {}),
      timeoutMs: stored.transactionTimeoutMs,
      partitions: (stored.transactionPartitions ?? []).flatMap(({ topic, partitionIds }) =>
        partitionIds.map((partition) => ({ topic, partition })),
      ),
      startTimestamp: stored.transactionStartTimestampMs,
      updateTimestamp: stored.transactionLastUpdateTimestampMs,
    };
  } catch {
    return undefined;
  }
}

/** The same in words. */
export function transactionText(record: TransactionRecord): string {
  const id = `transactional id ${JSON.stringify(printable(record.transactionalId))}`;
  if (record.state === undefined) return `${id} is forgotten`;
  const { partitions = [], timeoutMs = 0, startTimestamp = -1, previousProducerId, nextProducerId } = record;
  const { clientTransactionVersion } = record;
  const parts = [`${id}: ${record.state}`, `producer ${record.producerId} epoch ${record.producerEpoch}`];
  if (previousProducerId !== undefined) parts.push(`before that producer ${previousProducerId}`);
  if (nextProducerId !== undefined) parts.push(`next producer ${nextProducerId}`);
  parts.push(`timeout ${formatDuration(timeoutMs)}`);
  if (startTimestamp >= 0) parts.push(`begun ${formatTimestamp(startTimestamp)}`);
  if (partitions.length > 0) parts.push(`in ${listPartitions(partitions)}`);
  if (clientTransactionVersion !== undefined) parts.push(`transaction.version ${clientTransactionVersion}`);
  return parts.join(', ');
}
