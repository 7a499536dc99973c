import { runNextTurn } from '@millrace/ports';
import { batchCompression, Compression, type RecordFault, RecordsError } from '@millrace/records';
import {
  type BatchJob,
  type BatchOutcome,
  type BatchTask,
  bytesMaxOf,
  doJob,
  packTask,
  unpackOutcome,
} from './batch-task.ts';

/** Does one task in a thread. */
export type RunBatchTask = (task: BatchTask, transfer: ArrayBuffer[]) => Promise<BatchOutcome[]>;

/** Batches that one task takes at most. */
const TASK_BATCHES_MAX = 64;
/** Bytes that one task takes at most, one batch excepted. */
const TASK_BYTES_MAX = 4 * 1024 * 1024;
/**
 * What a batch may become when it is done in the calling thread to spare it the way: what usual data expands to, within bounds. A
 * bomb goes to a thread.
 */
const INLINE_EXPANSION = 32;
const INLINE_PLAIN_BYTES_MIN = 8 * 1024;
const INLINE_PLAIN_BYTES_MAX = 256 * 1024;
/**
 * What batches may become in the calling thread within one turn of the event loop: a request that names one partition a thousand
 * times must not have a thousand batches uncompressed before anybody else is served.
 */
const INLINE_TURN_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Batches up to this size are done in the calling thread, by the codec that they go to. A task costs the calling thread 25 to
 * 45 us and its sender 50 us or more of waiting; this is about what a batch of the size costs to compress (measured on JSON:
 * lz4 600 MB/s, snappy and zstd 250 MB/s, gzip 80 MB/s). To uncompress is always worth less than the way.
 */
const INLINE_BYTES_MAX: Readonly<Record<number, number>> = {
  [Compression.NONE]: 64 * 1024,
  [Compression.GZIP]: 4 * 1024,
  [Compression.SNAPPY]: 16 * 1024,
  [Compression.LZ4]: 32 * 1024,
  [Compression.ZSTD]: 16 * 1024,
};
/** The same for what looks into a batch, whose records are walked over once they are uncompressed. */
const INLINE_LOOK_BYTES_MAX = 64 * 1024;
const INLINE_COMPRESSED_LOOK_BYTES_MAX = 16 * 1024;
/** The same for what is converted from or to an older format, record by record, and perhaps compressed again. */
const INLINE_CONVERTED_BYTES_MAX = 4 * 1024;

interface Waiting {
  readonly batch: Buffer;
  readonly job: BatchJob;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Brings batches that somebody has to look into to the threads, in groups: all that waits when a thread is free goes with one
 * task, since the way there and back costs as much as compressing 10 KiB. What waits is in memory anyhow, as frames of requests that
 * wait for their answers (`queued.max.request.bytes`), and each log brings a few batches at a time.
 */
export class BatchQueue {
  readonly #threads: number;
  readonly #run: RunBatchTask;
  #waiting: Waiting[] = [];
  #running = 0;
  #isScheduled = false;
  /** What was done in the calling thread within this turn. */
  #turnBytes = 0;
  readonly #promised = new Set<Promise<unknown>>();

  constructor(threads: number, run: RunBatchTask) {
    this.#threads = threads;
    this.#run = run;
  }

  /**
   * What a job makes of a batch, at once where it is small and as a promise where a thread does it. The batch must not change
   * before that.
   * @throws RecordsError, or rejects with it, as the job does
   */
  run<T>(batch: Buffer, job: BatchJob): T | Promise<T> {
    if (job.kind === 'recompress' && batchCompression(batch, 0) === job.target.compression) return batch as T;
    const plainBytesMax = this.#roomFor(batch, job);
    if (plainBytesMax > 0) {
      const result = doSmall(batch, job, plainBytesMax);
      if (result !== NOT_SMALL) return result as T;
    }
    const promised = new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ batch, job, resolve, reject });
      this.#schedule();
    });
    this.#promised.add(promised);
    const forget = (): void => void this.#promised.delete(promised);
    promised.then(forget, forget);
    return promised as Promise<T>;
  }

  /** Resolves when all that was promised has been kept, or has failed. */
  async whenIdle(): Promise<void> {
    while (this.#promised.size > 0) await Promise.allSettled(this.#promised);
  }

  /** What a batch may become here and now; 0 when it is not small, or this turn has no time left for it. */
  #roomFor(batch: Buffer, job: BatchJob): number {
    if (batch.length > inlineBytesMax(batch, job)) return 0;
    const isPlain = job.kind !== 'convertUp' && batchCompression(batch, 0) === Compression.NONE;
    const expandedBytes = Math.max(batch.length * INLINE_EXPANSION, INLINE_PLAIN_BYTES_MIN);
    const costBytes = isPlain ? batch.length : Math.min(expandedBytes, INLINE_PLAIN_BYTES_MAX);
    if (this.#turnBytes + costBytes > INLINE_TURN_BYTES_MAX) return 0;
    if (this.#turnBytes === 0) {
      runNextTurn(() => {
        this.#turnBytes = 0;
      });
    }
    this.#turnBytes += costBytes;
    return costBytes;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // What else comes in this turn goes with the same tasks.
    runNextTurn(() => {
      this.#isScheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#running < this.#threads) {
      const share = Math.ceil(this.#waiting.length / (this.#threads - this.#running));
      const group = this.#takeGroup(Math.min(share, TASK_BATCHES_MAX));
      this.#running += 1;
      void this.#runGroup(group).finally(() => {
        this.#running -= 1;
        this.#dispatch();
      });
    }
  }

  #takeGroup(batchesMax: number): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { batch } of this.#waiting) {
      if (count === batchesMax || (count > 0 && bytes + batch.length > TASK_BYTES_MAX)) break;
      bytes += batch.length;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #runGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const task = packTask(
        group.map(({ batch }) => batch),
        group.map(({ job }) => job),
      );
      const outcomes = await this.#run(task, [task.memory]);
      // a task answers each of its batches
      for (const [i, waiting] of group.entries()) settle(waiting, outcomes[i] as BatchOutcome);
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    }
  }
}

function settle(waiting: Waiting, outcome: BatchOutcome): void {
  const result = unpackOutcome(outcome);
  if (result instanceof RecordsError) waiting.reject(result);
  else waiting.resolve(result);
}

function inlineBytesMax(batch: Buffer, job: BatchJob): number {
  if (job.kind === 'recompress') return INLINE_BYTES_MAX[job.target.compression] ?? 0;
  if (job.kind === 'convertUp' || job.kind === 'convertDown') return INLINE_CONVERTED_BYTES_MAX;
  return batchCompression(batch, 0) === Compression.NONE ? INLINE_LOOK_BYTES_MAX : INLINE_COMPRESSED_LOOK_BYTES_MAX;
}

const NOT_SMALL = Symbol('what is in the batch is not small');

/** {@link NOT_SMALL} when the batch is small but what is in it is not. */
function doSmall(batch: Buffer, job: BatchJob, plainBytesMax: number): unknown {
  const mayBeLarger = bytesMaxOf(job) > plainBytesMax;
  try {
    const result = doJob(batch, job, plainBytesMax);
    return job.kind === 'check' && mayBeLarger && isTooLarge(result as readonly RecordFault[]) ? NOT_SMALL : result;
  } catch (error) {
    const isLarge = error instanceof RecordsError && error.code === 'RECORDS_TOO_LARGE';
    if (isLarge && mayBeLarger) return NOT_SMALL;
    throw error;
  }
}

function isTooLarge(faults: readonly RecordFault[]): boolean {
  return faults.some(({ code }) => code === 'TOO_LARGE');
}
