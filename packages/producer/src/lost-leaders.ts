import type { PartitionQueue } from './partition-queue.ts';

/** After so long it is looked again whether a partition has a new leader, at first; later the time doubles up to the pause between retries. */
export const FIRST_LOOK_MS = 20;
/** So many looks come as soon: in most clusters another leads within their time. */
const FIRST_LOOKS = 5;

/**
 * Watches over partitions whose leader failed them. A cluster that lives elects another within milliseconds, so that its partitions need
 * not sit out the pause before a retry, which is meant for whoever tries the same broker again (Kafka's producer does the same,
 * KIP-951); and it is looked for the new leader more often than batches are sent again.
 */
export class LostLeaders {
  readonly #leaderOf: (topic: string, partition: number) => number | undefined;
  readonly #lookMsMax: number;
  #looks = 0;
  /** When metadata is to be asked for again, by `Clock.monotonic`; Infinity while nobody waits for a leader. */
  lookAtMs: number = Number.POSITIVE_INFINITY;

  constructor(leaderOf: (topic: string, partition: number) => number | undefined, retryBackoffMs: number) {
    this.#leaderOf = leaderOf;
    this.#lookMsMax = Math.max(1, retryBackoffMs);
  }

  /** Metadata is new: lets those go on at once that have another leader now, and sets the next look for the others. */
  follow(queues: Iterable<PartitionQueue>, nowMs: number): void {
    let isAwaited = false;
    for (const queue of queues) {
      if (queue.lostLeader === undefined) continue;
      const leader = this.#leaderOf(queue.topic, queue.partition);
      if (leader === undefined || leader === queue.lostLeader) {
        isAwaited = true;
        continue;
      }
      queue.lostLeader = undefined;
      queue.retryAtMs = 0;
      // What the leader before could not do says nothing of this one.
      queue.failures = 0;
      queue.hasNewLeader = true;
    }
    if (isAwaited) {
      const doubled = Math.min(Math.max(0, this.#looks - FIRST_LOOKS), 30);
      this.lookAtMs = nowMs + Math.min(this.#lookMsMax, FIRST_LOOK_MS * 2 ** doubled);
      this.#looks += 1;
    } else {
      this.lookAtMs = Number.POSITIVE_INFINITY;
      this.#looks = 0;
    }
  }

  /** The topics to ask about, once it is time for that. */
  *due(queues: Iterable<PartitionQueue>, nowMs: number): Generator<string> {
    if (nowMs < this.lookAtMs) return;
    this.lookAtMs = Number.POSITIVE_INFINITY;
    for (const { lostLeader, topic } of queues) if (lostLeader !== undefined) yield topic;
  }
}
