import type { Clock } from '@millrace/ports';
import type { ConsumerRecord } from '../record.ts';
import { settledOrAborted } from '../waiting.ts';
import { ConsumerBatch } from './consumer-batch.ts';
import type { Delivery } from './delivery.ts';
import { type Handler, HandlingCancelled } from './handler.ts';
import type { Lease } from './lease.ts';

/** A handler that waits gives way to other partitions after this long, where there are more of them than may be handled at once. */
const TURN_MS_MAX = 100;

/** What is called for what: one of the two. */
export interface Work<K, V> {
  readonly record: Handler<ConsumerRecord<K, V>> | undefined;
  readonly batch: Handler<ConsumerBatch<K, V>> | undefined;
  readonly batchRecordsMax: number;
}

/**
 * Hands records to handlers, up to so many partitions at once. A partition is with one handler at a time, which keeps its order.
 * A handler that returns no promise is called again at once.
 */
export class Runner<K, V> {
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #work: Work<K, V>;
  readonly #stop = new AbortController();
  #failure: { error: unknown } | undefined;
  /** Workers that have a partition or wait for one; more are made as partitions come, up to the concurrency. */
  #workers = 0;

  constructor(delivery: Delivery, clock: Clock, work: Work<K, V>) {
    this.#delivery = delivery;
    this.#clock = clock;
    this.#work = work;
  }

  /**
   * Resolves when the consumer is closed and all handlers are done. One that never ends is left where it is when the close is `over`:
   * it has been told by its signal, and what it does later counts for nothing.
   * @throws what the first handler threw, once the others are done.
   */
  async run(concurrency: number, over: AbortSignal, signal?: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#stop.abort();
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const done = new Promise<void>((resolve) => this.#addWorker(concurrency, resolve));
    await settledOrAborted(done, over);
    // They end by themselves now, all but those that hang.
    if (![...this.#delivery.leases].some(({ ofRun }) => ofRun)) await done;
    signal?.removeEventListener('abort', onAbort);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** One worker always waits for the next partition; when it has got one, another takes its place. */
  #addWorker(concurrency: number, allDone: () => void): void {
    this.#workers += 1;
    const another = (): void => {
      if (this.#workers < concurrency && !this.#stop.signal.aborted) this.#addWorker(concurrency, allDone);
    };
    void this.#worker(another).then(() => {
      this.#workers -= 1;
      if (this.#workers === 0) allDone();
    });
  }

  async #worker(busy: () => void): Promise<void> {
    let isNew = true;
    try {
      for (;;) {
        const lease = await this.#delivery.lease(this.#stop.signal);
        if (lease === undefined) return;
        if (isNew) busy();
        isNew = false;
        await this.#handle(lease);
      }
    } catch (error) {
      this.#failure ??= { error };
      this.#stop.abort();
    }
  }

  async #handle(lease: Lease): Promise<void> {
    lease.ofRun = true;
    try {
      const waiting = this.#work.batch === undefined ? this.#records(lease) : this.#batches(lease);
      if (waiting !== undefined) await waiting;
    } catch (error) {
      lease.abandon();
      if (!(error instanceof HandlingCancelled)) throw error;
    } finally {
      this.#delivery.release(lease);
    }
  }

  /** Handles records as long as that takes no waiting; the rest is another function's, which may wait. */
  #records(lease: Lease): Promise<void> | undefined {
    const handler = this.#work.record as Handler<ConsumerRecord<K, V>>;
    for (;;) {
      // The lease knows nothing of what keys and values are; the consumer that made it does.
      const record = lease.next() as ConsumerRecord<K, V> | undefined;
      if (record === undefined) return undefined;
      const waiting = handler.call(record, lease);
      if (waiting !== undefined) return this.#recordsWaiting(handler, lease, waiting);
    }
  }

  async #recordsWaiting(handler: Handler<ConsumerRecord<K, V>>, lease: Lease, first: Promise<void>): Promise<void> {
    const endMs = this.#clock.monotonic() + TURN_MS_MAX;
    let waiting: Promise<void> | undefined = first;
    for (;;) {
      if (waiting !== undefined) {
        await waiting;
        if (this.#stop.signal.aborted || (this.#delivery.isContended && this.#clock.monotonic() >= endMs)) {
          lease.finish();
          return;
        }
      }
      const record = lease.next() as ConsumerRecord<K, V> | undefined;
      if (record === undefined) return;
      waiting = handler.call(record, lease);
    }
  }

  async #batches(lease: Lease): Promise<void> {
    const run = lease.nextRun(this.#work.batchRecordsMax);
    if (run === undefined) return;
    await this.#work.batch?.call(new ConsumerBatch<K, V>(lease, run), lease);
    lease.finish();
  }
}
