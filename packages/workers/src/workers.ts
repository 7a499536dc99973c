import { availableParallelism } from 'node:os';
import type { Recompressor, SliceCleaner, SliceOutcome } from '@millrace/log';
import { Compression } from '@millrace/records';
import { closedError } from './errors.ts';
import { RecompressQueue } from './recompress-queue.ts';
import type { RecompressOutcome } from './recompress-task.ts';
import { TaskPool } from './task-pool.ts';

/** What {@link createWorkers} is called with. */
export interface WorkersOptions {
  /** The most threads that run at a time. One less than the machine's cores by default, and at least one. */
  readonly threads?: number;
  /** How long a thread without a task stays, in milliseconds. 30,000 by default. */
  readonly idleMs?: number;
}

/** The pool: work that would hold up the main thread. */
export interface Workers extends AsyncDisposable {
  /** The most threads that run at a time. */
  readonly threads: number;
  /**
   * Turns a batch into one of another codec; what `LogManager` takes as its recompressor. Small batches come back at once,
   * others as a promise.
   */
  readonly recompress: Recompressor;
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
  const queue = new RecompressQueue(threads, (task, transfer) =>
    pool.run<RecompressOutcome[]>('recompress', task, transfer),
  );
  let isClosed = false;
  const recompress: Recompressor = (batch, target) =>
    isClosed ? Promise.reject(closedError('recompress')) : queue.recompress(batch, target);
  const cleanSlice: SliceCleaner = (slice) => pool.run<SliceOutcome>('cleanSlice', slice, [slice.chunk.buffer]);
  const close = async (): Promise<void> => {
    isClosed = true;
    await queue.whenIdle();
    await pool.close();
  };
  return {
    threads,
    recompress,
    cleanSlice,
    decompress: (batch, bytesMax) => recompress(batch, { compression: Compression.NONE, bytesMax }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
