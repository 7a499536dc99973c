import type { Piscina } from 'piscina';
import { closedError, WorkersError } from './errors.ts';

/** The kinds of task, named as the functions that `worker.ts` exports. */
export type TaskName = 'batches' | 'cleanSlice';

/** What runs in the threads: the source in a checkout, where Node strips the types, and the built file elsewhere. */
const WORKER_FILE = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.js', import.meta.url);

/**
 * Threads that do tasks. Nothing is loaded and no thread started before the first task, since a broker should answer its first
 * request before it needs any; a thread that has had nothing to do for a while ends, and gives its 10 to 20 MB back.
 */
export class TaskPool {
  readonly #threads: number;
  readonly #idleMs: number;
  #piscina: Promise<Piscina> | undefined;
  #isClosed = false;

  constructor(threads: number, idleMs: number) {
    this.#threads = threads;
    this.#idleMs = idleMs;
  }

  /**
   * Does a task in a thread. Memory in `transfer` moves there and is gone here.
   * @throws WorkersError `WORKERS_CLOSED`, `WORKERS_FAILED`
   */
  async run<Result>(name: TaskName, task: unknown, transfer: ArrayBuffer[]): Promise<Result> {
    if (this.#isClosed) throw closedError(name);
    this.#piscina ??= this.#start();
    const piscina = await this.#piscina;
    try {
      return await piscina.run(task, { name, transferList: transfer });
    } catch (cause) {
      if (this.#isClosed) throw closedError(name);
      throw new WorkersError(
        'WORKERS_FAILED',
        `The task ${name} failed in its thread: ${(cause as Error).message}. A thread that ended is replaced; try again.`,
        { cause },
      );
    }
  }

  /** Ends the threads. Tasks that are under way reject: who calls waits for them first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const piscina = await this.#piscina;
    await piscina?.close();
  }

  async #start(): Promise<Piscina> {
    const { Piscina } = await import('piscina');
    return new Piscina({
      filename: WORKER_FILE.href,
      minThreads: 0,
      maxThreads: this.#threads,
      idleTimeout: this.#idleMs,
      recordTiming: false,
    });
  }
}
