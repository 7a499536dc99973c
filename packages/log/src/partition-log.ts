import type { DownConversion } from '@millrace/records';
import { decompressedBytesMax } from './append-checks.ts';
import { Appender } from './appender.ts';
import { type CleanOptions, type CleanResult, cleanLog } from './compaction/clean-log.ts';
import { type Cleanable, findCleanable } from './compaction/cleanable.ts';
import { type CorruptLogError, LogError, messageOf } from './errors.ts';
import type { LogConfig } from './log-config.ts';
import type { LogContext } from './log-context.ts';
import { LogCore } from './log-core.ts';
import { type LoadOptions, loadLog } from './log-loader.ts';
import { LogReader } from './log-reader.ts';
import type {
  AppendOptions,
  AppendResult,
  EpochEndOffset,
  LeaderOffsets,
  LogRecovery,
  LogState,
  ProducerDescription,
  ReadOptions,
  ReadResult,
  TimestampOffset,
  VerificationGuard,
  VerifiedBatch,
} from './log-types.ts';
import { deleteRecordsBefore, enforceRetention, type RetentionResult } from './retention.ts';

/** What a partition's log is opened with. */
export interface OpenLogOptions extends LoadOptions {
  readonly topic: string;
  readonly partition: number;
  /** From the checkpoint; undefined when there is none. */
  readonly highWatermark: number | undefined;
  /** From the cleaner's checkpoint; undefined when there is none. */
  readonly cleanedOffset?: number | undefined;
  /** From `partition.metadata`; undefined when there is none. */
  readonly topicId: string | undefined;
}

/** Takes a listener back. */
export type Unsubscribe = () => void;

/**
 * The log of one partition: what Kafka's `UnifiedLog` is. Made by `LogManager`.
 *
 * Offsets are given out in the order of the calls of {@link append}. A record counts as there once it is durable: readers
 * never see more than that, and an append's promise resolves no earlier.
 */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  /** The topic's id as the folder has it; undefined for folders of a Kafka before 2.8. */
  /** From `partition.metadata`; only the manager changes it. */
  topicId: string | undefined;
  /** What opening found and did. */
  readonly recovery: LogRecovery;
  readonly #core: LogCore;
  readonly #appender: Appender;
  readonly #reader: LogReader;

  private constructor(options: OpenLogOptions, core: LogCore, recovery: LogRecovery) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.recovery = recovery;
    this.#core = core;
    this.#appender = new Appender(core);
    this.#reader = new LogReader(core);
  }

  /** @internal `LogManager` does this. */
  static async open(context: LogContext, options: OpenLogOptions): Promise<PartitionLog> {
    const loaded = await loadLog(context, options);
    const core = new LogCore(context, options.folder, options.config, loaded, options.highWatermark ?? 0);
    core.cleanedOffset = options.cleanedOffset;
    return new PartitionLog(options, core, loaded.recovery);
  }

  /** The folder with the partition's files. */
  get folder(): string {
    return this.#core.folder;
  }

  /** Whether it is on its way into another log directory. */
  get isMoving(): boolean {
    return this.#core.isMoving;
  }

  get config(): LogConfig {
    return this.#core.config;
  }

  get state(): LogState {
    return this.#core.state;
  }

  /** Why the log failed, when its state is `failed`. */
  get failure(): unknown {
    return this.#core.failure;
  }

  /** The first offset that may be read. */
  get logStartOffset(): number {
    return this.#core.logStartOffset;
  }

  /** The offset that the next record gets. Runs ahead of {@link durableEndOffset} while writes are under way. */
  get logEndOffset(): number {
    return this.#core.nextOffset;
  }

  /**
   * Everything below is acknowledged here: written, and with `flush.messages=1` synced. The sole replica's high watermark may
   * move up to it.
   *
   * It is also the log's one end for other replicas: followers are given records up to it, epochs end at it
   * ({@link endOffsetForEpoch}), and a follower says with it how far it has come. {@link logEndOffset} may yet go back.
   */
  get durableEndOffset(): number {
    return this.#core.writer.durableEndOffset;
  }

  /** Everything below is on the disk for good and needs no scan after a crash. */
  get recoveryPoint(): number {
    return this.#core.recoveryPoint;
  }

  get highWatermark(): number {
    return this.#core.highWatermark;
  }

  /** The first offset of the first open transaction, or the high watermark when there is none. */
  get lastStableOffset(): number {
    return this.#core.lastStableOffset;
  }

  /** Bytes of all segments' batches. */
  get sizeBytes(): number {
    return this.#core.segments.sizeBytes;
  }

  /** Where the oldest segment begins; the log start offset may lie behind it until retention has looked. */
  get firstSegmentOffset(): number {
    return this.#core.segments.first.baseOffset;
  }

  get segmentCount(): number {
    return this.#core.segments.count;
  }

  /** Bytes that a scan would look at if the process were killed now. */
  get unrecoveredBytes(): number {
    return this.#core.unrecoveredBytes;
  }

  /** The newest leader epoch that has an entry; -1 before the first. */
  get latestEpoch(): number {
    return this.#core.epochs.latest;
  }

  /** How many idempotent producers are remembered. */
  get producerCount(): number {
    return this.#core.producers.size;
  }

  /**
   * Appends record batches. Offsets are assigned before the call returns (unless batches have to be recompressed, which keeps
   * the order all the same); the promise resolves when the batches are durable, or with the reason why they are refused.
   *
   * The buffer is written into (base offset, leader epoch, with LogAppendTime the timestamp) and belongs to the log from
   * then on: it may be kept as a view by the tail cache.
   *
   * @returns `errorCode` 0, or: CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_RECORD,
   * INVALID_TIMESTAMP, INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_TXN_STATE,
   * TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR; OFFSET_OUT_OF_RANGE for a follower's batch before the log's end. A
   * follower's append ends before the first batch of a later epoch than `leaderEpoch`; where that is the first, `lastOffset` lies below
   * `baseOffset`
   */
  append(batches: Buffer, options: AppendOptions): Promise<AppendResult> {
    return this.#appender.append(batches, options);
  }

  /**
   * Whole batches from the one that holds `fromOffset` on, up to `bytesMax` bytes. At once when the tail cache has them,
   * else as a promise.
   *
   * @returns `errorCode` 0 (nothing to read yet is no error), OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE for a batch that was damaged
   * on the disk, KAFKA_STORAGE_ERROR when the disk or the log has failed
   */
  read(fromOffset: number, bytesMax: number, options: ReadOptions): ReadResult | Promise<ReadResult> {
    return this.#reader.read(fromOffset, bytesMax, options);
  }

  /**
   * What a {@link read} gave as messages of magic 0 or 1, for clients before Kafka 0.11.
   *
   * @throws RecordsError where the first batch with records cannot be converted
   */
  convertDown(batches: Buffer, conversion: DownConversion): Buffer | Promise<Buffer> {
    const { batchWork } = this.#core.context;
    return batchWork.convertDown(batches, { bytesMax: decompressedBytesMax(this.config), ...conversion });
  }

  /**
   * Offsets at which segments begin, newest first, that were written to before a time; behind them the log's end (ListOffsets v0, Kafka's
   * `legacyFetchOffsetsBefore`).
   *
   * @param timestamp undefined for all of them, with the end
   */
  segmentOffsetsBefore(timestamp: number | undefined): Promise<number[]> {
    return this.#reader.segmentOffsetsBefore(timestamp);
  }

  /** Calls `listener` with the new {@link durableEndOffset} after each group of appends; before their promises resolve. */
  onAppended(listener: (durableEndOffset: number) => void): Unsubscribe {
    return subscribe(this.#core.listeners.appended, listener);
  }

  /** @internal For `LogManager`: `listener` writes the checkpoints of the recovery point and log start before the log is cut. */
  onCheckpointLowered(listener: () => Promise<void>): Unsubscribe {
    return subscribe(this.#core.listeners.checkpointLowered, listener);
  }

  /** Calls `listener` once when the log fails for good: its log directory must go offline. */
  onFailed(listener: (error: unknown) => void): Unsubscribe {
    return subscribe(this.#core.listeners.failed, listener);
  }

  /** Calls `listener` whenever there was no room (or no file to be had) for an append, with how long that has lasted without one that fitted. */
  onShort(listener: (lastedMs: number) => void): Unsubscribe {
    return subscribe(this.#core.listeners.short, listener);
  }

  /** How long that has lasted now; 0 when the last append fitted. */
  get shortMs(): number {
    return this.#core.short.lastedMs;
  }

  /** Why the last append that did not fit did not. */
  get shortReason(): string {
    return messageOf(this.#core.short.cause);
  }

  /** Calls `listener` whenever a reader meets a batch that was damaged on the disk. */
  onDamaged(listener: (error: CorruptLogError) => void): Unsubscribe {
    return subscribe(this.#core.listeners.damaged, listener);
  }

  /** Moves the high watermark on to `offset`, at most to {@link durableEndOffset}; never back. Tells whether it moved. */
  advanceHighWatermark(offset: number): boolean {
    return this.#core.advanceHighWatermark(offset);
  }

  /**
   * As a follower, behind the append of what the leader gave: takes over the leader's high watermark, as far as this log goes
   * (it may go down), and raises the log start offset to the leader's, -1 where it gave none. Not for answers that tell of a divergence.
   *
   * @returns whether the high watermark has moved
   */
  followLeader({ highWatermark, logStartOffset }: LeaderOffsets): boolean {
    return this.#core.followLeader(highWatermark, logStartOffset);
  }

  /**
   * The first record whose timestamp is not below `timestamp`, with its own timestamp; undefined when there is none.
   *
   * @throws CorruptLogError when a damaged batch is in the way
   */
  offsetForTimestamp(timestamp: number): Promise<TimestampOffset | undefined> {
    return this.#reader.offsetForTimestamp(timestamp);
  }

  /**
   * The record with the largest timestamp (ListOffsets -3); undefined for a log without timestamps.
   *
   * @throws CorruptLogError when a damaged batch is in the way
   */
  maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    return this.#reader.maxTimestampOffset();
  }

  /** Notes that this broker leads with `epoch` from the log's end on, before it has written anything (KIP-101). */
  assignEpoch(epoch: number): void {
    this.fenceEpochsBelow(epoch);
    this.#core.epochs.lead(epoch, this.#core.nextOffset);
  }

  /** Refuses what is still being prepared for an append in a leadership before `epoch`. */
  fenceEpochsBelow(epoch: number): void {
    this.#core.leaderEpochMin = epoch;
  }

  /** What OffsetForLeaderEpoch answers for `epoch`: nothing beyond {@link durableEndOffset}. */
  endOffsetForEpoch(epoch: number): EpochEndOffset {
    return this.#core.epochs.endOffsetFor(epoch, this.durableEndOffset);
  }

  /**
   * Where a follower has to cut its log after its leader has said where an epoch ends, in OffsetForLeaderEpoch or as a diverging
   * epoch of a fetch (Kafka's `AbstractFetcherThread.getOffsetTruncationState`). Where it is not `isFinal`, the follower has not
   * that epoch, and asks again for the one that it then ends with.
   */
  truncationFor(leader: EpochEndOffset): { readonly offset: number; readonly isFinal: boolean } {
    const end = this.#core.nextOffset;
    if (leader.endOffset < 0) return { offset: Math.min(this.highWatermark, end), isFinal: true };
    const own = leader.leaderEpoch < 0 ? undefined : this.#core.epochs.endOffsetFor(leader.leaderEpoch, end);
    if (own === undefined || own.endOffset < 0) return { offset: Math.min(leader.endOffset, end), isFinal: true };
    if (own.leaderEpoch !== leader.leaderEpoch) return { offset: Math.min(own.endOffset, end), isFinal: false };
    return { offset: Math.min(own.endOffset, leader.endOffset, end), isFinal: true };
  }

  /** The leader epoch of the record at `offset`; -1 when it is not known. */
  epochAt(offset: number): number {
    return this.#core.epochs.epochAt(offset);
  }

  /**
   * Raises the log start offset (DeleteRecords). -1 stands for the high watermark. Segments that lie wholly below go with
   * the next {@link enforceRetention}.
   *
   * @returns 0, or OFFSET_OUT_OF_RANGE for an offset above the high watermark, with the log start offset as it is then
   */
  deleteRecordsBefore(offset: number): { errorCode: number; logStartOffset: number } {
    return deleteRecordsBefore(this.#core, offset);
  }

  /** Drops the segments that age, size or the log start offset condemn; never what the high watermark has not passed. */
  enforceRetention(): Promise<RetentionResult> {
    return enforceRetention(this.#core);
  }

  /** Compaction has been over everything below; undefined before the first time. */
  get cleanedOffset(): number | undefined {
    return this.#core.cleanedOffset;
  }

  /** @internal For `LogCleaner`: what of the log can be compacted. */
  findCleanable(nowMs: number): Promise<Cleanable> {
    return findCleanable(this.#core, nowMs);
  }

  /** @internal For `LogCleaner`: compacts the log once. */
  clean(cleanable: Cleanable, options: CleanOptions): Promise<CleanResult> {
    return cleanLog(this.#core, cleanable, options);
  }

  /** @internal For `LogManager`: has the log moved by whoever moves logs. */
  moveBy(move: (core: LogCore) => void): void {
    move(this.#core);
  }

  /**
   * Cuts the log so that it ends at `offset`; for a follower whose leader has other records from there on. A log that ends before
   * that stays; epochs that begin at or behind `offset` go all the same. High watermark and log start offset go down with the end.
   * Durable once something is written behind it, or the log was flushed by a checkpoint: a crash before that may bring back some of what went.
   */
  truncateTo(offset: number): Promise<void> {
    return this.#core.truncateTo(offset);
  }

  /** Drops everything, producers and epochs too, and lets the log begin at `offset`; for a follower that lies wholly behind its leader's log start. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    return this.#core.truncateFullyAndStartAt(offset);
  }

  /** Takes up a changed configuration; counts from the next append on. */
  updateConfig(config: LogConfig): void {
    this.#core.config = config;
  }

  /** Begins a new segment, unless the present one is empty. */
  roll(): void {
    this.#core.roll();
  }

  /** Syncs what is written. */
  flush(): Promise<void> {
    return this.#core.flush();
  }

  /** Whether records wait for a sync longer than `flush.ms`. */
  isFlushDue(nowMs: number): boolean {
    return this.#core.isFlushDue(nowMs);
  }

  /** Makes data, indexes, epochs and producer state durable, and moves the recovery point up. */
  checkpoint(): Promise<void> {
    return this.#core.checkpoint();
  }

  /** Forgets idempotent producers that have not written for `producer.id.expiration.ms`. */
  expireProducers(nowMs: number): void {
    this.#core.producers.removeExpired(nowMs, this.#core.context.producerIdExpirationMs);
  }

  /**
   * What goes with the append ({@link AppendOptions.guard}) where a producer has a transaction open here that was begun with this epoch, so
   * that nobody need be asked for it; undefined where it has none. If a marker comes before the append, that is refused.
   */
  goOnWithTransaction(producerId: number, epoch: number): VerificationGuard | undefined {
    return this.#core.producers.goOnWith(producerId, epoch);
  }

  /**
   * Begins to ask whether a producer's transaction is open. What comes of it goes with the append ({@link AppendOptions.guard}), or back
   * with {@link endVerification}.
   */
  beginVerification(batch: VerifiedBatch): VerificationGuard {
    return this.#core.producers.beginVerification(batch);
  }

  /** Forgets a question of which nothing came. */
  endVerification(guard: VerificationGuard): void {
    this.#core.producers.endVerification(guard);
  }

  /** Whether a transaction is open whose producer has not written here for so long. */
  hasLateTransaction(nowMs: number, lateMs: number): boolean {
    return this.#core.producers.hasLateTransaction(nowMs, lateMs);
  }

  /** The idempotent producers that are remembered (DescribeProducers). */
  describeProducers(): ProducerDescription[] {
    return this.#core.producers.describe();
  }

  /**
   * Waits for what is queued, makes everything durable, and closes. A log that has failed is closed as it is.
   *
   * @throws LogError when something could not be made durable: the next start has to recover the log
   */
  async close(): Promise<void> {
    const core = this.#core;
    if (core.state === 'closed') return;
    if (core.state === 'truncating') await core.writer.whenIdle();
    if (core.state !== 'online') {
      const wasTruncating = core.state === 'truncating';
      if (wasTruncating) core.abandoned();
      core.release();
      if (!wasTruncating) return;
      throw new LogError('LOG_CLOSED', `${core.folder} was closed before it could be cut to its durable end`);
    }
    await core.closing();
    core.release();
  }

  /** Puts the log offline; for a log directory that has failed. Appends and reads are refused from now on. */
  fail(error: unknown): void {
    this.#core.failed(error);
  }

  /** Stops at once, without writing anything more; for a log that is deleted or whose directory is gone. */
  async abandon(): Promise<void> {
    this.#core.abandoned();
    await this.#core.writer.whenIdle();
    this.#core.release();
  }
}

function subscribe<T>(listeners: Set<T>, listener: T): Unsubscribe {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
