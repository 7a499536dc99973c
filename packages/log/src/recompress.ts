import {
  attributesOf,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BatchOffsets,
  batchAttributes,
  batchCompression,
  Compression,
  compress,
  decompress,
  refreshBatchCrc,
} from '@millrace/records';
import type { Recompressor } from './log-types.ts';

/**
 * Stores the records of a batch in another codec, in the calling thread. The records themselves are not decoded: what changes
 * is how the bytes behind the header are packed, and with them the length, the codec bits and the CRC.
 */
export const recompressInline: Recompressor = (batch, target) => {
  const packed = batch.subarray(BATCH_HEADER_BYTES);
  const from = batchCompression(batch, 0);
  const plain = from === Compression.NONE ? packed : decompress(from, packed, target.bytesMax);
  const codec = target.compression as Compression;
  const repacked = codec === Compression.NONE ? plain : compress(codec, plain, target.level);
  const result = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + repacked.length);
  batch.copy(result, 0, 0, BATCH_HEADER_BYTES);
  result.set(repacked, BATCH_HEADER_BYTES);
  result.writeInt32BE(result.length - BATCH_LENGTH_OVERHEAD_BYTES, BatchOffsets.LENGTH);
  const others = batchAttributes(batch, 0) & ~CODEC_BITS;
  result.writeInt16BE(others | attributesOf(codec, 0, false, false), BatchOffsets.ATTRIBUTES);
  refreshBatchCrc(result, 0);
  return result;
};

const CODEC_BITS = 0b111;
