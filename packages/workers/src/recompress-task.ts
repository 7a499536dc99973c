import { type Compression, RecordsError, type RecordsErrorCode, recompressBatch } from '@millrace/records';

/**
 * What goes between the threads for recompression: plain objects and numbers, and memory that is handed over, not copied. All
 * batches of a task lie one behind the other in one piece of memory; each result comes back in memory of its own.
 */

/** What one batch is to become. */
export interface RecompressTarget {
  readonly compression: number;
  readonly level?: number;
  readonly bytesMax: number;
}

/** A group of batches. */
export interface RecompressTask {
  /** The batches, one behind the other. */
  readonly memory: ArrayBuffer;
  readonly sizes: readonly number[];
  readonly targets: readonly RecompressTarget[];
}

/** What became of one batch. An error is a value here: its class would not survive the way between threads. */
export type RecompressOutcome =
  | { readonly batch: ArrayBuffer }
  | { readonly code: RecordsErrorCode; readonly message: string };

/** Puts batches into the memory of a task. The one copy on the way: their frames hold what others still need. */
export function packTask(batches: readonly Buffer[], targets: readonly RecompressTarget[]): RecompressTask {
  const sizes = batches.map((batch) => batch.length);
  const memory = new Uint8Array(sizes.reduce((sum, bytes) => sum + bytes, 0));
  let at = 0;
  for (const batch of batches) {
    memory.set(batch, at);
    at += batch.length;
  }
  return { memory: memory.buffer, sizes, targets };
}

/** Does a task, in whichever thread calls it. */
export function runRecompressTask(task: RecompressTask): RecompressOutcome[] {
  const memory = Buffer.from(task.memory);
  let at = 0;
  return task.sizes.map((bytes, i) => {
    const batch = memory.subarray(at, at + bytes);
    at += bytes;
    return outcomeOf(batch, task.targets[i] as RecompressTarget);
  });
}

/** The batch of an outcome, or the error that it would have been in this thread. */
export function unpackOutcome(outcome: RecompressOutcome): Buffer | RecordsError {
  if ('batch' in outcome) return Buffer.from(outcome.batch);
  return new RecordsError(outcome.code, outcome.message);
}

function outcomeOf(batch: Buffer, target: RecompressTarget): RecompressOutcome {
  try {
    const { compression, ...options } = target;
    const result = recompressBatch(batch, compression as Compression, options);
    // A batch that is in its codec already comes back as itself, a view of the task's memory.
    const own = result === batch ? Buffer.from(new Uint8Array(batch).buffer) : result;
    return { batch: own.buffer as ArrayBuffer };
  } catch (error) {
    if (error instanceof RecordsError) return { code: error.code, message: error.message };
    throw error;
  }
}
