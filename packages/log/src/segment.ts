import { BATCH_HEADER_BYTES, batchLastOffset, batchSizeBytes, NO_TIMESTAMP } from '@millrace/records';
import { BatchOrder, CertainBatches } from './batch-order.ts';
import { type BatchVisitor, type ScanEnd, type ScanOptions, scanBatches } from './batch-scan.ts';
import { isShortage } from './errors.ts';
import {
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetFileName,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './file-names.ts';
import type { IndexCache } from './index-cache.ts';
import { isUnusableIndex } from './index-file.ts';
import type { LogConfig } from './log-config.ts';
import {
  firstPositionBehind,
  type IndexEntry,
  lastPositionBefore,
  OFFSET_INDEX_ENTRY_BYTES,
  OffsetIndex,
  SEGMENT_START,
} from './offset-index.ts';
import type { OpenFiles, PooledFile } from './open-files.ts';
import type { ReadMemory } from './read-memory.ts';
import { ReadPlaces } from './read-places.ts';
import { indexedTimestamp, NO_ENTRY, TIME_INDEX_ENTRY_BYTES, TimeIndex, type TimeIndexEntry } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';

export { indexedTimestamp } from './time-index.ts';

/** The largest distance of an offset from its segment's base: indexes hold it as an int32. */
export const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;

/** What the segments of all partitions share. */
export interface SegmentFiles {
  readonly files: OpenFiles;
  readonly indexCache: IndexCache;
  readonly readMemory: ReadMemory;
  /** Index entries kept in memory before they are written. */
  readonly indexTailEntriesMax: number;
}

/** What a folder tells of a segment that was there before this process. */
export interface StoredSegment {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Whether there is a transaction index. */
  readonly hasTransactions: boolean;
}

/** A segment's largest timestamp, and the last offset of the batch that holds it. */
export interface LargestTimestamp {
  readonly timestamp: number;
  readonly offset: number;
}

/**
 * A stretch of a partition's log: the `.log` file with the batches, and the indexes beside it (Kafka's `LogSegment`).
 *
 * Only the partition's writer changes files, one call at a time. `sizeBytes` runs ahead of `writtenBytes`: it counts batches
 * that have their offsets but wait for the writer.
 */
export class Segment {
  readonly baseOffset: number;
  readonly log: PooledFile;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  readonly transactionIndex: TransactionIndex;
  readonly readPlaces: ReadPlaces;
  readonly createdMs: number;
  readonly jitterMs: number;
  /** Last change of a file that was there before this process; counts where no record has a timestamp. */
  readonly modifiedMs: number;
  /** Bytes of all batches that have a place here. */
  sizeBytes: number;
  /** Bytes that are in the file. */
  writtenBytes: number;
  /** Whether the file was created and its name is durable. */
  isPrepared = false;
  /** The largest timestamp of the first batch: what `segment.ms` counts from. Undefined while not known. */
  firstTimestamp: number | undefined;
  /** Where a reader has met damage that is the log's own, so that it is not looked for twice. */
  damagedAt: number | undefined;
  #areIndexesWrong = false;
  /** False for a segment found on the disk until its largest timestamp is asked for. */
  #largestKnown: boolean;
  #largestTimestamp = NO_TIMESTAMP;
  #largestOffset = -1;
  #bytesSinceIndexEntry = 0;
  #rebuilding: Promise<void> | undefined;
  readonly #indexTailEntriesMax: number;

  constructor(
    folder: string,
    baseOffset: number,
    shared: SegmentFiles,
    options: {
      nowMs: number;
      jitterMs: number;
      stored?: StoredSegment;
      /** What the names of its files end in, behind their own suffix, for a segment that is not yet the log's. */
      nameSuffix?: string;
      /** Counts where no record has a timestamp; now for a segment that is new. */
      modifiedMs?: number;
    },
  ) {
    const { stored, nameSuffix = '' } = options;
    const file = (suffix: string): PooledFile =>
      shared.files.file(`${folder}/${offsetFileName(baseOffset, suffix)}${nameSuffix}`);
    const known = stored === undefined ? { count: 0, lastTimestamp: NO_TIMESTAMP } : undefined;
    this.#indexTailEntriesMax = shared.indexTailEntriesMax;
    this.baseOffset = baseOffset;
    this.readPlaces = new ReadPlaces(shared.readMemory);
    this.log = file(LOG_SUFFIX);
    this.offsetIndex = new OffsetIndex(file(OFFSET_INDEX_SUFFIX), shared.indexCache, known?.count);
    this.timeIndex = new TimeIndex(file(TIME_INDEX_SUFFIX), shared.indexCache, known);
    this.transactionIndex = new TransactionIndex(file(TRANSACTION_INDEX_SUFFIX), stored?.hasTransactions === true);
    this.createdMs = options.nowMs;
    this.jitterMs = options.jitterMs;
    this.modifiedMs = stored?.modifiedMs ?? options.modifiedMs ?? options.nowMs;
    this.sizeBytes = stored?.sizeBytes ?? 0;
    this.writtenBytes = this.sizeBytes;
    this.#largestKnown = this.sizeBytes === 0;
  }

  /** Notes a batch that gets its place at the end: sizes, timestamps, index entries. Nothing is written yet. */
  addBatch(lastOffset: number, maxTimestamp: number, sizeBytes: number, indexIntervalBytes: number): void {
    this.firstTimestamp ??= maxTimestamp;
    this.indexBatch(lastOffset, maxTimestamp, this.sizeBytes, sizeBytes, indexIntervalBytes);
    this.sizeBytes += sizeBytes;
  }

  /** Whether `sizeBytes` more, up to `lastOffset`, belong into a new segment (Kafka's `LogSegment.shouldRoll`). */
  mustRollFor(sizeBytes: number, lastOffset: number, maxTimestamp: number, nowMs: number, config: LogConfig): boolean {
    if (lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (this.sizeBytes === 0) return false;
    if (this.sizeBytes > config.segmentBytes - sizeBytes) return true;
    if (this.offsetIndex.entries.entryCount >= Math.floor(config.segmentIndexBytes / OFFSET_INDEX_ENTRY_BYTES)) {
      return true;
    }
    // The last place is kept for the entry that is forced when the segment closes.
    if (this.timeIndex.entries.entryCount >= Math.floor(config.segmentIndexBytes / TIME_INDEX_ENTRY_BYTES) - 1) {
      return true;
    }
    const first = this.firstTimestamp ?? NO_TIMESTAMP;
    const waitedMs = first >= 0 ? maxTimestamp - first : nowMs - this.createdMs;
    return waitedMs > segmentMsOf(config) - this.jitterMs;
  }

  /** The largest timestamp of the segment (that of an empty one is -1), as far as it is known: of one found on the disk it is not at first. */
  get knownLargest(): LargestTimestamp | undefined {
    if (!this.#largestKnown) return undefined;
    return { timestamp: this.#largestTimestamp, offset: this.#largestOffset };
  }

  /** Takes the last entry of the time index for the largest timestamp: the log has said the same. */
  believeLargest({ timestamp, relativeOffset }: TimeIndexEntry): void {
    this.#largestKnown = true;
    this.#largestTimestamp = timestamp;
    this.#largestOffset = timestamp < 0 ? -1 : this.baseOffset + relativeOffset;
  }

  /** The last entry of the time index, which may be wrong. */
  lastTimeEntry(): TimeIndexEntry | Promise<TimeIndexEntry> {
    return this.#withIndexes(() => this.timeIndex.last(this.sizeBytes));
  }

  /** Begins with the index entries that were kept: batches that are indexed come behind them. */
  async beginIndexing(position: number): Promise<void> {
    this.#areIndexesWrong = false;
    this.firstTimestamp = undefined;
    this.#bytesSinceIndexEntry = 0;
    if (position > 0) await this.#readFirstTimestamp();
  }

  /** The largest timestamp of the first batch; -1 when it has none, or there is no batch. */
  async loadFirstTimestamp(): Promise<number> {
    if (this.firstTimestamp === undefined && this.writtenBytes > 0) await this.#readFirstTimestamp();
    return this.firstTimestamp ?? NO_TIMESTAMP;
  }

  /** Whether index entries wait in memory in such number that they ought to be written. */
  get hasIndexBacklog(): boolean {
    return (
      this.offsetIndex.entries.tailCount >= this.#indexTailEntriesMax ||
      this.timeIndex.entries.tailCount >= this.#indexTailEntriesMax
    );
  }

  /** Writes index entries that are in memory only, and syncs the files where `sync` is set. Does nothing when nothing has changed. */
  async flushIndexes(options: { sync: boolean }): Promise<void> {
    await this.offsetIndex.entries.flush(options);
    await this.timeIndex.entries.flush(options);
    await this.transactionIndex.flush(options);
  }

  /** {@link flushIndexes}; false where there is no room for all of it. */
  async hasFlushedIndexes(): Promise<boolean> {
    try {
      await this.flushIndexes({ sync: false });
      return true;
    } catch (error) {
      if (!isShortage(error)) throw error;
      return false;
    }
  }

  /** Makes the files of indexes that have no entry. What cannot be made now is not missed: an index is built again when it is not there. */
  async createEmptyIndexes(): Promise<void> {
    if (this.writtenBytes === 0) return;
    try {
      await this.offsetIndex.entries.createEmpty();
      await this.timeIndex.entries.createEmpty();
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
  }

  /** Adds the last entry of the time index, which says what the largest timestamp of the whole segment is. */
  closeTimeIndex(): void {
    if (this.#largestKnown && this.#largestTimestamp >= 0 && this.#hasPlaceFor(this.#largestOffset)) {
      this.timeIndex.append(this.#largestTimestamp, this.#largestOffset - this.baseOffset);
    }
  }

  /** The last entry of the offset index at or before an offset; the beginning where there is none, or none to be believed. */
  entryBefore(offset: number): IndexEntry | Promise<IndexEntry> {
    if (this.#areIndexesWrong) return SEGMENT_START;
    const relative = Math.min(offset - this.baseOffset, RELATIVE_OFFSET_MAX);
    return this.#withIndexes(() => this.offsetIndex.entryBefore(relative, this.sizeBytes));
  }

  /** The last entry of the time index below a timestamp; none where there is none to be believed. */
  timeEntryBefore(timestamp: number): TimeIndexEntry | Promise<TimeIndexEntry> {
    if (this.#areIndexesWrong) return NO_ENTRY;
    return this.#withIndexes(() => this.timeIndex.entryBefore(timestamp, this.writtenBytes));
  }

  /** The log does not agree with an index: nobody looks there any more until they are built anew. */
  distrustIndexes(): void {
    this.#areIndexesWrong = true;
  }

  /** Whether the indexes are of no use until {@link rebuildIndexes}. */
  get areIndexesWrong(): boolean {
    return this.#areIndexesWrong;
  }

  /** Where a batch starts at or before a place, as far as the index knows such; else the beginning. */
  async batchStartBefore(position: number): Promise<number> {
    if (position <= 0 || this.#areIndexesWrong) return 0;
    const entries = await this.#withIndexes(() => this.offsetIndex.entries.all(this.sizeBytes));
    return lastPositionBefore(entries, position);
  }

  /** Where the next batch behind a place starts that the index knows of; undefined where there is none. */
  async batchStartBehind(position: number): Promise<number | undefined> {
    if (this.#areIndexesWrong) return undefined;
    return firstPositionBehind(await this.#withIndexes(() => this.offsetIndex.entries.all(this.sizeBytes)), position);
  }

  /** Bytes of the log from `position` on, no more than are written; the memory is the caller's. */
  read(position: number, length: number): Promise<Buffer> {
    return this.log.use((file) => file.read(position, Math.min(length, this.writtenBytes - position)));
  }

  /** Shows the batches from `start` up to what is written; see {@link scanBatches}. */
  scan(start: number, visit: BatchVisitor, options: ScanOptions): Promise<ScanEnd> {
    if (start >= this.writtenBytes) return Promise.resolve({ position: start, fault: undefined });
    return this.log.use((file) => scanBatches(file, start, this.writtenBytes, visit, options));
  }

  /** Makes the batches durable that are in the file. */
  syncLog(): Promise<void> {
    return this.log.use((file) => file.sync(), { create: true });
  }

  /** Cuts the segment's file, durably where `sync` is set. Indexes must be put right after that. */
  async truncateFile(sizeBytes: number, { sync }: { readonly sync: boolean }): Promise<void> {
    await this.log.use(
      async (file) => {
        await file.truncate(sizeBytes);
        if (sync) await file.sync();
      },
      { create: true },
    );
    this.sizeBytes = sizeBytes;
    this.writtenBytes = sizeBytes;
    this.readPlaces.clear();
  }

  /** Writes both indexes anew from the batches; for a segment that is not appended to. */
  rebuildIndexes(): Promise<void> {
    this.#rebuilding ??= this.#rebuildNow(INDEX_INTERVAL_BYTES_REBUILT).finally(() => {
      this.#rebuilding = undefined;
    });
    return this.#rebuilding;
  }

  /** Every file of the segment. */
  get files(): readonly PooledFile[] {
    const files = [this.log, this.offsetIndex.entries.file, this.timeIndex.entries.file];
    return this.transactionIndex.exists ? [...files, this.transactionIndex.file] : files;
  }

  /** Every file that the segment may have, the log first. */
  get allFiles(): readonly PooledFile[] {
    return [this.log, this.offsetIndex.entries.file, this.timeIndex.entries.file, this.transactionIndex.file];
  }

  /** Closes files and drops what is in memory. */
  release(): void {
    this.readPlaces.clear();
    this.log.close();
    this.offsetIndex.entries.release();
    this.timeIndex.entries.release();
    this.transactionIndex.release();
  }

  /** Notes a batch that stands at `position`: its timestamp, and where the interval is over an entry in each index. */
  indexBatch(
    lastOffset: number,
    maxTimestamp: number,
    position: number,
    sizeBytes: number,
    indexIntervalBytes: number,
  ): void {
    if (maxTimestamp > this.#largestTimestamp) {
      this.#largestTimestamp = maxTimestamp;
      this.#largestOffset = lastOffset;
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes && this.#hasPlaceFor(lastOffset)) {
      this.offsetIndex.append(lastOffset - this.baseOffset, position);
      this.timeIndex.append(this.#largestTimestamp, this.#largestOffset - this.baseOffset);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += sizeBytes;
  }

  /** Runs a search of an index; one that cannot be used is rebuilt from the log first. */
  #withIndexes<T>(search: () => T | Promise<T>): T | Promise<T> {
    const found = search();
    if (!(found instanceof Promise)) return found;
    return found.catch(async (error: unknown) => {
      if (!isUnusableIndex(error)) throw error;
      await this.rebuildIndexes();
      return search();
    });
  }

  /** Whether the indexes can tell of an offset. Earlier builds let clients write batches beyond; those are found by reading on. */
  #hasPlaceFor(offset: number): boolean {
    return offset - this.baseOffset <= RELATIVE_OFFSET_MAX;
  }

  async #readFirstTimestamp(): Promise<void> {
    const header = await this.log.use((file) => file.read(0, BATCH_HEADER_BYTES));
    this.firstTimestamp = indexedTimestamp(header, 0);
  }

  async #rebuildNow(indexIntervalBytes: number): Promise<void> {
    await this.offsetIndex.entries.keep(0);
    await this.timeIndex.keepUpTo(-1);
    this.#largestTimestamp = NO_TIMESTAMP;
    this.#largestOffset = -1;
    this.#bytesSinceIndexEntry = 0;
    // Searches that come meanwhile find fewer entries than there will be, which only makes them start further back.
    this.#areIndexesWrong = false;
    const certain = new CertainBatches(new BatchOrder(this.baseOffset), (buffer, at, position) => {
      const sizeBytes = batchSizeBytes(buffer, at);
      this.indexBatch(
        batchLastOffset(buffer, at),
        indexedTimestamp(buffer, at),
        position,
        sizeBytes,
        indexIntervalBytes,
      );
      return true;
    });
    const end = await this.scan(0, certain.take, { crc: false });
    // An offset that an index could not hold is certainly wrong; a last one that is only suspect is not the index's to judge.
    certain.finish(this.baseOffset + RELATIVE_OFFSET_MAX + 1);
    const { wrongAt } = certain;
    // Readers of what is damaged find out by themselves; the others need an index up to there.
    this.damagedAt = wrongAt ?? (end.fault === undefined ? undefined : end.position);
    this.#largestKnown = this.damagedAt === undefined;
    this.closeTimeIndex();
    await this.flushIndexes({ sync: true });
  }
}

/** `segment.ms`, or less where records must be compacted before that: the active segment never is (Kafka's `LogConfig.maxSegmentMs`). */
function segmentMsOf({ cleanupPolicy, segmentMs, maxCompactionLagMs }: LogConfig): number {
  return cleanupPolicy.includes('compact') ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;
}

/** The interval of indexes that are rebuilt for reading, whatever the topic's setting is: Kafka's default. */
const INDEX_INTERVAL_BYTES_REBUILT = 4096;
