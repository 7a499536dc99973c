import type { DiskFile } from '@millrace/ports';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, batchBaseOffset, batchSizeBytes, checkBatch } from '@millrace/records';
import { SCAN_CHUNK_BYTES } from './batch-scan.ts';

/** Where a batch's magic stands in it. */
const MAGIC_AT = 16;
/** A larger batch is not recognised behind damage: what only looks like one must not take memory without end. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes whose CRC is computed for what only looks like a batch: what clients write must not make a search quadratic. */
const VAIN_BYTES_MAX = 256 * 1024 * 1024;

/** What is known of the batches that are looked for. */
export interface IntactBatchSearch {
  readonly start: number;
  readonly end: number;
  /** Batches of lower offsets are none of those that are missed. */
  readonly offsetMin: number;
  readonly offsetMax: number;
  /** Bytes that may be computed in vain; for tests. */
  readonly vainBytesMax?: number;
}

/**
 * Looks for the first batch that is whole, byte by byte: behind damage nobody knows where batches begin.
 *
 * @returns its position; `'unknown'` when too much looked like a batch to go on looking; undefined when there is none
 */
export async function findIntactBatch(
  file: DiskFile,
  search: IntactBatchSearch,
): Promise<number | 'unknown' | undefined> {
  const { end } = search;
  let vainBytes = 0;
  for (let position = search.start; position + BATCH_HEADER_BYTES <= end; ) {
    const chunk = await file.read(position, Math.min(SCAN_CHUNK_BYTES, end - position));
    if (chunk.length < BATCH_HEADER_BYTES) return undefined;
    for (const at of candidates(chunk, end - position, search)) {
      const sizeBytes = batchSizeBytes(chunk, at);
      const isThere = at + sizeBytes <= chunk.length;
      const batch = isThere ? chunk.subarray(at, at + sizeBytes) : await file.read(position + at, sizeBytes);
      if (checkBatch(batch, 0) === undefined) return position + at;
      vainBytes += sizeBytes;
      if (vainBytes > (search.vainBytesMax ?? VAIN_BYTES_MAX)) return 'unknown';
    }
    // The last bytes may be the beginning of a header.
    position += chunk.length - BATCH_HEADER_BYTES + 1;
  }
  return undefined;
}

/** Where a chunk has what looks like the header of a batch that ends within `remaining`. */
function* candidates(chunk: Buffer, remaining: number, search: IntactBatchSearch): Generator<number, void, undefined> {
  const sizeBytesMax = Math.min(BATCH_BYTES_MAX, remaining);
  const last = chunk.length - BATCH_HEADER_BYTES;
  for (let at = 0; at <= last; at += 1) {
    if (chunk[at + MAGIC_AT] !== BATCH_MAGIC) continue;
    const sizeBytes = batchSizeBytes(chunk, at);
    if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > sizeBytesMax || sizeBytes > remaining - at) continue;
    const offset = batchBaseOffset(chunk, at);
    if (offset >= search.offsetMin && offset <= search.offsetMax) yield at;
  }
}
