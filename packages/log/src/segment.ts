import {
  BATCH_HEADER_BYTES,
  BatchFault,
  batchLastOffset,
  batchMaxTimestamp,
  batchRecordCount,
  batchSizeBytes,
  checkBatch,
  NO_TIMESTAMP,
} from '@millrace/records';
import { type BatchVisitor, SCAN_CHUNK_BYTES, type ScanEnd, scanBatches } from './batch-scan.ts';
import { CorruptLogError } from './errors.ts';
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
import type { TimestampOffset } from './log-types.ts';
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from './offset-index.ts';
import type { OpenFiles, PooledFile } from './open-files.ts';
import { firstRecordFrom } from './record-search.ts';
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';

/** The largest distance of an offset from its segment's base: indexes hold it as an int32. */
export const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;

/** Read beyond what was asked for, to find the first batch in the same go: an index interval and room for some batches. */
const LOCATE_BYTES = 16 * 1024;

/** What the segments of all partitions share. */
export interface SegmentFiles {
  readonly files: OpenFiles;
  readonly indexCache: IndexCache;
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

const NOTHING = Buffer.alloc(0);

/**
 * A stretch of a partition's log: the `.log` file with the batches, and the indexes beside it (Kafka's `LogSegment`).
 *
 * Only the partition's writer changes files, one call at a time. `sizeBytes` runs ahead of `writtenBytes`: it counts batches
 * that have their offsets but wait for the writer.
 */
export class Segment {
  readonly folder: string;
  readonly baseOffset: number;
  readonly log: PooledFile;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  readonly transactionIndex: TransactionIndex;
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
    this.folder = folder;
    this.baseOffset = baseOffset;
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
    this.#noteBatch(lastOffset, maxTimestamp, this.sizeBytes, sizeBytes, indexIntervalBytes);
    this.sizeBytes += sizeBytes;
  }

  /** Whether `sizeBytes` more, up to `lastOffset`, belong into a new segment (Kafka's `LogSegment.shouldRoll`). */
  mustRollFor(sizeBytes: number, lastOffset: number, maxTimestamp: number, nowMs: number, config: LogConfig): boolean {
    if (lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (this.sizeBytes === 0) return false;
    if (this.sizeBytes > config.segmentBytes - sizeBytes) return true;
    if (this.offsetIndex.entries.entryCount >= Math.floor(config.segmentIndexBytes / OFFSET_INDEX_ENTRY_BYTES))
      return true;
    // The last place is kept for the entry that is forced when the segment closes.
    if (this.timeIndex.entries.entryCount >= Math.floor(config.segmentIndexBytes / TIME_INDEX_ENTRY_BYTES) - 1)
      return true;
    const first = this.firstTimestamp ?? NO_TIMESTAMP;
    const waitedMs = first >= 0 ? maxTimestamp - first : nowMs - this.createdMs;
    return waitedMs > segmentMsOf(config) - this.jitterMs;
  }

  /** The largest timestamp of the segment; that of an empty segment is -1. */
  largestTimestamp(): LargestTimestamp | Promise<LargestTimestamp> {
    if (this.#largestKnown) return { timestamp: this.#largestTimestamp, offset: this.#largestOffset };
    return this.#loadLargestTimestamp();
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

  /** Adds the last entry of the time index, which says what the largest timestamp of the whole segment is. */
  closeTimeIndex(): void {
    if (this.#largestKnown && this.#largestTimestamp >= 0) {
      this.timeIndex.append(this.#largestTimestamp, this.#largestOffset - this.baseOffset);
    }
  }

  /**
   * Whole batches from the one that holds `fromOffset` (or the first behind it), below `upperOffset`, within `bytesMax`
   * unless the first alone is larger and `minOneBatch` is set. Empty when there are none; undefined when the first does not
   * fit, so that nobody goes on to the next segment.
   *
   * @throws CorruptLogError when the first of them is damaged; the error of the disk
   */
  async read(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    minOneBatch: boolean,
  ): Promise<Buffer | undefined> {
    let position = await this.#positionBefore(fromOffset);
    return this.log.use(async (file) => {
      for (;;) {
        const available = this.writtenBytes - position;
        if (available <= 0) return NOTHING;
        const chunk = await file.read(position, Math.min(available, bytesMax + LOCATE_BYTES));
        const start = this.#skipBelow(chunk, fromOffset, position);
        if (start.found) {
          const first = await this.#wholeBatch(chunk, start.at, position, bytesMax, minOneBatch);
          return first && this.#takeBatches(first, position + start.at, upperOffset, bytesMax);
        }
        if (start.at === 0) throw this.#damaged(position, 'the file ends within a batch');
        position += start.at;
      }
    });
  }

  /** Shows the batches from `start` up to what is written; see {@link scanBatches}. */
  scan(start: number, visit: BatchVisitor, options: { crc: boolean; chunkBytes?: number }): Promise<ScanEnd> {
    if (start >= this.writtenBytes) return Promise.resolve({ position: start, fault: undefined });
    return this.log.use((file) => scanBatches(file, start, this.writtenBytes, visit, options));
  }

  /** Where the first batch starts whose last offset is not below `offset`; the end when there is none. */
  async positionOf(offset: number): Promise<number> {
    const start = await this.#positionBefore(offset);
    const end = await this.scan(start, (buffer, at) => batchLastOffset(buffer, at) < offset, {
      crc: false,
      chunkBytes: LOCATE_BYTES,
    });
    return end.position;
  }

  /** The first record with at least this timestamp and this offset, in offset order. */
  async findTimestamp(
    timestamp: number,
    startOffset: number,
    upperOffset: number,
  ): Promise<TimestampOffset | undefined> {
    const relative = await this.#withIndexes(() => this.timeIndex.offsetBefore(timestamp, this.writtenBytes));
    const start = await this.#positionBefore(Math.max(relative + this.baseOffset, startOffset));
    let found: TimestampOffset | undefined;
    await this.scan(
      start,
      (buffer, at) => {
        const lastOffset = batchLastOffset(buffer, at);
        if (lastOffset >= upperOffset) return false;
        if (lastOffset < startOffset || batchMaxTimestamp(buffer, at) < timestamp) return true;
        found = firstRecordFrom(buffer.subarray(at, at + batchSizeBytes(buffer, at)), timestamp, startOffset);
        return found === undefined;
      },
      { crc: true },
    );
    return found;
  }

  /**
   * Brings a segment that was there before this process into a state to append to. Index entries up to `trustedOffset` are
   * kept where they are sane; what lies behind the last of them is scanned and indexed again, up to the first damaged batch.
   *
   * @returns from where it was scanned, where the good batches end, and what is wrong there; the caller decides about truncating
   */
  async recover(
    trustedOffset: number,
    config: LogConfig,
    crc: boolean,
    visit: BatchVisitor,
  ): Promise<ScanEnd & { start: number }> {
    const start = await this.#keepTrustedEntries(trustedOffset);
    this.firstTimestamp = undefined;
    this.#bytesSinceIndexEntry = 0;
    if (start > 0) await this.#readFirstTimestamp();
    const end = await this.scan(
      start,
      (buffer, at, position) => {
        const maxTimestamp = indexedTimestamp(buffer, at);
        this.firstTimestamp ??= maxTimestamp;
        this.#noteBatch(
          batchLastOffset(buffer, at),
          maxTimestamp,
          position,
          batchSizeBytes(buffer, at),
          // The batch of the last trusted entry has its entry.
          position === start && start > 0 ? Number.POSITIVE_INFINITY : config.indexIntervalBytes,
        );
        return visit(buffer, at, position);
      },
      { crc },
    );
    return { ...end, start };
  }

  /** Writes bytes of the log's file again as they are, so that the next sync covers them whatever became of earlier ones. */
  async rewrite(start: number, end: number): Promise<void> {
    if (start >= end) return;
    await this.log.use(async (file) => {
      for (let position = start; position < end; position += SCAN_CHUNK_BYTES) {
        const chunk = await file.read(position, Math.min(SCAN_CHUNK_BYTES, end - position));
        await file.write(position, [chunk], { sync: false });
      }
    });
  }

  /** Makes the batches durable that are in the file. */
  syncLog(): Promise<void> {
    return this.log.use((file) => file.sync(), { create: true });
  }

  /** Cuts the segment's file, durably. Indexes must be put right after that. */
  async truncateFile(sizeBytes: number): Promise<void> {
    await this.log.use(
      async (file) => {
        await file.truncate(sizeBytes);
        await file.sync();
      },
      { create: true },
    );
    this.sizeBytes = sizeBytes;
    this.writtenBytes = sizeBytes;
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
    this.log.close();
    this.offsetIndex.entries.release();
    this.timeIndex.entries.release();
    this.transactionIndex.release();
  }

  #noteBatch(
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
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(lastOffset - this.baseOffset, position);
      this.timeIndex.append(this.#largestTimestamp, this.#largestOffset - this.baseOffset);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += sizeBytes;
  }

  #positionBefore(offset: number): number | Promise<number> {
    const relative = Math.min(offset - this.baseOffset, RELATIVE_OFFSET_MAX);
    return this.#withIndexes(() => this.offsetIndex.positionBefore(relative, this.sizeBytes));
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

  async #loadLargestTimestamp(): Promise<LargestTimestamp> {
    const last = await this.#withIndexes(() => this.timeIndex.last(this.sizeBytes));
    if (!this.#largestKnown) {
      this.#largestKnown = true;
      this.#largestTimestamp = last.timestamp;
      this.#largestOffset = last.timestamp < 0 ? -1 : this.baseOffset + last.relativeOffset;
    }
    return { timestamp: this.#largestTimestamp, offset: this.#largestOffset };
  }

  /** Passes over the batches below an offset. `found` is false when the chunk ends before another batch's header is whole. */
  #skipBelow(chunk: Buffer, fromOffset: number, position: number): { at: number; found: boolean } {
    let at = 0;
    while (chunk.length - at >= HEADER_BYTES_LOOKED_AT) {
      if (batchLastOffset(chunk, at) >= fromOffset) return { at, found: true };
      const sizeBytes = batchSizeBytes(chunk, at);
      if (sizeBytes < BATCH_HEADER_BYTES) throw this.#damaged(position + at, BatchFault.BAD_SIZE);
      at += sizeBytes;
    }
    return { at, found: false };
  }

  /** The part of the chunk that starts at the first batch; read again where the batch is not whole in it. */
  async #wholeBatch(
    chunk: Buffer,
    at: number,
    position: number,
    bytesMax: number,
    minOneBatch: boolean,
  ): Promise<Buffer | undefined> {
    const sizeBytes = batchSizeBytes(chunk, at);
    if (sizeBytes > bytesMax && !minOneBatch) return undefined;
    if (at + sizeBytes <= chunk.length) return chunk.subarray(at);
    if (sizeBytes > this.writtenBytes - position - at) throw this.#damaged(position + at, BatchFault.BAD_SIZE);
    const wanted = Math.min(Math.max(sizeBytes, bytesMax), this.writtenBytes - position - at);
    return this.log.use((file) => file.read(position + at, wanted));
  }

  /** The whole batches at the beginning of `bytes`, checked as they come from the disk. */
  #takeBatches(bytes: Buffer, position: number, upperOffset: number, bytesMax: number): Buffer {
    let end = 0;
    while (end < bytes.length) {
      const fault = checkBatch(bytes, end);
      if (fault === BatchFault.TRUNCATED && end > 0) break;
      if (fault !== undefined) {
        // Good batches before the damaged one are given out; the next read starts at the damage and fails.
        if (end > 0) break;
        throw this.#damaged(position, fault);
      }
      if (batchLastOffset(bytes, end) >= upperOffset) break;
      const next = end + batchSizeBytes(bytes, end);
      if (end > 0 && next > bytesMax) break;
      end = next;
    }
    return bytes.subarray(0, end);
  }

  #damaged(position: number, fault: string): CorruptLogError {
    return new CorruptLogError(this.log.path, position, fault);
  }

  /** Keeps the entries of both index files up to an offset, as far as they are sane, and says from where to scan. */
  async #keepTrustedEntries(trustedOffset: number): Promise<number> {
    const offsets = await this.offsetIndex.entries.readStored();
    let keptBytes = 0;
    let lastRelative = -1;
    let position = 0;
    for (let at = 0; at + OFFSET_INDEX_ENTRY_BYTES <= offsets.length; at += OFFSET_INDEX_ENTRY_BYTES) {
      const relative = offsets.readInt32BE(at);
      const entryPosition = offsets.readInt32BE(at + 4);
      const inOrder = relative > lastRelative && entryPosition > position && entryPosition < this.writtenBytes;
      if (!inOrder || this.baseOffset + relative >= trustedOffset) break;
      lastRelative = relative;
      position = entryPosition;
      keptBytes = at + OFFSET_INDEX_ENTRY_BYTES;
    }
    // The last entry may be one that was forced when the segment was closed, for what lies behind the offset index's last.
    const lastTrusted = Math.min(trustedOffset - this.baseOffset - 1, RELATIVE_OFFSET_MAX);
    const last = await this.timeIndex.keepUpTo(lastTrusted);
    if (last.timestamp < 0 && keptBytes > 0) {
      // The time index is gone, and only a look at every batch brings it back.
      keptBytes = 0;
      position = 0;
    }
    this.#largestKnown = true;
    this.#largestTimestamp = last.timestamp;
    this.#largestOffset = last.timestamp < 0 ? -1 : this.baseOffset + last.relativeOffset;
    await this.offsetIndex.entries.keep(keptBytes);
    return position;
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
    const end = await this.scan(
      0,
      (buffer, at, position) => {
        const sizeBytes = batchSizeBytes(buffer, at);
        this.#noteBatch(
          batchLastOffset(buffer, at),
          indexedTimestamp(buffer, at),
          position,
          sizeBytes,
          indexIntervalBytes,
        );
        return true;
      },
      { crc: false },
    );
    if (end.fault !== undefined) throw this.#damaged(end.position, end.fault);
    this.#largestKnown = true;
    this.closeTimeIndex();
    await this.flushIndexes({ sync: true });
  }
}

/**
 * The timestamp that a batch counts with in the time index. One that compaction has left no record of counts with none, whatever
 * its header says: nobody would find a record with it.
 */
export function indexedTimestamp(buffer: Buffer, at: number): number {
  return batchRecordCount(buffer, at) === 0 ? NO_TIMESTAMP : batchMaxTimestamp(buffer, at);
}

/** `segment.ms`, or less where records must be compacted before that: the active segment never is (Kafka's `LogConfig.maxSegmentMs`). */
function segmentMsOf({ cleanupPolicy, segmentMs, maxCompactionLagMs }: LogConfig): number {
  return cleanupPolicy.includes('compact') ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;
}

/** Bytes of a header that are looked at to pass over a batch: up to the last offset delta. */
const HEADER_BYTES_LOOKED_AT = 27;
/** The interval of indexes that are rebuilt for reading, whatever the topic's setting is: Kafka's default. */
const INDEX_INTERVAL_BYTES_REBUILT = 4096;
