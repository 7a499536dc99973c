import type { Clock } from '@millrace/ports';
import type { Partition } from './partition.ts';

/** For so long after a partition began to be led here its followers are awaited. */
export const AWAITED_MS = 1000;

/** How long a fetch of a follower waits that has not asked yet for all that it is awaited for; so often as much as it has partitions. */
export const AWAITED_WAIT_MS = 5;

/** With so many partitions each, since all of them are read again whenever a wait ends. */
const PARTITIONS_PER_WAIT = 200;

/**
 * In-sync followers from whom a new leader has had no fetch yet: until it has one it can acknowledge nothing. Such a follower may have been
 * told of the leader later than the leader itself, and be waiting here already for other partitions, with a fetch that it cannot add to.
 * So its fetches wait for moments only, rather than that it gives its connection up (or, as Kafka's followers do, waits half a second).
 */
export class AwaitedFollowers {
  readonly #clock: Clock;
  /** Those that have begun to be led here and may still await somebody, and until when. */
  readonly #partitions = new Map<Partition, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A partition is led here, in a new epoch. */
  began(partition: Partition): void {
    this.#partitions.set(partition, this.#clock.monotonic() + AWAITED_MS);
  }

  /** How long a fetch of a follower may wait here, of so many partitions, which would wait for `waitMs`. */
  waitMs(followerId: number, waitMs: number, partitions: number): number {
    if (this.#partitions.size === 0) return waitMs;
    const nowMs = this.#clock.monotonic();
    for (const [partition, untilMs] of this.#partitions) {
      if (untilMs < nowMs || !partition.awaits()) this.#partitions.delete(partition);
      else if (partition.awaits(followerId)) {
        return Math.min(waitMs, AWAITED_WAIT_MS * Math.ceil(partitions / PARTITIONS_PER_WAIT));
      }
    }
    return waitMs;
  }

  clear(): void {
    this.#partitions.clear();
  }
}
