import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What a quiet client has met since it was last asked. */
export interface QuietReport {
  readonly longestMs: number;
  readonly answers: number;
  /** Connections that ended. */
  readonly lost: number;
}

/** A client that asks for little and is not to notice what others do. */
export class QuietClient implements AsyncDisposable {
  readonly #worker: Worker;

  constructor(port: number) {
    this.#worker = new Worker(new URL('./quiet-thread.ts', import.meta.url), { workerData: { port } });
  }

  /** What it has met since the last call. */
  async report(): Promise<QuietReport> {
    this.#worker.postMessage('report');
    const [report] = (await once(this.#worker, 'message')) as [QuietReport];
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
