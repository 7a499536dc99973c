import { batchBaseOffset, batchLastOffset, batchSizeBytes, checkBatch } from '@millrace/records';
import { BatchOrder, OUT_OF_ORDER } from './batch-order.ts';
import { LOCATE_BYTES } from './batch-scan.ts';
import { CorruptLogError } from './errors.ts';
import { type IndexEntry, SEGMENT_START } from './offset-index.ts';
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

const NOTHING = Buffer.alloc(0);

/**
 * Whole batches of a segment from the one that holds `fromOffset` (or the first behind it) on, all of them checked: their bytes,
 * and that their offsets follow on. Empty when there are none; undefined when the first does not fit, so that nobody goes on to
 * the next segment.
 *
 * An index has no checksum, so what it says is believed only where the log agrees; else the log is read from its beginning.
 *
 * @throws CorruptLogError when the first of them, or what must be passed over to find it, is damaged; the error of the disk
 */
export async function readSegment(segment: Segment, request: SegmentReadRequest): Promise<Buffer | undefined> {
  const bytes = await readOn(segment, request);
  if (bytes !== undefined) return bytes;
  const entry = await segment.entryBefore(request.fromOffset);
  try {
    return await readFrom(segment, entry, request);
  } catch (error) {
    const isOfIndex = error instanceof CorruptLogError && entry.position > 0 && error.position !== segment.damagedAt;
    if (!isOfIndex) throw error;
  }
  try {
    const bytes = await readFrom(segment, SEGMENT_START, request);
    segment.distrustIndexes();
    return bytes;
  } catch (error) {
    // The log itself is damaged there. Next time nobody needs to look at all that is before it.
    if (error instanceof CorruptLogError) segment.damagedAt = error.position;
    throw error;
  }
}

/** Reads from where another read has ended. Undefined where none did, or what is there is not what the reader would go on with. */
async function readOn(segment: Segment, request: SegmentReadRequest): Promise<Buffer | undefined> {
  const { fromOffset } = request;
  const position = segment.readPlaces.positionOf(fromOffset);
  if (position === undefined || position >= segment.writtenBytes) return undefined;
  try {
    const bytes = await readInOrder(segment, position, new BatchOrder(fromOffset), request);
    const isNext = bytes !== undefined && bytes.length > 0 && batchBaseOffset(bytes, 0) === fromOffset;
    return isNext ? bytes : undefined;
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    return undefined;
  }
}

/** Reads from an index entry on. What is damaged before the batch that is looked for is passed over. */
async function readFrom(segment: Segment, entry: IndexEntry, request: SegmentReadRequest): Promise<Buffer | undefined> {
  let start = entry.position;
  let order = BatchOrder.from(segment.baseOffset, entry);
  for (;;) {
    try {
      return await readInOrder(segment, start, order, request);
    } catch (error) {
      const next = error instanceof CorruptLogError ? await nextBatchBehind(segment, error.position) : undefined;
      if (next === undefined || next.position <= start || next.baseOffset > request.fromOffset) throw error;
      start = next.position;
      order = new BatchOrder(next.baseOffset);
    }
  }
}

async function readInOrder(
  segment: Segment,
  start: number,
  order: BatchOrder,
  request: SegmentReadRequest,
): Promise<Buffer | undefined> {
  const { fromOffset, bytesMax, minOneBatch } = request;
  let wrongAt: number | undefined;
  let found: Buffer | undefined;
  const end = await segment.scan(
    start,
    (buffer, at, position) => {
      wrongAt = order.take(buffer, at, position);
      if (wrongAt !== undefined) return false;
      if (batchLastOffset(buffer, at) < fromOffset) return true;
      found = buffer.subarray(at);
      return false;
    },
    { crc: true, chunkBytes: bytesMax + LOCATE_BYTES },
  );
  if (end.fault !== undefined) throw new CorruptLogError(segment.log.path, end.position, end.fault);
  if (found === undefined) wrongAt ??= order.goOnAt(request.endOffset());
  if (wrongAt !== undefined) throw new CorruptLogError(segment.log.path, wrongAt, OUT_OF_ORDER);
  if (found === undefined) return NOTHING;
  if (batchSizeBytes(found, 0) > bytesMax && !minOneBatch) return undefined;
  return takeBatches(segment, order, found, end.position, request);
}

/** The whole batches at the beginning of `bytes`. The first was checked and taken in `order` by the caller. */
async function takeBatches(
  segment: Segment,
  order: BatchOrder,
  bytes: Buffer,
  position: number,
  { upperOffset, bytesMax, endOffset }: SegmentReadRequest,
): Promise<Buffer> {
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
  if (end > 0) segment.readPlaces.note(nextOffset, position + end);
  return bytes.subarray(0, end);
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
