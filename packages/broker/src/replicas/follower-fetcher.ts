import type { Clock, Timer } from '@millrace/ports';
import {
  ErrorCode,
  Fetch,
  type FetchResponse,
  type FetchResponseResponsePartition,
  ListOffsets,
} from '@millrace/protocol';
import type { InterBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { PeerLane } from '../cluster/peers.ts';
import type { Logger } from '../shared/logger.ts';
import { FetchSessionClient, type FollowedFetch } from './fetch-session-client.ts';
import type { FollowerRole } from './follower-role.ts';
import type { Partition } from './partition.ts';
import type { ReplicationThrottle } from './replication-throttle.ts';

/** From this version on Fetch names topics by id. */
const FIRST_VERSION_WITH_IDS = 13;
/** From this version on a Fetch says which registration of the follower it comes from. */
const FIRST_VERSION_WITH_REPLICA_STATE = 15;

/** How long a follower waits at first for a leader that has not been told yet that it is one; twice as long each time. */
const EARLY_PAUSE_MS = 5;

/** How long until a partition is looked at again that had to wait because throttled ones have had their bytes. */
const THROTTLED_PAUSE_MS = 100;

/** With more partitions than this, one that is added waits for the fetch under way, rather than have all named anew. */
const INTERRUPT_PARTITIONS_MAX = 500;

/**
 * So long one that is added waits for the fetch under way at first. A leader that is told of the same change later answers what waits there
 * then, one that was told of it before lets nothing wait for longer than moments, and a busy one has something to answer; a new connection
 * takes longer than that. What is left are leaders of Kafka that have nothing new, and replicas that are not in sync.
 */
const INTERRUPT_AFTER_MS = 20;

const LATEST_TIMESTAMP = -1;
const EARLIEST_TIMESTAMP = -2;

/** How followers fetch. */
export interface FetcherSettings {
  /** `replica.fetch.wait.max.ms` */
  readonly waitMsMax: number;
  /** `replica.fetch.min.bytes` */
  readonly minBytes: number;
  /** `replica.fetch.max.bytes` */
  readonly partitionBytesMax: number;
  /** `replica.fetch.response.max.bytes` */
  readonly responseBytesMax: number;
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number;
  /** `replica.socket.timeout.ms` */
  readonly timeoutMs: number;
}

/** What a fetcher works with. */
export interface FollowerFetcherOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => number;
  readonly leaderId: number;
  readonly lane: PeerLane;
  readonly versions: InterBrokerVersions;
  readonly settings: FetcherSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What holds back partitions that are not in sync. */
  readonly throttle: ReplicationThrottle;
  /** Bytes that were fetched; for metrics. */
  readonly onBytes: (sizeBytes: number) => void;
}

/** A partition that is fetched, in one leader epoch. */
interface Followed {
  readonly partition: Partition;
  readonly role: FollowerRole;
  /** Not to be asked for before this. */
  notBeforeMs: number;
  /** The pause after the next failure that passes by itself. */
  pauseMs: number;
  /** What is being done with an answer; whoever ends the role waits for it. */
  work: Promise<void> | undefined;
  /** How it was asked for last; the same object as long as nothing has changed, since most partitions rest most of the time. */
  fetch: FollowedFetch | undefined;
}

function isCurrent({ fetch, role }: Followed): boolean {
  return (
    fetch !== undefined &&
    fetch.fetchOffset === role.fetchOffset &&
    fetch.lastFetchedEpoch === role.lastFetchedEpoch &&
    fetch.logStartOffset === role.logStartOffset
  );
}

function fetchOf(
  { topic, topicId, partition }: Partition,
  role: FollowerRole,
  partitionMaxBytes: number,
): FollowedFetch {
  return {
    topic,
    topicId,
    partition,
    fetchOffset: role.fetchOffset,
    currentLeaderEpoch: role.epoch,
    lastFetchedEpoch: role.lastFetchedEpoch,
    logStartOffset: role.logStartOffset,
    partitionMaxBytes,
  };
}

/**
 * Fetches partitions from one leader, one request at a time (`ReplicaFetcherThread`). What was fetched is appended and durable before the
 * next request says how far this follower is: a leader counts on it.
 */
export class FollowerFetcher {
  readonly #options: FollowerFetcherOptions;
  readonly #partitions = new Map<string, Followed>();
  readonly #version: number;
  readonly #session: FetchSessionClient;
  #isRunning = false;
  #isClosed = false;
  /** What the request asks for that waits at the leader. */
  #asked: ReadonlyMap<string, FollowedFetch> | undefined;
  #interruption: Timer | undefined;
  #hasAnswered = false;
  #isInterrupted = false;
  /** The leader has not answered since; told once. */
  #isSilent = false;
  #pause: Timer | undefined;
  #wake: (() => void) | undefined;

  constructor(options: FollowerFetcherOptions) {
    this.#options = options;
    this.#version = options.versions.fetch;
    this.#session = new FetchSessionClient(this.#version >= FIRST_VERSION_WITH_IDS);
  }

  get size(): number {
    return this.#partitions.size;
  }

  /** The partitions that are fetched here. */
  *partitions(): Generator<Partition> {
    for (const { partition } of this.#partitions.values()) yield partition;
  }

  /** Fetches a partition from now on, in the role that it has. */
  add(partition: Partition): void {
    const role = partition.following;
    if (role === undefined || this.#isClosed) return;
    const followed = { partition, role, notBeforeMs: 0, pauseMs: EARLY_PAUSE_MS, work: undefined, fetch: undefined };
    const key = this.#keyOf(partition);
    this.#partitions.set(key, followed);
    this.#wake?.();
    // Others may wait half a second for this one, whose leader may have a produce that waits for it. One that is asked for has its answer as
    // soon as the leader hears of the change, or has had it.
    const isLeftOut = this.#asked !== undefined && !this.#asked.has(key);
    if (isLeftOut && this.#partitions.size <= INTERRUPT_PARTITIONS_MAX) this.#interruptSoon();
    if (!this.#isRunning) void this.#run();
  }

  /** Fetches a partition no more; resolves when nothing is done to its log any more. */
  async remove(partition: Partition): Promise<void> {
    const followed = this.#partitions.get(this.#keyOf(partition));
    if (followed?.partition !== partition) return;
    this.#partitions.delete(this.#keyOf(partition));
    await followed.work;
  }

  /** Fetches nothing more; resolves when nothing is done to any log. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.lane.close();
    this.#wake?.();
    const work = Array.from(this.#partitions.values(), (followed) => followed.work);
    this.#partitions.clear();
    await Promise.all(work);
  }

  #interruptSoon(): void {
    // The first fetch has only the first of all that are added when a broker starts.
    if (this.#hasAnswered) {
      this.#interruption ??= this.#options.clock.schedule(INTERRUPT_AFTER_MS, () => this.#interrupt());
    } else this.#interrupt();
  }

  #interrupt(): void {
    if (this.#isInterrupted) return;
    this.#isInterrupted = true;
    this.#options.lane.reset();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const { logger, leaderId, settings } = this.#options;
    while (!this.#isClosed && this.#partitions.size > 0) {
      try {
        const wanted = this.#wanted();
        if (wanted.size === 0) await this.#rest(this.#nextMs());
        else if (!(await this.#fetch(wanted))) await this.#rest(settings.backoffMs);
      } catch (err) {
        // Nobody awaits this, and a follower that fetches no more would be a replica less.
        logger.error({ err, leaderId }, 'Fetching from a leader failed: this is a defect of the broker');
        await this.#rest(settings.backoffMs);
      }
    }
    this.#isRunning = false;
  }

  /** What is to be asked for now, by key. */
  #wanted(): Map<string, FollowedFetch> {
    const nowMs = this.#options.clock.monotonic();
    const { partitionBytesMax } = this.#options.settings;
    const wanted = new Map<string, FollowedFetch>();
    const isExceeded = this.#options.throttle.isExceeded;
    for (const [key, followed] of this.#partitions) {
      const { partition, role, notBeforeMs } = followed;
      if (notBeforeMs > nowMs) continue;
      if (isExceeded && role.lag > 0 && this.#isThrottled(partition)) {
        followed.notBeforeMs = nowMs + THROTTLED_PAUSE_MS;
        continue;
      }
      if (!isCurrent(followed)) followed.fetch = fetchOf(partition, role, partitionBytesMax);
      wanted.set(key, followed.fetch as FollowedFetch);
    }
    return wanted;
  }

  #isThrottled({ topic, partition }: Partition): boolean {
    const { throttle } = this.#options;
    return throttle.isOn && throttle.isThrottled(topic, partition);
  }

  #nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { notBeforeMs } of this.#partitions.values()) nextMs = Math.min(nextMs, notBeforeMs);
    return Math.max(0, nextMs - this.#options.clock.monotonic());
  }

  /** How long until one that pauses is to be asked for: a fetch without it must not wait at the leader for longer. */
  #untilPausedMs(): number {
    const nowMs = this.#options.clock.monotonic();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { notBeforeMs } of this.#partitions.values()) {
      if (notBeforeMs > nowMs) nextMs = Math.min(nextMs, notBeforeMs);
    }
    return Math.ceil(nextMs - nowMs);
  }

  /** Waits, or until a partition comes. */
  #rest(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause?.cancel();
        this.#wake = undefined;
        resolve();
      };
      this.#wake = end;
      this.#pause = this.#options.clock.schedule(pauseMs, end);
    });
  }

  /** Whether the leader has answered. */
  async #fetch(wanted: Map<string, FollowedFetch>): Promise<boolean> {
    try {
      const response = await this.#ask(wanted);
      if (this.#isClosed) return true;
      this.#isSilent = false;
      if (response.errorCode !== ErrorCode.NONE) {
        this.#session.startOver();
        return isSessionError(response.errorCode);
      }
      this.#session.answered(response.sessionId);
      this.#hasAnswered = true;
      await this.#takeAll(response, wanted);
      return true;
    } catch (err) {
      this.#session.startOver();
      if (this.#isInterrupted || this.#isClosed) return true;
      this.#noteSilence(err);
      return false;
    }
  }

  #noteSilence(err: unknown): void {
    const { logger, leaderId, settings } = this.#options;
    const fields = { err, leaderId, everyMs: settings.backoffMs };
    logger[this.#isSilent ? 'debug' : 'warn'](
      fields,
      'A leader does not answer a fetch, which is sent again until it does',
    );
    this.#isSilent = true;
  }

  async #ask(wanted: Map<string, FollowedFetch>): Promise<FetchResponse> {
    const { brokerId, brokerEpoch, lane, settings } = this.#options;
    this.#isInterrupted = false;
    this.#asked = wanted;
    try {
      return await lane.send(
        Fetch,
        this.#version,
        {
          ...(this.#version >= FIRST_VERSION_WITH_REPLICA_STATE
            ? { replicaState: { replicaId: brokerId, replicaEpoch: brokerEpoch() } }
            : { replicaId: brokerId }),
          maxWaitMs: Math.min(settings.waitMsMax, this.#untilPausedMs()),
          minBytes: settings.minBytes,
          maxBytes: settings.responseBytesMax,
          isolationLevel: 0,
          rackId: '',
          ...this.#session.next(wanted),
        },
        { timeoutMs: settings.timeoutMs },
      );
    } finally {
      this.#asked = undefined;
      this.#interruption?.cancel();
      this.#interruption = undefined;
    }
  }

  async #takeAll(response: FetchResponse, wanted: Map<string, FollowedFetch>): Promise<void> {
    const work: Promise<void>[] = [];
    for (const { topic, topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const key = this.#keyOf({ topic, topicId, partition: answer.partitionIndex });
        const asked = wanted.get(key);
        const followed = this.#partitions.get(key);
        // What was said of another role, or of another end of the log, is not about this one (KAFKA-7786, KAFKA-18723).
        if (followed === undefined || asked === undefined || followed.role.epoch !== asked.currentLeaderEpoch) continue;
        if (followed.role.fetchOffset !== asked.fetchOffset) continue;
        const sizeBytes = answer.records?.length ?? 0;
        this.#options.onBytes(sizeBytes);
        if (this.#isThrottled(followed.partition)) this.#options.throttle.record(sizeBytes);
        followed.work = this.#take(followed, answer);
        work.push(followed.work);
      }
    }
    await Promise.all(work);
  }

  /** Never rejects. */
  async #take(followed: Followed, answer: FetchResponseResponsePartition): Promise<void> {
    const { partition, role } = followed;
    try {
      if (answer.errorCode !== ErrorCode.NONE) {
        await this.#refused(followed, answer.errorCode);
        return;
      }
      const { epoch, endOffset } = answer.divergingEpoch;
      if (epoch >= 0 || endOffset >= 0) {
        // Where the logs part before all that the leader still has, it cannot say where, and nothing here is of account: what was kept of it
        // might be other records than the leader's, or end in the middle of a batch.
        if (endOffset <= answer.logStartOffset) await role.startOverAt(answer.logStartOffset);
        // Neither high watermark nor start are this log's as long as it holds records that the leader does not have (KAFKA-14704).
        else await role.truncateTo(epoch, endOffset, answer.logStartOffset);
        return;
      }
      const { highWatermark, logStartOffset } = answer;
      const records = (answer.records as Buffer | null) ?? NOTHING;
      const errorCode = await partition.follow(role, { records, highWatermark, logStartOffset });
      if (errorCode === ErrorCode.NONE) followed.pauseMs = EARLY_PAUSE_MS;
      else if (partition.log.state === 'failed') this.#partitions.delete(this.#keyOf(partition));
      else this.#putOff(followed, this.#options.settings.backoffMs, { errorCode });
    } catch (err) {
      this.#putOff(followed, this.#options.settings.backoffMs, { err });
    } finally {
      followed.work = undefined;
    }
  }

  async #refused(followed: Followed, errorCode: number): Promise<void> {
    const { backoffMs } = this.#options.settings;
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      await this.#comeBackIntoRange(followed);
    } else if (errorCode === ErrorCode.FENCED_LEADER_EPOCH) {
      // The controller is about to say who leads now.
      this.#partitions.delete(this.#keyOf(followed.partition));
    } else if (EARLY.has(errorCode)) {
      const pauseMs = Math.min(followed.pauseMs, backoffMs);
      followed.pauseMs = pauseMs * 2;
      followed.notBeforeMs = this.#options.clock.monotonic() + pauseMs;
    } else {
      this.#putOff(followed, backoffMs, { errorCode });
    }
  }

  /** The log ends behind where the leader's does, which was elected out of sync, or before where it begins. */
  async #comeBackIntoRange({ partition, role }: Followed): Promise<void> {
    const { topic, partition: index } = partition;
    const leaderEnd = await this.#leaderOffset(partition, role, LATEST_TIMESTAMP);
    const leaderStart = await this.#leaderOffset(partition, role, EARLIEST_TIMESTAMP);
    if (leaderEnd < role.fetchOffset) {
      this.#options.logger.warn(
        { topic, partition: index, from: role.fetchOffset, to: leaderEnd },
        'The leader has fewer records than this follower, whose log is cut',
      );
      await role.cutTo(leaderEnd, leaderStart);
      return;
    }
    if (leaderStart > role.fetchOffset) await role.startOverAt(leaderStart);
  }

  async #leaderOffset(partition: Partition, role: FollowerRole, timestamp: number): Promise<number> {
    const { brokerId, lane, settings, versions } = this.#options;
    const response = await lane.send(
      ListOffsets,
      versions.listOffsets,
      {
        replicaId: brokerId,
        isolationLevel: 0,
        topics: [
          {
            name: partition.topic,
            partitions: [{ partitionIndex: partition.partition, currentLeaderEpoch: role.epoch, timestamp }],
          },
        ],
      },
      { timeoutMs: settings.timeoutMs },
    );
    const answer = response.topics[0]?.partitions[0];
    if (answer === undefined || answer.errorCode !== ErrorCode.NONE) {
      throw new Error(`The leader does not say where its log lies: error ${answer?.errorCode ?? 'none'}`);
    }
    return answer.offset;
  }

  #putOff(followed: Followed, pauseMs: number, fields: object): void {
    const { topic, partition: index } = followed.partition;
    followed.notBeforeMs = this.#options.clock.monotonic() + pauseMs;
    const { logger, leaderId } = this.#options;
    logger.warn(
      { ...fields, topic, partition: index, leaderId, retryInMs: pauseMs },
      'A partition could not be fetched',
    );
  }

  #keyOf({ topic, topicId, partition }: { topic: string; topicId: string; partition: number }): string {
    return `${this.#version >= FIRST_VERSION_WITH_IDS ? topicId : topic}-${partition}`;
  }
}

const NOTHING = Buffer.alloc(0);

/** A leader that has not been told yet, or is none any more: it passes within moments. */
const EARLY: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]);

function isSessionError(errorCode: number): boolean {
  return (
    errorCode === ErrorCode.FETCH_SESSION_ID_NOT_FOUND ||
    errorCode === ErrorCode.INVALID_FETCH_SESSION_EPOCH ||
    errorCode === ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
  );
}
