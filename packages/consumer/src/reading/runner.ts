import type { Clock } from '@millrace/ports';
import type { ConsumerRecord } from '../record.ts';
import { ConsumerBatch } from './consumer-batch.ts';
import type { Delivery } from './delivery.ts';
import type { Lease } from './lease.ts';

/** A handler that waits gives way to other partitions after this long, where there are more of them than may be handled at once. */
const TURN_MS_MAX = 100;

/** Does the work for records: what `run` was given, with retries and dead letters around it. */
export interface Work<K, V> {
  /** Undefined when it is done already. */
  record?: (record: ConsumerRecord<K, V>, lease: Lease) => unknown;
  batch?: (batch: ConsumerBatch<K, V>, lease: Lease) => unknown;
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

  constructor(delivery: Delivery, clock: Clock, work: Work<K, V>) {
    this.#delivery = delivery;
    this.#clock = clock;
    this.#work = work;
  }

  /**
   * Resolves when the consumer is closed and all handlers are done.
   * @throws what the first handler threw, once the others are done.
   */
  async run(concurrency: number, signal?: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#stop.abort();
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const workers: Promise<void>[] = [];
    for (let count = 0; count < concurrency; count++) workers.push(this.#worker());
    await Promise.all(workers);
    signal?.removeEventListener('abort', onAbort);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #worker(): Promise<void> {
    try {
      for (;;) {
        const lease = await this.#delivery.lease(this.#stop.signal);
        if (lease === undefined) return;
        lease.ofRun = true;
        try {
          await (this.#work.batch === undefined ? this.#records(lease) : this.#batches(lease));
        } catch (error) {
          lease.abandon();
          throw error;
        } finally {
          this.#delivery.release(lease);
        }
      }
    } catch (error) {
      this.#failure ??= { error };
      this.#stop.abort();
    }
  }

  async #records(lease: Lease): Promise<void> {
    const handle = this.#work.record;
    if (handle === undefined) return;
    const endMs = this.#clock.monotonic() + TURN_MS_MAX;
    // The lease knows nothing of what keys and values are; the consumer that made it does.
    let record = lease.next() as ConsumerRecord<K, V> | undefined;
    while (record !== undefined) {
      const done = handle(record, lease);
      if (isThenable(done)) {
        await done;
        if (this.#stop.signal.aborted || (this.#delivery.isContended && this.#clock.monotonic() >= endMs)) {
          lease.finish();
          return;
        }
      }
      record = lease.next() as ConsumerRecord<K, V> | undefined;
    }
  }

  async #batches(lease: Lease): Promise<void> {
    const run = lease.nextRun(this.#work.batchRecordsMax);
    if (run === undefined) return;
    await this.#work.batch?.(new ConsumerBatch<K, V>(lease, run), lease);
    lease.finish();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
