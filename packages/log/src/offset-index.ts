import type { IndexCache } from './index-cache.ts';
import { IndexFile, type IndexFormat } from './index-file.ts';
import type { PooledFile } from './open-files.ts';

/** int32 offset less the segment's base offset, int32 position (Kafka's `OffsetIndex`). */
const FORMAT: IndexFormat = {
  entryBytes: 8,
  keyAt: (buffer, at) => buffer.readInt32BE(at),
  isSane: (buffer, at, previous, logBytes) => {
    const offset = buffer.readInt32BE(at);
    const position = buffer.readInt32BE(at + 4);
    if (offset < 0 || position < 0 || position >= logBytes) return false;
    return (
      previous === undefined || (offset > buffer.readInt32BE(previous) && position > buffer.readInt32BE(previous + 4))
    );
  },
};

/** Bytes of one entry of an offset index. */
export const OFFSET_INDEX_ENTRY_BYTES: number = FORMAT.entryBytes;

/** Finds the place in a segment's file to look for an offset from. An entry holds the last offset of the batch it points to. */
export class OffsetIndex {
  readonly entries: IndexFile;

  constructor(file: PooledFile, cache: IndexCache, storedCount?: number) {
    this.entries = new IndexFile(file, FORMAT, cache, storedCount);
  }

  append(relativeLastOffset: number, position: number): void {
    const { buffer, at } = this.entries.push();
    buffer.writeInt32BE(relativeLastOffset, at);
    buffer.writeInt32BE(position, at + 4);
  }

  /** The last entry at or before an offset. */
  entryBefore(relativeOffset: number, logBytes: number): IndexEntry | Promise<IndexEntry> {
    return this.entries.floor(relativeOffset, logBytes, readEntry, SEGMENT_START);
  }
}

/** One entry of an offset index: where a batch starts, and its last offset less the segment's base offset. */
export interface IndexEntry {
  readonly position: number;
  readonly relativeOffset: number;
}

/** Stands for an entry where there is none: the beginning of the segment. */
export const SEGMENT_START: IndexEntry = { position: 0, relativeOffset: -1 };

/** The last position of the entries that does not lie behind `position`; 0 where all do. */
export function lastPositionBefore(entries: Buffer, position: number): number {
  const count = countUpTo(entries, position);
  return count === 0 ? 0 : readEntry(entries, (count - 1) * FORMAT.entryBytes).position;
}

/** The first position of the entries that lies behind `position`; undefined where none does. */
export function firstPositionBehind(entries: Buffer, position: number): number | undefined {
  const at = countUpTo(entries, position) * FORMAT.entryBytes;
  return at < entries.length ? readEntry(entries, at).position : undefined;
}

/** How many entries do not lie behind `position`. */
function countUpTo(entries: Buffer, position: number): number {
  let low = 0;
  let high = entries.length / FORMAT.entryBytes - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (readEntry(entries, middle * FORMAT.entryBytes).position <= position) low = middle + 1;
    else high = middle - 1;
  }
  return low;
}

function readEntry(buffer: Buffer, at: number): IndexEntry {
  return { position: buffer.readInt32BE(at + 4), relativeOffset: buffer.readInt32BE(at) };
}
