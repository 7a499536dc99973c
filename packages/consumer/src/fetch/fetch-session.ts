import { partitionName } from '@millrace/client/internal';
import { ErrorCode, type FetchRequestInput, ZERO_UUID } from '@millrace/protocol';

/** What a fetch asks of one partition. */
export interface FetchTarget {
  readonly topic: string;
  /** `ZERO_UUID` where it is not known. */
  readonly topicId: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly leaderEpoch: number;
  readonly bytesMax: number;
}

/** The part of a request that a session is about. */
interface SessionFields {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: FetchRequestInput['topics'];
  readonly forgottenTopicsData: NonNullable<FetchRequestInput['forgottenTopicsData']>;
}

const NO_SESSION = 0;
/** Epochs of a request that is no part of a session. */
const EPOCH_FULL = 0;
const EPOCH_SESSIONLESS = -1;
const EPOCH_MAX = 2 ** 31 - 1;
/** From this version on topics go by their ids. */
const TOPIC_ID_VERSION = 13;

/**
 * The client's half of an incremental fetch session (KIP-227): the broker remembers what was asked, and a request names only what
 * is different. One request at a time; `null` targets and errors make the next request a full one.
 */
export class FetchSession {
  #id = NO_SESSION;
  #epoch = EPOCH_FULL;
  /** What the broker remembers, by key. */
  #known = new Map<string, FetchTarget>();
  /** What it will, once it has answered the request that is under way. */
  #asked = new Map<string, FetchTarget>();

  get id(): number {
    return this.#id;
  }

  /** The session's part of the next request. */
  next(targets: readonly FetchTarget[], version: number): SessionFields {
    this.#asked = new Map(targets.map((target) => [partitionName(target), target]));
    const sessionId = this.#id;
    const sessionEpoch = this.#epoch;
    if (this.#epoch === EPOCH_FULL) {
      return { sessionId, sessionEpoch, topics: byTopic(targets, version), forgottenTopicsData: [] };
    }
    const changed = targets.filter((target) => !isSame(this.#known.get(partitionName(target)), target));
    const forgotten: FetchTarget[] = [];
    for (const [key, known] of this.#known) {
      const asked = this.#asked.get(key);
      // A topic that was made anew has another id: the broker is told to forget the old one, or it answers for both.
      if (asked === undefined || asked.topicId !== known.topicId) forgotten.push(known);
    }
    const forgottenTopicsData = grouped(forgotten).map(([first, ...rest]) => ({
      ...topicName(first, version),
      partitions: [first, ...rest].map(({ partition }) => partition),
    }));
    return { sessionId, sessionEpoch, topics: byTopic(changed, version), forgottenTopicsData };
  }

  /** Takes in a response without a top-level error. */
  answered(sessionId: number): void {
    if (sessionId === NO_SESSION) {
      this.#reset(NO_SESSION);
      return;
    }
    this.#known = this.#asked;
    this.#id = sessionId;
    // The first epoch after the last is 1: 0 would begin a new session.
    this.#epoch = this.#epoch >= EPOCH_MAX ? 1 : this.#epoch + 1;
  }

  /** Takes in a top-level error. */
  refused(errorCode: number): void {
    this.#reset(errorCode === ErrorCode.FETCH_SESSION_ID_NOT_FOUND ? NO_SESSION : this.#id);
  }

  /** No answer came: what the broker remembers now is not known. The next request closes the session and begins another. */
  unanswered(): void {
    this.#reset(this.#id);
  }

  #reset(id: number): void {
    this.#id = id;
    this.#epoch = EPOCH_FULL;
    this.#known = new Map();
  }
}

/** The fields of a request outside of any session; with an id, one that closes that session. */
export function sessionless(targets: readonly FetchTarget[], version: number, closing = NO_SESSION): SessionFields {
  return {
    sessionId: closing,
    sessionEpoch: EPOCH_SESSIONLESS,
    topics: byTopic(targets, version),
    forgottenTopicsData: [],
  };
}

/** The highest version in which all the targets can be named. */
export function fetchVersionMax(targets: readonly FetchTarget[]): number | undefined {
  return targets.some(({ topicId }) => topicId === ZERO_UUID) ? TOPIC_ID_VERSION - 1 : undefined;
}

function isSame(a: FetchTarget | undefined, b: FetchTarget): boolean {
  return (
    a !== undefined &&
    a.fetchOffset === b.fetchOffset &&
    a.leaderEpoch === b.leaderEpoch &&
    a.bytesMax === b.bytesMax &&
    a.topicId === b.topicId
  );
}

function byTopic(targets: readonly FetchTarget[], version: number): FetchRequestInput['topics'] {
  return grouped(targets).map(([first, ...rest]) => ({
    ...topicName(first, version),
    partitions: [first, ...rest].map(({ partition, fetchOffset, leaderEpoch, bytesMax }) => ({
      partition,
      fetchOffset,
      currentLeaderEpoch: leaderEpoch,
      partitionMaxBytes: bytesMax,
    })),
  }));
}

function topicName({ topic, topicId }: FetchTarget, version: number): { topic: string } | { topicId: string } {
  return version >= TOPIC_ID_VERSION ? { topicId } : { topic };
}

/** By topic; one that was made anew, with another id, is another topic. */
function grouped(targets: readonly FetchTarget[]): [FetchTarget, ...FetchTarget[]][] {
  const topics = new Map<string, [FetchTarget, ...FetchTarget[]]>();
  for (const target of targets) {
    // A topic's name has no slash.
    const key = `${target.topic}/${target.topicId}`;
    const list = topics.get(key);
    if (list === undefined) topics.set(key, [target]);
    else list.push(target);
  }
  return [...topics.values()];
}
