import {
  type Compression,
  checkRecords,
  convertDown,
  convertUp,
  type DownConversion,
  type FoundRecord,
  findRecord,
  type RecordFault,
  type RecordLimits,
  type RecordSearch,
  recompressBatch,
} from '@millrace/records';

/** What a batch is to become. */
export interface RecompressTarget {
  readonly compression: number;
  readonly level?: number;
  /** The most that the records may become in between. */
  readonly bytesMax: number;
}

/**
 * What the log has done with the records inside a batch, which costs the processor's time: at once where it is little, as a
 * promise where a pool does it. A batch must not change before that. Each throws, or rejects, with RecordsError where the records
 * cannot be read.
 */
export interface BatchWork {
  /** The batch in another codec: the same offsets, timestamps and records. */
  recompress(batch: Buffer, target: RecompressTarget): Buffer | Promise<Buffer>;
  /** What is wrong with the records; empty when all is well. */
  check(batch: Buffer, limits: RecordLimits): readonly RecordFault[] | Promise<readonly RecordFault[]>;
  /** A set of messages of magic 0 and 1 as one batch. */
  convertUp(messages: Buffer, bytesMax: number): Buffer | Promise<Buffer>;
  /** Batches, one behind the other, as a set of messages of magic 0 or 1. */
  convertDown(batches: Buffer, conversion: DownConversion): Buffer | Promise<Buffer>;
  /** The first record at or behind a time and an offset. */
  find(batch: Buffer, search: RecordSearch): FoundRecord | undefined | Promise<FoundRecord | undefined>;
}

/** All of it in the calling thread. */
export const batchWorkInline: BatchWork = {
  recompress: (batch, { compression, ...options }) => recompressBatch(batch, compression as Compression, options),
  check: checkRecords,
  convertUp,
  convertDown,
  find: findRecord,
};
