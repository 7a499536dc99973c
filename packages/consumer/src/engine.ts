import { ApiTimedOutError, Backoff, KafkaError, type Logger } from '@millrace/client';
import { atMost, partitionName, TimedPauses } from '@millrace/client/internal';
import type { Clock, Random, Timer } from '@millrace/ports';
import type { AssignedPartition, OffsetLookup } from './assigned-partition.ts';
import type { Cluster, Coordinator } from './cluster-port.ts';
import { consumerClosed, invalidState, messageOf, noGroup, notAssigned, nothingAssigned } from './errors.ts';
import { GroupMembership } from './group/membership.ts';
import { checkTopicName, Subscription } from './group/subscription.ts';
import { TopicWatch } from './group/topic-watch.ts';
import { type MemberIdentity, NOBODY } from './member-identity.ts';
import { MissingTopics } from './missing-topics.ts';
import { OffsetCommitter, type OffsetToCommit } from './offsets/offset-committer.ts';
import type { ConsumerSettings, TopicPartition } from './options.ts';
import { PartitionFlow } from './partition-flow.ts';
import { PartitionKeeper, type RebalanceListeners } from './partition-keeper.ts';
import { PartitionTable } from './partition-table.ts';
import { Delivery } from './reading/delivery.ts';
import type { HandlingCounts } from './reading/handler.ts';
import { PollWatch } from './reading/poll-watch.ts';
import { haveToWait, type RecordDecoders } from './record.ts';
import { heldAlive, settledOrAborted, timeoutSignal } from './waiting.ts';

/** What the engine needs of the world. */
export interface EnginePorts {
  readonly cluster: Cluster;
  /** Undefined without a group. */
  readonly coordinator: Coordinator | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether the program gave it; one that did not is told of what it would wait for in vain by a warning of Node's. */
  readonly hasLogger: boolean;
}

/** What the engine needs of the options beside the settings. */
export interface EngineOptions {
  readonly decoders: RecordDecoders;
  readonly listeners: RebalanceListeners;
}

/** What `joined` resolves with. */
export interface GroupJoined {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
  readonly partitions: readonly TopicPartition[];
}

/** Of the time that `close` may take, this part is kept for the commit, and as much for leaving the group ... */
const LEAVE_PARTS = 4;
/** ... but no more than this, in milliseconds. */
const LEAVE_MS_MAX = 2_000;

/**
 * What moves below a consumer: the parts that find offsets, fetch, hand out, commit and rebalance, put together. It knows neither
 * sockets nor what keys and values are.
 */
export class ConsumerEngine {
  readonly settings: ConsumerSettings;
  readonly partitions = new PartitionTable();
  readonly delivery: Delivery;
  readonly keeper: PartitionKeeper;
  readonly committer: OffsetCommitter | undefined;
  membership: GroupMembership | undefined;
  readonly flow: PartitionFlow;
  readonly cluster: Cluster;
  readonly coordinator: Coordinator | undefined;
  readonly clock: Clock;
  readonly missing: MissingTopics;
  readonly #ports: EnginePorts;
  readonly #watch: PollWatch;
  readonly #joined = Promise.withResolvers<GroupJoined>();
  #joinedAwaited: Promise<GroupJoined> | undefined;
  readonly #ignoreMetadata: () => void;
  #subscription: Subscription | undefined;
  #topicWatch: TopicWatch | undefined;
  #assignedByHand = false;
  /** As whom it was in its group before it unsubscribed. */
  #joinedBefore: MemberIdentity | undefined;
  #hasBeenAssigned = false;
  #isRunning = false;
  #autoCommitTimer: Timer | undefined;
  #closing: Promise<void> | undefined;
  readonly #over = new AbortController();
  rebalances = 0;
  /** What became of calls of handlers, over all of `run`. */
  readonly handling: HandlingCounts = { handlerFailures: 0, handlerRetries: 0, deadLetters: 0 };
  /** Whether records are decoded before they are handed out, by deserializers that have to be waited for. */
  readonly decodesFirst: boolean;

  constructor(settings: ConsumerSettings, options: EngineOptions, ports: EnginePorts) {
    this.settings = settings;
    this.#ports = ports;
    this.cluster = ports.cluster;
    this.coordinator = ports.coordinator;
    this.clock = ports.clock;
    this.missing = new MissingTopics(ports);
    // Nobody may ever ask for it.
    this.#joined.promise.catch(() => {});
    this.delivery = new Delivery(ports.clock, settings, (state) => this.flow.fetcher.roomMade(state));
    this.delivery.onPoll = () => this.#polled();
    const { partitions, delivery, missing } = this;
    const { decoders } = options;
    this.decodesFirst = haveToWait(decoders);
    this.flow = new PartitionFlow({ ...ports, settings, partitions, delivery, decoders, missing });
    this.committer = this.#newCommitter();
    this.keeper = new PartitionKeeper({
      ...ports,
      settings,
      partitions,
      delivery,
      committer: this.committer,
      listeners: options.listeners,
      added: (states) => this.flow.added(states),
      wake: () => this.flow.wake(),
      member: () => ({ memberId: this.membership?.memberId ?? '', generationId: this.membership?.generationId ?? -1 }),
      joinedAs: () => (this.#assignedByHand ? undefined : this.membership?.joinedAs),
    });
    this.membership = this.#newMembership();
    this.#watch = new PollWatch(this.delivery, ports.clock, settings.maxPollIntervalMs, (why) => this.#stuck(why));
    this.#ignoreMetadata = ports.cluster.onMetadataUpdate(() => {
      this.#topicWatch?.metadataChanged();
      this.membership?.metadataChanged();
      this.flow.metadataChanged();
    });
  }

  /** Resolves when the group has given this member its partitions for the first time. */
  get joined(): Promise<GroupJoined> {
    if (this.membership === undefined) return refusal(noGroup('wait for it to join'));
    if (this.#assignedByHand) return refusal(invalidState('wait for the group', 'partitions were assigned by hand'));
    this.#joinedAwaited ??= heldAlive(this.#joined.promise);
    return this.#joinedAwaited;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Fires when closing is over: what has not ended by then is left alone. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Begins to read: a loop or handlers that would wait for records which nobody asked for are refused (Java's `poll` does so too).
   * @throws ConsumerError `CONSUMER_CLOSED`; `CONSUMER_INVALID_STATE` where nothing is subscribed or assigned
   */
  beginReading(attempt: string): void {
    this.#mustBeOpen(attempt);
    if (this.#subscription !== undefined || this.partitions.size > 0) return;
    const how =
      this.coordinator === undefined ? 'assign() partitions' : 'subscribe() to topics, or assign() partitions,';
    throw invalidState(attempt, `nothing is subscribed or assigned; ${how} before`);
  }

  /**
   * Begins to call handlers, which one `run` at a time does.
   * @returns what is to be called when it has ended
   * @throws as {@link beginReading}; ConsumerError `CONSUMER_INVALID_STATE` while another is under way
   */
  beginRun(): () => void {
    this.beginReading('run');
    if (this.#isRunning) {
      const mend = 'wait for it to end, or have it handle more partitions at once (concurrency)';
      throw invalidState('run', `run() is under way already; ${mend}`);
    }
    this.#isRunning = true;
    return () => {
      this.#isRunning = false;
    };
  }

  /**
   * All partitions that are read now, for what is to be done to all of them; none is an answer once the group has given this member none.
   * @throws ConsumerError `CONSUMER_CLOSED`; `CONSUMER_NOT_ASSIGNED` before anything was assigned: it would be done to nothing
   */
  allStates(attempt: string): AssignedPartition[] {
    this.#mustBeOpen(attempt);
    if (this.partitions.size === 0 && !this.#hasBeenAssigned) throw nothingAssigned(attempt);
    return [...this.partitions];
  }

  get subscribedTopics(): readonly string[] {
    return this.#subscription?.topics() ?? [];
  }

  /**
   * As whom the offsets of what readers have in hand are committed in a transaction. Not always as what the consumer is now: it joins again
   * while they work, and what was lost meanwhile must be refused for who read it, as others may have it.
   */
  get readAs(): MemberIdentity {
    for (const { state } of this.delivery.leases) if (state.lostAs !== undefined) return state.lostAs;
    if (this.#assignedByHand) return NOBODY;
    return this.membership?.joinedAs ?? this.#joinedBefore ?? NOBODY;
  }

  /** Whether the group gives the partitions, rather than a list made by hand. */
  get isSubscribed(): boolean {
    return this.#subscription !== undefined;
  }

  /** Reads topics as a member of the group. Called again, it changes what is read. */
  subscribe(topics: string | RegExp | Iterable<string | RegExp>): void {
    this.#mustBeOpen('subscribe');
    if (this.membership === undefined) throw noGroup('subscribe');
    if (this.#assignedByHand) throw invalidState('subscribe', 'partitions were assigned by hand; unsubscribe first');
    const subscription = new Subscription(topics, this.settings.includeInternalTopics);
    const before = this.#subscription;
    this.#subscription = subscription;
    this.#topicWatch?.close();
    this.#topicWatch = new TopicWatch(
      {
        ...this.#ports,
        settings: this.settings,
        missing: this.missing,
        ready: () => this.#topicsKnown(before),
        failed: (error) => this.#fail(error),
        changed: (now) => this.membership?.rejoin(`the subscription now means ${now.length} topics`),
      },
      subscription,
    );
  }

  /** Reads these partitions, and no others, without the group dividing anything. */
  assign(partitions: readonly (TopicPartition & { readonly offset?: number | undefined })[]): void {
    this.#mustBeOpen('assign');
    for (const { topic } of partitions) checkTopicName(topic, 'assign');
    if (this.#subscription !== undefined) throw invalidState('assign', 'topics are subscribed; unsubscribe first');
    this.#assignedByHand = true;
    this.#hasBeenAssigned = true;
    const wanted = new Set(partitions.map(partitionName));
    this.keeper.remove([...this.partitions].filter((state) => !wanted.has(partitionName(state))));
    const added = partitions.filter(
      ({ topic, partition, offset }) => offset !== undefined || this.partitions.get(topic, partition) === undefined,
    );
    this.keeper.remove(added);
    this.keeper.add(added);
    this.#startAutoCommit();
    this.flow.fetcher.wanted(new Set(added.map(({ topic }) => topic)));
  }

  /** Stops reading, commits what is processed, and leaves the group. Something else may be subscribed or assigned then. */
  async unsubscribe(): Promise<void> {
    this.#mustBeOpen('unsubscribe');
    this.#topicWatch?.close();
    this.#topicWatch = undefined;
    this.#watch.stop();
    await this.#leaveGroup(this.clock.monotonic() + this.settings.closeTimeoutMs);
    this.keeper.remove(this.partitions);
    this.#assignedByHand = false;
    this.#hasBeenAssigned = false;
    this.#joinedBefore = this.membership?.joinedAs ?? this.#joinedBefore;
    this.membership = this.#newMembership();
    this.committer?.goOn();
  }

  /** @throws ConsumerError `CONSUMER_NOT_ASSIGNED` */
  state(topic: string, partition: number, attempt: string): AssignedPartition {
    const state = this.partitions.get(topic, partition);
    if (state === undefined) throw notAssigned(topic, partition, attempt);
    return state;
  }

  /** Reads on at an offset. */
  seek(topic: string, partition: number, offset: number): void {
    const state = this.state(topic, partition, 'seek');
    state.moveTo(offset, -1);
    this.flow.wake();
  }

  /** Reads on at an offset that is to be looked up. */
  seekBy(states: Iterable<AssignedPartition>, lookup: OffsetLookup): void {
    for (const state of states) state.find(lookup);
    this.flow.wake();
  }

  pause(states: Iterable<AssignedPartition>): void {
    for (const state of states) state.pause();
  }

  resume(states: Iterable<AssignedPartition>): void {
    for (const state of states) {
      state.resume();
      this.delivery.offer(state);
    }
    this.flow.wake();
  }

  /** @throws as {@link OffsetCommitter.commit}; ConsumerError `CONSUMER_NO_GROUP` */
  async commit(offsets: readonly OffsetToCommit[], timeoutMs?: number): Promise<void> {
    this.#mustBeOpen('commit');
    if (this.committer === undefined) throw noGroup('commit');
    await this.keeper.commit(offsets, timeoutMs);
  }

  /**
   * Repeats an attempt that may pass, for at most `apiTimeoutMs`.
   * @param what what is done, as it goes on after "cannot"
   */
  async retrying<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#ports;
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax, apiTimeoutMs } = this.settings;
    const backoff = new Backoff({ backoffMs, backoffMsMax }, random);
    const pauses = new TimedPauses(backoff, clock, clock.monotonic() + apiTimeoutMs);
    for (;;) {
      this.#mustBeOpen(what);
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof KafkaError) || !error.retriable) throw error;
        if (!(await pauses.pause())) {
          throw new ApiTimedOutError(
            `Cannot ${what}: it did not succeed within ${apiTimeoutMs} ms: ${error.message}`,
            error,
          );
        }
      }
    }
  }

  get logger(): Logger {
    return this.#ports.logger;
  }

  /** Ends everything, once: readers, handlers, offsets, the group, connections' sessions. */
  close(timeoutMs: number = this.settings.closeTimeoutMs): Promise<void> {
    this.#closing ??= this.#close(timeoutMs).finally(() => this.#over.abort());
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    const endMs = this.clock.monotonic() + timeoutMs;
    this.#topicWatch?.close();
    this.#watch.stop();
    this.#autoCommitTimer?.cancel();
    this.#ignoreMetadata();
    this.#joined.reject(consumerClosed('join the group'));
    this.delivery.end();
    // Whatever of it takes longer ends with the connections.
    await atMost(this.clock, timeoutMs, this.#leaveGroup(endMs));
    await atMost(this.clock, this.#leftMs(endMs), this.flow.close(this.#leftMs(endMs)));
    this.keeper.remove(this.partitions);
  }

  /** Has handlers finish, commits what is processed, gives partitions up, and leaves the group if there is one. */
  async #leaveGroup(endMs: number): Promise<void> {
    const { logger } = this.#ports;
    const leftMs = this.#leftMs(endMs);
    // So much is kept for the steps that follow: a handler that hangs must not cost the commit, nor a commit the leaving.
    const spareMs = Math.min(leftMs / LEAVE_PARTS, LEAVE_MS_MAX);
    for (const state of this.partitions) state.revoke();
    const stopped = this.membership?.stop() ?? Promise.resolve();
    this.keeper.hurry();
    await this.keeper.handlersDone(Math.max(leftMs - 2 * spareMs, 0));
    this.committer?.endBy(endMs - spareMs);
    // A listener may be who closes the consumer, and cannot be waited for by what it waits for.
    await settledOrAborted(stopped, timeoutSignal(this.clock, this.#leftMs(endMs) / 2));
    try {
      await this.keeper.commitProcessed(this.partitions, this.#leftMs(endMs));
    } catch (error) {
      logger.warn({ err: error }, `Committing on close failed: ${messageOf(error)}`);
    }
    if (this.membership === undefined || this.#subscription === undefined) return;
    this.#subscription = undefined;
    const owned = [...this.partitions].map(({ topic, partition }) => ({ topic, partition }));
    try {
      if (owned.length > 0) await this.keeper.letGo(owned);
    } catch (error) {
      logger.warn({ err: error }, messageOf(error));
    }
    await this.membership.leave('the consumer is closed', this.#leftMs(endMs));
  }

  #leftMs(endMs: number): number {
    return Math.max(endMs - this.clock.monotonic(), 1);
  }

  #newCommitter(): OffsetCommitter | undefined {
    const { coordinator } = this.#ports;
    const { groupId } = this.settings;
    if (coordinator === undefined || groupId === undefined) return undefined;
    return new OffsetCommitter({
      ...this.#ports,
      settings: this.settings,
      coordinator,
      groupId,
      identity: () => this.membership?.identity() ?? NOBODY,
      fenced: (errorCode, identity) => this.membership?.refused(errorCode, identity) ?? true,
    });
  }

  #newMembership(): GroupMembership | undefined {
    const { coordinator } = this.#ports;
    const { groupId } = this.settings;
    if (coordinator === undefined || groupId === undefined) return undefined;
    const { keeper } = this;
    return new GroupMembership({
      ...this.#ports,
      settings: this.settings,
      coordinator,
      groupId,
      hooks: {
        topics: () => this.subscribedTopics,
        owned: () => keeper.owned(),
        revoke: (partitions, signal) => keeper.revoke(partitions, signal),
        lose: (partitions) => keeper.lose(partitions),
        assigned: async (partitions) => {
          this.#hasBeenAssigned = true;
          await keeper.assigned(partitions);
          this.#rebalanced(groupId);
        },
        partitionCounts: async (topics) => {
          await this.cluster.refreshTopics(topics);
          return this.#knownPartitionCounts(topics);
        },
        knownPartitionCounts: (topics) => this.#knownPartitionCounts(topics),
        failed: (error) => this.#fail(error),
      },
    });
  }

  #knownPartitionCounts(topics: Iterable<string>): Map<string, number> {
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const known = this.cluster.topic(topic);
      if (known !== undefined) counts.set(topic, known.partitions.length);
    }
    return counts;
  }

  #topicsKnown(before: Subscription | undefined): void {
    if (this.closed) return;
    if (before === undefined) {
      this.#startAutoCommit();
      this.#watch.start();
      this.membership?.start();
    } else {
      this.membership?.rejoin('the subscription has changed');
    }
  }

  #rebalanced(groupId: string): void {
    this.rebalances += 1;
    const { memberId = '', generationId = -1 } = this.membership ?? {};
    const partitions = [...this.partitions].map(({ topic, partition }) => ({ topic, partition }));
    this.#joined.resolve({ groupId, memberId, generationId, partitions });
  }

  #startAutoCommit(): void {
    if (!this.settings.autoCommit) return;
    this.#autoCommitTimer ??= this.clock.schedule(this.settings.autoCommitIntervalMs, () => {
      this.#autoCommitTimer = undefined;
      void this.#autoCommit();
    });
  }

  async #autoCommit(): Promise<void> {
    try {
      await this.keeper.commitProcessed(this.partitions);
    } catch (error) {
      this.#ports.logger.warn({ err: error }, `The automatic commit failed: ${messageOf(error)}`);
    }
    if (!this.closed) this.#startAutoCommit();
  }

  #polled(): void {
    if (this.membership?.isPaused === true) {
      this.membership.resume();
      this.#watch.start();
    }
  }

  #stuck(why: string): void {
    this.membership?.pause(why);
  }

  /** The group is lost for good: readers are told. */
  #fail(error: Error): void {
    this.#joined.reject(error);
    this.#watch.stop();
    this.delivery.end(error);
  }

  #mustBeOpen(attempt: string): void {
    if (this.closed) throw consumerClosed(attempt);
  }
}

/** A promise that is rejected, and no fault of a program that never looks at it. */
function refusal(error: Error): Promise<never> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}
