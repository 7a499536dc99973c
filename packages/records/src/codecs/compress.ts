import { Compression } from '../batch-header.ts';
import { RecordsError } from '../errors.ts';
import { lz4Compress, lz4Decompress } from './lz4.ts';
import { snappyCompress, snappyDecompress } from './snappy.ts';
import { gzipCompress, gzipDecompress, zstdCompress, zstdDecompress } from './zlib.ts';

/** What a compressed batch may become where the caller names no bound: 128 MiB. */
export const DECOMPRESSED_BYTES_MAX_DEFAULT = 128 * 1024 * 1024;

/**
 * Compresses `bytes` as Kafka stores the records of a batch in `codec`.
 *
 * @param level for gzip (1 to 9) and zstd (up to 22); snappy and lz4 have none and ignore it
 * @throws RecordsError `RECORDS_UNSUPPORTED` for an id that is no codec
 */
export function compress(codec: Compression, bytes: Buffer, level?: number): Buffer {
  switch (codec) {
    case Compression.NONE:
      return bytes;
    case Compression.GZIP:
      return gzipCompress(bytes, level);
    case Compression.SNAPPY:
      return snappyCompress(bytes);
    case Compression.LZ4:
      return lz4Compress(bytes);
    case Compression.ZSTD:
      return zstdCompress(bytes, level);
    default:
      throw unknownCodec(codec);
  }
}

/**
 * Decompresses the records of a batch. Memory beyond `bytesMax` is never allocated for the result, whatever the bytes claim.
 *
 * @throws RecordsError `RECORDS_TOO_LARGE` when the result would be above `bytesMax`, `RECORDS_BAD_COMPRESSION` when the data
 * is damaged, `RECORDS_UNSUPPORTED` for an id that is no codec
 */
export function decompress(codec: Compression, bytes: Buffer, bytesMax: number): Buffer {
  switch (codec) {
    case Compression.NONE:
      return bytes;
    case Compression.GZIP:
      return gzipDecompress(bytes, bytesMax);
    case Compression.SNAPPY:
      return snappyDecompress(bytes, bytesMax);
    case Compression.LZ4:
      return lz4Decompress(bytes, bytesMax);
    case Compression.ZSTD:
      return zstdDecompress(bytes, bytesMax);
    default:
      throw unknownCodec(codec);
  }
}

function unknownCodec(codec: never): RecordsError {
  return new RecordsError('RECORDS_UNSUPPORTED', `Cannot use compression codec ${String(codec)}: Kafka knows 0 to 4.`);
}
