import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BatchOffsets,
  batchCompression,
  batchSizeBytes,
  Compression,
  refreshBatchCrc,
} from './batch-header.ts';
import { compress, DECOMPRESSED_BYTES_MAX_DEFAULT, decompress } from './codecs/compress.ts';

/** How a batch is rewritten. */
export interface RecompressOptions {
  /** The codec's level; its own default when left out. */
  level?: number;
  /** The most that the records may become in between, in bytes. 128 MiB by default. */
  bytesMax?: number;
}

const COMPRESSION_MASK = 0b111;

/**
 * The same batch in another codec, for topics whose `compression.type` is not the producer's: every header field is kept but
 * length, codec and CRC. The batch itself is returned when it is in that codec already. The records are not decoded.
 *
 * @throws RecordsError `RECORDS_TOO_LARGE` or `RECORDS_BAD_COMPRESSION` when the records cannot be decompressed
 */
export function recompressBatch(batch: Buffer, codec: Compression, options: RecompressOptions = {}): Buffer {
  const stored = batchCompression(batch, 0);
  if (stored === codec) return batch;
  const storedRecords = batch.subarray(BATCH_HEADER_BYTES, batchSizeBytes(batch, 0));
  const plainRecords = decompress(stored, storedRecords, options.bytesMax ?? DECOMPRESSED_BYTES_MAX_DEFAULT);
  const records = compress(codec, plainRecords, options.level);
  const rewritten = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + records.length);
  rewritten.set(batch.subarray(0, BATCH_HEADER_BYTES));
  rewritten.set(records, BATCH_HEADER_BYTES);
  const attributes = (batch.readInt16BE(BatchOffsets.ATTRIBUTES) & ~COMPRESSION_MASK) | codec;
  rewritten.writeInt16BE(attributes, BatchOffsets.ATTRIBUTES);
  rewritten.writeInt32BE(rewritten.length - BATCH_LENGTH_OVERHEAD_BYTES, BatchOffsets.LENGTH);
  refreshBatchCrc(rewritten, 0);
  return rewritten;
}

/**
 * The same batch uncompressed; the batch itself when it is so already.
 *
 * @param bytesMax the most that the records may become, in bytes
 * @throws RecordsError as {@link recompressBatch}
 */
export function decompressBatch(batch: Buffer, bytesMax: number = DECOMPRESSED_BYTES_MAX_DEFAULT): Buffer {
  return recompressBatch(batch, Compression.NONE, { bytesMax });
}
