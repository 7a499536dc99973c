import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Partition, PartitionWaiter } from './partition.ts';

/**
 * A Fetch that has too few bytes and waits for more, or for its time to run out. Bytes are counted as they become
 * readable, so nothing is read until the wait is over, and what does not concern the fetch costs it nothing.
 */
export class FetchWait implements PartitionWaiter {
  readonly done: Promise<void>;
  readonly #partitions: readonly Partition[];
  readonly #deadlines: Deadlines;
  readonly #isFollower: boolean;
  readonly #deadline: Deadline;
  #bytesMissing: number;
  #isOver = false;
  #resolve!: () => void;

  /** @param isFollower Followers wait for what is durable here: the high watermark waits for them. */
  constructor(
    partitions: readonly Partition[],
    bytesMissing: number,
    waitMs: number,
    deadlines: Deadlines,
    isFollower: boolean,
  ) {
    this.#partitions = partitions;
    this.#bytesMissing = bytesMissing;
    this.#deadlines = deadlines;
    this.#isFollower = isFollower;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#deadline = new Deadline(() => this.finish());
    deadlines.set(this.#deadline, waitMs);
    for (const partition of partitions) partition.addWaiter(this);
  }

  appended(_partition: Partition, sizeBytes: number): void {
    if (this.#isFollower) this.#count(sizeBytes);
  }

  highWatermarkAdvanced(_partition: Partition, sizeBytes: number): void {
    if (!this.#isFollower) this.#count(sizeBytes);
  }

  partitionChanged(): void {
    this.finish();
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
