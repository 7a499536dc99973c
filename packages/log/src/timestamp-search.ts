import {
  batchBaseOffset,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchRecordCount,
  batchSizeBytes,
  type FoundRecord,
  NO_TIMESTAMP,
  RecordsError,
} from '@millrace/records';
import { BatchOrder, CertainBatches, OUT_OF_ORDER } from './batch-order.ts';
import type { BatchWork } from './batch-work.ts';
import { CorruptLogError } from './errors.ts';
import type { TimestampOffset } from './log-types.ts';
import type { Segment } from './segment.ts';
import { positionOf, proves } from './segment-search.ts';
import { NO_ENTRY, type TimeIndexEntry } from './time-index.ts';

/** The log does not say what an index says of it. */
const DISAGREES = Symbol('the index is wrong');

/** Where a timestamp is looked for. */
export interface TimestampRange {
  readonly startOffset: number;
  readonly upperOffset: number;
  /** Where the log goes on behind the segment. */
  readonly endOffset: () => number;
  /** Looks into the batch that is found. */
  readonly work: BatchWork;
  /** The most that a batch may become. */
  readonly bytesMax: number;
}

/**
 * The first record with at least this timestamp and this offset, below `upperOffset`. Of a batch that nobody can read, the log
 * goes by its header: the reader who comes there finds out, and nobody else is kept from an answer.
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

/**
 * The record with the largest timestamp from `startOffset` on, in the segment in the middle of which the log begins: what its index
 * says is of records too that are not the log's any more.
 *
 * @throws CorruptLogError when a batch is damaged
 */
export async function findLargestFrom(segment: Segment, range: TimestampRange): Promise<TimestampOffset | undefined> {
  const { startOffset, upperOffset } = range;
  let largest = NO_TIMESTAMP;
  let across: Buffer | undefined;
  const end = await segment.scan(
    await positionOf(segment, startOffset),
    (buffer, at) => {
      if (batchLastOffset(buffer, at) < startOffset) return true;
      if (batchLastOffset(buffer, at) >= upperOffset) return false;
      if (batchBaseOffset(buffer, at) < startOffset) across = copyOf(buffer, at);
      else largest = Math.max(largest, largestIn(buffer, at));
      return true;
    },
    { crc: true },
  );
  if (end.fault !== undefined) throw new CorruptLogError(segment.log.path, end.position, end.fault);
  const first = across === undefined ? undefined : await recordIn(across, undefined, range);
  if (first !== undefined && first.timestamp >= largest) return first;
  return largest < 0 ? undefined : findTimestamp(segment, largest, range);
}

async function searchTimestamp(
  segment: Segment,
  timestamp: number,
  range: TimestampRange,
  timeEntry: TimeIndexEntry,
): Promise<TimestampOffset | undefined | typeof DISAGREES> {
  // A second look is needed only behind the batch in the middle of which the log begins.
  for (let behind = -1; ; ) {
    const batch = await searchBatch(segment, timestamp, range, timeEntry, behind);
    if (batch === DISAGREES || batch === undefined) return batch;
    const found = await recordIn(batch.bytes, timestamp, range);
    if (found !== undefined) return found;
    behind = batch.position;
  }
}

interface FoundBatch {
  readonly bytes: Buffer;
  readonly position: number;
}

/** The first batch whose header says that such a record may be in it, behind a position of the file. */
async function searchBatch(
  segment: Segment,
  timestamp: number,
  { startOffset, upperOffset, endOffset }: TimestampRange,
  timeEntry: TimeIndexEntry,
  behind: number,
): Promise<FoundBatch | undefined | typeof DISAGREES> {
  const entryOffset = segment.baseOffset + timeEntry.relativeOffset;
  const entry = await segment.entryBefore(Math.max(entryOffset, startOffset));
  let isUnproved = timeEntry.relativeOffset >= 0 && entryOffset >= startOffset;
  let agrees = true;
  let found: FoundBatch | undefined;
  const certain = new CertainBatches(BatchOrder.from(segment.baseOffset, entry, endOffset), (buffer, at, position) => {
    const lastOffset = batchLastOffset(buffer, at);
    if (isUnproved && lastOffset >= entryOffset) {
      isUnproved = false;
      agrees = proves(buffer, at, entryOffset, timeEntry.timestamp);
      if (!agrees) return false;
    }
    if (lastOffset >= upperOffset) return false;
    if (position <= behind || lastOffset < startOffset || largestIn(buffer, at) < timestamp) return true;
    found = { bytes: copyOf(buffer, at), position };
    return false;
  });
  const end = await segment.scan(entry.position, certain.take, { crc: true });
  certain.finish(endOffset());
  const { wrongAt } = certain;
  const isWrong = wrongAt !== undefined || end.fault !== undefined;
  if (!agrees || isUnproved || (isWrong && entry.position > 0)) return DISAGREES;
  if (isWrong) throw new CorruptLogError(segment.log.path, wrongAt ?? end.position, end.fault ?? OUT_OF_ORDER);
  return found;
}

/** The first record of a batch at or behind a time, or the one with its largest; undefined where all such lie before the log's start. */
async function recordIn(
  batch: Buffer,
  timestamp: number | undefined,
  { startOffset, work, bytesMax }: TimestampRange,
): Promise<TimestampOffset | undefined> {
  const leaderEpoch = batchLeaderEpoch(batch, 0);
  let found: FoundRecord | undefined;
  try {
    found = await work.find(batch, { timestamp, offset: startOffset, bytesMax });
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error;
  }
  if (found !== undefined) return { ...found, leaderEpoch };
  // Its header says that there is such a record, and its records say something else, or nothing.
  const offset = batchBaseOffset(batch, 0);
  return offset < startOffset ? undefined : { offset, timestamp: batchMaxTimestamp(batch, 0), leaderEpoch };
}

/** The largest timestamp that a batch's header tells of; that of a batch which compaction has emptied is of no record. */
function largestIn(buffer: Buffer, at: number): number {
  return batchRecordCount(buffer, at) === 0 ? NO_TIMESTAMP : batchMaxTimestamp(buffer, at);
}

function copyOf(buffer: Buffer, at: number): Buffer {
  return Buffer.from(buffer.subarray(at, at + batchSizeBytes(buffer, at)));
}
