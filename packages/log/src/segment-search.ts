import { batchBaseOffset, batchLastOffset, batchMaxTimestamp, batchSizeBytes } from '@millrace/records';
import { BatchOrder, CertainBatches, OUT_OF_ORDER } from './batch-order.ts';
import { LOCATE_BYTES } from './batch-scan.ts';
import { CorruptLogError } from './errors.ts';
import type { TimestampOffset } from './log-types.ts';
import { type IndexEntry, SEGMENT_START } from './offset-index.ts';
import { firstRecordFrom } from './record-search.ts';
import type { Segment } from './segment.ts';
import { indexedTimestamp, NO_ENTRY, type TimeIndexEntry } from './time-index.ts';

/** The log does not say what an index says of it. */
const DISAGREES = Symbol('the index is wrong');

/** Where the first batch starts whose last offset is not below `offset`; the end, or the first damaged batch, when there is none. */
export async function positionOf(segment: Segment, offset: number): Promise<number> {
  const entry = await segment.entryBefore(offset);
  const found = await searchOffset(segment, offset, entry);
  if (!found.isWrong || entry.position === 0) return found.position;
  segment.distrustIndexes();
  return (await searchOffset(segment, offset, SEGMENT_START)).position;
}

async function searchOffset(
  segment: Segment,
  offset: number,
  entry: IndexEntry,
): Promise<{ position: number; isWrong: boolean }> {
  let found: number | undefined;
  const certain = new CertainBatches(BatchOrder.from(segment.baseOffset, entry), (buffer, at, position) => {
    if (batchLastOffset(buffer, at) < offset) return true;
    found = position;
    return false;
  });
  const end = await segment.scan(entry.position, certain.take, { crc: false, chunkBytes: LOCATE_BYTES });
  certain.finish(Number.POSITIVE_INFINITY);
  const { wrongAt } = certain;
  return { position: found ?? wrongAt ?? end.position, isWrong: wrongAt !== undefined || end.fault !== undefined };
}

/** Where a timestamp is looked for. */
export interface TimestampRange {
  readonly startOffset: number;
  readonly upperOffset: number;
  /** Where the log goes on behind the segment. */
  readonly endOffset: () => number;
}

/**
 * The first record with at least this timestamp and this offset, below `upperOffset`.
 *
 * @throws CorruptLogError when a batch is damaged that had to be looked at
 */
export async function findTimestamp(
  segment: Segment,
  timestamp: number,
  range: TimestampRange,
): Promise<TimestampOffset | undefined> {
  const entry = await segment.timeEntryBefore(timestamp);
  const found = await searchTimestamp(segment, timestamp, range, entry);
  if (found !== DISAGREES) return found;
  segment.distrustIndexes();
  const again = await searchTimestamp(segment, timestamp, range, NO_ENTRY);
  if (again === DISAGREES) throw new CorruptLogError(segment.log.path, 0, OUT_OF_ORDER);
  return again;
}

async function searchTimestamp(
  segment: Segment,
  timestamp: number,
  { startOffset, upperOffset, endOffset }: TimestampRange,
  timeEntry: TimeIndexEntry,
): Promise<TimestampOffset | undefined | typeof DISAGREES> {
  const entryOffset = segment.baseOffset + timeEntry.relativeOffset;
  const entry = await segment.entryBefore(Math.max(entryOffset, startOffset));
  let isUnproved = timeEntry.relativeOffset >= 0 && entryOffset >= startOffset;
  let agrees = true;
  let found: TimestampOffset | undefined;
  const certain = new CertainBatches(BatchOrder.from(segment.baseOffset, entry), (buffer, at) => {
    const lastOffset = batchLastOffset(buffer, at);
    if (isUnproved && lastOffset >= entryOffset) {
      isUnproved = false;
      agrees = proves(buffer, at, entryOffset, timeEntry.timestamp);
      if (!agrees) return false;
    }
    if (lastOffset >= upperOffset) return false;
    if (lastOffset < startOffset || batchMaxTimestamp(buffer, at) < timestamp) return true;
    found = firstRecordFrom(buffer.subarray(at, at + batchSizeBytes(buffer, at)), timestamp, startOffset);
    return found === undefined;
  });
  const end = await segment.scan(entry.position, certain.take, { crc: true });
  certain.finish(endOffset());
  const { wrongAt } = certain;
  const isWrong = wrongAt !== undefined || end.fault !== undefined;
  if (!agrees || isUnproved || (isWrong && entry.position > 0)) return DISAGREES;
  if (isWrong) throw new CorruptLogError(segment.log.path, wrongAt ?? end.position, end.fault ?? OUT_OF_ORDER);
  return found;
}

/** Whether the log agrees with an entry of the time index: the batch with its offset has its timestamp as the largest. */
export async function provesTimeEntry(
  segment: Segment,
  { timestamp, relativeOffset }: TimeIndexEntry,
): Promise<boolean> {
  const offset = segment.baseOffset + relativeOffset;
  let isProved = false;
  await segment.scan(
    await positionOf(segment, offset),
    (buffer, at) => {
      isProved = proves(buffer, at, offset, timestamp);
      return false;
    },
    { crc: true, chunkBytes: LOCATE_BYTES },
  );
  return isProved;
}

function proves(buffer: Buffer, at: number, offset: number, timestamp: number): boolean {
  const holdsOffset = batchBaseOffset(buffer, at) <= offset && offset <= batchLastOffset(buffer, at);
  return holdsOffset && indexedTimestamp(buffer, at) === timestamp;
}
