import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What an honest client has met since it was last asked, in milliseconds. */
export interface HonestReport {
  readonly answers: number;
  readonly failed: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** A client in a thread of its own that is logged in over TLS, writes a record now and then, and reads what topics there are. */
export class HonestClient implements AsyncDisposable {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async open(target: { readonly port: number; readonly certificate: string }): Promise<HonestClient> {
    const worker = new Worker(new URL('./honest-thread.ts', import.meta.url), { workerData: target });
    await once(worker, 'message');
    return new HonestClient(worker);
  }

  /** What it has met since the last call. */
  async report(): Promise<HonestReport> {
    this.#worker.postMessage('report');
    const [report] = (await once(this.#worker, 'message')) as [HonestReport];
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
