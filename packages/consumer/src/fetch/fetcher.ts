import { Backoff, BrokerError, brokerError, type Logger } from '@millrace/client';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, type FetchResponse, ZERO_UUID } from '@millrace/protocol';
import type { AssignedPartition } from '../assigned-partition.ts';
import type { Cluster, Lane } from '../cluster-port.ts';
import { fetchChannel } from '../diagnostics.ts';
import { isFinal } from '../errors.ts';
import type { MissingTopics } from '../missing-topics.ts';
import type { EpochValidator } from '../offsets/epoch-validator.ts';
import type { ConsumerSettings } from '../options.ts';
import type { PartitionEvents } from '../partition-events.ts';
import type { PartitionTable } from '../partition-table.ts';
import { Wakeup } from '../wakeup.ts';
import { FetchSession, type FetchTarget, fetchVersionMax, sessionless } from './fetch-session.ts';
import type { PartitionAnswer, PartitionAnswers } from './partition-answers.ts';
import { ResponseMemory } from './response-memory.ts';

/** While some partitions of a broker cannot be asked about, fetches for the others come back this soon, then twice as late each time. */
const PARTIAL_WAIT_MS_MIN = 20;

/** A partition's share of the prefetch memory never falls below this, in bytes: smaller fetches cost more than they spare. */
const SHARE_BYTES_MIN = 16 * 1024;

/** Fetches in a row that are not answered before somebody is told. */
const OUTAGE_FAILURES = 5;

/** What is asked of a partition in a request that is under way. */
interface Asked extends FetchTarget {
  readonly state: AssignedPartition;
  readonly version: number;
}

/** One connection to a broker with at most one fetch under way. */
interface FetchLane {
  readonly name: Lane;
  busy: boolean;
}

/** What is kept of one broker that leads partitions, or follows nearby. */
interface BrokerFetches {
  readonly nodeId: number;
  /** Waits at the broker for records, in a session. */
  readonly waiting: FetchLane;
  /** Brings what is known to be there, while the other one waits. */
  readonly backlog: FetchLane;
  readonly session: FetchSession;
  readonly backoff: Backoff;
  retryAtMs: number;
  partialWaitMs: number;
  /** How many partitions the last waiting fetch was about. */
  partialCount: number;
}

/** What the fetcher works with. */
export interface FetcherContext {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly missing: MissingTopics;
  readonly partitions: PartitionTable;
  readonly answers: PartitionAnswers;
  /** Says of a partition's leader whether it has to be asked something first. */
  readonly validator: Pick<EpochValidator, 'allows'>;
  readonly events: PartitionEvents;
}

/**
 * Keeps the buffers of all partitions filled: a fetch is under way to every broker that has partitions with room. A partition
 * whose buffer is full is left out, the others go on.
 *
 * Two lanes lead to a broker. On the first a fetch may wait for records that nobody has written yet; should a partition get room
 * meanwhile whose log is known to go on, the second brings that at once.
 */
export class Fetcher {
  readonly #context: FetcherContext;
  readonly #brokers = new Map<number, BrokerFetches>();
  readonly #wakeup: Wakeup;
  readonly #stop = new AbortController();
  readonly #staleTopics = new Set<string>();
  /** Topics that were assigned by hand and not seen yet: asking for them may create them. */
  readonly #unseenTopics = new Set<string>();
  readonly stats = { fetches: 0, fetchedBytes: 0, failedFetches: 0, brokerOutages: 0 };
  #refreshing = false;
  #refreshRetryAtMs = 0;
  readonly #refreshBackoff: Backoff;

  constructor(context: FetcherContext) {
    this.#context = context;
    this.#wakeup = new Wakeup(context.clock, () => this.#drain());
    this.#refreshBackoff = this.#newBackoff();
  }

  /** Something has changed that may allow another fetch. */
  wake(): void {
    this.#wakeup.soon();
  }

  /** A partition has used up something of its buffer: matters only if it was left out because it was full. */
  roomMade(state: AssignedPartition): void {
    if (!state.isBeingFetched) this.#wakeup.soon();
  }

  /** Somebody wants to read these topics by name; where nothing is known of one, it is asked for, which may create it. */
  wanted(topics: Iterable<string>): void {
    for (const topic of topics) {
      if (this.#context.cluster.topic(topic) !== undefined) continue;
      this.#unseenTopics.add(topic);
      this.markStale(topic);
    }
  }

  /** Has the topic's leaders asked for anew. */
  markStale(topic: string): void {
    this.#staleTopics.add(topic);
    this.#wakeup.soon();
  }

  /** Ends all fetching; sessions are closed, so that the broker need not remember them. */
  async close(timeoutMs: number): Promise<void> {
    this.#wakeup.close();
    this.#stop.abort();
    const closing = [...this.#brokers.values()]
      .filter(({ session, waiting }) => session.id !== 0 && !waiting.busy)
      .map(({ nodeId, session }) =>
        this.#context.cluster
          .fetch(nodeId, 'fetch', (version) => this.#request([], 0, sessionless([], version, session.id)), {
            timeoutMs,
          })
          .catch(() => {}),
      );
    await Promise.all(closing);
  }

  #drain(): void {
    const nowMs = this.#context.clock.monotonic();
    this.#refreshStaleTopics(nowMs);
    const shareBytes = this.#shareBytes();
    const wanted = new Map<BrokerFetches, AssignedPartition[]>();
    const leftOut = new Set<BrokerFetches>();
    for (const state of this.#context.partitions) {
      if (state.paused || state.revoking || state.status === 'failed') continue;
      const broker = this.#brokerFor(state, nowMs);
      if (broker === undefined) continue;
      if (this.#mayFetch(state, shareBytes, nowMs)) {
        const states = wanted.get(broker);
        if (states === undefined) wanted.set(broker, [state]);
        else states.push(state);
      } else {
        leftOut.add(broker);
      }
    }
    if (this.#staleTopics.size === 0 && !this.#refreshing) this.#refreshBackoff.reset();
    for (const [broker, states] of wanted) this.#fetchFrom(broker, states, leftOut.has(broker), shareBytes, nowMs);
  }

  /** What one partition may buffer: its own bound, or an equal part of all where many share it. */
  #shareBytes(): number {
    const { prefetchBytesMax, prefetchPartitionBytesMax } = this.#context.settings;
    // A fetch may start just below the bound and bring as much again, hence the half.
    const equal = prefetchBytesMax / 2 / Math.max(this.#context.partitions.size, 1);
    return Math.min(prefetchPartitionBytesMax, Math.max(equal, SHARE_BYTES_MIN));
  }

  #mayFetch(state: AssignedPartition, shareBytes: number, nowMs: number): boolean {
    if (state.status !== 'fetching' || state.isBeingFetched) return false;
    if (state.bufferedBytes >= shareBytes) return false;
    if (state.retryAtMs > nowMs) {
      this.#wakeup.at(state.retryAtMs);
      return false;
    }
    return this.#context.validator.allows(state);
  }

  /** The broker to read from: a near replica where the leader named one, else the leader. */
  #brokerFor(state: AssignedPartition, nowMs: number): BrokerFetches | undefined {
    const { cluster } = this.#context;
    const preferred = state.preferredReplica(nowMs);
    if (preferred !== undefined) {
      if (cluster.hasBroker(preferred)) return this.#broker(preferred);
      state.preferLeader();
    }
    const leaderId = cluster.partition(state.topic, state.partition)?.leaderId ?? -1;
    if (leaderId < 0 || !cluster.hasBroker(leaderId)) {
      if (!this.#staleTopics.has(state.topic)) this.markStale(state.topic);
      return undefined;
    }
    return this.#broker(leaderId);
  }

  #broker(nodeId: number): BrokerFetches {
    let broker = this.#brokers.get(nodeId);
    if (broker === undefined) {
      broker = {
        nodeId,
        waiting: { name: 'fetch', busy: false },
        backlog: { name: 'backlog', busy: false },
        session: new FetchSession(),
        backoff: this.#newBackoff(),
        retryAtMs: 0,
        partialWaitMs: PARTIAL_WAIT_MS_MIN,
        partialCount: 0,
      };
      this.#brokers.set(nodeId, broker);
    }
    return broker;
  }

  #fetchFrom(
    broker: BrokerFetches,
    states: readonly AssignedPartition[],
    isPartial: boolean,
    shareBytes: number,
    nowMs: number,
  ): void {
    if (broker.retryAtMs > nowMs) {
      this.#wakeup.at(broker.retryAtMs);
      return;
    }
    if (!broker.waiting.busy) {
      const asked = states.map((state) => this.#ask(state, shareBytes));
      void this.#fetch(broker, broker.waiting, asked, this.#waitMs(broker, asked.length, isPartial));
    } else if (!broker.backlog.busy) {
      const { readCommitted } = this.#context.settings;
      const behind = states.filter((state) => {
        const end = state.endOffset(readCommitted);
        return state.fetchOffset < end || end < 0;
      });
      if (behind.length > 0) {
        const asked = behind.map((state) => this.#ask(state, shareBytes));
        void this.#fetch(broker, broker.backlog, asked, 0);
      }
    }
  }

  /**
   * How long a fetch may wait at the broker. One that leaves out partitions, because they are full or not ready, holds them up if
   * it stays long; so it begins short, and grows as long as nothing is gained by that.
   */
  #waitMs(broker: BrokerFetches, count: number, isPartial: boolean): number {
    const { fetchWaitMsMax } = this.#context.settings;
    if (!isPartial || count > broker.partialCount) broker.partialWaitMs = PARTIAL_WAIT_MS_MIN;
    broker.partialCount = count;
    if (!isPartial) return fetchWaitMsMax;
    const waitMs = Math.min(broker.partialWaitMs, fetchWaitMsMax);
    broker.partialWaitMs = Math.min(broker.partialWaitMs * 2, Math.max(fetchWaitMsMax, PARTIAL_WAIT_MS_MIN));
    return waitMs;
  }

  #ask(state: AssignedPartition, shareBytes: number): Asked {
    const version = state.fetchBegins();
    const { topic, partition, fetchOffset, leaderEpoch } = state;
    const topicId = this.#context.cluster.topic(topic)?.topicId ?? ZERO_UUID;
    const bytesMax = Math.ceil(Math.min(this.#context.settings.partitionBytesMax, shareBytes));
    return { state, topic, topicId, partition, fetchOffset, leaderEpoch, bytesMax, version };
  }

  async #fetch(broker: BrokerFetches, lane: FetchLane, asked: readonly Asked[], waitMs: number): Promise<void> {
    const { cluster, settings, clock } = this.#context;
    lane.busy = true;
    const startedMs = clock.monotonic();
    const inSession = lane === broker.waiting;
    let response: FetchResponse | undefined;
    try {
      const build = (version: number) =>
        this.#request(asked, waitMs, inSession ? broker.session.next(asked, version) : sessionless(asked, version));
      response = await cluster.fetch(broker.nodeId, lane.name, build, {
        timeoutMs: settings.requestTimeoutMs + waitMs,
        signal: this.#stop.signal,
        versionMax: fetchVersionMax(asked),
      });
      this.#answered(broker, inSession, asked, response);
    } catch (error) {
      if (inSession) broker.session.unanswered();
      if (!this.#stop.signal.aborted) this.#unanswered(broker, asked, error);
    }
    lane.busy = false;
    for (const { state, version } of asked) state.fetchEnded(version);
    if (fetchChannel.hasSubscribers) {
      fetchChannel.publish({
        nodeId: broker.nodeId,
        partitions: asked.length,
        durationMs: clock.monotonic() - startedMs,
        answered: response !== undefined,
      });
    }
    this.#wakeup.soon();
  }

  #request(asked: readonly Asked[], waitMs: number, session: ReturnType<typeof sessionless>) {
    const { settings } = this.#context;
    return {
      maxWaitMs: waitMs,
      minBytes: waitMs === 0 || asked.length === 0 ? 0 : settings.fetchMinBytes,
      maxBytes: settings.fetchBytesMax,
      isolationLevel: settings.readCommitted ? 1 : 0,
      rackId: settings.rackId,
      ...session,
    };
  }

  #answered(broker: BrokerFetches, inSession: boolean, asked: readonly Asked[], response: FetchResponse): void {
    if (response.errorCode !== ErrorCode.NONE) {
      if (inSession) broker.session.refused(response.errorCode);
      this.#refused(broker, asked, response.errorCode);
      return;
    }
    if (inSession) broker.session.answered(response.sessionId);
    if (broker.backoff.failures >= OUTAGE_FAILURES) {
      this.#context.logger.info({ nodeId: broker.nodeId }, `Broker ${broker.nodeId} answers again`);
    }
    broker.backoff.reset();
    this.stats.fetches += 1;
    const nodes = response.nodeEndpoints.map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack }));
    const memory = new ResponseMemory();
    const byPartition = indexOf(asked);
    for (const answer of response.responses) {
      const partitions = byPartition(answer.topic, answer.topicId);
      for (const partition of answer.partitions) {
        const one = partitions?.get(partition.partitionIndex);
        // What came for a partition that was sought elsewhere meanwhile, or was given up, is of no use.
        if (one === undefined || one.state.version !== one.version || one.state.fetchOffset !== one.fetchOffset) {
          continue;
        }
        this.#take({ state: one.state, nodeId: broker.nodeId, data: partition, nodes, memory });
      }
    }
  }

  #take(answer: PartitionAnswer): void {
    const { answers } = this.#context;
    this.stats.fetchedBytes += answer.data.records?.length ?? 0;
    if (answers.take(answer)) this.markStale(answer.state.topic);
  }

  /** The whole request was refused. Errors of the session are mended by the next request, which begins a new one. */
  #refused(broker: BrokerFetches, asked: readonly Asked[], errorCode: number): void {
    const { logger, clock } = this.#context;
    this.stats.failedFetches += 1;
    const error = brokerError(errorCode, `Fetch from broker ${broker.nodeId}`);
    logger.debug({ nodeId: broker.nodeId, err: error }, error.message);
    const isOfSession =
      errorCode === ErrorCode.FETCH_SESSION_ID_NOT_FOUND || errorCode === ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    if (isOfSession && broker.backoff.failures === 0) {
      // At once, but not again and again: should it be refused too, there is a pause.
      broker.backoff.next();
      return;
    }
    if (!isOfSession) for (const { topic } of asked) this.#staleTopics.add(topic);
    broker.retryAtMs = clock.monotonic() + broker.backoff.next();
  }

  #unanswered(broker: BrokerFetches, asked: readonly Asked[], error: unknown): void {
    const { logger, clock } = this.#context;
    this.stats.failedFetches += 1;
    if (isFinal(error)) {
      logger.error(
        { nodeId: broker.nodeId, err: error },
        `Cannot fetch from broker ${broker.nodeId}: ${error.message}`,
      );
      for (const { state, version } of asked) {
        if (state.version === version) this.#context.events.failed(state, error);
      }
      return;
    }
    const message = `Fetch from broker ${broker.nodeId} was not answered`;
    // One that is lost is nothing to speak of; that it goes on is told once, and so is its end.
    if (broker.backoff.failures === OUTAGE_FAILURES - 1) {
      this.stats.brokerOutages += 1;
      logger.warn({ nodeId: broker.nodeId, err: error }, `${message}, ${OUTAGE_FAILURES} times by now; trying on`);
    } else {
      logger.debug({ nodeId: broker.nodeId, err: error }, message);
    }
    broker.retryAtMs = clock.monotonic() + broker.backoff.next();
    for (const { topic, state } of asked) {
      this.#staleTopics.add(topic);
      // A replica that does not answer is no help, however near.
      if (state.preferredReplica(clock.monotonic()) === broker.nodeId) state.preferLeader();
    }
  }

  #refreshStaleTopics(nowMs: number): void {
    if (this.#staleTopics.size === 0 || this.#refreshing) return;
    if (this.#refreshRetryAtMs > nowMs) {
      this.#wakeup.at(this.#refreshRetryAtMs);
      return;
    }
    const { clock, logger } = this.#context;
    const topics = [...this.#staleTopics];
    this.#staleTopics.clear();
    this.#refreshing = true;
    const over = (): void => {
      this.#refreshing = false;
      // An answer that does not help counts as a failure: the next question waits twice as long.
      this.#refreshRetryAtMs = clock.monotonic() + this.#refreshBackoff.next();
      this.#wakeup.soon();
    };
    this.#refresh(topics).then(over, (error: unknown) => {
      logger.debug({ topics, err: error }, 'Asking for the leaders of partitions failed');
      over();
    });
  }

  /** Topics that are not known yet are asked for one by one: the cluster may say of one that it never will be. */
  async #refresh(topics: readonly string[]): Promise<void> {
    const { cluster, partitions, missing } = this.#context;
    const known = topics.filter((topic) => cluster.topic(topic) !== undefined);
    if (known.length > 0) {
      await cluster.refreshTopics(known);
      const asked = new Set(known);
      missing.answered(
        [...partitions].filter(({ topic }) => asked.has(topic) && cluster.topic(topic) !== undefined).map(placeOf),
      );
    }
    let passing: unknown;
    for (const topic of topics) {
      if (cluster.topic(topic) !== undefined) continue;
      try {
        await cluster.loadTopics([topic], this.#unseenTopics.has(topic));
        this.#unseenTopics.delete(topic);
        missing.answered([{ topic }]);
      } catch (error) {
        if (isUnknownTopic(error)) missing.answered([{ topic }]);
        if (!(error instanceof BrokerError) || error.retriable) passing = error;
        else for (const state of partitions) if (state.topic === topic) this.#context.events.failed(state, error);
      }
    }
    if (passing !== undefined) throw passing;
  }

  #newBackoff(): Backoff {
    const { settings, random } = this.#context;
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax } = settings;
    return new Backoff({ backoffMs, backoffMsMax }, random);
  }
}

function placeOf({ topic, partition }: AssignedPartition): { topic: string; partition: number } {
  return { topic, partition };
}

function isUnknownTopic(error: unknown): boolean {
  return error instanceof BrokerError && error.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

/** Finds what was asked of a partition by the topic's name or id, whichever the answer has. */
function indexOf(asked: readonly Asked[]): (topic: string, topicId: string) => Map<number, Asked> | undefined {
  const topics = new Map<string, Map<number, Asked>>();
  for (const one of asked) {
    let partitions = topics.get(one.topic);
    if (partitions === undefined) {
      partitions = new Map();
      topics.set(one.topic, partitions);
      if (one.topicId !== ZERO_UUID) topics.set(one.topicId, partitions);
    }
    partitions.set(one.partition, one);
  }
  return (topic, topicId) => topics.get(topic === '' ? topicId : topic);
}
