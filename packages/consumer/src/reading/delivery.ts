import { type Clock, nextTurn } from '@millrace/ports';
import type { AssignedPartition } from '../assigned-partition.ts';
import { KeepAlive } from '../keep-alive.ts';
import { Lease, type ReadingSettings } from './lease.ts';

/** Readers that never wait for the network would keep everybody else from running; after this long they pause for a moment. */
const UNBROKEN_MS_MAX = 15;

/** Readers that may wait for records at once: far more than anybody needs, and a bound. */
const WAITING_READERS_MAX = 100_000;

/**
 * Where fetching and reading meet. Partitions with something to hand out stand in line; a reader takes the first, reads from it
 * for a while, and puts it back at the end.
 */
export class Delivery {
  readonly #clock: Clock;
  readonly #settings: ReadingSettings;
  readonly #onRoom: (state: AssignedPartition) => void;
  readonly #line: AssignedPartition[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #leases = new Set<Lease>();
  readonly #keepAlive = new KeepAlive();
  #ended = false;
  #error: Error | undefined;
  #lastPauseMs: number;
  /** Called when a reader asks for something: the sign of life that `maxPollIntervalMs` is about. */
  onPoll: (() => void) | undefined;

  /** @param onRoom Told when something buffered was used up, so that more can be fetched. */
  constructor(clock: Clock, settings: ReadingSettings, onRoom: (state: AssignedPartition) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onRoom = onRoom;
    this.#lastPauseMs = clock.monotonic();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How many readers wait for records. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  get leases(): ReadonlySet<Lease> {
    return this.#leases;
  }

  /** The lease of a partition, where somebody reads it. */
  leaseOf(state: AssignedPartition): Lease | undefined {
    for (const lease of this.#leases) if (lease.state === state) return lease;
    return undefined;
  }

  /** Whether a partition is in line: somebody who could read more should let it have its turn. */
  get isContended(): boolean {
    return this.#line.length > 0;
  }

  /** Puts the partition in line if it has something to hand out and is not there yet. */
  offer(state: AssignedPartition): void {
    if (this.#ended || !state.enqueue()) return;
    this.#line.push(state);
    this.#waiting.shift()?.();
  }

  /**
   * The next partition to read from; undefined at the end.
   * @throws the error that ended the reading, or that stopped a partition.
   */
  async lease(signal?: AbortSignal): Promise<Lease | undefined> {
    this.onPoll?.();
    if (this.#clock.monotonic() - this.#lastPauseMs > UNBROKEN_MS_MAX) await this.#pause();
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended || signal?.aborted) return undefined;
      const lease = this.#take();
      if (lease !== undefined) return lease;
      await this.#wait(signal);
      this.#lastPauseMs = this.#clock.monotonic();
    }
  }

  /** Takes a lease back; the partition goes to the end of the line if there is more. */
  release(lease: Lease): void {
    if (!this.#leases.delete(lease)) return;
    const { state } = lease;
    state.leaseEnded(lease);
    lease.released();
    this.offer(state);
    this.#onRoom(state);
  }

  /** Ends all reading: those who wait are let go, those who read are let finish what they have in hand. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#line.length = 0;
    for (const lease of this.#leases) lease.cancel();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #take(): Lease | undefined {
    for (let state = this.#line.shift(); state !== undefined; state = this.#line.shift()) {
      state.dequeued();
      if (!state.canHandOut) continue;
      if (!state.hasRecords && state.error !== undefined) {
        // It stays in line, so that every reader learns of it until somebody seeks.
        this.offer(state);
        throw state.error;
      }
      const lease = new Lease(state, this.#clock.monotonic(), this.#settings, this.#onRoom);
      state.leaseTo(lease);
      this.#leases.add(lease);
      return lease;
    }
    return undefined;
  }

  async #pause(): Promise<void> {
    await nextTurn();
    this.#lastPauseMs = this.#clock.monotonic();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= WAITING_READERS_MAX) {
      return Promise.reject(new RangeError(`More than ${WAITING_READERS_MAX} readers wait for one consumer`));
    }
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#keepAlive.release();
        resolve();
      };
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(wake);
        if (at >= 0) this.#waiting.splice(at, 1);
        wake();
      };
      this.#keepAlive.hold();
      this.#waiting.push(wake);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
