import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Partition, PartitionWaiter } from './partition.ts';

/**
 * What a reader waits for: followers for what is durable here, for the high watermark waits for them; consumers for what is replicated,
 * those with read_committed for what no open transaction stands before.
 */
export type FetchReach = 'durable' | 'replicated' | 'stable';

/** How far a partition can be read now. */
export function reachedEnd({ log }: Partition, reach: FetchReach): number {
  switch (reach) {
    case 'durable':
      return log.durableEndOffset;
    case 'replicated':
      return log.highWatermark;
    case 'stable':
      return log.lastStableOffset;
  }
}

/** What lies behind a partition's last stable offset, for one who waits for that to move. */
interface Unstable {
  stableOffset: number;
  /** Bytes that are replicated and not stable yet; more than anybody waits for where it is not known how many. */
  heldBytes: number;
}

/**
 * A Fetch that has too few bytes and waits for more, or for its time to run out. Bytes are counted as they become
 * readable, so nothing is read until the wait is over, and what does not concern the fetch costs it nothing.
 */
export class FetchWait implements PartitionWaiter {
  readonly done: Promise<void>;
  readonly #partitions: readonly Partition[];
  readonly #deadlines: Deadlines;
  readonly #reach: FetchReach;
  readonly #unstable: ReadonlyMap<Partition, Unstable> | undefined;
  readonly #deadline: Deadline;
  #bytesMissing: number;
  #isOver = false;
  #resolve!: () => void;

  constructor(
    partitions: readonly Partition[],
    bytesMissing: number,
    waitMs: number,
    deadlines: Deadlines,
    reach: FetchReach,
  ) {
    this.#partitions = partitions;
    this.#bytesMissing = bytesMissing;
    this.#deadlines = deadlines;
    this.#reach = reach;
    this.#unstable =
      reach === 'stable' ? new Map(partitions.map((partition) => [partition, unstableOf(partition)])) : undefined;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#deadline = new Deadline(() => this.finish());
    deadlines.set(this.#deadline, waitMs);
    for (const partition of partitions) partition.addWaiter(this);
  }

  appended(_partition: Partition, sizeBytes: number): void {
    if (this.#reach === 'durable') this.#count(sizeBytes);
  }

  highWatermarkAdvanced(partition: Partition, sizeBytes: number): void {
    const unstable = this.#unstable?.get(partition);
    if (unstable !== undefined) this.#countStable(partition, unstable, sizeBytes);
    else if (this.#reach === 'replicated') this.#count(sizeBytes);
  }

  partitionChanged(): void {
    this.finish();
  }

  /** Nothing counts while an open transaction stands before it, so that a reader neither spins nor sleeps on when it ends. */
  #countStable({ log }: Partition, unstable: Unstable, sizeBytes: number): void {
    unstable.heldBytes += sizeBytes;
    const { lastStableOffset, highWatermark } = log;
    if (lastStableOffset <= unstable.stableOffset) return;
    const { heldBytes } = unstable;
    unstable.stableOffset = lastStableOffset;
    unstable.heldBytes = lastStableOffset === highWatermark ? 0 : heldBytes;
    this.#count(heldBytes);
  }

  #count(sizeBytes: number): void {
    this.#bytesMissing -= sizeBytes;
    if (this.#bytesMissing <= 0) this.finish();
  }

  /** Ends the wait; whoever waits reads again. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadlines.cancel(this.#deadline);
    for (const partition of this.#partitions) partition.removeWaiter(this);
    this.#resolve();
  }
}

function unstableOf({ log }: Partition): Unstable {
  const { lastStableOffset: stableOffset, highWatermark } = log;
  return { stableOffset, heldBytes: stableOffset < highWatermark ? Number.POSITIVE_INFINITY : 0 };
}
