import type { DiskFile } from '@millrace/ports';
import { BATCH_PREFIX_BYTES, BatchFault, batchSizeBytes, checkBatch } from '@millrace/records';

/** Bytes read at a time by a scan. */
export const SCAN_CHUNK_BYTES = 1024 * 1024;

/** Read beyond what was asked for, to find the first batch in the same go: an index interval and room for some batches. */
export const LOCATE_BYTES: number = 16 * 1024;

/** What a scan shows of each batch: the buffer, where the batch starts in it, and where in the file. `false` ends the scan. */
export type BatchVisitor = (buffer: Buffer, at: number, position: number) => boolean | undefined;

/** How a scan is done. */
export interface ScanOptions {
  readonly crc: boolean;
  /** Bytes read at a time. */
  readonly chunkBytes?: number;
  readonly memory?: Buffer | undefined;
}

/** Where a scan ended. */
export interface ScanEnd {
  /** The end of the last good batch. */
  readonly position: number;
  /** What is wrong with the bytes there; undefined when the scan saw all it was asked for or was ended. */
  readonly fault: BatchFault | undefined;
}

/**
 * Shows the batches from `start` to `end`, in order, up to the first that is damaged. Memory is one chunk, or one batch
 * where that is larger.
 *
 * @param options `crc`: false to trust the bytes of the records and look at the headers only. `memory`: what to read into where it
 *   is large enough; who sees batches must then have done with them before the scan goes on
 */
export async function scanBatches(
  file: DiskFile,
  start: number,
  end: number,
  visit: BatchVisitor,
  options: ScanOptions,
): Promise<ScanEnd> {
  const limits = { crc: options.crc };
  let position = start;
  let wantedBytes = options.chunkBytes ?? SCAN_CHUNK_BYTES;
  while (position < end) {
    const chunk = await file.read(position, Math.min(wantedBytes, end - position), options.memory);
    const isLast = position + chunk.length >= end || chunk.length === 0;
    wantedBytes = options.chunkBytes ?? SCAN_CHUNK_BYTES;
    let at = 0;
    while (at < chunk.length) {
      const fault = checkBatch(chunk, at, limits);
      if (fault === BatchFault.TRUNCATED && !isLast) break;
      if (fault !== undefined) return { position: position + at, fault };
      if (visit(chunk, at, position + at) === false) return { position: position + at, fault: undefined };
      at += batchSizeBytes(chunk, at);
    }
    if (chunk.length === 0) return { position, fault: BatchFault.TRUNCATED };
    if (at === 0 && chunk.length >= BATCH_PREFIX_BYTES) wantedBytes = batchSizeBytes(chunk, 0);
    position += at;
  }
  return { position, fault: undefined };
}
