import { backoffMs } from '@millrace/client';
import type { Random } from '@millrace/ports';
import type { PartitionQueue } from './partition-queue.ts';

/** The first look for a new leader comes after so long; the time doubles from look to look, up to the pause between retries. */
const FIRST_LOOK_MS = 20;
/** How long until a new leader is tried again that has not heard of its election; twice as long each time. */
export const NEW_LEADER_PAUSE_MS = 5;
/** So many looks come as soon: in most clusters another leads within their time. */
const FIRST_LOOKS = 5;
/** Later a leader is found late by no more than this part of the time that there was none: who is away for long is looked for seldom. */
const LATE_PART = 1 / 20;

/**
 * Watches over partitions whose leader failed them. A cluster that lives elects another within milliseconds, so that its partitions need
 * not sit out the pause before a retry, which is meant for whoever tries the same broker again (Kafka's producer does the same,
 * KIP-951); and the new leader is looked for more often than batches are sent again.
 */
export class LostLeaders {
  readonly #leaderOf: (topic: string, partition: number) => number | undefined;
  readonly #settings: { readonly retryBackoffMs: number; readonly retryBackoffMsMax: number };
  readonly #random: Random;
  #looks = 0;
  /** When somebody began to wait for a leader. */
  #sinceMs = 0;
  /** When metadata is to be asked for again, by `Clock.monotonic`; Infinity while nobody waits for a leader. */
  lookAtMs: number = Number.POSITIVE_INFINITY;

  constructor(
    leaderOf: (topic: string, partition: number) => number | undefined,
    settings: { readonly retryBackoffMs: number; readonly retryBackoffMsMax: number },
    random: Random,
  ) {
    this.#leaderOf = leaderOf;
    this.#settings = settings;
    this.#random = random;
  }

  /** A broker has failed a partition as its leader; it may have named the next one with that, which need not be looked for. */
  lost(queue: PartitionQueue, brokerId: number): void {
    queue.lostLeader = brokerId;
    this.#goesOn(queue);
  }

  /** Metadata is new: lets those go on at once that have another leader now, and sets the next look for the others. */
  follow(queues: Iterable<PartitionQueue>, nowMs: number): void {
    let isAwaited = false;
    for (const queue of queues) {
      if (queue.lostLeader === undefined) continue;
      if (!this.#goesOn(queue)) isAwaited = true;
    }
    if (isAwaited) {
      if (this.#looks === 0) this.#sinceMs = nowMs;
      this.lookAtMs = nowMs + this.#nextLookMs(nowMs);
      this.#looks += 1;
    } else {
      this.lookAtMs = Number.POSITIVE_INFINITY;
      this.#looks = 0;
    }
  }

  /** Whether another leader is known than the one that failed a partition, which it goes on with at once then. */
  #goesOn(queue: PartitionQueue): boolean {
    const leader = this.#leaderOf(queue.topic, queue.partition);
    if (leader === undefined || leader === queue.lostLeader) return false;
    queue.lostLeader = undefined;
    queue.retryAtMs = 0;
    // What the leader before could not do says nothing of this one.
    queue.failures = 0;
    queue.hasNewLeader = true;
    return true;
  }

  /** Varied at random: all that a broker served lose it in the same moment, and are not to come to another all at once. */
  #nextLookMs(nowMs: number): number {
    const { retryBackoffMs, retryBackoffMsMax } = this.#settings;
    const doubled = FIRST_LOOK_MS * 2 ** Math.min(Math.max(0, this.#looks - FIRST_LOOKS), 30);
    const lateMs = Math.min((nowMs - this.#sinceMs) * LATE_PART, retryBackoffMsMax);
    const lookMs = Math.max(1, Math.min(doubled, retryBackoffMs), lateMs);
    return backoffMs({ backoffMs: lookMs, backoffMsMax: lookMs }, 0, this.#random);
  }

  /** The topics to ask about, once it is time for that. */
  *due(queues: Iterable<PartitionQueue>, nowMs: number): Generator<string> {
    if (nowMs < this.lookAtMs) return;
    this.lookAtMs = Number.POSITIVE_INFINITY;
    for (const { lostLeader, topic } of queues) if (lostLeader !== undefined) yield topic;
  }
}
