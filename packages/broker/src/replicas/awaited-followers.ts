import type { Clock } from '@millrace/ports';
import type { Partition } from './partition.ts';

/** For so long after the last partition began to be led here, followers are awaited. */
export const AWAITED_MS = 1000;

/** How long a fetch of a follower waits that has not asked yet for all that it is awaited for. */
export const AWAITED_WAIT_MS = 5;

/**
 * In-sync followers from whom a new leader has had no fetch yet: until it has one it can acknowledge nothing. Such a follower may have been
 * told of the leader later than the leader itself, and be waiting here already for other partitions, with a fetch that it cannot add to.
 * So its fetches wait for moments only, rather than that it gives its connection up (or, as Kafka's followers do, waits half a second).
 */
export class AwaitedFollowers {
  readonly #clock: Clock;
  /** Those that have begun to be led here, and may still await somebody. */
  readonly #partitions = new Set<Partition>();
  #untilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A partition is led here, in a new epoch. */
  began(partition: Partition): void {
    this.#partitions.add(partition);
    this.#untilMs = this.#clock.monotonic() + AWAITED_MS;
  }

  /** How long a fetch of a follower may wait here, which would wait for `waitMs`. */
  waitMs(followerId: number, waitMs: number): number {
    if (this.#partitions.size === 0) return waitMs;
    if (this.#clock.monotonic() > this.#untilMs) this.#partitions.clear();
    for (const partition of this.#partitions) {
      if (partition.awaits(followerId)) return Math.min(waitMs, AWAITED_WAIT_MS);
      if (!partition.awaits()) this.#partitions.delete(partition);
    }
    return waitMs;
  }

  clear(): void {
    this.#partitions.clear();
  }
}
