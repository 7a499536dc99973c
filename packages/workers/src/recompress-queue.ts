import { runNextTurn } from '@millrace/ports';
import { batchCompression, Compression, RecordsError, recompressBatch } from '@millrace/records';
import {
  packTask,
  type RecompressOutcome,
  type RecompressTarget,
  type RecompressTask,
  unpackOutcome,
} from './recompress-task.ts';

/** Does one task in a thread. */
export type RunRecompressTask = (task: RecompressTask, transfer: ArrayBuffer[]) => Promise<RecompressOutcome[]>;

/** Batches that one task takes at most. */
const TASK_BATCHES_MAX = 64;
/** Bytes that one task takes at most, one batch excepted. */
const TASK_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes that wait for a thread at most; what comes then is done in the calling thread, which slows those down who send it. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** What a batch may become when it is done in the calling thread to spare it the way; a bomb goes to a thread. */
const INLINE_PLAIN_BYTES_MAX = 256 * 1024;

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

interface Waiting {
  readonly batch: Buffer;
  readonly target: RecompressTarget;
  readonly resolve: (batch: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Brings batches that need another codec to the threads, in groups: all that waits when a thread is free goes with one task,
 * since the way there and back costs as much as compressing 10 KiB.
 */
export class RecompressQueue {
  readonly #threads: number;
  readonly #run: RunRecompressTask;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #running = 0;
  #isScheduled = false;
  readonly #promised = new Set<Promise<Buffer>>();

  constructor(threads: number, run: RunRecompressTask) {
    this.#threads = threads;
    this.#run = run;
  }

  /**
   * The batch in another codec, at once where it is small and as a promise where a thread does it. The batch must not change
   * before that.
   * @throws RecordsError, or rejects with it, as `recompressBatch` does
   */
  recompress(batch: Buffer, target: RecompressTarget): Buffer | Promise<Buffer> {
    const compression = target.compression as Compression;
    if (batchCompression(batch, 0) === compression) return batch;
    const inline = isSmall(batch, compression) ? recompressSmall(batch, target) : undefined;
    if (inline !== undefined) return inline;
    if (this.#waitingBytes + batch.length > WAITING_BYTES_MAX) return recompressHere(batch, target, target.bytesMax);
    const promised = new Promise<Buffer>((resolve, reject) => {
      this.#waiting.push({ batch, target, resolve, reject });
      this.#waitingBytes += batch.length;
      this.#schedule();
    });
    this.#promised.add(promised);
    const forget = (): void => void this.#promised.delete(promised);
    promised.then(forget, forget);
    return promised;
  }

  /** Resolves when all that was promised has been kept, or has failed. */
  async whenIdle(): Promise<void> {
    while (this.#promised.size > 0) await Promise.allSettled(this.#promised);
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
      this.#running++;
      void this.#runGroup(group).finally(() => {
        this.#running--;
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
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #runGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const task = packTask(
        group.map(({ batch }) => batch),
        group.map(({ target }) => target),
      );
      const outcomes = await this.#run(task, [task.memory]);
      for (const [i, waiting] of group.entries()) settle(waiting, outcomes[i] as RecompressOutcome);
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    }
  }
}

function settle(waiting: Waiting, outcome: RecompressOutcome): void {
  const result = unpackOutcome(outcome);
  if (result instanceof RecordsError) {
    waiting.reject(result);
  } else {
    waiting.resolve(result);
  }
}

function isSmall(batch: Buffer, compression: Compression): boolean {
  return batch.length <= (INLINE_BYTES_MAX[compression] ?? 0);
}

/** Undefined when the batch is small but what is in it is not. */
function recompressSmall(batch: Buffer, target: RecompressTarget): Buffer | undefined {
  try {
    return recompressHere(batch, target, Math.min(target.bytesMax, INLINE_PLAIN_BYTES_MAX));
  } catch (error) {
    const isLarge = error instanceof RecordsError && error.code === 'RECORDS_TOO_LARGE';
    if (isLarge && target.bytesMax > INLINE_PLAIN_BYTES_MAX) return undefined;
    throw error;
  }
}

function recompressHere(batch: Buffer, target: RecompressTarget, bytesMax: number): Buffer {
  const options = target.level === undefined ? { bytesMax } : { bytesMax, level: target.level };
  return recompressBatch(batch, target.compression as Compression, options);
}
