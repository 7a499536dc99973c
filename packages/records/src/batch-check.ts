import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  BatchOffsets,
  batchCompression,
  batchCrc,
  batchLastOffsetDelta,
  batchMagic,
  batchRecordCount,
  batchSizeBytes,
  Compression,
  computeBatchCrc,
} from './batch-header.ts';
import { beginsAs } from './codecs/begins-as.ts';
import { isSafeInt64At } from './int64.ts';

/**
 * What can be wrong with a batch, told from its header and its CRC alone.
 *
 * - `TRUNCATED`: the buffer ends before the batch does.
 * - `BAD_SIZE`: the size is below that of an empty batch.
 * - `OLD_MAGIC`: a message set of magic 0 or 1 (Kafka before 0.11). Recognised, and refused.
 * - `BAD_MAGIC`: a magic that no Kafka knows.
 * - `TOO_LARGE`: above {@link BatchLimits.batchBytesMax}.
 * - `BAD_CODEC`: the codec's id names none.
 * - `BAD_COUNT`: no record, or more than the bytes could hold, however well they are compressed.
 * - `BAD_COMPRESSION`: compressed records do not begin as those of their codec do.
 * - `BAD_OFFSETS`: the count and the last offset delta do not agree (asked for by {@link BatchLimits.contiguousOffsets}).
 * - `BAD_NUMBER`: an offset, timestamp or producer id beyond ±2^53.
 * - `BAD_CRC`: the CRC32C does not fit the bytes.
 */
export const BatchFault = {
  TRUNCATED: 'TRUNCATED',
  BAD_SIZE: 'BAD_SIZE',
  OLD_MAGIC: 'OLD_MAGIC',
  BAD_MAGIC: 'BAD_MAGIC',
  TOO_LARGE: 'TOO_LARGE',
  BAD_CODEC: 'BAD_CODEC',
  BAD_COUNT: 'BAD_COUNT',
  BAD_COMPRESSION: 'BAD_COMPRESSION',
  BAD_OFFSETS: 'BAD_OFFSETS',
  BAD_NUMBER: 'BAD_NUMBER',
  BAD_CRC: 'BAD_CRC',
} as const;
/** One of the faults in {@link (BatchFault:variable)}. */
export type BatchFault = (typeof BatchFault)[keyof typeof BatchFault];

/** What {@link checkBatch} holds a batch against. */
export interface BatchLimits {
  /** The largest batch taken (`max.message.bytes`), in bytes with the header; no limit when left out. */
  batchBytesMax?: number;
  /**
   * Whether every offset from the base to the last must have its record, as in all that a producer sends, and compressed records must
   * look as if they could be so many. Left out or false for batches out of a log, where compaction may have taken records away, or
   * all of them, and where what was once taken must stay.
   */
  contiguousOffsets?: boolean;
  /** False spares the CRC, for bytes that were checked before. True by default. */
  crc?: boolean;
}

const NO_LIMITS: BatchLimits = {};

/** A record takes at least this: length, attributes, two deltas, null key, null value and no header, one byte each. */
const RECORD_BYTES_MIN = 7;

/** What a byte expands to at most: of deflate 1,032, a snappy copy, an LZ4 length byte, a zstd block of one repeated byte. */
const EXPANSION_MAX: Readonly<Record<Compression, number>> = {
  [Compression.NONE]: 1,
  [Compression.GZIP]: 1032,
  [Compression.SNAPPY]: 22,
  [Compression.LZ4]: 255,
  [Compression.ZSTD]: 32 * 1024,
};

/** What records expand to that nobody wonders about: text compresses by 3 to 20. */
const EXPANSION_USUAL = 32;

/**
 * Whether the count of records must be taken on trust or looked at: a compressed batch that has passed {@link checkBatch} and says
 * that it holds more records than its bytes would with usual data. Below that, a wrong count costs nobody but its readers.
 */
export function isCountDoubtful(buffer: Buffer, at: number): boolean {
  if (batchCompression(buffer, at) === Compression.NONE) return false;
  const storedBytes = batchSizeBytes(buffer, at) - BATCH_HEADER_BYTES;
  return batchRecordCount(buffer, at) * RECORD_BYTES_MIN > storedBytes * EXPANSION_USUAL;
}

/**
 * Holds the batch at `at` against `limits`: size, magic, codec, count, CRC. Decodes no record, allocates nothing of note and
 * does not throw, whatever the bytes.
 *
 * @returns what is wrong, or undefined when nothing is
 */
export function checkBatch(buffer: Buffer, at: number, limits: BatchLimits = NO_LIMITS): BatchFault | undefined {
  const remaining = buffer.length - at;
  if (remaining < BATCH_PREFIX_BYTES) return BatchFault.TRUNCATED;
  const magic = batchMagic(buffer, at);
  if (magic !== BATCH_MAGIC) return magic === 0 || magic === 1 ? BatchFault.OLD_MAGIC : BatchFault.BAD_MAGIC;
  const sizeBytes = batchSizeBytes(buffer, at);
  if (sizeBytes < BATCH_HEADER_BYTES) return BatchFault.BAD_SIZE;
  if (limits.batchBytesMax !== undefined && sizeBytes > limits.batchBytesMax) return BatchFault.TOO_LARGE;
  if (sizeBytes > remaining) return BatchFault.TRUNCATED;
  // The CRC comes before what it covers, so that flipped bits are told as such and not as a wrong count.
  if (limits.crc !== false && computeBatchCrc(buffer, at) !== batchCrc(buffer, at)) return BatchFault.BAD_CRC;
  return checkFields(buffer, at, sizeBytes, limits.contiguousOffsets === true);
}

function checkFields(buffer: Buffer, at: number, sizeBytes: number, contiguous: boolean): BatchFault | undefined {
  const compression: number = batchCompression(buffer, at);
  if (compression > Compression.ZSTD) return BatchFault.BAD_CODEC;
  const count = batchRecordCount(buffer, at);
  const lastOffsetDelta = batchLastOffsetDelta(buffer, at);
  if (count < 0) return BatchFault.BAD_COUNT;
  const storedBytes = sizeBytes - BATCH_HEADER_BYTES;
  if (compression === Compression.NONE && count * RECORD_BYTES_MIN > storedBytes) return BatchFault.BAD_COUNT;
  if (lastOffsetDelta < 0) return BatchFault.BAD_OFFSETS;
  if (contiguous && count === 0) return BatchFault.BAD_COUNT;
  if (contiguous ? count !== lastOffsetDelta + 1 : count > lastOffsetDelta + 1) return BatchFault.BAD_OFFSETS;
  if (contiguous && compression !== Compression.NONE) {
    // checked above to be one of the codecs
    const codec = compression as Compression;
    if (count * RECORD_BYTES_MIN > storedBytes * EXPANSION_MAX[codec]) return BatchFault.BAD_COUNT;
    const recordsAt = at + BATCH_HEADER_BYTES;
    if (!beginsAs(codec, buffer, recordsAt, recordsAt + storedBytes)) return BatchFault.BAD_COMPRESSION;
  }
  const exact =
    isSafeInt64At(buffer, at + BatchOffsets.BASE_OFFSET) &&
    isSafeInt64At(buffer, at + BatchOffsets.BASE_TIMESTAMP) &&
    isSafeInt64At(buffer, at + BatchOffsets.MAX_TIMESTAMP) &&
    isSafeInt64At(buffer, at + BatchOffsets.PRODUCER_ID);
  return exact ? undefined : BatchFault.BAD_NUMBER;
}

/**
 * The positions at which the batches of `buffer` start, one after the other. Ends at the first batch that is not wholly
 * there or whose size cannot be: a fetched chunk may end in the middle of one.
 */
export function* splitBatches(buffer: Buffer, from = 0): Generator<number, void, undefined> {
  let at = from;
  while (buffer.length - at >= BATCH_PREFIX_BYTES) {
    const sizeBytes = batchSizeBytes(buffer, at);
    if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > buffer.length - at) return;
    yield at;
    at += sizeBytes;
  }
}
