import type { FetchTarget } from './fetch-target.ts';

/** The epoch of a request that opens a session (and closes the one it names). */
export const SESSION_EPOCH_INITIAL = 0;
/** The epoch of a request that wants no session (and closes the one it names). */
export const SESSION_EPOCH_FINAL = -1;
/** The session id of requests and responses without a session. */
export const SESSION_ID_NONE = 0;

const SESSION_EPOCH_MAX = 2 ** 31 - 1;

/** The epoch after `epoch`: it wraps around to 1, because 0 opens a session. */
export function nextSessionEpoch(epoch: number): number {
  if (epoch < 0) return SESSION_EPOCH_FINAL;
  return epoch === SESSION_EPOCH_MAX ? 1 : epoch + 1;
}

/** A partition by the topic's name or id, whichever the session goes by. */
export interface PartitionRef {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/**
 * The partitions that one client fetches, kept between its requests (KIP-227). Partitions whose records were sent move to
 * the end, so that when a response is full the others come first next time.
 */
export class FetchSession {
  readonly id: number;
  /** Sessions of followers outlive those of consumers when the cache is full. */
  readonly privileged: boolean;
  /** Whether the client names topics by id (Fetch 13 and up); it may not change within a session. */
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  lastUsedMs: number;
  /** The epoch that the next request must carry. */
  epoch = nextSessionEpoch(SESSION_EPOCH_INITIAL);
  readonly #ordered = new Set<FetchTarget>();
  readonly #byTopic = new Map<string, Map<number, FetchTarget>>();

  constructor(id: number, options: { privileged: boolean; usesTopicIds: boolean; nowMs: number }) {
    this.id = id;
    this.privileged = options.privileged;
    this.usesTopicIds = options.usesTopicIds;
    this.createdMs = options.nowMs;
    this.lastUsedMs = options.nowMs;
  }

  get size(): number {
    return this.#ordered.size;
  }

  /** The partitions in the order in which the next response shall be filled. */
  get targets(): Iterable<FetchTarget> {
    return this.#ordered;
  }

  /** Adds a partition, or takes over what the client now asks of one that is known. */
  put(target: FetchTarget): void {
    const topic = this.#topicKey(target);
    let partitions = this.#byTopic.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#byTopic.set(topic, partitions);
    }
    const known = partitions.get(target.partition);
    if (known === undefined) {
      partitions.set(target.partition, target);
      this.#ordered.add(target);
      return;
    }
    // What was sent to a follower in another epoch may have come behind its end, and counted for nothing.
    if (known.currentLeaderEpoch !== target.currentLeaderEpoch) known.sentHighWatermark = -1;
    known.fetchOffset = target.fetchOffset;
    known.maxBytes = target.maxBytes;
    known.currentLeaderEpoch = target.currentLeaderEpoch;
    known.lastFetchedEpoch = target.lastFetchedEpoch;
    known.followerLogStartOffset = target.followerLogStartOffset;
  }

  forget(ref: PartitionRef): void {
    const topic = this.#topicKey(ref);
    const partitions = this.#byTopic.get(topic);
    const target = partitions?.get(ref.partition);
    if (partitions === undefined || target === undefined) return;
    partitions.delete(ref.partition);
    if (partitions.size === 0) this.#byTopic.delete(topic);
    this.#ordered.delete(target);
  }

  /** Puts a partition behind all others. */
  moveToEnd(target: FetchTarget): void {
    if (this.#ordered.delete(target)) this.#ordered.add(target);
  }

  #topicKey(ref: PartitionRef): string {
    return this.usesTopicIds ? ref.topicId : ref.topic;
  }
}
