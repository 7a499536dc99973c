import { batchBaseOffset, batchLastOffset, batchSizeBytes, checkBatch } from '@millrace/records';
import { BatchOrder, OUT_OF_ORDER } from './batch-order.ts';
import { LOCATE_BYTES, type ScanOptions } from './batch-scan.ts';
import { CorruptLogError } from './errors.ts';
import { type IndexEntry, SEGMENT_START } from './offset-index.ts';
import { ReadChunk } from './read-memory.ts';
import type { Segment } from './segment.ts';
import { nextBatchBehind } from './segment-search.ts';

/** Bytes of a header that tell its base offset. */
const BASE_OFFSET_BYTES = 8;

/** What is asked of a segment. */
export interface SegmentReadRequest {
  readonly fromOffset: number;
  /** Batches that reach up to it are not read. */
  readonly upperOffset: number;
  readonly bytesMax: number;
  /** Whether the first batch is read even if it is larger. */
  readonly minOneBatch: boolean;
  /** Where the log goes on behind the segment, asked when it matters: appends go on meanwhile. */
  readonly endOffset: () => number;
}

/** A read that a segment has no batch for. */
export const NO_BATCHES = 'no batches';

/** What a segment gave: batches, or {@link NO_BATCHES}; undefined when there is one that does not fit. */
export type SegmentRead = ReadChunk | typeof NO_BATCHES | undefined;

/**
 * Whole batches of a segment from the one that holds `fromOffset` (or the first behind it) on, all of them checked: their bytes,
 * and that their offsets follow on. Undefined when the first does not fit, so that nobody goes on to the next segment. The caller
 * releases what it gets.
 *
 * An index has no checksum, so what it says is believed only where the log agrees; else the log is read from its beginning.
 *
 * @throws CorruptLogError when the first of them, or what must be passed over to find it, is damaged; the error of the disk
 */
export async function readSegment(segment: Segment, request: SegmentReadRequest): Promise<SegmentRead> {
  await segment.readPlaces.readAheadFrom(request.fromOffset);
  const next = chunkAtHand(segment, request) ?? (await readOn(segment, request));
  if (next !== undefined) return next;
  const entry = await segment.entryBefore(request.fromOffset);
  try {
    return await readFrom(segment, entry, request);
  } catch (error) {
    const isOfIndex = error instanceof CorruptLogError && entry.position > 0 && error.position !== segment.damagedAt;
    if (!isOfIndex) throw error;
  }
  try {
    const read = await readFrom(segment, SEGMENT_START, request);
    segment.distrustIndexes();
    return read;
  } catch (error) {
    // The log itself is damaged there. Next time nobody needs to look at all that is before it.
    if (error instanceof CorruptLogError) segment.damagedAt = error.position;
    throw error;
  }
}

/** What was read of a segment already, for another reader or ahead. The caller releases it. */
export function chunkAtHand(segment: Segment, request: SegmentReadRequest): ReadChunk | undefined {
  const { fromOffset, upperOffset, bytesMax, minOneBatch } = request;
  const chunk = segment.readPlaces.chunkFrom(fromOffset, bytesMax, upperOffset);
  if (chunk === undefined || chunk.bytes.length <= bytesMax || minOneBatch) return chunk;
  chunk.release();
  return undefined;
}

/** Reads from where another read has ended. Undefined where none did, or what is there is not what the reader would go on with. */
async function readOn(segment: Segment, request: SegmentReadRequest): Promise<ReadChunk | undefined> {
  const { fromOffset } = request;
  const position = segment.readPlaces.positionOf(fromOffset);
  if (position === undefined || position >= segment.writtenBytes) return undefined;
  try {
    const read = await readInOrder(
      segment,
      position,
      new BatchOrder(fromOffset, undefined, request.endOffset),
      request,
    );
    if (read === undefined || read === NO_BATCHES) return undefined;
    if (batchBaseOffset(read.bytes, 0) === fromOffset) return read;
    read.release();
    return undefined;
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    return undefined;
  }
}

/**
 * Begins to read what a reader will ask for next who has just had what is before it: the disk is read, and batches are checked,
 * while the client is busy with those.
 */
export function readAhead(segment: Segment, request: SegmentReadRequest): void {
  const { fromOffset } = request;
  const { readPlaces } = segment;
  const position = readPlaces.positionOf(fromOffset);
  if (position === undefined || position >= segment.writtenBytes || readPlaces.hasReadFrom(fromOffset)) return;
  const { memory } = readPlaces;
  const read = readOn(segment, request).then((chunk) => {
    if (chunk === undefined) return;
    if (readPlaces.isShared(chunk)) memory.keepAhead(chunk);
    else chunk.release();
  });
  // What fails here fails again, and is told, when it is asked for.
  readPlaces.readAhead(fromOffset, read);
}

/** Reads from an index entry on. What is damaged before the batch that is looked for is passed over. */
async function readFrom(segment: Segment, entry: IndexEntry, request: SegmentReadRequest): Promise<SegmentRead> {
  let start = entry.position;
  let order = BatchOrder.from(segment.baseOffset, entry, request.endOffset);
  for (;;) {
    try {
      return await readInOrder(segment, start, order, request);
    } catch (error) {
      const next = error instanceof CorruptLogError ? await nextBatchBehind(segment, error.position) : undefined;
      if (next === undefined || next.position <= start || next.baseOffset > request.fromOffset) throw error;
      start = next.position;
      order = new BatchOrder(next.baseOffset, undefined, request.endOffset);
    }
  }
}

async function readInOrder(
  segment: Segment,
  start: number,
  order: BatchOrder,
  request: SegmentReadRequest,
): Promise<SegmentRead> {
  const { memory: memories, changes } = segment.readPlaces;
  const chunkBytes = request.bytesMax + LOCATE_BYTES;
  const memory = memories.take(Math.min(chunkBytes, segment.writtenBytes - start));
  let isTaken = false;
  try {
    const read = await readInto(segment, start, order, request, { crc: true, chunkBytes, memory });
    if (!(read instanceof ReadChunk)) return read;
    isTaken = read.bytes.buffer === memory?.buffer;
    // What reaches up to the upper offset may soon be more.
    if (read.nextOffset < request.upperOffset) segment.readPlaces.share(read, changes);
    return read;
  } finally {
    if (memory !== undefined && !isTaken) memories.give(memory);
  }
}

async function readInto(
  segment: Segment,
  start: number,
  order: BatchOrder,
  request: SegmentReadRequest,
  options: ScanOptions,
): Promise<SegmentRead> {
  const { fromOffset, bytesMax, minOneBatch } = request;
  let wrongAt: number | undefined;
  let found: Buffer | undefined;
  const scanEnd = await segment.scan(
    start,
    (buffer, at, position) => {
      wrongAt = order.take(buffer, at, position);
      if (wrongAt !== undefined) return false;
      if (batchLastOffset(buffer, at) < fromOffset) return true;
      found = buffer.subarray(at);
      return false;
    },
    options,
  );
  if (scanEnd.fault !== undefined) throw new CorruptLogError(segment.log.path, scanEnd.position, scanEnd.fault);
  if (found === undefined) wrongAt ??= order.goOnAt(request.endOffset());
  if (wrongAt !== undefined) throw new CorruptLogError(segment.log.path, wrongAt, OUT_OF_ORDER);
  if (found === undefined) return NO_BATCHES;
  if (batchSizeBytes(found, 0) > bytesMax && !minOneBatch) return undefined;
  const { end, nextOffset } = await endOfBatches(segment, order, found, scanEnd.position, request);
  if (end === 0) return NO_BATCHES;
  segment.readPlaces.note(nextOffset, scanEnd.position + end);
  const memory = found.buffer === options.memory?.buffer ? options.memory : undefined;
  const bytes = found.subarray(0, end);
  return new ReadChunk(segment.readPlaces, { bytes, fromOffset, bytesMax, nextOffset, memory });
}

/** Where the whole batches at the beginning of `bytes` end. The first was checked and taken in `order` by the caller. */
async function endOfBatches(
  segment: Segment,
  order: BatchOrder,
  bytes: Buffer,
  position: number,
  { upperOffset, bytesMax, endOffset }: SegmentReadRequest,
): Promise<{ end: number; nextOffset: number }> {
  let end = 0;
  let nextOffset = 0;
  for (;;) {
    const next = end + batchSizeBytes(bytes, end);
    if (end > 0 && next > bytesMax) break;
    if (!order.isCertain || position + next >= segment.writtenBytes) {
      const wrongAt = order.goOnAt((await baseOffsetAt(segment, bytes, next, position + next)) ?? endOffset());
      // Good batches before the damaged one are given out; the next read starts at the damage and fails.
      if (wrongAt !== undefined && end > 0) break;
      if (wrongAt !== undefined) throw new CorruptLogError(segment.log.path, wrongAt, OUT_OF_ORDER);
    }
    if (batchLastOffset(bytes, end) >= upperOffset) break;
    nextOffset = batchLastOffset(bytes, end) + 1;
    end = next;
    if (end >= bytes.length || checkBatch(bytes, end) !== undefined) break;
    if (order.take(bytes, end, position + end) !== undefined) break;
  }
  return { end, nextOffset };
}

/** The base offset of the batch at a place, read where the buffer does not reach so far; undefined at the segment's end. */
async function baseOffsetAt(
  segment: Segment,
  bytes: Buffer,
  at: number,
  position: number,
): Promise<number | undefined> {
  if (bytes.length - at >= BASE_OFFSET_BYTES) return batchBaseOffset(bytes, at);
  if (segment.writtenBytes - position < BASE_OFFSET_BYTES) return undefined;
  return batchBaseOffset(await segment.log.use((file) => file.read(position, BASE_OFFSET_BYTES)), 0);
}
