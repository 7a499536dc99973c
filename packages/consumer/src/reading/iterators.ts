import type { ConsumerRecord, IsWanted } from '../record.ts';
import { settledOrAborted } from '../waiting.ts';
import { ConsumerBatch } from './consumer-batch.ts';
import type { Delivery } from './delivery.ts';
import type { Lease } from './lease.ts';
import { ScannedBatch } from './scanned-batch.ts';

/** What is read from, and who may refuse it. */
export interface ReadingSource {
  readonly delivery: Delivery;
  /** @throws ConsumerError where nothing will ever come. */
  beginReading(attempt: string): void;
}

/**
 * What both iterators have in common: one lease at a time, and calls of `next` answered in order. Not async functions, because
 * the usual case, something is buffered, then costs one resolved promise and nothing else.
 */
abstract class LeaseIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #source: ReadingSource;
  readonly #delivery: Delivery;
  #hasBegun = false;
  #lease: Lease | undefined;
  /** The call that waits for records, if one does; later calls queue behind it. */
  #slow: Promise<IteratorResult<T, undefined>> | undefined;
  #done = false;
  readonly #stop = new AbortController();

  constructor(source: ReadingSource) {
    this.#source = source;
    this.#delivery = source.delivery;
  }

  protected abstract read(lease: Lease): T | undefined;

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#slow === undefined && this.#lease !== undefined) {
      try {
        const value = this.read(this.#lease);
        if (value !== undefined) return Promise.resolve({ value, done: false });
      } catch (error) {
        return this.#fail(error);
      }
    }
    return this.#nextSlow();
  }

  /** Called when a loop is left early, by `break` or by an error: the record in hand is not processed. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#letGo();
    this.#stop.abort();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #nextSlow(): Promise<IteratorResult<T, undefined>> {
    const before = this.#slow;
    const slow = before === undefined ? this.#refill() : before.then(() => this.#refill());
    this.#slow = slow;
    const over = (): void => {
      if (this.#slow === slow) this.#slow = undefined;
    };
    slow.then(over, over);
    return slow;
  }

  async #refill(): Promise<IteratorResult<T, undefined>> {
    try {
      this.#begin();
      while (!this.#done) {
        let value = this.#lease === undefined ? undefined : this.read(this.#lease);
        if (value !== undefined) return { value, done: false };
        this.#putBack();
        this.#lease = await this.#delivery.lease(this.#stop.signal);
        if (this.#lease === undefined) break;
        // The loop may have been left while the lease was waited for.
        if (this.#done) {
          this.#letGo();
          break;
        }
        value = this.read(this.#lease);
        if (value !== undefined) return { value, done: false };
      }
      return { value: undefined, done: true };
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** At the first record, not when the iterator is made: it may be made before topics are subscribed. */
  #begin(): void {
    if (this.#hasBegun || this.#done) return;
    this.#source.beginReading('read');
    this.#hasBegun = true;
  }

  #fail(error: unknown): Promise<never> {
    this.#letGo();
    return Promise.reject(error);
  }

  #putBack(): void {
    if (this.#lease !== undefined) this.#delivery.release(this.#lease);
    this.#lease = undefined;
  }

  #letGo(): void {
    this.#done = true;
    this.#lease?.abandon();
    this.#putBack();
  }
}

/** Record by record, over all partitions in turn. */
export class RecordIterator<K, V> extends LeaseIterator<ConsumerRecord<K, V>> {
  protected override read(lease: Lease): ConsumerRecord<K, V> | undefined {
    // The lease knows nothing of what keys and values are; the consumer that made it does.
    return lease.next() as ConsumerRecord<K, V> | undefined;
  }
}

/** Batch by batch of what was fetched, over all partitions in turn. */
export class BatchIterator<K, V> extends LeaseIterator<ConsumerBatch<K, V>> {
  readonly #recordsMax: number;

  constructor(source: ReadingSource, recordsMax: number) {
    super(source);
    this.#recordsMax = recordsMax;
  }

  protected override read(lease: Lease): ConsumerBatch<K, V> | undefined {
    const run = lease.nextRun(this.#recordsMax);
    return run === undefined ? undefined : new ConsumerBatch(lease, run);
  }
}

/** What came with one fetch after the other, over all partitions in turn, and of it the records that are wanted. */
export class ScanIterator<K, V> extends LeaseIterator<ScannedBatch<K, V>> {
  readonly #isWanted: IsWanted;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: ReadingSource, isWanted: IsWanted) {
    super(source);
    // What it throws is its own fault, and not that of the bytes.
    this.#isWanted = (record, place) => {
      if (this.#failure !== undefined) return false;
      try {
        return isWanted(record, place);
      } catch (error) {
        this.#failure = { error };
        return false;
      }
    };
  }

  protected override read(lease: Lease): ScannedBatch<K, V> | undefined {
    const run = lease.scan(this.#isWanted);
    if (this.#failure !== undefined) throw this.#failure.error;
    return run === undefined ? undefined : new ScannedBatch(lease, run);
  }
}

/** Another iterator's values, each after something was awaited for it; calls of `next` are answered in order. */
export class AwaitingIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #inner: AsyncIterableIterator<T, undefined>;
  readonly #ready: (value: T) => Promise<void>;
  readonly #over: AbortSignal;
  #last: Promise<unknown> = Promise.resolve();

  /** @param over ends the loop, whatever is awaited still */
  constructor(inner: AsyncIterableIterator<T, undefined>, ready: (value: T) => Promise<void>, over: AbortSignal) {
    this.#inner = inner;
    this.#ready = ready;
    this.#over = over;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const next = this.#last.then(async () => {
      const result = await this.#inner.next();
      if (result.done === true) return result;
      const ready = this.#ready(result.value);
      await settledOrAborted(ready, this.#over);
      if (this.#over.aborted) return this.return();
      await ready;
      return result;
    });
    this.#last = next.catch(() => {});
    return next;
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.#inner.return?.();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
