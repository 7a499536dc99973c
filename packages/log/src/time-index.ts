import { batchMaxTimestamp, batchRecordCount, NO_TIMESTAMP, readInt64, writeInt64 } from '@millrace/records';
import type { IndexCache } from './index-cache.ts';
import { IndexFile, type IndexFormat } from './index-file.ts';
import type { PooledFile } from './open-files.ts';

/** int64 timestamp, int32 offset less the segment's base offset (Kafka's `TimeIndex`). */
const FORMAT: IndexFormat = {
  entryBytes: 12,
  keyAt: (buffer, at) => readInt64(buffer, at),
  isSane: (buffer, at, previous) => {
    const offset = buffer.readInt32BE(at + 8);
    if (offset < 0 || !isTimestamp(readInt64(buffer, at))) return false;
    return (
      previous === undefined ||
      (readInt64(buffer, at) > readInt64(buffer, previous) && offset > buffer.readInt32BE(previous + 8))
    );
  },
};

/** Bytes of one entry of a time index. */
export const TIME_INDEX_ENTRY_BYTES: number = FORMAT.entryBytes;

const EMPTY = Buffer.alloc(0);

/** Batches without a timestamp have no entry, and none has one that a number does not hold. */
function isTimestamp(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

/**
 * Finds the place in a segment to look for a timestamp from. An entry says: no record up to this offset has a timestamp
 * above this one, and one has exactly this one. Both rise strictly from entry to entry.
 */
export class TimeIndex {
  readonly entries: IndexFile;
  #lastTimestamp: number;

  constructor(file: PooledFile, cache: IndexCache, stored?: { count: number; lastTimestamp: number }) {
    this.entries = new IndexFile(file, FORMAT, cache, stored?.count);
    this.#lastTimestamp = stored?.lastTimestamp ?? -1;
  }

  /** Adds an entry unless it says nothing new. */
  append(timestamp: number, relativeOffset: number): void {
    if (timestamp <= this.#lastTimestamp) return;
    this.#lastTimestamp = timestamp;
    const { buffer, at } = this.entries.push();
    writeInt64(buffer, at, timestamp);
    buffer.writeInt32BE(relativeOffset, at + 8);
  }

  /**
   * Keeps the entries of the file whose offset is at most `relativeOffset`, as long as they are in order, and drops the rest.
   * A file that does not consist of whole entries is none of ours: nothing of it is kept.
   *
   * @returns the last entry left
   */
  async keepUpTo(relativeOffset: number): Promise<TimeIndexEntry> {
    const stored = relativeOffset < 0 ? EMPTY : await this.entries.readStored();
    const isWhole = stored.length % FORMAT.entryBytes === 0;
    let last = NO_ENTRY;
    let keptBytes = 0;
    for (let at = 0; isWhole && at < stored.length; at += FORMAT.entryBytes) {
      const entry = readEntry(stored, at);
      const inOrder = entry.timestamp > last.timestamp && entry.relativeOffset > last.relativeOffset;
      if (!inOrder || !isTimestamp(entry.timestamp) || entry.relativeOffset > relativeOffset) break;
      last = entry;
      keptBytes = at + FORMAT.entryBytes;
    }
    this.#lastTimestamp = last.timestamp;
    await this.entries.keep(keptBytes);
    return last;
  }

  /** The entry up to whose offset no record has a timestamp of `timestamp` or above. */
  entryBefore(timestamp: number, logBytes: number): TimeIndexEntry | Promise<TimeIndexEntry> {
    // An entry with exactly this timestamp may itself be behind the first record that has it, so it does not count.
    return this.entries.floor(timestamp - 1, logBytes, readEntry, NO_ENTRY);
  }

  /** The last entry: the segment's largest timestamp, and the offset of the batch that has it. */
  last(logBytes: number): TimeIndexEntry | Promise<TimeIndexEntry> {
    return this.entries.floor(Number.MAX_SAFE_INTEGER, logBytes, readEntry, NO_ENTRY);
  }
}

/**
 * The timestamp that a batch counts with in the time index. One that compaction has left no record of counts with none, whatever
 * its header says: nobody would find a record with it.
 */
export function indexedTimestamp(buffer: Buffer, at: number): number {
  return batchRecordCount(buffer, at) === 0 ? NO_TIMESTAMP : batchMaxTimestamp(buffer, at);
}

/** One entry of a time index. */
export interface TimeIndexEntry {
  readonly timestamp: number;
  readonly relativeOffset: number;
}

/** Stands for "the index is empty". */
export const NO_ENTRY: TimeIndexEntry = { timestamp: -1, relativeOffset: -1 };

function readEntry(buffer: Buffer, at: number): TimeIndexEntry {
  return { timestamp: readInt64(buffer, at), relativeOffset: buffer.readInt32BE(at + 8) };
}
