import { KafkaError } from '@millrace/client';
import type { RecordHeaderInput } from '@millrace/records';
import { transactionalRunOptionsFault } from '../arguments.ts';
import { ConsumerError } from '../errors.ts';
import type { ConsumerSettings, TopicPartition } from '../options.ts';
import type { ConsumerBatch } from './consumer-batch.ts';
import { isRetriable } from './handler.ts';
import type { HandlerContext, RunOptions } from './run-options.ts';

/** The consumer as a member of its group, so that offsets are committed for it and not for one that has lost its partitions. */
export interface ConsumerGroupMetadata {
  readonly groupId: string;
  /** Empty before it has joined. */
  readonly memberId: string;
  /** -1 before it has joined. */
  readonly generationId: number;
  readonly groupInstanceId: string | null;
}

/** A record that is sent in a transaction. */
export interface TransactionRecord {
  readonly topic: string;
  readonly partition?: number | undefined;
  readonly key?: string | Uint8Array | null | undefined;
  readonly value: string | Uint8Array | null;
  readonly timestamp?: number | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
}

/** A transaction that a batch is handled in: a `Transaction` of `@millrace/producer`. */
export interface ConsumerTransaction {
  /** Need not be awaited: the transaction is committed when all is acknowledged. */
  send(record: TransactionRecord): PromiseLike<unknown>;
  sendOffsets(
    group: ConsumerGroupMetadata,
    offsets: readonly (TopicPartition & { readonly offset: number; readonly leaderEpoch?: number | undefined })[],
  ): PromiseLike<unknown>;
}

/** Whoever has transactions: a `Producer` of `@millrace/producer` with a `transactionalId`, and without serializers of its own. */
export interface TransactionalProducer {
  transaction<T>(work: (transaction: ConsumerTransaction) => Promise<T>): PromiseLike<T>;
}

/** What a handler gets beside a batch that it handles in a transaction. */
export interface TransactionalContext extends HandlerContext {
  readonly transaction: ConsumerTransaction;
}

/** What `run` is given for batches that are handled in transactions, each in one of its own. */
export interface TransactionalRunOptions<K = Buffer, V = Buffer>
  extends Pick<RunOptions<K, V>, 'batchRecordsMax' | 'retry' | 'signal'> {
  /**
   * Called for each batch, in a transaction that commits the batch's offsets as well when it is done. When it throws, or the commit
   * fails, the transaction is aborted: nothing of it is seen, and the batch is handled again (`retry`), by this consumer or by another.
   */
  readonly eachBatch: (batch: ConsumerBatch<K, V>, context: TransactionalContext) => unknown;
  readonly transactionalProducer: TransactionalProducer;
}

/** Batches handled in transactions, as a run that knows nothing of them. One at a time: a producer has one transaction at a time. */
export function inTransactions<K, V>(
  options: TransactionalRunOptions<K, V>,
  settings: ConsumerSettings,
  member: () => ConsumerGroupMetadata,
): RunOptions<K, V> {
  const { eachBatch, transactionalProducer, retry, ...others } = options;
  refuseContradictions(settings, others, transactionalRunOptionsFault(options));
  const handle = (batch: ConsumerBatch<K, V>, context: HandlerContext): PromiseLike<void> =>
    transactionalProducer.transaction(async (transaction) => {
      // As it is now: if it is given up while the batch is handled, the offsets are refused, and all of it is aborted.
      const group = member();
      await eachBatch(batch, { signal: context.signal, transaction });
      const { topic, partition, nextOffset: offset, records } = batch;
      const leaderEpoch = records[records.length - 1]?.leaderEpoch;
      await transaction.sendOffsets(group, [{ topic, partition, offset, leaderEpoch }]);
    });
  const mayHelp = retry?.isRetriable ?? isRetriable;
  const again = retry && { ...retry, isRetriable: (error: unknown) => !isOver(error) && mayHelp(error) };
  return { ...others, eachBatch: handle, concurrency: 1, retry: again };
}

/** A producer that has been fenced has no transaction any more, however often it is asked. */
function isOver(error: unknown): boolean {
  return error instanceof KafkaError && error.code === 'PRODUCER_TRANSACTIONS_OVER';
}

function refuseContradictions(
  { autoCommit, groupId, readCommitted }: ConsumerSettings,
  others: object,
  fault: string | undefined,
): void {
  const refuse = (why: string): never => {
    throw new ConsumerError('CONSUMER_INVALID_OPTION', `Cannot run in transactions: ${why}`);
  };
  if (groupId === undefined) refuse('the consumer needs a groupId, whose offsets are committed with them');
  if (autoCommit) refuse('autoCommit would commit beside them: make the consumer with autoCommit: false');
  if (!readCommitted) {
    refuse("make the consumer with isolationLevel: 'read_committed', which waits for offsets of open transactions");
  }
  const other = ['eachRecord', 'deadLetter', 'deadLetterTopic', 'concurrency'].find((name) => name in others);
  if (fault !== undefined) refuse(fault);
  if (other !== undefined) refuse(`${other} does not go with transactionalProducer`);
}
