import { BATCH_PREFIX_BYTES, batchBaseOffset, batchLastOffset, batchSizeBytes } from '@millrace/records';
import { BatchOrder, CertainBatches, OUT_OF_ORDER } from './batch-order.ts';
import { type BatchVisitor, LOCATE_BYTES } from './batch-scan.ts';
import { CorruptLogError } from './errors.ts';
import { type IndexEntry, SEGMENT_START } from './offset-index.ts';
import type { LargestTimestamp, Segment } from './segment.ts';
import { indexedTimestamp, type TimeIndexEntry } from './time-index.ts';

/**
 * Where the first batch starts whose last offset is not below `offset`, damaged ones passed over; where there is none, the end,
 * or the damaged batch behind which nothing is to be found.
 */
export async function positionOf(segment: Segment, offset: number): Promise<number> {
  const entry = await segment.entryBefore(offset);
  let search = await searchOffset(segment, offset, entry);
  if (search.isWrong && entry.position > 0) {
    segment.distrustIndexes();
    search = await searchOffset(segment, offset, SEGMENT_START);
  }
  while (search.isWrong) {
    const next = await nextBatchBehind(segment, search.position);
    if (next === undefined) break;
    search = await searchOffset(segment, offset, { position: next.position, relativeOffset: -1 });
  }
  return search.position;
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
  const isWrong = wrongAt !== undefined || end.fault !== undefined;
  return { position: found ?? wrongAt ?? end.position, isWrong: isWrong && found === undefined };
}

/** Holds an entry of the time index against batches that are scanned anyway. */
export class TimeEntryProof {
  readonly entry: { readonly timestamp: number; readonly offset: number };
  /** Whether the log agrees; undefined until the entry's batch was seen. Without an entry there is nothing to disagree with. */
  verdict: boolean | undefined;

  constructor(entry: { readonly timestamp: number; readonly offset: number }) {
    this.entry = entry;
    this.verdict = entry.offset < 0 ? true : undefined;
  }

  take(buffer: Buffer, at: number): void {
    const { offset, timestamp } = this.entry;
    if (this.verdict !== undefined || batchLastOffset(buffer, at) < offset || batchBaseOffset(buffer, at) > offset) {
      return;
    }
    this.verdict = proves(buffer, at, offset, timestamp);
  }
}

/** Whether the log agrees with an entry of the time index: the batch with its offset has its timestamp as the largest. */
export async function provesTimeEntry(segment: Segment, entry: TimeIndexEntry): Promise<boolean> {
  const proof = new TimeEntryProof({ timestamp: entry.timestamp, offset: segment.baseOffset + entry.relativeOffset });
  const visit: BatchVisitor = (buffer, at) => {
    proof.take(buffer, at);
    return false;
  };
  const start = await positionOf(segment, proof.entry.offset);
  await segment.scan(start, visit, { crc: true, chunkBytes: LOCATE_BYTES });
  return proof.verdict === true;
}

/**
 * Whether the log agrees that an entry of the time index is the last that it should have: the batch with its offset has its
 * timestamp as the largest, and none behind it has a larger one. An index that has lost its end has another last entry.
 *
 * @throws CorruptLogError when a batch is damaged that had to be looked at
 */
export async function provesLastTimeEntry(segment: Segment, entry: TimeIndexEntry): Promise<boolean> {
  const offset = segment.baseOffset + entry.relativeOffset;
  const isEmpty = entry.relativeOffset < 0;
  let agrees = isEmpty;
  let isFirst = !isEmpty;
  const end = await segment.scan(
    isEmpty ? 0 : await positionOf(segment, offset),
    (buffer, at) => {
      agrees = isFirst ? proves(buffer, at, offset, entry.timestamp) : indexedTimestamp(buffer, at) <= entry.timestamp;
      isFirst = false;
      return agrees;
    },
    { crc: true },
  );
  if (end.fault !== undefined) throw new CorruptLogError(segment.log.path, end.position, end.fault);
  return agrees;
}

/**
 * The largest timestamp of a segment; that of an empty one is -1. What the time index says last is not believed before the log has said
 * the same: retention goes by it.
 *
 * @throws CorruptLogError when a batch is damaged that had to be looked at
 */
export function largestTimestamp(segment: Segment): LargestTimestamp | Promise<LargestTimestamp> {
  return segment.knownLargest ?? loadLargestTimestamp(segment);
}

async function loadLargestTimestamp(segment: Segment): Promise<LargestTimestamp> {
  const last = await segment.lastTimeEntry();
  const isProved = segment.knownLargest !== undefined || (await provesLastTimeEntry(segment, last));
  if (isProved) {
    if (segment.knownLargest === undefined) segment.believeLargest(last);
  } else {
    await segment.rebuildIndexes();
  }
  const { knownLargest } = segment;
  if (knownLargest === undefined) throw new CorruptLogError(segment.log.path, segment.damagedAt ?? 0, OUT_OF_ORDER);
  return knownLargest;
}

/** Shows the batches from `start` on, and passes over damaged ones: for what must not be forgotten because of them. */
export async function scanPastDamage(
  segment: Segment,
  start: number,
  visit: BatchVisitor,
  options: { crc: boolean; chunkBytes?: number },
): Promise<void> {
  for (let position: number | undefined = start; position !== undefined; ) {
    const end = await segment.scan(position, visit, options);
    position = end.fault === undefined ? undefined : (await nextBatchBehind(segment, end.position))?.position;
  }
}

/**
 * The first good batch behind a damaged one: where the size in its header leads to, or where the index knows of one.
 * Undefined when neither helps.
 */
export async function nextBatchBehind(
  segment: Segment,
  damagedAt: number,
): Promise<{ position: number; baseOffset: number } | undefined> {
  const header = await segment.log.use((file) => file.read(damagedAt, BATCH_PREFIX_BYTES));
  const bySize = header.length < BATCH_PREFIX_BYTES ? damagedAt : damagedAt + batchSizeBytes(header, 0);
  const found = bySize > damagedAt ? await goodBatchAt(segment, bySize) : undefined;
  if (found !== undefined) return found;
  const indexed = await segment.batchStartBehind(damagedAt);
  return indexed === undefined ? undefined : goodBatchAt(segment, indexed);
}

async function goodBatchAt(
  segment: Segment,
  position: number,
): Promise<{ position: number; baseOffset: number } | undefined> {
  let baseOffset: number | undefined;
  await segment.scan(
    position,
    (buffer, at) => {
      baseOffset = batchBaseOffset(buffer, at);
      return false;
    },
    { crc: true, chunkBytes: LOCATE_BYTES },
  );
  return baseOffset === undefined ? undefined : { position, baseOffset };
}

/** Whether a batch is the one that an entry of the time index tells of. */
export function proves(buffer: Buffer, at: number, offset: number, timestamp: number): boolean {
  const holdsOffset = batchBaseOffset(buffer, at) <= offset && offset <= batchLastOffset(buffer, at);
  return holdsOffset && indexedTimestamp(buffer, at) === timestamp;
}
