import type { RecompressTarget } from '@millrace/log';
import {
  type Compression,
  checkRecords,
  convertDown,
  convertUp,
  type DownConversion,
  findRecord,
  type RecordLimits,
  type RecordSearch,
  RecordsError,
  type RecordsErrorCode,
  recompressBatch,
} from '@millrace/records';

/**
 * What goes between the threads for work on batches: plain objects and numbers, and memory that is handed over, not copied. All
 * batches of a task lie one behind the other in one piece of memory; each batch that comes back is in memory of its own.
 */

/** What is to be done with one batch. */
export type BatchJob =
  | { readonly kind: 'recompress'; readonly target: RecompressTarget }
  | { readonly kind: 'check'; readonly limits: RecordLimits }
  | { readonly kind: 'find'; readonly search: RecordSearch }
  | { readonly kind: 'convertUp'; readonly bytesMax: number }
  | { readonly kind: 'convertDown'; readonly conversion: DownConversion };

/** A group of batches, each with its job. */
export interface BatchTask {
  /** The batches, one behind the other. */
  readonly memory: ArrayBuffer;
  readonly sizes: readonly number[];
  readonly jobs: readonly BatchJob[];
}

/** What became of one batch. An error is a value here: its class would not survive the way between threads. */
export type BatchOutcome =
  | { readonly batch: ArrayBuffer }
  | { readonly value: unknown }
  | { readonly code: RecordsErrorCode; readonly message: string };

/** Puts batches into the memory of a task. The one copy on the way: their frames hold what others still need. */
export function packTask(batches: readonly Buffer[], jobs: readonly BatchJob[]): BatchTask {
  const sizes = batches.map((batch) => batch.length);
  const memory = new Uint8Array(sizes.reduce((sum, bytes) => sum + bytes, 0));
  let at = 0;
  for (const batch of batches) {
    memory.set(batch, at);
    at += batch.length;
  }
  return { memory: memory.buffer, sizes, jobs };
}

/** Does a task, in whichever thread calls it. */
export function runBatchTask(task: BatchTask): BatchOutcome[] {
  const memory = Buffer.from(task.memory);
  let at = 0;
  return task.sizes.map((bytes, i) => {
    const batch = memory.subarray(at, at + bytes);
    at += bytes;
    return outcomeOf(batch, task.jobs[i]!);
  });
}

/**
 * Does one job here and now.
 *
 * @param bytesMax what the records may become at most, where that is less than the job allows
 * @throws RecordsError
 */
export function doJob(batch: Buffer, job: BatchJob, bytesMax = Number.POSITIVE_INFINITY): unknown {
  switch (job.kind) {
    case 'recompress': {
      const { compression, ...options } = job.target;
      return recompressBatch(batch, compression as Compression, {
        ...options,
        bytesMax: Math.min(options.bytesMax, bytesMax),
      });
    }
    case 'check':
      return checkRecords(batch, bounded(job.limits, bytesMax));
    case 'find':
      return findRecord(batch, bounded(job.search, bytesMax));
    case 'convertUp':
      return convertUp(batch, Math.min(job.bytesMax, bytesMax));
    case 'convertDown':
      return convertDown(batch, bounded(job.conversion, bytesMax));
  }
}

/** The most that a job lets the records of its batch become. */
export function bytesMaxOf(job: BatchJob): number {
  switch (job.kind) {
    case 'recompress':
      return job.target.bytesMax;
    case 'check':
      return job.limits.bytesMax ?? Number.POSITIVE_INFINITY;
    case 'find':
      return job.search.bytesMax ?? Number.POSITIVE_INFINITY;
    case 'convertUp':
      return job.bytesMax;
    case 'convertDown':
      return job.conversion.bytesMax ?? Number.POSITIVE_INFINITY;
  }
}

/** What an outcome says, or the error that it would have been in this thread. */
export function unpackOutcome(outcome: BatchOutcome): unknown {
  if ('batch' in outcome) return Buffer.from(outcome.batch);
  return 'value' in outcome ? outcome.value : new RecordsError(outcome.code, outcome.message);
}

function bounded<T extends { readonly bytesMax?: number }>(options: T, bytesMax: number): T {
  return bytesMax >= (options.bytesMax ?? Number.POSITIVE_INFINITY) ? options : { ...options, bytesMax };
}

function outcomeOf(batch: Buffer, job: BatchJob): BatchOutcome {
  try {
    const result = doJob(batch, job);
    if (!Buffer.isBuffer(result)) return { value: result };
    // A view of the task's memory (a batch that is in its codec already), or of larger memory, cannot be handed over.
    const isWhole = result.byteOffset === 0 && result.length === result.buffer.byteLength;
    const own = result === batch || !isWhole ? Buffer.from(new Uint8Array(result).buffer) : result;
    return { batch: own.buffer as ArrayBuffer };
  } catch (error) {
    if (error instanceof RecordsError) return { code: error.code, message: error.message };
    throw error;
  }
}
