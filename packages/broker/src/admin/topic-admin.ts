import { ignoreNoNode, isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import { invalidTopicName, topicNameFault } from '../cluster/topic-name.ts';
import type { ConfigRepository } from '../config/config-repository.ts';
import type { MutationQuota } from '../quotas/client-quotas.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import type { Logger } from '../shared/logger.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { neverPause, type Pause, startInTurns } from '../shared/turns.ts';
import { randomUuid } from '../shared/uuid.ts';
import { untilAnswered } from '../store/lost-answers.ts';
import { decodeTopic, encodeConfig, encodeTopic, paths, settledAssignment } from '../store/znodes.ts';
import { ImageWaits } from './image-waits.ts';
import { assignReplicas } from './replica-assignment.ts';
import {
  assignmentFault,
  metricName,
  type NewTopic,
  PARTITIONS_PER_TOPIC_REQUEST_MAX,
  planTopic,
  type TopicPlan,
  tooManyPartitions,
} from './topic-plan.ts';

/** How many topics may be created at once because somebody asked for them. */
const AUTO_CREATED_AT_ONCE_MAX = 100;

/** How often a write is tried again because somebody else changed the same node in between. */
const WRITE_ATTEMPTS_MAX = 5;

/** How long a client that asked for a missing topic waits for its creation. */
const AUTO_CREATE_WAIT_MS = 10_000;

/** The change may still come about. */
const TIMED_OUT: ApiError = apiError(ErrorCode.REQUEST_TIMED_OUT);

/** The client has changed as much as its quota lets it, and is told for how long it has to rest. */
const THROTTLED: ApiError = apiError(ErrorCode.THROTTLING_QUOTA_EXCEEDED);

/** What topics are administered with. */
export interface TopicAdminOptions {
  readonly store: MetadataStore;
  readonly cluster: ClusterImage;
  readonly configs: ConfigRepository;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether nobody else can ever join: the metadata store is this broker's own. */
  readonly isAlone: boolean;
}

/** What became of a topic that somebody wanted. */
export interface CreatedTopic extends ApiError {
  readonly name: string;
  /** What was planned; undefined when the topic cannot be. */
  readonly plan: TopicPlan | undefined;
  /** Undefined when nothing was created. */
  readonly topicId: string | undefined;
}

/** Partitions that somebody wants for a topic that exists, as CreatePartitions has them. */
export interface NewPartitions {
  readonly name: string;
  /** How many partitions there shall be in all. */
  readonly count: number;
  /** Who holds the new partitions; null lets the controller choose. */
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null;
}

/** How a request is carried out. */
export interface AdminRequestOptions {
  /** How long to wait until this broker answers Metadata requests with the change. */
  readonly timeoutMs: number;
  /** Check everything and change nothing. */
  readonly validateOnly: boolean;
  /** Gives a promise where others shall have their turn. */
  readonly pause?: Pause | undefined;
  /** What the client may change; without it, as much as it likes. */
  readonly mutations?: MutationQuota | undefined;
}

/**
 * Creates, extends and deletes topics: it checks what is asked for, writes what shall be into the metadata store, and waits for
 * the controller to bring it about. Any broker may do it; requests of clients go to the controller's.
 */
export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  readonly #waits: ImageWaits;
  /** Topics that are being made, each by what its metrics are named after: the image does not show them yet. */
  readonly #coming = new Map<string, string>();
  readonly #creating = new Map<string, Promise<number>>();

  constructor(options: TopicAdminOptions) {
    this.#options = options;
    this.#waits = new ImageWaits(options.cluster, options.clock);
  }

  /** Creates topics; the results stand in the order of the topics, whose names differ. */
  async createTopics(topics: readonly NewTopic[], options: AdminRequestOptions): Promise<readonly CreatedTopic[]> {
    const { cluster, configs, random } = this.#options;
    // What is only looked at is no topic to others.
    const coming = options.validateOnly ? new Map<string, string>() : this.#coming;
    const context = { cluster, config: configs.current, random, coming };
    return startInTurns(
      topics,
      async (topic): Promise<CreatedTopic> => {
        const { name } = topic;
        const plan = planTopic(topic, context);
        if (isRefusal(plan)) return { name, plan: undefined, topicId: undefined, ...plan };
        if (!options.validateOnly && options.mutations?.take(plan.replicas.length) === false) {
          return { name, plan: undefined, topicId: undefined, ...THROTTLED };
        }
        coming.set(metricName(name), name);
        if (options.validateOnly) return { name, plan, topicId: undefined, ...NO_ERROR };
        return this.#createTopic(plan, options.timeoutMs).finally(() => coming.delete(metricName(name)));
      },
      options.pause ?? neverPause,
    );
  }

  async #createTopic(plan: TopicPlan, timeoutMs: number): Promise<CreatedTopic> {
    const { name } = plan;
    const writing = this.#guarded(`create topic ${name}`, () => this.#writeTopic(plan));
    // A full disk can take its time, and whoever waits has a connection on which nothing else is answered meanwhile.
    const written = (await this.#waits.atMost(writing, timeoutMs)) ?? TIMED_OUT;
    if (typeof written !== 'string') return { name, plan: undefined, topicId: undefined, ...written };
    const isOnline = await this.#waits.until(() => this.#hasLeaders(name, plan.replicas.length), timeoutMs);
    return { name, plan, topicId: written, ...(isOnline ? NO_ERROR : apiError(ErrorCode.REQUEST_TIMED_OUT)) };
  }

  /** Adds partitions to topics; the results stand in the order of the requests. */
  async createPartitions(
    requests: readonly NewPartitions[],
    options: AdminRequestOptions,
  ): Promise<readonly ApiError[]> {
    return startInTurns(
      requests,
      async (request) => {
        const invalid = invalidTopicName(request.name);
        if (invalid !== undefined) return invalid;
        const adding = this.#guarded(`add partitions to ${request.name}`, () => this.#addPartitions(request, options));
        const added = (await this.#waits.atMost(adding, options.timeoutMs)) ?? TIMED_OUT;
        if (added.errorCode !== ErrorCode.NONE || options.validateOnly) return added;
        const isOnline = await this.#waits.until(
          () => this.#hasLeaders(request.name, request.count),
          options.timeoutMs,
        );
        return isOnline ? NO_ERROR : apiError(ErrorCode.REQUEST_TIMED_OUT);
      },
      options.pause ?? neverPause,
    );
  }

  /** Deletes topics and waits until nothing of them is left; the results stand in the order of the names. */
  async deleteTopics(
    names: readonly string[],
    options: Omit<AdminRequestOptions, 'validateOnly'>,
  ): Promise<readonly ApiError[]> {
    const { store, cluster } = this.#options;
    return startInTurns(
      names,
      (name) =>
        this.#guarded(`delete topic ${name}`, async () => {
          const invalid = invalidTopicName(name);
          if (invalid !== undefined) return invalid;
          const path = paths.deleteTopic(name);
          const isKnown = cluster.topic(name) !== undefined || (await this.#isThere(name));
          if (!isKnown && (await store.exists(path)) === undefined) {
            return apiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
          }
          if (options.mutations?.take(cluster.topic(name)?.partitions.length ?? 0) === false) return THROTTLED;
          // A second request for a deletion that is under way waits for the same end.
          const written = untilAnswered(() => store.create(path, Buffer.alloc(0))).catch(ignoreNodeExists);
          const isWritten = await this.#waits.atMost(
            written.then(() => true),
            options.timeoutMs,
          );
          if (isWritten !== true) return TIMED_OUT;
          const isGone = await this.#waits.untilGone(store, path, options.timeoutMs);
          return isGone ? NO_ERROR : apiError(ErrorCode.REQUEST_TIMED_OUT);
        }),
      options.pause ?? neverPause,
    );
  }

  /**
   * Creates the topics that do not exist, with the broker's defaults (`num.partitions`, `default.replication.factor`, or what the settings of
   * internal topics say), and resolves with Kafka's error code per name: NONE once this broker's image knows the topic,
   * INVALID_TOPIC_EXCEPTION, INVALID_REPLICATION_FACTOR ... Calls for a topic that is being created join the one under way.
   */
  async autoCreate(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const outcomes = topics.map(async (name): Promise<[string, number]> => {
      let creating = this.#creating.get(name);
      if (creating === undefined) {
        // Clients ask again until they have a leader, and so come to all their topics.
        if (this.#creating.size >= AUTO_CREATED_AT_ONCE_MAX) return [name, ErrorCode.LEADER_NOT_AVAILABLE];
        creating = this.#autoCreateOne(name).finally(() => this.#creating.delete(name));
        this.#creating.set(name, creating);
      }
      return [name, await creating];
    });
    return new Map(await Promise.all(outcomes));
  }

  async #autoCreateOne(name: string): Promise<number> {
    const options = { timeoutMs: AUTO_CREATE_WAIT_MS, validateOnly: false };
    // A broker that has just started knows neither all topics nor all brokers: one that is there is not refused for want of brokers.
    const [created] = (await this.#isThere(name))
      ? [{ errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, errorMessage: null }]
      : await this.createTopics([this.#automaticTopic(name)], options);
    switch (created?.errorCode) {
      case ErrorCode.NONE:
        return ErrorCode.NONE;
      case undefined:
      case ErrorCode.REQUEST_TIMED_OUT:
        return ErrorCode.LEADER_NOT_AVAILABLE;
      case ErrorCode.TOPIC_ALREADY_EXISTS: {
        const isKnown = await this.#waits.until(
          () => this.#options.cluster.topic(name) !== undefined,
          AUTO_CREATE_WAIT_MS,
        );
        return isKnown ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE;
      }
      default:
        this.#options.logger.info(
          { topic: name, error: created?.errorMessage },
          'A topic could not be created by itself',
        );
        return created?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    }
  }

  async #isThere(name: string): Promise<boolean> {
    if (topicNameFault(name) !== undefined) return false;
    return (await this.#options.store.exists(paths.topic(name)).catch(() => undefined)) !== undefined;
  }

  #automaticTopic(name: string): NewTopic {
    const config = this.#options.configs.current;
    // A broker that is alone for good must be able to keep offsets though the default asks for three replicas. Where others are to
    // come, it waits for them: the first to start would make one replica for good (KIP-115).
    const atMostBrokers = (factor: number): number => (this.#options.isAlone ? 1 : factor);
    if (name === OFFSETS_TOPIC) {
      return {
        name,
        numPartitions: config.offsetsTopicNumPartitions,
        replicationFactor: atMostBrokers(config.offsetsTopicReplicationFactor),
        assignments: [],
        configs: configsOf({
          'cleanup.policy': 'compact',
          'compression.type': 'producer',
          'segment.bytes': String(config.offsetsTopicSegmentBytes),
        }),
      };
    }
    if (name === TRANSACTIONS_TOPIC) {
      return {
        name,
        numPartitions: config.transactionStateLogNumPartitions,
        replicationFactor: atMostBrokers(config.transactionStateLogReplicationFactor),
        assignments: [],
        configs: configsOf({
          'cleanup.policy': 'compact',
          'compression.type': 'uncompressed',
          'min.insync.replicas': String(atMostBrokers(config.transactionStateLogMinIsr)),
          'segment.bytes': String(config.transactionStateLogSegmentBytes),
          'unclean.leader.election.enable': 'false',
        }),
      };
    }
    return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  }

  /** Resolves with whether this broker came to know these leaders within the time. */
  whenLedBy(
    leaders: readonly { readonly topic: string; readonly partition: number; readonly leader: number }[],
    timeoutMs: number,
  ): Promise<boolean> {
    const { cluster } = this.#options;
    if (leaders.length === 0) return Promise.resolve(true);
    return this.#waits.until(
      () => leaders.every(({ topic, partition, leader }) => cluster.partition(topic, partition)?.leader === leader),
      timeoutMs,
    );
  }

  #hasLeaders(name: string, partitionCount: number): boolean {
    const topic = this.#options.cluster.topic(name);
    if (topic === undefined) return false;
    // `filter` passes over partitions that are not known yet.
    return topic.partitions.filter(({ leader }) => leader >= 0).length >= partitionCount;
  }

  /** Writes a topic's nodes in one transaction and resolves with its id. */
  async #writeTopic(plan: TopicPlan): Promise<string | ApiError> {
    const { store, random } = this.#options;
    const configPath = paths.topicConfig(plan.name);
    const id = randomUuid(random);
    const create: Operation = {
      type: 'create',
      path: paths.topic(plan.name),
      data: encodeTopic(id, plan.replicas.map(settledAssignment)),
    };
    let isInDoubt = false;
    for (let attempt = 1; ; attempt += 1) {
      // Configs may have been set before the topic was made; the request's take their place, as in Kafka.
      const isConfigured = (await store.exists(configPath)) !== undefined;
      const data = encodeConfig(plan.configs);
      const configure: Operation = isConfigured
        ? { type: 'set', path: configPath, data, expected: 'any' }
        : { type: 'create', path: configPath, data };
      try {
        await store.multi([create, configure]);
        return id;
      } catch (error) {
        if (isMetadataError(error, 'CONNECTION_LOSS') && attempt < WRITE_ATTEMPTS_MAX) {
          isInDoubt = true;
          continue;
        }
        if (isMetadataError(error, 'NODE_EXISTS') && error.operationIndex === 0) {
          if (isInDoubt && (await this.#idOf(plan.name)) === id) return id;
          return apiError(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${plan.name}' already exists.`);
        }
        if (!isMetadataError(error, 'NODE_EXISTS', 'NO_NODE') || attempt === WRITE_ATTEMPTS_MAX) throw error;
      }
    }
  }

  async #idOf(topic: string): Promise<string | undefined> {
    const node = await this.#options.store.get(paths.topic(topic)).catch(ignoreNoNode);
    return node === undefined ? undefined : decodeTopic(topic, node.data).topicId;
  }

  async #addPartitions(request: NewPartitions, options: AdminRequestOptions): Promise<ApiError> {
    const { store } = this.#options;
    const path = paths.topic(request.name);
    let unheard: Buffer | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const node = await store.get(path).catch(ignoreNoNode);
      if (node === undefined) {
        return apiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${request.name}' does not exist.`);
      }
      // Written by an attempt whose answer was lost.
      if (unheard?.equals(node.data)) return NO_ERROR;
      if ((await store.exists(paths.deleteTopic(request.name))) !== undefined) {
        return apiError(ErrorCode.INVALID_TOPIC_EXCEPTION, 'The topic is queued for deletion.');
      }
      const { topicId, partitions } = decodeTopic(request.name, node.data);
      if (partitions.some(({ adding, removing }) => adding.length + removing.length > 0)) {
        return apiError(ErrorCode.REASSIGNMENT_IN_PROGRESS, 'A partition of the topic is being reassigned.');
      }
      const present = partitions.map(({ replicas }) => replicas);
      const added = this.#planPartitions(request, present);
      if (isRefusal(added)) return added;
      if (options.validateOnly) return NO_ERROR;
      if (attempt === 1 && options.mutations?.take(added.length) === false) return THROTTLED;
      const data = encodeTopic(topicId ?? randomUuid(this.#options.random), [
        ...partitions,
        ...added.map(settledAssignment),
      ]);
      try {
        await store.set(path, data, { exactly: node.stat.version });
        return NO_ERROR;
      } catch (error) {
        if (!isMetadataError(error, 'BAD_VERSION', 'NO_NODE', 'CONNECTION_LOSS') || attempt === WRITE_ATTEMPTS_MAX) {
          throw error;
        }
        if (error.code === 'CONNECTION_LOSS') unheard = data;
      }
    }
  }

  #planPartitions(request: NewPartitions, present: readonly (readonly number[])[]): (readonly number[])[] | Refusal {
    const { cluster, random } = this.#options;
    const increment = request.count - present.length;
    if (increment < 0) {
      const message = `Topic currently has ${present.length} partitions, which is higher than the requested ${request.count}.`;
      return Refusal.of(ErrorCode.INVALID_PARTITIONS, message);
    }
    if (increment === 0) {
      return Refusal.of(ErrorCode.INVALID_PARTITIONS, `Topic already has ${present.length} partitions.`);
    }
    if (increment > PARTITIONS_PER_TOPIC_REQUEST_MAX) return tooManyPartitions(increment);
    const factor = present[0]?.length ?? 1;
    if (request.assignments !== null) {
      const given = request.assignments.map((assignment) => assignment.brokerIds);
      if (given.length !== increment) {
        const message = `Increasing the number of partitions by ${increment} but ${given.length} assignments provided.`;
        return Refusal.of(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
      }
      return assignmentFault(given, cluster, factor) ?? given;
    }
    if (factor > cluster.brokers.size) {
      const message = `Replication factor: ${factor} larger than available brokers: ${cluster.brokers.size}.`;
      return Refusal.of(ErrorCode.INVALID_REPLICATION_FACTOR, message);
    }
    const start = { firstBroker: present[0]?.[0] ?? -1, partition: present.length };
    return assignReplicas([...cluster.brokers.values()], increment, factor, random, start);
  }

  /** Runs one part of a request; what the store cannot do becomes that part's error. */
  async #guarded<T>(what: string, run: () => Promise<T>): Promise<T | ApiError> {
    try {
      return await run();
    } catch (err) {
      if (isMetadataError(err, 'TOO_LARGE')) {
        return apiError(ErrorCode.INVALID_PARTITIONS, 'There are more partitions or configs than one topic can have.');
      }
      this.#options.logger.error({ err }, `Cannot ${what}`);
      // Its own words name paths in the store, which are nobody's business.
      return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, "The metadata store could not do it; the broker's log says why.");
    }
  }
}

function configsOf(properties: Readonly<Record<string, string>>): NewTopic['configs'] {
  return Object.entries(properties).map(([name, value]) => ({ name, value }));
}

function ignoreNodeExists(error: unknown): void {
  if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
}
