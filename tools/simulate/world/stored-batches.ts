import type { MemoryDisk } from '@millrace/ports';
import { batchBaseOffset, batchLastOffset, batchSizeBytes, splitBatches } from '@millrace/records';

/** A batch as it stands in a replica's files. */
export interface StoredBatch {
  readonly baseOffset: number;
  /** The offset behind its last record. */
  readonly endOffset: number;
  readonly bytes: Buffer;
}

/** What of a folder is looked at. */
type Files = Pick<MemoryDisk, 'namesIn' | 'peek'>;

const LOG = /^(\d+)\.log$/;

/**
 * The batches in the files of a replica that reach behind an offset, in their order. Segments that end before it are not opened: a log is
 * looked at many times while it grows.
 */
export function storedBatches(disk: Files, folder: string, from = 0): StoredBatch[] {
  const segments = disk.namesIn(folder).flatMap((name) => {
    const base = LOG.exec(name)?.[1];
    return base === undefined ? [] : [{ path: `${folder}/${name}`, baseOffset: Number(base) }];
  });
  const wanted = segments.filter((_, index) => (segments[index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY) > from);
  return wanted.flatMap(({ path }) => batchesIn(disk.peek(path))).filter(({ endOffset }) => endOffset > from);
}

function batchesIn(log: Buffer): StoredBatch[] {
  // Behind the last of them there may be part of one that is being written.
  return Array.from(splitBatches(log), (at) => ({
    baseOffset: batchBaseOffset(log, at),
    endOffset: batchLastOffset(log, at) + 1,
    bytes: log.subarray(at, at + batchSizeBytes(log, at)),
  }));
}
