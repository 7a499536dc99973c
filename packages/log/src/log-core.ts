import { dirname } from 'node:path/posix';
import { type DiskFile, invariant } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { type EpochStart, encodeEpochCheckpoint } from './checkpoint-file.ts';
import { type CorruptLogError, isShortage, messageOf } from './errors.ts';
import { LEADER_EPOCH_CHECKPOINT, offsetFileName, PRODUCER_SNAPSHOT_SUFFIX } from './file-names.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import type { LogContext } from './log-context.ts';
import type { LoadedLog } from './log-loader.ts';
import type { AppendResult, Checkpoint, LogState } from './log-types.ts';
import { LogWriter, type LogWriterHost } from './log-writer.ts';
import { newSegment } from './new-segment.ts';
import { cutProducers } from './producer-loader.ts';
import { encodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import { rewritePartitionMetadata } from './properties-files.ts';
import type { Segment } from './segment.ts';
import type { SegmentList } from './segment-list.ts';
import { recoverSegment } from './segment-recovery.ts';
import { positionOf } from './segment-search.ts';
import { DISK_FULL_PAUSE_MS, Shortage } from './shortage.ts';
import { TailCache } from './tail-cache.ts';

/** Snapshots kept beside those that stand at the beginning of a segment, as a second chance when one cannot be read. */
const SPARE_SNAPSHOTS = 1;

/** Bytes at a checkpoint that does not count. */
const NEVER = -1;

/** What a log tells those who look after it. */
export interface LogListeners {
  readonly appended: Set<(durableEndOffset: number) => void>;
  /** Awaited before a log is cut: what the checkpoint files say of it must not be more than what is left. */
  readonly checkpointLowered: Set<() => Promise<void>>;
  readonly failed: Set<(error: unknown) => void>;
  readonly short: Set<(lastedMs: number) => void>;
  readonly damaged: Set<(error: CorruptLogError) => void>;
}

/**
 * The state of a partition's log and the changes of it that files follow: roll, truncation, checkpoint. `Appender` and
 * `LogReader` work on it; `PartitionLog` is what others see.
 *
 * What appends change (offsets, producer state, index entries) changes at once; the writer brings the files after it.
 */
export class LogCore implements LogWriterHost {
  readonly context: LogContext;
  /** Changes when the log moves to another log directory. */
  folder: string;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochs;
  readonly tail: TailCache;
  readonly writer: LogWriter;
  readonly listeners: LogListeners = {
    appended: new Set(),
    checkpointLowered: new Set(),
    failed: new Set(),
    short: new Set(),
    damaged: new Set(),
  };
  producers: ProducerStates;
  config: LogConfig;
  state: LogState = 'online';
  failure: unknown;
  /** The offset that the next record gets. */
  nextOffset: number;
  logStartOffset: number;
  highWatermark: number;
  /** Below it, everything is on the disk for good, indexes included: recovery need not look there. */
  recoveryPoint: number;
  /** Compaction has been over everything below; undefined before the first time. */
  cleanedOffset: number | undefined;
  /** What was to be appended in an earlier leadership is too late: this log may follow another by now. */
  leaderEpochMin = -1;
  /** How often the log was cut: what was read of it before may not be in it any more. */
  truncations = 0;
  /** Whether the log is being moved: nothing but appends, cuts and retention may change it meanwhile. */
  isMoving = false;
  /** How often a move of the log has begun: what was being written beside its segments may not be beside them any more. */
  moves = 0;
  /** Whether a transaction index may have something in it. */
  hasAborted: boolean;
  readonly #snapshots: number[];
  #lastFlushMs: number;
  /** What of the writer's bytes lies below the recovery point. */
  #bytesCheckpointed = 0;
  /** The cut that is under way, or had to stop half way for want of room. */
  #cut: Cut | undefined;
  readonly #short: Shortage;

  constructor(context: LogContext, folder: string, config: LogConfig, loaded: LoadedLog, highWatermark: number) {
    this.context = context;
    this.#short = new Shortage(context.clock);
    this.folder = folder;
    this.config = config;
    this.segments = loaded.segments;
    this.producers = loaded.producers;
    this.epochs = loaded.epochs;
    this.nextOffset = loaded.logEndOffset;
    this.logStartOffset = Math.min(loaded.logStartOffset, loaded.logEndOffset);
    this.highWatermark = Math.min(Math.max(highWatermark, this.logStartOffset), loaded.logEndOffset);
    this.recoveryPoint = loaded.recoveryPoint;
    this.hasAborted = loaded.segments.all.some((segment) => !segment.transactionIndex.isEmpty);
    this.#snapshots = loaded.snapshots;
    this.#lastFlushMs = context.clock.now();
    this.tail = new TailCache(context.tailCacheBudget, context.tailCacheBytesMax);
    this.writer = new LogWriter(this, loaded.logEndOffset);
    this.producers.highWatermarkAdvanced(this.highWatermark);
  }

  get flushMessages(): number {
    return this.config.flushMessages;
  }

  /** Where read_committed readers stop: the first open transaction, or the high watermark. Never before the log's start. */
  get lastStableOffset(): number {
    const unstable = this.producers.firstUnstableOffset;
    if (unstable === undefined) return this.highWatermark;
    return Math.min(Math.max(unstable, this.logStartOffset), this.highWatermark);
  }

  /** Bytes that a scan would have to look at if the process stopped now. */
  get unrecoveredBytes(): number {
    return this.writer.bytesWritten - this.#bytesCheckpointed;
  }

  /** What the log is short of, if anything, and for how long. */
  get short(): Pick<Shortage, 'reason' | 'lastedMs' | 'cause'> {
    return this.#short;
  }

  /** Moves the high watermark on, never beyond what is durable here and never back. Tells whether it moved. */
  advanceHighWatermark(offset: number): boolean {
    const target = Math.min(offset, this.writer.durableEndOffset);
    if (target <= this.highWatermark) return false;
    this.highWatermark = target;
    this.producers.highWatermarkAdvanced(target);
    return true;
  }

  /**
   * Begins a new segment at the end of the log; the writer makes the files when its turn comes.
   *
   * @param baseOffset where the next batch begins, when that is so far behind the end that a segment from there could not hold it
   */
  roll(baseOffset = this.nextOffset): Segment {
    const sealed = this.segments.active;
    if (sealed.sizeBytes === 0 && baseOffset === sealed.baseOffset) return sealed;
    if (sealed.sizeBytes === 0) return this.#replaceEmpty(sealed, baseOffset);
    sealed.closeTimeIndex();
    const opened = newSegment(this.context, this.folder, baseOffset, this.config);
    this.segments.push(opened);
    const checkpoint = this.#takeCheckpoint();
    this.writer.step(async () => {
      const { bytesWritten } = this.writer;
      // What was cut off must not be found before a segment that is there.
      await this.#syncLog(sealed);
      await this.prepare(opened);
      await sealed.flushIndexes({ sync: true });
      await sealed.createEmptyIndexes();
      await this.#writeCheckpoint(checkpoint);
      this.#bytesCheckpointed = bytesWritten;
    });
    return opened;
  }

  #replaceEmpty(empty: Segment, baseOffset: number): Segment {
    this.segments.removeFrom(empty.baseOffset);
    const opened = newSegment(this.context, this.folder, baseOffset, this.config);
    this.segments.push(opened);
    this.writer.step(async () => {
      await this.prepare(opened);
      await this.#removeFiles(empty);
      await this.context.disk.syncFolder(this.folder);
    });
    return opened;
  }

  /** Makes everything that has its offset by now durable, and moves the recovery point there. */
  checkpoint(): Promise<void> {
    // Producers and indexes are yet to be those of the end that the log is cut to.
    if (this.state === 'truncating') return this.writer.task(async () => {});
    const checkpoint = this.#takeCheckpoint();
    return this.writer.task(async () => {
      const { bytesWritten } = this.writer;
      await this.#syncSegments();
      await this.#writeCheckpoint(checkpoint);
      this.#bytesCheckpointed = bytesWritten;
    });
  }

  /** A checkpoint behind which nothing more is written: every file is there that others than this log expect. */
  async lastCheckpoint(): Promise<void> {
    const { active } = this.segments;
    active.closeTimeIndex();
    await Promise.all([this.checkpoint(), this.writer.task(() => active.createEmptyIndexes())]);
  }

  /** Syncs what is written; for `flush.ms` and for whoever must be sure. */
  flush(): Promise<void> {
    return this.writer.task(async () => {
      if (this.writer.syncedEndOffset === this.writer.durableEndOffset) return;
      await this.#syncLog(this.segments.active);
      this.writer.syncedEndOffset = this.writer.durableEndOffset;
      this.#lastFlushMs = this.context.clock.now();
    });
  }

  /** Whether records wait for a sync longer than `flush.ms`. */
  isFlushDue(nowMs: number): boolean {
    const hasUnsynced = this.writer.syncedEndOffset < this.writer.durableEndOffset;
    return hasUnsynced && nowMs - this.#lastFlushMs >= this.config.flushMs;
  }

  /**
   * Takes over what a leader has answered: its high watermark, as far as this log goes, and its log start offset. Unlike a
   * leader's, a follower's high watermark may go down: the one it had may be of a leader that knew more. Tells whether it moved.
   */
  followLeader(highWatermark: number, logStartOffset: number): boolean {
    const target = Math.max(Math.min(highWatermark, this.writer.durableEndOffset), this.logStartOffset);
    const hasMoved = target !== this.highWatermark;
    this.highWatermark = target;
    if (hasMoved) this.producers.highWatermarkAdvanced(target);
    this.raiseLogStartOffset(Math.min(logStartOffset, target));
    this.#check();
    return hasMoved;
  }

  /** Cuts the log so that it ends at `offset`, behind all that is queued. Appends are refused meanwhile. */
  truncateTo(offset: number): Promise<void> {
    return this.#truncate(async () => {
      await this.#lowerCheckpoints(offset);
      await this.#cutEpochs(offset);
      // An epoch without records may have ended where the log does.
      if (offset < this.nextOffset) await this.goBackTo(offset);
    });
  }

  /** Where the file cannot be written, the log keeps its records and must go on saying of which epochs they are. */
  async #cutEpochs(offset: number): Promise<void> {
    const known = [...this.epochs.starts];
    this.epochs.follow();
    const starts = this.epochs.truncateFromEnd(offset);
    if (starts === undefined) return;
    try {
      await this.#storeEpochs(starts);
    } catch (error) {
      this.epochs.restore(known);
      throw error;
    }
  }

  /** Drops everything, what is known of producers and epochs too, so that the log is empty and begins at `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    return this.#truncate(async () => {
      await this.#lowerCheckpoints(offset);
      await this.#cutEpochs(0);
      this.producers = new ProducerStates(undefined, this.context.producerIdsMax);
      const doomed = this.segments.removeFrom(-1);
      this.segments.push(newSegment(this.context, this.folder, offset, this.config));
      this.#cut = { offset, isWritersEnd: true, startsOver: true, isRepeated: false, doomed, isRemovalDurable: false };
      this.logStartOffset = offset;
      this.recoveryPoint = offset;
      this.#endAt(offset);
      this.highWatermark = offset;
      await this.goBackTo(offset);
    });
  }

  /** What fails for want of room before anything is cut has not happened; from there on, it is brought to its end, whoever leads by then. */
  #truncate(run: () => Promise<void>): Promise<void> {
    if (this.state === 'online') this.state = 'truncating';
    return this.writer.task(async () => {
      try {
        if (this.#cut !== undefined) await this.goBackTo(this.#cut.offset);
        await run();
      } catch (error) {
        if (!isShortage(error)) this.failed(error);
        else if (this.#cut !== undefined) this.#goBackLater(error);
        else if (this.state === 'truncating') this.state = 'online';
        throw error;
      }
      if (this.state === 'truncating') this.state = 'online';
      this.#check();
    });
  }

  /**
   * Says in the checkpoints, before anything is cut, that the log may be trusted up to `offset` alone: what is written there
   * later is other records, which a start after a crash must scan.
   */
  async #lowerCheckpoints(offset: number): Promise<void> {
    const { recoveryPoint, logStartOffset } = this;
    if (offset >= recoveryPoint && offset >= logStartOffset) return;
    this.recoveryPoint = Math.min(recoveryPoint, offset);
    this.logStartOffset = Math.min(logStartOffset, offset);
    try {
      for (const listener of this.listeners.checkpointLowered) await listener();
    } catch (error) {
      // The next try must write them, and until then the log begins where it did.
      this.recoveryPoint = recoveryPoint;
      this.logStartOffset = logStartOffset;
      throw error;
    }
  }

  async #storeEpochs(starts: readonly EpochStart[]): Promise<void> {
    await this.context.disk.replaceFile(`${this.folder}/${LEADER_EPOCH_CHECKPOINT}`, encodeEpochCheckpoint(starts));
    this.epochs.stored(starts);
  }

  /** Raises the log start offset. Segments below it go when retention looks next. */
  raiseLogStartOffset(offset: number): void {
    if (offset <= this.logStartOffset) return;
    this.logStartOffset = offset;
    this.highWatermark = Math.max(this.highWatermark, offset);
    this.epochs.truncateFromStart(offset);
  }

  // What the writer asks for.

  async prepare(segment: Segment): Promise<void> {
    if (segment.isPrepared) return;
    await segment.log.use(async () => {}, { create: true });
    const { disk } = this.context;
    await disk.syncFolder(this.folder);
    // The partition's folder itself may be as new as its first record.
    if (segment === this.segments.first) {
      await rewritePartitionMetadata(disk, this.folder);
      await disk.syncFolder(dirname(this.folder));
    }
    segment.isPrepared = true;
  }

  written(endOffset: number): void {
    this.#short.isOver();
    for (const listener of this.listeners.appended) listener(endOffset);
  }

  async shortage(offset: number, cause: unknown): Promise<void> {
    if (this.state === 'failed') return;
    this.#short.pause(cause);
    await this.goBackTo(offset).catch((error: unknown) => this.#goBackLater(error));
    for (const listener of this.listeners.short) listener(this.#short.lastedMs);
  }

  /** Not even that is possible now. The log takes nothing until it is. */
  #goBackLater(error: unknown): void {
    if (!isShortage(error)) throw error;
    this.#short.lasts(error);
    const goOn = async (): Promise<void> => {
      if (this.#cut !== undefined) await this.shortage(this.#cut.offset, error);
    };
    this.context.clock.schedule(DISK_FULL_PAUSE_MS, () => {
      if (this.state === 'truncating') this.writer.task(goOn).catch((reason: unknown) => this.failed(reason));
    });
  }

  /**
   * Cuts the log so that it ends at `offset`. Runs in the writer's turn. From the first moment on nobody is told of what lies behind the
   * offset, so that a replica that comes to lead while the files lag behind counts on nothing that goes. May be called again after it
   * failed, for the same offset or one before it.
   */
  async goBackTo(offset: number): Promise<void> {
    this.state = 'truncating';
    this.truncations += 1;
    this.tail.clear();
    const cut = this.#cutTo(offset);
    await this.#removeDoomed(cut);
    if (this.segments.count === 1 && this.segments.first.writtenBytes === 0) await this.prepare(this.segments.first);
    await this.#cutActive(this.segments.active, cut);
    this.producers = await cutProducers(this, this.#snapshots, this.producers, offset);
    this.producers.highWatermarkAdvanced(this.highWatermark);
    this.#cut = undefined;
    this.#short.cutIsDone();
    if (this.state === 'truncating') this.state = 'online';
    this.#check();
  }

  /** Everything of a cut that is in memory: what others see. */
  #cutTo(offset: number): Cut {
    const before = this.#cut;
    // A log whose only segment begins there keeps it: without a file nobody knows after a crash where the log has ended.
    const isFirst = this.segments.count > 0 && this.segments.first.baseOffset === offset;
    const doomed = this.segments.removeFrom(isFirst ? offset + 1 : offset);
    if (this.segments.count === 0) this.segments.push(newSegment(this.context, this.folder, offset, this.config));
    const cut: Cut = {
      offset,
      isWritersEnd: offset === this.writer.durableEndOffset && before?.isWritersEnd !== false,
      startsOver: before?.startsOver ?? false,
      isRepeated: before !== undefined,
      doomed: [...(before?.doomed ?? []), ...doomed],
      isRemovalDurable: (before?.isRemovalDurable ?? true) && doomed.length === 0,
    };
    this.#cut = cut;
    if (this.cleanedOffset !== undefined) this.cleanedOffset = Math.min(this.cleanedOffset, offset);
    this.recoveryPoint = Math.min(this.recoveryPoint, offset);
    this.logStartOffset = Math.min(this.logStartOffset, offset);
    this.#endAt(offset);
    this.highWatermark = Math.max(Math.min(this.highWatermark, offset), this.logStartOffset);
    // The indexes are cut, which the next checkpoint has to sync even when nothing is written until then.
    this.#bytesCheckpointed = NEVER;
    this.epochs.truncateFromEnd(offset);
    // Where no leader asked for this cut, a log that leads goes on leading from there.
    this.epochs.leadOn(offset);
    return cut;
  }

  #endAt(offset: number): void {
    this.nextOffset = offset;
    this.writer.durableEndOffset = offset;
    this.writer.syncedEndOffset = offset;
  }

  /** Files first of all, and for good: a new one may get the name of one that goes. */
  async #removeDoomed(cut: Cut): Promise<void> {
    if (cut.startsOver) {
      for (let last = this.#snapshots.at(-1); last !== undefined; last = this.#snapshots.at(-1)) {
        await this.context.disk.remove(this.#snapshotPath(last));
        this.#snapshots.pop();
      }
    }
    for (let last = cut.doomed.at(-1); last !== undefined; last = cut.doomed.at(-1)) {
      await this.#removeFiles(last);
      cut.doomed.pop();
    }
    if (!cut.isRemovalDurable) await this.context.disk.syncFolder(this.folder);
    cut.isRemovalDurable = true;
  }

  /** Cuts what an append has left that threw half way, once all that came before it is written. */
  goBackBehindQueue(offset: number): void {
    if (this.state === 'online') this.state = 'truncating';
    this.writer
      .task(() => this.goBackTo(offset).catch((error: unknown) => this.#goBackLater(error)))
      .catch((error: unknown) => this.failed(error));
  }

  failed(error: unknown): void {
    if (this.state === 'failed') return;
    this.state = 'failed';
    this.failure = error;
    this.tail.clear();
    for (const listener of this.listeners.failed) listener(error);
  }

  /** A reader met damaged bytes; the log goes on, but somebody has to know. */
  damaged(error: CorruptLogError): void {
    for (const listener of this.listeners.damaged) listener(error);
  }

  refusal(error: unknown): AppendResult {
    return this.refuse(ErrorCode.KAFKA_STORAGE_ERROR, `The partition's disk refused the write: ${messageOf(error)}`);
  }

  /** An append's result for "no". */
  refuse(errorCode: number, errorMessage: string): AppendResult {
    const { logStartOffset } = this;
    return { errorCode, baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, logStartOffset, errorMessage };
  }

  /** Takes nothing more from now on, and has everything made durable: what the promise waits for. */
  closing(): Promise<void> {
    const done = this.lastCheckpoint();
    this.state = 'closed';
    return done;
  }

  /** Takes nothing more from now on; what is in the files stays as it is. */
  abandoned(): void {
    this.state = 'closed';
  }

  /** Closes files and drops memory. */
  release(): void {
    this.tail.clear();
    for (const segment of this.segments.all) segment.release();
  }

  /** Whether the next start knows the producers without a look at anything that stands below an offset. */
  knowsProducersFrom(offset: number): boolean {
    return this.producers.size === 0 || (this.#snapshots.at(-1) ?? -1) >= offset;
  }

  /** Forgets snapshots that stand before all segments but the last such one. */
  async dropOldSnapshots(): Promise<void> {
    const bases = new Set(this.segments.all.map((segment) => segment.baseOffset));
    const spares = this.#snapshots.filter((offset) => !bases.has(offset));
    const dropped = spares.slice(0, Math.max(spares.length - 1 - SPARE_SNAPSHOTS, 0));
    for (const offset of dropped) {
      this.#snapshots.splice(this.#snapshots.indexOf(offset), 1);
      await this.context.disk.remove(this.#snapshotPath(offset));
    }
  }

  #takeCheckpoint(): Checkpoint {
    const offset = this.nextOffset;
    const starts = this.epochs.unstored(offset);
    // A log that nobody ever wrote to needs no snapshot; any other does, or the next start would read all of it for one. An
    // empty log may know producers all the same: retention has taken all that they wrote.
    const isUntouched = offset === this.segments.first.baseOffset && this.producers.size === 0;
    const needsSnapshot = this.#snapshots.at(-1) !== offset && !isUntouched;
    return {
      offset,
      snapshot: needsSnapshot ? encodeProducerSnapshot(this.producers.entries) : undefined,
      epochs: starts,
    };
  }

  async #writeCheckpoint({ offset, snapshot, epochs }: Checkpoint): Promise<void> {
    const { disk } = this.context;
    if (epochs !== undefined) {
      await disk.replaceFile(`${this.folder}/${LEADER_EPOCH_CHECKPOINT}`, encodeEpochCheckpoint(epochs));
      this.epochs.stored(epochs);
    }
    if (snapshot !== undefined && this.#snapshots.at(-1) !== offset) {
      await disk.replaceFile(this.#snapshotPath(offset), snapshot);
      this.#snapshots.push(offset);
      await this.dropOldSnapshots();
    }
    this.recoveryPoint = Math.max(this.recoveryPoint, offset);
  }

  /** Syncs the segments that lie behind the recovery point. */
  async #syncSegments(): Promise<void> {
    const hasNewBytes = this.writer.bytesWritten !== this.#bytesCheckpointed;
    for (let index = Math.max(this.segments.indexOf(this.recoveryPoint), 0); index < this.segments.count; index += 1) {
      const segment = this.segments.at(index)!;
      if (hasNewBytes) await this.#syncLog(segment);
      await segment.flushIndexes({ sync: true });
    }
    this.writer.syncedEndOffset = this.writer.durableEndOffset;
    this.#lastFlushMs = this.context.clock.now();
  }

  /** A sync that fails may have lost what it was to write, and the next one would not say so: that is the end of such a log. */
  #syncLog(segment: Segment): Promise<void> {
    const sync = async (file: DiskFile): Promise<void> => {
      try {
        await file.sync();
      } catch (error) {
        const hasUnsynced = this.writer.syncedEndOffset < this.writer.durableEndOffset;
        if (hasUnsynced) this.failed(error);
        throw error;
      }
    };
    return segment.log.use(sync, { create: true });
  }

  async #cutActive(active: Segment, { offset, isWritersEnd, isRepeated }: Cut): Promise<void> {
    // Where one index was written and the other not, those behind the recovery point are made anew.
    const isIndexed = !isRepeated && !active.areIndexesWrong && (await active.hasFlushedIndexes());
    // Behind what is durable the writer knows the place, whatever is to be found in the file before it.
    const sizeBytes = isWritersEnd ? active.writtenBytes : await positionOf(active, offset);
    await active.truncateFile(sizeBytes, { sync: isWritersEnd });
    this.writer.mustSync ||= !isWritersEnd;
    await active.transactionIndex.truncateFrom(offset);
    await recoverSegment(active, isIndexed ? offset : this.recoveryPoint, this.config, false, () => true);
  }

  async #removeFiles(segment: Segment): Promise<void> {
    segment.release();
    for (const file of segment.files) await this.context.disk.remove(file.path);
  }

  #check(): void {
    invariant(
      () =>
        this.logStartOffset <= this.highWatermark &&
        this.highWatermark <= this.writer.durableEndOffset &&
        this.recoveryPoint <= this.writer.durableEndOffset &&
        this.writer.durableEndOffset <= this.nextOffset,
      `log start <= high watermark <= durable end <= end, recovery point <= durable end (${this.folder}: ${this.logStartOffset}, ${this.highWatermark}, ${this.writer.durableEndOffset}, ${this.nextOffset}; ${this.recoveryPoint})`,
    );
  }

  #snapshotPath(offset: number): string {
    return `${this.folder}/${offsetFileName(offset, PRODUCER_SNAPSHOT_SUFFIX)}`;
  }
}

/** A log that goes back to `offset`: what of it the files have yet to learn. */
interface Cut {
  readonly offset: number;
  /** Whether it was the end of what is durable before, so that the writer knows the place in the file. */
  readonly isWritersEnd: boolean;
  /** Whether the log begins anew there, and no producer of before is known. */
  readonly startsOver: boolean;
  /** Whether an earlier try has failed half way. */
  readonly isRepeated: boolean;
  /** Segments that are in the folder only. */
  readonly doomed: Segment[];
  isRemovalDurable: boolean;
}
