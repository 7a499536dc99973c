import { type Connection, RequestTimedOutError, type SendOptions } from '@millrace/network';
import { type Timer, takeNoMore } from '@millrace/ports';
import { type Api, ErrorCode, FindCoordinator, Metadata, type MetadataResponse } from '@millrace/protocol';
import { BrokerLinks } from './broker-links.ts';
import { Coordinators, type CoordinatorType } from './coordinators.ts';
import { type BrokerError, brokerError, ClientClosedError, InvalidArgumentError } from './errors.ts';
import {
  type BrokerNode,
  type LeaderHint,
  MetadataCache,
  type PartitionMetadata,
  type TopicMetadata,
  toTopic,
} from './metadata-cache.ts';
import { MetadataRefresher } from './metadata-refresher.ts';
import { type ClientOptions, type ClientSettings, clientSettings } from './options.ts';
import type { TopicPartition } from './partitions.ts';
import { type Attempt, withRetries } from './retry.ts';
import {
  Haste,
  type Route,
  type RouteContext,
  toAnyBroker,
  toBroker,
  toController,
  toCoordinator,
  toLeader,
} from './routes.ts';
import { abortable } from './waiting.ts';

/** The lane of requests that are answered at once. */
const MAIN_LANE = 'main';
/** Group requests have a connection of their own, or a heartbeat would wait behind a long poll. */
const COORDINATOR_LANE = 'coordinator';
/** What is asked in haste goes beside requests that others wait for, such as a Produce whose leader has lost a follower. */
const URGENT_LANE = 'urgent';

/** How long an operation may take and who may stop it. */
export interface OperationOptions {
  /** With all retries, in milliseconds. Default `apiTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Stops the operation at once. */
  readonly signal?: AbortSignal | undefined;
  /** Attempts after the first. Default `retries`. */
  readonly retries?: number | undefined;
}

/** What any broker can answer: one that is silent does not take all the time that there is, so that another can be asked. */
const TIME_FOR_BROKERS = 2;

/** How a request is routed and retried. */
export interface RoutedSendOptions<Res> extends OperationOptions, Pick<SendOptions, 'versionMin' | 'versionMax'> {
  /** For each attempt, in milliseconds. Default the client's `requestTimeoutMs`. */
  readonly requestTimeoutMs?: number | undefined;
  /** Which of the connections to the broker; requests that may wait long (Fetch) have one of their own. */
  readonly lane?: string | undefined;
  /**
   * The error code that makes the response a failure, 0 for none: retried when retriable, thrown as `BrokerError` otherwise.
   * Default the response's top-level `errorCode`. Give `() => 0` to get every response as it is.
   */
  readonly errorOf?: ((response: Res) => number) | undefined;
}

/** Partitions by the broker that leads them, as last heard. */
export interface PartitionsByLeader<T extends TopicPartition> {
  readonly byLeader: ReadonlyMap<number, readonly T[]>;
  /** Those whose leader is not known. */
  readonly leaderless: readonly T[];
}

/**
 * A client's view of a cluster: finds brokers, remembers topics and leaders, keeps connections, and sends requests to the
 * broker that must get them, again if need be. Producer, consumer and admin stand on it.
 *
 * It connects when it is first used. Works with Kafka 2.8 to 4.x and Millrace.
 *
 * @example
 * const client = new KafkaClient({ bootstrapServers: 'localhost:9092' });
 * const [topic] = await client.topics(['orders']);
 */
export class KafkaClient implements AsyncDisposable {
  /** The options with their defaults. */
  readonly settings: ClientSettings;
  readonly #cache = new MetadataCache();
  readonly #links: BrokerLinks;
  readonly #coordinators: Coordinators;
  readonly #refresher: MetadataRefresher;
  readonly #routes: RouteContext;
  readonly #haste = new Haste(URGENT_LANE);
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #ageTimer: Timer | undefined;

  static {
    takeNoMore(KafkaClient.prototype, { connect: 1, close: 0 }, (fault) =>
      Promise.reject(new InvalidArgumentError(`Cannot call the client: ${fault}`)),
    );
  }

  /** @throws InvalidOptionError */
  constructor(options: ClientOptions) {
    this.settings = clientSettings(options);
    this.#links = new BrokerLinks(this.settings);
    this.#coordinators = new Coordinators((request, signal) =>
      this.sendToAnyBroker(FindCoordinator, request, { signal, retries: 0, errorOf: () => ErrorCode.NONE }),
    );
    this.#refresher = new MetadataRefresher(
      this.#cache,
      // One attempt: those who wait for the answer have their own patience, and then learn why it did not come.
      (request, isUrgent) => {
        const route = toAnyBroker(this.#routes, MAIN_LANE, isUrgent ? this.#haste : undefined);
        const options = { retries: 0, errorOf: () => ErrorCode.NONE };
        return this.#send(Metadata.name, route, Metadata, request, options, TIME_FOR_BROKERS);
      },
      () => this.#metadataUpdated(),
    );
    this.#routes = {
      settings: this.settings,
      links: this.#links,
      cache: this.#cache,
      coordinators: this.#coordinators,
      refresh: (topics, signal) => this.#load(topics, this.settings.allowAutoTopicCreation, signal),
    };
  }

  /** The brokers as last heard of, by id; empty before the first answer. */
  get brokers(): ReadonlyMap<number, BrokerNode> {
    return this.#cache.brokers;
  }

  get clusterId(): string | null {
    return this.#cache.clusterId;
  }

  /** The controller's broker id as last heard; -1 where it is not known. */
  get controllerId(): number {
    return this.#cache.controllerId;
  }

  /** The level of a finalized feature of the cluster (KIP-584), as brokers told when they were connected to; 0 where it has none. */
  featureLevel(name: string): number {
    return this.#links.featureLevel(name);
  }

  /** Whether no broker that the client is connected to now is known not to serve a version of an API. */
  mayServe(api: { readonly key: number }, version: number): boolean {
    return this.#links.mayServe(api.key, version);
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /**
   * Connects and learns the brokers now rather than with the first request.
   * @throws ApiTimedOutError, NoBrokerError, AuthenticationError
   */
  async connect(options: OperationOptions = {}): Promise<void> {
    await this.refreshTopics([], options);
  }

  /** Closes all connections; what is under way is rejected. Safe to call twice. */
  async close(): Promise<void> {
    this.#stop.abort(new ClientClosedError('The client was closed'));
    this.#ageTimer?.cancel();
    this.#listeners.clear();
    await this.#links.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A topic as last heard of, without asking. */
  topic(name: string): TopicMetadata | undefined {
    return this.#cache.topic(name);
  }

  /** The name of a topic id that the client has heard of. */
  topicName(topicId: string): string | undefined {
    return this.#cache.nameOf(topicId);
  }

  /** A partition with its leader as last heard of, without asking. */
  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.#cache.partition(topic, partition);
  }

  /**
   * Topics by name, asked for where they are not known. A topic that does not exist is waited for, since it may be about to be
   * created.
   * @throws BrokerError such as KAFKA_TOPIC_AUTHORIZATION_FAILED; ApiTimedOutError with the last error as the cause.
   */
  async topics(
    names: readonly string[],
    options: OperationOptions & { allowAutoTopicCreation?: boolean | undefined } = {},
  ): Promise<TopicMetadata[]> {
    const what = `Metadata of ${listed(names)}`;
    const mayCreate = options.allowAutoTopicCreation ?? this.settings.allowAutoTopicCreation;
    return this.retrying(what, options, async ({ signal }) => {
      const missing = names.filter((name) => this.#cache.topic(name) === undefined);
      if (missing.length > 0) await this.#load(missing, mayCreate, signal);
      return names.map((name) => {
        const topic = this.#cache.topic(name);
        if (topic === undefined) throw brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Metadata of "${name}"`);
        return topic;
      });
    });
  }

  /** All topics of the cluster that the principal may see, as they are now. */
  async allTopics(options: OperationOptions = {}): Promise<TopicMetadata[]> {
    // Not through the refresher: an answer with every topic is not worth remembering for those who use a few.
    const response = await this.sendToAnyBroker(
      Metadata,
      (version) => ({ topics: null, allowAutoTopicCreation: version < 4 }),
      { ...options, errorOf: () => ErrorCode.NONE },
    );
    return response.topics.flatMap((topic) =>
      topic.errorCode === ErrorCode.NONE && topic.name !== null
        ? [toTopic(topic, topic.name, this.#cache.topic(topic.name))]
        : [],
    );
  }

  /**
   * Asks the cluster for these topics anew; with an empty list, for its brokers. Calls at the same time share a request.
   * @param options `isUrgent`: not to wait behind requests on the same connection, which are answered in their order
   */
  async refreshTopics(
    topics: readonly string[],
    options: OperationOptions & { readonly isUrgent?: boolean } = {},
  ): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const what = `Metadata of ${topics.length === 0 ? 'the cluster' : listed(topics)}`;
    await this.retrying(what, options, ({ signal }) =>
      abortable(this.#refresher.refresh(topics, this.settings.allowAutoTopicCreation, options.isUrgent), signal),
    );
  }

  /**
   * The partition with its leader, asked for where it is not known.
   * @throws ApiTimedOutError when there is none in time; its cause says why.
   */
  async leaderFor(topic: string, partition: number, options: OperationOptions = {}): Promise<PartitionMetadata> {
    const what = `Looking for the leader of partition ${partition} of "${topic}"`;
    return this.retrying(what, options, async ({ signal }) => {
      const known = this.#cache.partition(topic, partition);
      if (known !== undefined && this.#cache.brokers.has(known.leaderId)) return known;
      await this.#load([topic], this.settings.allowAutoTopicCreation, signal);
      const found = this.#cache.partition(topic, partition);
      if (found === undefined) throw brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, what);
      if (!this.#cache.brokers.has(found.leaderId)) throw brokerError(ErrorCode.LEADER_NOT_AVAILABLE, what);
      return found;
    });
  }

  /** Sorts partitions by their leader as last heard, without asking. */
  groupByLeader<T extends TopicPartition>(partitions: Iterable<T>): PartitionsByLeader<T> {
    const byLeader = new Map<number, T[]>();
    const leaderless: T[] = [];
    for (const one of partitions) {
      const leaderId = this.#cache.partition(one.topic, one.partition)?.leaderId ?? -1;
      const group = byLeader.get(leaderId);
      if (!this.#cache.brokers.has(leaderId)) {
        leaderless.push(one);
      } else if (group === undefined) {
        byLeader.set(leaderId, [one]);
      } else {
        group.push(one);
      }
    }
    return { byLeader, leaderless };
  }

  /** Takes in newer leaders that a Produce or Fetch response told of (KIP-951). True when one was news. */
  applyLeaderHints(hints: readonly LeaderHint[], nodes: readonly BrokerNode[] = []): boolean {
    const changed = this.#cache.applyHints(hints, nodes);
    if (changed) this.#notify();
    return changed;
  }

  /** Calls `listener` after every answer that was taken in, whether or not it brought news. Returns what ends that. */
  onMetadataUpdate(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * A ready connection to a broker, for those who send and retry by their own rules (producer, fetcher).
   * @throws NoBrokerError when the broker is not known; what `Connection.connect` throws.
   */
  async connectionTo(nodeId: number, lane: string = MAIN_LANE, signal?: AbortSignal): Promise<Connection> {
    const node = this.#cache.brokers.get(nodeId);
    return node === undefined
      ? toBroker(this.#routes, nodeId, lane)(undefined, this.#stoppable(signal))
      : this.#links.get(node, lane, signal);
  }

  /** Sends to one broker. */
  sendToBroker<Req, Res, ReqInput, ResInput>(
    nodeId: number,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res> = {},
  ): Promise<Res> {
    const route = toBroker(this.#routes, nodeId, options.lane ?? MAIN_LANE);
    return this.#send(`${api.name} to broker ${nodeId}`, route, api, body, options);
  }

  /** Sends to whichever broker answers, preferring one that is connected. */
  sendToAnyBroker<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res> = {},
  ): Promise<Res> {
    const route = toAnyBroker(this.#routes, options.lane ?? MAIN_LANE);
    const answer = this.#send(api.name, route, api, body, options, TIME_FOR_BROKERS);
    answer.then(
      () => this.#learnBrokers(),
      () => undefined,
    );
    return answer;
  }

  /** Sends to the controller, and to the new one when it has moved. */
  sendToController<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res> = {},
  ): Promise<Res> {
    const route = toController(this.#routes, options.lane ?? MAIN_LANE);
    return this.#send(`${api.name} to the controller`, route, api, body, options);
  }

  /** Sends to the coordinator of a group or transactional id, and to the new one when it has moved. */
  sendToCoordinator<Req, Res, ReqInput, ResInput>(
    type: CoordinatorType,
    key: string,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res> = {},
  ): Promise<Res> {
    const route = toCoordinator(this.#routes, type, key, options.lane ?? COORDINATOR_LANE);
    return this.#send(`${api.name} to the coordinator of ${type} "${key}"`, route, api, body, options);
  }

  /** Sends to the leader of a partition, and to the new one when it has moved. `errorOf` finds the partition's error code. */
  sendToLeader<Req, Res, ReqInput, ResInput>(
    { topic, partition }: TopicPartition,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res> = {},
  ): Promise<Res> {
    const route = toLeader(this.#routes, topic, partition, options.lane ?? MAIN_LANE);
    return this.#send(`${api.name} to the leader of partition ${partition} of "${topic}"`, route, api, body, options);
  }

  /** The broker that coordinates a group or transactional id, asked for where it is not known. */
  coordinatorFor(type: CoordinatorType, key: string, options: OperationOptions = {}): Promise<BrokerNode> {
    return this.retrying(`Looking for the coordinator of ${type} "${key}"`, options, ({ signal }) =>
      this.#coordinators.find(type, key, signal),
    );
  }

  /** Forgets a coordinator that turned out to be wrong or gone. */
  invalidateCoordinator(type: CoordinatorType, key: string): void {
    this.#coordinators.invalidate(type, key);
  }

  /**
   * Runs `attempt` by the client's retry policy: again after retriable errors, until the time is over.
   * @param what What is attempted, for messages.
   */
  retrying<T>(what: string, options: OperationOptions, attempt: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { retry, clock, random } = this.settings;
    const policy = {
      ...retry,
      timeoutMs: options.timeoutMs ?? retry.timeoutMs,
      retries: options.retries ?? retry.retries,
    };
    return withRetries(policy, { what, clock, random, signal: this.#stoppable(options.signal) }, attempt);
  }

  #send<Req, Res, ReqInput, ResInput>(
    what: string,
    route: Route,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: RoutedSendOptions<Res>,
    timeForBrokers = 1,
  ): Promise<Res> {
    const { versionMin, versionMax, requestTimeoutMs = this.settings.requestTimeoutMs } = options;
    let failure: unknown;
    return this.retrying(what, options, async ({ signal, remainingMs }) => {
      let connection: Connection | undefined;
      try {
        connection = await route(failure, signal);
        const timeoutMs = Math.min(requestTimeoutMs, remainingMs / timeForBrokers);
        const response = await connection.send(api, 'auto', body, { timeoutMs, signal, versionMin, versionMax });
        const errorCode = options.errorOf === undefined ? topLevelError(response) : options.errorOf(response);
        if (errorCode !== ErrorCode.NONE) {
          throw brokerError(errorCode, what, (response as { errorMessage?: string | null }).errorMessage);
        }
        return response;
      } catch (error) {
        failure = error;
        // The way to the broker may have led through a request to another, which then is the one that did not answer.
        const isThisOne = connection !== undefined && error instanceof RequestTimedOutError;
        if (isThisOne) this.#links.suspect(connection as Connection);
        throw error;
      }
    });
  }

  /** Whoever has only ever asked any broker knows no other than those that it began with, and none once these are gone. */
  #learnBrokers(): void {
    if (this.#cache.brokers.size > 0 || this.#stop.signal.aborted) return;
    this.#refresher.refresh([], false).catch(() => undefined);
  }

  /** One attempt to learn of topics; throws the error of one that the cluster does not tell of. */
  async #load(topics: readonly string[], mayCreate: boolean, signal: AbortSignal): Promise<void> {
    throwTopicError(await abortable(this.#refresher.refresh(topics, mayCreate), signal), topics);
  }

  #stoppable(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  #metadataUpdated(): void {
    const { clock, metadataMaxAgeMs } = this.settings;
    if (!this.closed) {
      this.#ageTimer ??= clock.schedule(metadataMaxAgeMs, () => void this.#refreshAged());
      this.#notify();
    }
  }

  /** Asks again for the topics that are in use and lets go of the others. */
  async #refreshAged(): Promise<void> {
    this.#ageTimer = undefined;
    try {
      await this.refreshTopics(this.#cache.dropUnused());
    } catch (error) {
      if (!this.closed) {
        this.settings.logger.warn(
          { err: error },
          'The periodic refresh of metadata failed; what was known stays in use',
        );
        this.#metadataUpdated();
      }
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.settings.logger.error({ err: error }, 'A listener for metadata updates threw');
      }
    }
  }
}

/** Names for a message, which should not be longer than a line. */
function listed(names: readonly string[]): string {
  const some = names.slice(0, 3).map((name) => `"${name}"`);
  return `${some.join(', ')}${names.length > 3 ? ` and ${names.length - 3} more topics` : ''}`;
}

function topLevelError(response: unknown): number {
  return (response as { errorCode?: number }).errorCode ?? ErrorCode.NONE;
}

/** Throws the first topic's error that retrying does not mend, else the first error. */
function throwTopicError(response: MetadataResponse, names: readonly string[]): void {
  const wanted = new Set(names);
  const errors = response.topics
    .filter((topic) => topic.errorCode !== ErrorCode.NONE && topic.name !== null && wanted.has(topic.name))
    .map((topic) => brokerError(topic.errorCode, `Metadata of "${topic.name}"`));
  const error: BrokerError | undefined = errors.find((one) => !one.retriable) ?? errors[0];
  if (error !== undefined) throw error;
}
