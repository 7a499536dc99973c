import type { Disk } from '@millrace/ports';
import {
  BatchFault,
  batchBaseOffset,
  batchIsControl,
  batchLastOffset,
  batchRecordCount,
  batchSizeBytes,
  RecordCursor,
  RecordsError,
} from '@millrace/records';
import { scanBatches } from '../batch-scan.ts';
import { endMarkerOf } from '../end-marker.ts';
import { isWrongKind, MalformedFileError, messageOf } from '../errors.ts';
import {
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetFileName,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from '../file-names.ts';
import { indexedTimestamp } from '../time-index.ts';
import { type LogFileEntry, readLogFile } from './file-entries.ts';

/** Something that is not as it should be, in one file of a partition. */
export interface SegmentProblem {
  readonly file: string;
  /** Byte in the file; undefined where it is about the whole file. */
  readonly position: number | undefined;
  readonly problem: string;
  /** The end of the last segment, torn by a crash: the next start cuts it off, and nothing acknowledged is lost. */
  readonly isTornEnd: boolean;
}

/** What was seen of a segment. */
export interface SegmentSummary {
  readonly batches: number;
  readonly records: number;
  readonly sizeBytes: number;
  /** Where the segment's records end; the next begins there or behind. */
  readonly endOffset: number;
}

/** What a segment is held against. */
export interface SegmentChecks {
  /** Offset that its first batch must not be below. */
  readonly startOffset: number;
  /** Whether it is the last of its partition, where a crash may have torn the last write. */
  readonly isLast: boolean;
  /** Whether records are decoded, too. */
  readonly deep: boolean;
  readonly problem: (problem: SegmentProblem) => void;
  /** Called as the log is read, with the bytes since the last call. */
  readonly progress: (sizeBytes: number) => void;
}

interface OffsetIndexEntry {
  readonly offset: number;
  readonly position: number;
}

interface TimeIndexEntry {
  readonly timestamp: number;
  readonly offset: number;
}

/** Bytes between two reports of progress. */
const PROGRESS_BYTES = 4 * 1024 * 1024;

/** Reads one segment from its first byte to its last and holds its indexes against it. Throws only what the disk throws. */
export async function verifySegment(
  disk: Disk,
  folder: string,
  baseOffset: number,
  checks: SegmentChecks,
): Promise<SegmentSummary> {
  return new SegmentVerification(disk, folder, baseOffset, checks).run();
}

/** What {@link verifySegmentFiles} is told. */
export interface VerifySegmentOptions {
  readonly onProblem: (problem: SegmentProblem) => void;
  /** Whether records are decompressed and decoded, too. Default false. */
  readonly deep?: boolean;
}

/**
 * Holds the files of one segment against each other: CRCs, offsets in order, indexes that lead where they say. Changes nothing.
 *
 * @throws the disk's error
 */
export function verifySegmentFiles(
  disk: Disk,
  folder: string,
  baseOffset: number,
  { onProblem, deep = false }: VerifySegmentOptions,
): Promise<SegmentSummary> {
  const checks = { startOffset: baseOffset, isLast: false, deep, problem: onProblem, progress: () => {} };
  return verifySegment(disk, folder, baseOffset, checks);
}

class SegmentVerification {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #baseOffset: number;
  readonly #checks: SegmentChecks;
  /** What is left of each index while the log is read; the first entry is the one that comes next. */
  #offsets: OffsetIndexEntry[] = [];
  #times: TimeIndexEntry[] = [];
  /** Offsets of the markers that the transaction index says are there. */
  readonly #markers = new Set<number>();
  #nextOffset = 0;
  #nextTime = 0;
  #batches = 0;
  #records = 0;
  #endOffset: number;
  #largestTimestamp = -1;
  #reportedBytes = 0;

  constructor(disk: Disk, folder: string, baseOffset: number, checks: SegmentChecks) {
    this.#disk = disk;
    this.#folder = folder;
    this.#baseOffset = baseOffset;
    this.#checks = checks;
    this.#endOffset = Math.max(baseOffset, checks.startOffset);
  }

  async run(): Promise<SegmentSummary> {
    await this.#readIndexes();
    try {
      return await this.#readLog();
    } catch (error) {
      if (!isWrongKind(error)) throw error;
      this.#report(LOG_SUFFIX, undefined, messageOf(error));
      return { batches: 0, records: 0, sizeBytes: 0, endOffset: this.#endOffset };
    }
  }

  async #readLog(): Promise<SegmentSummary> {
    const file = await this.#disk.open(this.#path(LOG_SUFFIX), { readOnly: true });
    try {
      const sizeBytes = await file.size();
      const end = await scanBatches(file, 0, sizeBytes, (b, at, position) => this.#visit(b, at, position), {
        crc: true,
      });
      if (end.fault !== undefined) this.#reportFault(end.position, end.fault);
      this.#checks.progress(sizeBytes - this.#reportedBytes);
      if (end.fault === undefined) this.#reportUnmatched();
      return { batches: this.#batches, records: this.#records, sizeBytes, endOffset: this.#endOffset };
    } finally {
      await file.close();
    }
  }

  #visit(b: Buffer, at: number, position: number): boolean {
    this.#batches += 1;
    this.#records += batchRecordCount(b, at);
    const baseOffset = batchBaseOffset(b, at);
    if (baseOffset < this.#endOffset) {
      this.#report(LOG_SUFFIX, position, `offset ${baseOffset} comes behind offset ${this.#endOffset - 1}`);
    }
    const lastOffset = batchLastOffset(b, at);
    this.#endOffset = Math.max(this.#endOffset, lastOffset + 1);
    if (this.#checks.deep) this.#decode(b, at, position);
    this.#matchOffsets(position, lastOffset);
    this.#largestTimestamp = Math.max(this.#largestTimestamp, indexedTimestamp(b, at));
    this.#matchTimes(baseOffset, lastOffset);
    if (this.#markers.size > 0 && batchIsControl(b, at) && endMarkerOf(b, at)?.isCommit === false) {
      this.#markers.delete(baseOffset);
    }
    if (position - this.#reportedBytes >= PROGRESS_BYTES) {
      this.#checks.progress(position - this.#reportedBytes);
      this.#reportedBytes = position;
    }
    return true;
  }

  #decode(b: Buffer, at: number, position: number): void {
    const lastOffset = batchLastOffset(b, at);
    try {
      const cursor = new RecordCursor(b.subarray(at, at + batchSizeBytes(b, at)));
      let previous = batchBaseOffset(b, at) - 1;
      while (cursor.next()) {
        if (cursor.offset <= previous || cursor.offset > lastOffset) {
          this.#report(LOG_SUFFIX, position, `record ${cursor.index} of the batch has offset ${cursor.offset}`);
          return;
        }
        previous = cursor.offset;
      }
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      this.#report(LOG_SUFFIX, position, error.message);
    }
  }

  /** Entries of the offset index stand for batches at exactly their position, and hold those's last offsets. */
  #matchOffsets(position: number, lastOffset: number): void {
    for (; this.#nextOffset < this.#offsets.length; this.#nextOffset += 1) {
      const entry = this.#offsets[this.#nextOffset]!;
      if (entry.position > position) return;
      if (entry.position === position && entry.offset === lastOffset) continue;
      const found = entry.position === position ? `a batch that ends at offset ${lastOffset}` : 'the middle of a batch';
      this.#report(
        OFFSET_INDEX_SUFFIX,
        this.#nextOffset * 8,
        `offset ${entry.offset} leads to byte ${entry.position}, which is ${found}`,
      );
    }
  }

  /** Entries of the time index hold the largest timestamp of all batches up to the one that holds their offset. */
  #matchTimes(baseOffset: number, lastOffset: number): void {
    for (; this.#nextTime < this.#times.length; this.#nextTime += 1) {
      const entry = this.#times[this.#nextTime]!;
      if (entry.offset > lastOffset) return;
      if (entry.offset >= baseOffset && entry.timestamp === this.#largestTimestamp) continue;
      const found =
        entry.offset < baseOffset
          ? 'which no batch has'
          : `up to which ${this.#largestTimestamp} is the largest timestamp`;
      const what = `timestamp ${entry.timestamp} leads to offset ${entry.offset}, ${found}`;
      this.#report(TIME_INDEX_SUFFIX, this.#nextTime * 12, what);
    }
  }

  #reportUnmatched(): void {
    for (; this.#nextOffset < this.#offsets.length; this.#nextOffset += 1) {
      const { offset, position } = this.#offsets[this.#nextOffset]!;
      this.#report(
        OFFSET_INDEX_SUFFIX,
        this.#nextOffset * 8,
        `offset ${offset} leads to byte ${position}, behind the end of the log`,
      );
    }
    for (; this.#nextTime < this.#times.length; this.#nextTime += 1) {
      const { timestamp, offset } = this.#times[this.#nextTime]!;
      this.#report(
        TIME_INDEX_SUFFIX,
        this.#nextTime * 12,
        `timestamp ${timestamp} leads to offset ${offset}, behind the end of the log`,
      );
    }
    for (const offset of this.#markers) {
      this.#report(TRANSACTION_INDEX_SUFFIX, undefined, `there is no abort marker at offset ${offset}`);
    }
  }

  #reportFault(position: number, fault: string): void {
    const { isLast } = this.#checks;
    const file = offsetFileName(this.#baseOffset, LOG_SUFFIX);
    const problem = `the batch at offset ${this.#endOffset} or behind is damaged (${fault})`;
    this.#checks.problem({ file, position, problem, isTornEnd: isLast && fault === BatchFault.TRUNCATED });
  }

  async #readIndexes(): Promise<void> {
    this.#offsets = await this.#entries(OFFSET_INDEX_SUFFIX, (entry) =>
      entry.kind === 'offsetIndex' ? entry : undefined,
    );
    this.#checkOrder(OFFSET_INDEX_SUFFIX, 8, this.#offsets, (a, b) => a.offset < b.offset && a.position < b.position);
    this.#times = await this.#entries(TIME_INDEX_SUFFIX, (entry) => (entry.kind === 'timeIndex' ? entry : undefined));
    this.#checkOrder(TIME_INDEX_SUFFIX, 12, this.#times, (a, b) => a.timestamp < b.timestamp && a.offset < b.offset);
    const aborted = await this.#entries(TRANSACTION_INDEX_SUFFIX, (entry) =>
      entry.kind === 'aborted' ? entry : undefined,
    );
    for (const { lastOffset } of aborted) this.#markers.add(lastOffset);
  }

  #checkOrder<T>(suffix: string, entryBytes: number, entries: readonly T[], inOrder: (a: T, b: T) => boolean): void {
    const wrong = entries.findIndex((entry, index) => index > 0 && !inOrder(entries[index - 1]!, entry));
    if (wrong >= 0) this.#report(suffix, wrong * entryBytes, 'its entries are out of order');
  }

  /** What an index holds; nothing of one that is not there, which the next start builds anew. */
  async #entries<T>(suffix: string, take: (entry: LogFileEntry) => T | undefined): Promise<T[]> {
    const entries: T[] = [];
    if ((await this.#disk.stat(this.#path(suffix))) === undefined) return entries;
    try {
      await readLogFile(this.#disk, this.#path(suffix), (entry) => {
        const taken = take(entry);
        if (taken !== undefined) entries.push(taken);
        return true;
      });
    } catch (error) {
      if (!(error instanceof MalformedFileError || isWrongKind(error))) throw error;
      this.#report(suffix, undefined, messageOf(error));
    }
    return entries;
  }

  #report(suffix: string, position: number | undefined, problem: string): void {
    const file = offsetFileName(this.#baseOffset, suffix);
    this.#checks.problem({ file, position, problem, isTornEnd: false });
  }

  #path(suffix: string): string {
    return `${this.#folder}/${offsetFileName(this.#baseOffset, suffix)}`;
  }
}
