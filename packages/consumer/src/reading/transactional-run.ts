import { KafkaError } from '@millrace/client';
import { ErrorCode } from '@millrace/protocol';
import type { RecordHeaderInput } from '@millrace/records';
import { transactionalRunOptionsFault } from '../arguments.ts';
import { ConsumerError, handledAfterLoss } from '../errors.ts';
import type { MemberIdentity } from '../member-identity.ts';
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
   * fails, the transaction is aborted: nothing of it is seen, and the batch is handled again (`retry`), by this consumer or by another. A
   * rebalance that comes between is no failure: what the consumer still has is handled again, whatever `retry` says.
   */
  readonly eachBatch: (batch: ConsumerBatch<K, V>, context: TransactionalContext) => unknown;
  readonly transactionalProducer: TransactionalProducer;
}

/** The consumer's membership, as far as its transactions have to do with it. */
export interface TransactionalMember {
  /** As whom the batch in hand is committed. */
  metadata(): ConsumerGroupMetadata;
  /** The group's coordinator has refused to take offsets of this identity. */
  refused(errorCode: number, identity: MemberIdentity): void;
}

/** What the group's coordinator says to one whose generation is over, or who is none of its members. */
const GONE: ReadonlySet<number> = new Set([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_INSTANCE_ID,
]);

/** Batches handled in transactions, as a run that knows nothing of them. One at a time: a producer has one transaction at a time. */
export function inTransactions<K, V>(
  options: TransactionalRunOptions<K, V>,
  settings: ConsumerSettings,
  member: TransactionalMember,
): RunOptions<K, V> {
  const { eachBatch, transactionalProducer, retry, ...others } = options;
  refuseContradictions(settings, others, transactionalRunOptionsFault(options));
  const handle = (batch: ConsumerBatch<K, V>, context: HandlerContext): PromiseLike<void> =>
    transactionalProducer.transaction(async (transaction) => {
      // A producer may be long in beginning, and a handler in its work; others may have handled the batch since.
      refuseLost(batch);
      await eachBatch(batch, { signal: context.signal, transaction });
      refuseLost(batch);
      // As who it is now: over all generations since it read the batch the partition has been its own.
      await commitWith(transaction, batch, member);
    });
  const mayHelp = retry?.isRetriable ?? isRetriable;
  const again = retry && { ...retry, isRetriable: (error: unknown) => !isOver(error) && mayHelp(error) };
  return { ...others, eachBatch: handle, concurrency: 1, retry: again };
}

/**
 * Whether a transaction was refused because the group has gone on without who began it: nobody's failure. Where it has kept the partition,
 * it handles the batch again as who it is by then; where it has not, it is about to hear of it.
 */
export function isOfGoneGeneration(error: unknown): boolean {
  const code = goneCode(error);
  return code !== undefined && code !== ErrorCode.FENCED_INSTANCE_ID;
}

async function commitWith<K, V>(
  transaction: ConsumerTransaction,
  batch: ConsumerBatch<K, V>,
  member: TransactionalMember,
): Promise<void> {
  const { topic, partition, nextOffset: offset, records } = batch;
  const leaderEpoch = records[records.length - 1]?.leaderEpoch;
  const metadata = member.metadata();
  try {
    await transaction.sendOffsets(metadata, [{ topic, partition, offset, leaderEpoch }]);
  } catch (error) {
    const code = goneCode(error);
    if (code !== undefined) member.refused(code, metadata);
    throw error;
  }
}

function refuseLost<K, V>(batch: ConsumerBatch<K, V>): void {
  if (batch.lost) throw handledAfterLoss(batch.topic, batch.partition);
}

/** What the producer makes of the coordinator's answer is its own error, of which that is the cause. */
function goneCode(error: unknown): number | undefined {
  for (let cause = error; cause instanceof KafkaError; cause = cause.cause) {
    if (cause.errorCode !== undefined && GONE.has(cause.errorCode)) return cause.errorCode;
  }
  return undefined;
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
