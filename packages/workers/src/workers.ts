import { availableParallelism } from 'node:os';
import type { BatchWork, SliceCleaner, SliceOutcome } from '@millrace/log';
import { Compression } from '@millrace/records';
import { BatchQueue } from './batch-queue.ts';
import type { BatchJob, BatchOutcome } from './batch-task.ts';
import { closedError } from './errors.ts';
import { TaskPool } from './task-pool.ts';

/** What {@link createWorkers} is called with. */
export interface WorkersOptions {
  /** The most threads that run at a time. One less than the machine's cores by default, and at least one. */
  readonly threads?: number;
  /** How long a thread without a task stays, in milliseconds. 30,000 by default. */
  readonly idleMs?: number;
}

/**
 * The pool: work that would hold up the main thread. What `LogManager` takes as its `batchWork`: small batches are done at once,
 * others in a thread.
 */
export interface Workers extends BatchWork, AsyncDisposable {
  /** The most threads that run at a time. */
  readonly threads: number;
  /** Does a slice of a compaction; what `LogManager` takes as its `cleanSlice`. Nothing of it is copied on the way. */
  readonly cleanSlice: SliceCleaner;
  /** The batch uncompressed, the same way. */
  decompress(batch: Buffer, bytesMax: number): Buffer | Promise<Buffer>;
  /** Waits for what is under way, and ends the threads. Later calls reject with `WORKERS_CLOSED`. */
  close(): Promise<void>;
}

const IDLE_MS_DEFAULT = 30_000;

/**
 * Makes the pool of a broker process. Costs nothing until the first task: no thread is started, nothing is loaded.
 *
 * ```ts
 * const workers = createWorkers({ threads: 2 });
 * const zstd = await workers.recompress(batch, { compression: Compression.ZSTD, bytesMax: 1024 * 1024 });
 * await workers.close();
 * ```
 */
export function createWorkers(options: WorkersOptions = {}): Workers {
  const threads = Math.max(1, options.threads ?? availableParallelism() - 1);
  const pool = new TaskPool(threads, options.idleMs ?? IDLE_MS_DEFAULT);
  const queue = new BatchQueue(threads, (task, transfer) => pool.run<BatchOutcome[]>('batches', task, transfer));
  let isClosed = false;
  const work = <T>(batch: Buffer, job: BatchJob): T | Promise<T> =>
    isClosed ? Promise.reject(closedError(job.kind)) : queue.run<T>(batch, job);
  const recompress: BatchWork['recompress'] = (batch, target) => work(batch, { kind: 'recompress', target });
  const cleanSlice: SliceCleaner = (slice) => pool.run<SliceOutcome>('cleanSlice', slice, [slice.chunk.buffer]);
  const close = async (): Promise<void> => {
    isClosed = true;
    await queue.whenIdle();
    await pool.close();
  };
  return {
    threads,
    recompress,
    check: (batch, limits) => work(batch, { kind: 'check', limits }),
    find: (batch, search) => work(batch, { kind: 'find', search }),
    convertUp: (messages, bytesMax) => work(messages, { kind: 'convertUp', bytesMax }),
    convertDown: (batches, conversion) => work(batches, { kind: 'convertDown', conversion }),
    cleanSlice,
    decompress: (batch, bytesMax) => recompress(batch, { compression: Compression.NONE, bytesMax }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
