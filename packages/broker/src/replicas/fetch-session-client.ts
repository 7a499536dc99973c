import type { FetchRequestInput } from '@millrace/protocol';

/** A partition as a follower asks for it. */
export interface FollowedFetch {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
  readonly partitionMaxBytes: number;
}

/** The part of a Fetch request that sessions are about. */
export type SessionPart = Required<
  Pick<FetchRequestInput, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>
>;

const EPOCH_INITIAL = 0;
const EPOCH_MAX = 2 ** 31 - 1;

/**
 * A follower's end of a fetch session: names only what has changed since the last request that was answered (KIP-227). After any
 * failure it starts over, since nobody knows what the leader has heard (KAFKA-8052).
 */
export class FetchSessionClient {
  readonly #usesIds: boolean;
  #sessionId = 0;
  #epoch = EPOCH_INITIAL;
  /** What the leader knows that is wanted, by key. */
  #known = new Map<string, FollowedFetch>();
  #asked = new Map<string, FollowedFetch>();

  /** @param usesIds Whether requests name topics by id (version 13 and up). */
  constructor(usesIds: boolean) {
    this.#usesIds = usesIds;
  }

  /** The part of the next request that asks for exactly these partitions, by key. */
  next(wanted: Map<string, FollowedFetch>): SessionPart {
    this.#asked = wanted;
    const isFull = this.#epoch === EPOCH_INITIAL;
    const changed: FollowedFetch[] = [];
    const forgotten: FollowedFetch[] = [];
    for (const [key, fetch] of wanted) {
      if (isFull || !isSame(this.#known.get(key), fetch)) changed.push(fetch);
    }
    if (!isFull) {
      for (const [key, fetch] of this.#known) {
        const now = wanted.get(key);
        if (now === undefined || now.topicId !== fetch.topicId) forgotten.push(fetch);
      }
    }
    return {
      sessionId: this.#sessionId,
      sessionEpoch: this.#epoch,
      topics: this.#byTopic(changed, (fetch) => fetch),
      forgottenTopicsData: this.#byTopic(forgotten, ({ partition }) => partition),
    };
  }

  /** The last request was answered without an error of the session as a whole. */
  answered(sessionId: number): void {
    // 0 means that the leader has no room for a session: all is named each time.
    this.#sessionId = sessionId;
    if (sessionId === 0) {
      this.#epoch = EPOCH_INITIAL;
      return;
    }
    this.#known = this.#asked;
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
  }

  /** Begins anew. The leader closes the session that was, where it knows it. */
  startOver(): void {
    this.#epoch = EPOCH_INITIAL;
    this.#known = new Map();
  }

  #byTopic<T>(
    fetches: readonly FollowedFetch[],
    each: (fetch: FollowedFetch) => T,
  ): { topic?: string; topicId?: string; partitions: T[] }[] {
    const topics = Map.groupBy(fetches, (fetch) => (this.#usesIds ? fetch.topicId : fetch.topic));
    return Array.from(topics, ([name, all]) => ({
      ...(this.#usesIds ? { topicId: name } : { topic: name }),
      partitions: all.map(each),
    }));
  }
}

function isSame(known: FollowedFetch | undefined, now: FollowedFetch): boolean {
  if (known === now) return true;
  return (
    known !== undefined &&
    known.topicId === now.topicId &&
    known.fetchOffset === now.fetchOffset &&
    known.currentLeaderEpoch === now.currentLeaderEpoch &&
    known.lastFetchedEpoch === now.lastFetchedEpoch &&
    known.logStartOffset === now.logStartOffset &&
    known.partitionMaxBytes === now.partitionMaxBytes
  );
}
