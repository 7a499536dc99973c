import { type BatchWork, type LogBounds, LogManager, logFolderOwner, type SliceCleaner } from '@millrace/log';
import type { MetadataStore } from '@millrace/metadata';
import type { RequestHandler } from '@millrace/network';
import { type Clock, type Disk, guardedLogger, type Random } from '@millrace/ports';
import { ConfigAdmin } from './admin/config-admin.ts';
import { ProducerIdManager } from './admin/producer-ids.ts';
import { TopicAdmin } from './admin/topic-admin.ts';
import { TopicLookup } from './admin/topic-lookup.ts';
import { controllerStats, exposeRooms } from './broker-gauges.ts';
import { type BrokerHealth, healthOf } from './broker-health.ts';
import { type ClientRooms, newClientRooms, startClientRooms } from './client-rooms.ts';
import type { BrokerEndpoint, LiveBroker } from './cluster/broker-channel.ts';
import { ClusterImage } from './cluster/cluster-image.ts';
import { type InterBrokerVersions, interBrokerVersions } from './cluster/inter-broker-versions.ts';
import { OFFSETS_TOPIC } from './cluster/internal-topics.ts';
import { noPeers, type Peers } from './cluster/peers.ts';
import { Channels } from './commands/channels.ts';
import { CommandInbox } from './commands/command-inbox.ts';
import { MissedNews } from './commands/missed-news.ts';
import type { BrokerConfig } from './config/broker-config.ts';
import { ConfigRepository } from './config/config-repository.ts';
import type { ListenerCertificates } from './config/listener-changes.ts';
import { allowingUncleanElection } from './config/unclean-elections.ts';
import { Controller } from './controller/controller.ts';
import { CoordinatorTopics } from './coordinators/coordinator-topics.ts';
import { FetchSessionCache } from './fetch-sessions/fetch-session-cache.ts';
import { groupConfigOf, groupLogLimitsOf } from './groups/config.ts';
import { GroupCoordinator } from './groups/group-coordinator.ts';
import { advertisedApis } from './handlers/registry.ts';
import type { BrokerServices } from './handlers/services.ts';
import { followSettings, liveLogOptions, takeUpAgain } from './live-settings.ts';
import { assertAllKnown, foundLogs, tellFounded } from './logs-and-store.ts';
import { MoveReports } from './move-reports.ts';
import { failedFolder, OpeningReports } from './opening-reports.ts';
import { FetchWaits } from './replicas/fetch-waits.ts';
import type { ReplicaManager } from './replicas/replica-manager.ts';
import { StorageReports } from './replicas/storage-reports.ts';
import { Replication } from './replication.ts';
import { BrokerRequestHandler } from './request-handler.ts';
import { AccessRules } from './security/access-rules.ts';
import { openLoginGate } from './security/login/mechanisms.ts';
import { allInTurn } from './shared/all-in-turn.ts';
import { type Authorizer, allowAll } from './shared/authorization.ts';
import { Deadlines } from './shared/deadlines.ts';
import { BrokerFault } from './shared/errors.ts';
import { Guard } from './shared/guard.ts';
import type { LogLevelControl } from './shared/log-level.ts';
import type { Logger } from './shared/logger.ts';
import { type Metrics, noMetrics } from './shared/metrics.ts';
import { isRefusal } from './shared/refusal.ts';
import { TurnLine } from './shared/turns.ts';
import { ConsumerOffsets } from './store/consumer-offsets.ts';
import { type FoundLog, plausibleEpoch } from './store/found-logs.ts';
import { type KnownTopicId, topicIds } from './store/known-topic-ids.ts';
import { LogDirNotifier } from './store/log-dir-notifier.ts';
import { OwnEpochs } from './store/own-epochs.ts';
import { clusterId, makePersistentNodes, registerBroker } from './store/registration.ts';
import { SessionKeeper } from './store/session-keeper.ts';
import { TRANSACTION_VERSION_MAX } from './store/transaction-level.ts';
import { transactionConfigOf } from './transactions/config.ts';
import { TransactionRooms, type TransactionRoomsOptions } from './transactions/transaction-rooms.ts';

/** What a thread is given of a log at a time to compact: the way there costs as much as compacting 10 KiB. */
const CLEANER_SLICE_BYTES = 512 * 1024;

/** How much longer than its session a killed broker's registration is waited for. */
const REGISTRATION_GRACE_MS = 2000;

/** What a broker works with: its settings and its ways to the world. */
export interface BrokerOptions {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** A session of its own; closing it is the owner's business, after `stop`. */
  readonly metadataStore: MetadataStore;
  /**
   * Whether the store is this broker's alone, so that a log which it does not know means that it has lost something. Default false.
   */
  readonly ownsMetadata?: boolean;
  readonly logger: Logger;
  /** Through which clients may change how much is logged. Default: they may not. */
  readonly logLevel?: LogLevelControl | undefined;
  /** Decides who may do what. Default: everybody everything. */
  readonly authorizer?: Authorizer;
  /** Reads the keys of an OAuth provider (a JWKS) from the URL that the settings name. Default: it cannot. */
  readonly loadSigningKeys?: ((url: string) => Promise<unknown>) | undefined;
  /** Default: listeners keep the certificates that they have. */
  readonly certificates?: ListenerCertificates | undefined;
  /** The way to other brokers. Default: there are none. */
  readonly peers?: Peers;
  /** Does what costs the processor's time with the records inside a batch. Default: in the calling thread. */
  readonly batchWork?: BatchWork;
  /** Whether every record of a produced batch is looked at, and not its header alone. Default false. */
  readonly checksRecords?: boolean;
  /** Does what of compaction costs the processor's time. Default: in the calling thread. */
  readonly cleanSlice?: SliceCleaner;
  /** Told once when no log folder is left that works: the broker can do nothing more and should be stopped. */
  readonly onUnusable?: (error: BrokerFault) => void;
  /** What the logs may take of files and memory. */
  readonly logBounds?: Partial<LogBounds>;
  /**
   * The highest `transaction.version` that this broker takes part in (KIP-890): 2, the default, where producers get a new epoch with each
   * transaction; 0 for transactions as before Kafka 4.0. The cluster has the lowest of its brokers.
   */
  readonly transactionVersionMax?: number | undefined;
  /** Default: nothing is counted. */
  readonly metrics?: Metrics;
}

/** What `Broker.start` needs to know that settings cannot tell. */
export interface BrokerStartOptions {
  /** Where clients reach the broker, with the ports that were really bound. Default: `advertised.listeners`. */
  readonly endpoints?: readonly BrokerEndpoint[];
}

/** The rooms of a broker that has started. */
interface Running {
  readonly services: BrokerServices;
  readonly handler: BrokerRequestHandler;
  readonly logs: LogManager;
  readonly configs: ConfigRepository;
  readonly controller: Controller;
  readonly session: SessionKeeper;
  readonly news: MissedNews;
  readonly replication: Replication;
  readonly logDirs: LogDirNotifier;
}

/** The rooms that handlers reach, as they are made. */
interface HandlerRooms
  extends Pick<
    BrokerServices,
    | 'accessRules'
    | 'clusterId'
    | 'configRepository'
    | 'cluster'
    | 'commands'
    | 'replicas'
    | 'deadlines'
    | 'groups'
    | 'transactions'
    | 'controller'
    | 'coordinatorTopics'
  > {
  readonly cluster: ClusterImage;
  readonly topics: TopicAdmin;
  readonly clients: ClientRooms;
}

/**
 * A broker without sockets: it takes request frames and gives response frames. A single one is a cluster of one: it
 * registers in the metadata store, wins the controller election, and leads partitions because the controller says so.
 */
export class Broker {
  readonly #options: BrokerOptions;
  readonly #storageReports: StorageReports;
  #running: Running | undefined;
  /** What the store is held against, once the logs are open. */
  #epochs: OwnEpochs | undefined;
  #clusterId: string | null = null;
  #isStopped = false;
  #handedOver: Promise<void> | undefined;

  constructor(options: BrokerOptions) {
    // As the port has it, no logger throws; and one that does all the same costs a line.
    this.#options = { ...options, logger: guardedLogger(options.logger) };
    this.#storageReports = new StorageReports(options.clock, this.#options.logger);
  }

  /**
   * Serves requests.
   * @throws BrokerFault BROKER_NOT_RUNNING before `start` has resolved.
   */
  get requestHandler(): RequestHandler {
    return this.#rooms().handler;
  }

  /** The rooms, for tools and tests that look behind the protocol. */
  get services(): BrokerServices {
    return this.#rooms().services;
  }

  /**
   * Opens and recovers the logs, registers, takes part in the controller's election, and resolves when the partitions of this
   * broker are led and requests can be served.
   * @throws LogError, MetadataError or BrokerFault, and then everything is closed again.
   */
  async start(options: BrokerStartOptions = {}): Promise<void> {
    const { config, clock, random, metadataStore: store, logger } = this.#options;
    await makePersistentNodes(store);
    const wantedId = config.clusterId ?? (await this.#folderClusterId());
    this.#clusterId = await clusterId(store, random, wantedId, (id) => tellFounded(id, this.#options));
    const accessRules = this.#newAccessRules();
    // Before anybody is served: a rule that is not known yet may be one that denies.
    await accessRules?.start();
    const configs = new ConfigRepository({ store, config, clock, random, logger });
    await configs.start();
    const logs = this.#newLogManager(this.#clusterId, configs);
    await logs.open();
    try {
      if (this.#options.ownsMetadata === true) await assertAllKnown(logs, { ...this.#options, store });
      this.#epochs = new OwnEpochs({
        store,
        clock,
        logger,
        brokerId: config.brokerId,
        logs: () => foundLogs(logs),
        isTold: (log) => this.#isTold(log),
      });
      const running = await this.#startRooms(this.#clusterId, configs, logs, { ...options, accessRules });
      exposeRooms(running.services, running.controller, logs);
      this.#running = running;
    } catch (error) {
      configs.stop();
      accessRules?.stop();
      // It is logged already, and not why the start fails.
      await logs.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Has others take over what this broker leads, while it goes on serving; to be called before its listeners close. Does nothing
   * without other brokers, or where `controlled.shutdown.enable` is off.
   */
  handOver(): Promise<void> {
    this.#handedOver ??= this.#running?.replication.handOver() ?? Promise.resolve();
    return this.#handedOver;
  }

  /** Answers requests that wait for data, members or other replicas at once, so that they hold up nobody who stops the listeners. */
  finishWaits(): void {
    const { fetchWaits, replicas, groups, transactions } = this.#rooms().services;
    fetchWaits.finishAll();
    replicas.resignReplicated();
    groups.stop();
    transactions.stop();
  }

  /**
   * Stops in order: what it leads is handed over, then groups, controller, replicas, then flushes the logs and marks their folders as
   * cleanly closed.
   * @param options - `handsOver`: false where all brokers stop, so that there is nobody to take over; default true.
   */
  async stop({ handsOver = true }: { readonly handsOver?: boolean } = {}): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#isStopped) return;
    this.#isStopped = true;
    const { services, controller, configs, logs, session, news, replication, logDirs } = running;
    await allInTurn([
      () => (handsOver ? this.handOver() : undefined),
      () => this.finishWaits(),
      () => session.stop(),
      () => this.#epochs?.stop(),
      () => news.stop(),
      () => logDirs.stop(),
      () => configs.stop(),
      () => services.accessRules?.stop(),
      () => services.delegationTokens.stop(),
      () => replication.close(),
      () => services.deadlines.close(),
      () => logs.close(),
      // Last: a successor that is elected while this broker still fetches lets it into in-sync sets that it is about to leave.
      () => controller.stop(),
    ]);
  }

  health(): Promise<BrokerHealth> {
    return healthOf(this.#running?.services.replicas, this.#options.config, this.#clusterId);
  }

  #newLogManager(clusterId: string, configs: ConfigRepository): LogManager {
    const { clock, random, disk, logger, batchWork, cleanSlice, logBounds } = this.#options;
    // What was set while the broker ran, and takes hold at a start, is in it.
    const config = configs.current;
    const reports = new OpeningReports(clock, logger);
    const moves = new MoveReports(clock, logger);
    return new LogManager({
      disk,
      clock,
      random,
      logDirs: config.logDirs,
      brokerId: config.brokerId,
      clusterId,
      configOf: (topic) => configs.logConfig(topic),
      retentionCheckIntervalMs: config.logRetentionCheckIntervalMs,
      recoveryPointCheckpointIntervalMs: config.logFlushOffsetCheckpointIntervalMs,
      highWatermarkCheckpointIntervalMs: config.replicaHighWatermarkCheckpointIntervalMs,
      flushSchedulerIntervalMs: config.logFlushSchedulerIntervalMs,
      producerExpirationCheckIntervalMs: config.producerIdExpirationCheckIntervalMs,
      cleanerEnabled: config.logCleanerEnable,
      ...liveLogOptions(config),
      onCleaned: ({ topic, partition }, result) => {
        logger.debug({ topic, partition, ...result }, 'A log was compacted');
        const { batchesUnread } = result;
        if (batchesUnread > 0) {
          logger.warn({ topic, partition, batchesUnread }, 'Compaction has left batches whose records nobody can read');
        }
      },
      onUncleanable: ({ topic, partition }, err) => {
        logger.error({ err, topic, partition }, 'A log cannot be compacted; it is left as it is until a restart');
      },
      ...(batchWork === undefined ? {} : { batchWork }),
      checksRecords: this.#options.checksRecords ?? false,
      ...(cleanSlice === undefined ? {} : { cleanSlice, cleanerIoBufferBytes: CLEANER_SLICE_BYTES }),
      ...logBounds,
      onCut: (topic, partition, recovery) => reports.cut(topic, partition, recovery),
      onProgress: (progress) => reports.opened(progress),
      onMissing: (missing) => reports.missing(missing),
      onDirectoryFailed: (folder, err) => this.#directoryFailed(folder, err),
      onUnloadable: (topic, partition, err) => {
        logger.error({ err, topic, partition }, 'A partition is offline: its log could not be opened');
      },
      onDamaged: (log, err) => {
        logger.error({ err, topic: log.topic, partition: log.partition }, 'A damaged batch was read');
      },
      onMove: (news) => moves.told(news),
      onBackgroundError: (what, error) => this.#storageReports.failed(what, error),
    });
  }

  /** A store of its own that is new takes the id that the log folders have: it may be to be restored from them. */
  async #folderClusterId(): Promise<string | null> {
    const { ownsMetadata, disk, config } = this.#options;
    if (ownsMetadata !== true) return null;
    for (const folder of config.logDirs) {
      const owner = await logFolderOwner(disk, folder).catch(() => undefined);
      if (owner?.clusterId !== undefined) return owner.clusterId;
    }
    return null;
  }

  #directoryFailed(folder: string, err: unknown): void {
    this.#options.logger.error({ err, folder }, failedFolder(folder, this.#running !== undefined));
    this.#running?.logDirs.notify();
    const isAlive = this.#running?.services.replicas.logDirs.some(({ isOnline }) => isOnline) ?? true;
    if (!isAlive) {
      this.#options.onUnusable?.(new BrokerFault('BROKER_DISK_FAILED', 'No log folder is left', { cause: err }));
    }
  }

  async #startRooms(
    clusterId: string,
    configs: ConfigRepository,
    logs: LogManager,
    { endpoints, accessRules }: BrokerStartOptions & { readonly accessRules: AccessRules | undefined },
  ): Promise<Running> {
    const { config, clock, metadataStore: store, logger, metrics = noMetrics, peers = noPeers } = this.#options;
    const cluster = new ClusterImage();
    const deadlines = new Deadlines(clock, new Guard(logger));
    const versions = interBrokerVersions(config.interBrokerProtocolVersion) as InterBrokerVersions;
    const brokerEpoch = (): number => session.brokerEpoch;
    const replication = new Replication({
      brokerId: config.brokerId,
      session: () => session,
      cluster,
      peers,
      versions,
      logs,
      configs,
      deadlines,
      clock,
      metrics,
      logger,
      controller: () => controller,
      storageReports: this.#storageReports,
      onBehind: () => this.#epochs?.raiseSoon(),
      onOnlineChanged: () => this.#running?.logDirs.notify(),
    });
    const { replicas } = replication;
    const nextProducerId = (): Promise<number> => services.producerIds.next();
    const coordinators = this.#newCoordinators({ cluster, replicas, configs, nextProducerId });
    const { groups, transactions, coordinatorTopics } = coordinators;
    const commands = new CommandInbox({ replicas, cluster, configs, groups, brokerEpoch, logger });
    const channels = this.#newChannels(commands, versions);
    const controller = this.#newController(configs, channels, versions, { ids: topicIds(cluster, logs), commands });
    const clients = newClientRooms({ ...this.#options, store, configs, metrics });
    const services = this.#newServices({
      clients,
      accessRules,
      clusterId,
      configRepository: configs,
      cluster,
      commands,
      replicas,
      deadlines,
      ...coordinators,
      controller,
      topics: this.#newTopicAdmin(cluster, configs),
    });
    await followSettings(configs, clients.entities, { logs, replicas, controller }, this.#options);
    await startClientRooms(clients);
    await coordinatorTopics.load();
    const news = this.#newNews(cluster, commands);
    const others = [clients.entities, transactions.level, coordinatorTopics, news];
    const session = this.#newSession(endpoints, () => takeUpAgain(configs, controller, others));
    await this.#register(session, configs, transactions);
    await controller.start();
    return {
      services,
      handler: new BrokerRequestHandler(services, await openLoginGate(services, store, this.#options.loadSigningKeys)),
      logs,
      configs,
      controller,
      session,
      news: news.start(),
      replication,
      logDirs: new LogDirNotifier({ store, brokerId: config.brokerId, clock, logger }),
    };
  }

  /** Registers, and reads what is only sure from then on. */
  async #register(session: SessionKeeper, configs: ConfigRepository, { level }: TransactionRooms): Promise<void> {
    await session.start();
    await configs.registered();
    await level.load();
  }

  #newNews(cluster: ClusterImage, inbox: CommandInbox): MissedNews {
    const { peers = noPeers, metadataStore: store, config, clock, logger } = this.#options;
    const { brokerId, interBrokerListenerName: listener } = config;
    return new MissedNews({ brokerId, store, cluster, peers, listener, clock, logger, inbox });
  }

  /** Undefined where no rights are checked. */
  #newAccessRules(): AccessRules | undefined {
    const { config, clock, metadataStore: store, logger } = this.#options;
    if (config.authorizerClassName.trim() === '') return undefined;
    return new AccessRules({ store, clock, logger, config });
  }

  #newCoordinators({
    configs,
    ...rooms
  }: Pick<TransactionRoomsOptions, 'cluster' | 'replicas' | 'nextProducerId'> & {
    readonly configs: ConfigRepository;
  }): Pick<BrokerServices, 'coordinatorTopics' | 'groups' | 'transactions'> {
    const coordinatorTopics = new CoordinatorTopics({ ...this.#options, ...rooms, store: this.#options.metadataStore });
    const groups = this.#newGroups(coordinatorTopics, rooms.replicas);
    const transactions = this.#newTransactions({ ...rooms, coordinatorTopics, groups }, configs);
    return { coordinatorTopics, groups, transactions };
  }

  #newGroups(topics: CoordinatorTopics, replicas: ReplicaManager): GroupCoordinator {
    const { config, clock, random, logger } = this.#options;
    return new GroupCoordinator({
      config: groupConfigOf(config),
      clock,
      random,
      logger,
      partitionCount: () => topics.partitionCount(OFFSETS_TOPIC),
      openLog: (listener) => replicas.coordinatorLog(OFFSETS_TOPIC, groupLogLimitsOf(config), listener),
    });
  }

  #newTransactions(
    rooms: Pick<TransactionRoomsOptions, 'cluster' | 'replicas' | 'coordinatorTopics' | 'groups' | 'nextProducerId'>,
    configs: ConfigRepository,
  ): TransactionRooms {
    const { config, clock, logger, metadataStore: store, transactionVersionMax } = this.#options;
    const { peers = noPeers, metrics = noMetrics } = this.#options;
    return new TransactionRooms({
      ...rooms,
      brokerId: config.brokerId,
      config: transactionConfigOf(config),
      clock,
      logger,
      store,
      peers,
      listener: config.interBrokerListenerName,
      topics: new TopicLookup({ store, cluster: rooms.cluster, clock, logger }),
      isVerifying: () => configs.current.transactionPartitionVerificationEnable,
      hasTaggedTransactions: interBrokerVersions(config.interBrokerProtocolVersion)?.hasTaggedTransactions ?? true,
      transactionVersionMax,
      metrics,
    });
  }

  #newTopicAdmin(cluster: ClusterImage, configs: ConfigRepository): TopicAdmin {
    const { clock, random, metadataStore: store, logger, ownsMetadata } = this.#options;
    return new TopicAdmin({ store, cluster, configs, clock, random, logger, isAlone: ownsMetadata === true });
  }

  #newChannels(inbox: CommandInbox, versions: InterBrokerVersions): Channels {
    const { config, clock, logger, peers = noPeers } = this.#options;
    const { brokerId, interBrokerListenerName: listener, controllerSocketTimeoutMs: timeoutMs } = config;
    return new Channels({ brokerId, inbox, peers, clock, logger, versions, listener, timeoutMs });
  }

  #newController(
    configs: ConfigRepository,
    channels: Channels,
    versions: InterBrokerVersions,
    { ids: knownTopicId, commands }: { readonly ids: KnownTopicId; readonly commands: CommandInbox },
  ): Controller {
    const { config, clock, random, metadataStore: store, logger, metrics = noMetrics } = this.#options;
    return new Controller({
      brokerId: config.brokerId,
      store,
      clock,
      random,
      logger,
      knownTopicId,
      // One that nobody can have come to is a lie, which must not become the cluster's.
      rememberedEpoch: () => plausibleEpoch(commands.controllerEpoch),
      openChannel: (to, onOverflow) => channels.open(to, onOverflow),
      featureNodeVersion: versions.featureNode,
      hasRecoveryState: versions.hasRecoveryState,
      isDeletionEnabled: () => configs.current.deleteTopicEnable,
      ...controllerStats(metrics),
      allowingUncleanElection: (topics) => allowingUncleanElection(configs, topics),
      rebalance: () => ({
        isEnabled: configs.current.autoLeaderRebalanceEnable,
        intervalMs: configs.current.leaderImbalanceCheckIntervalSeconds * 1000,
        imbalancePercentMax: configs.current.leaderImbalancePerBrokerPercentage,
      }),
    });
  }

  /** What handlers reach: the rooms, and what they share beside them. */
  #newServices({ topics, clients, ...rooms }: HandlerRooms): BrokerServices {
    const { config, clock, random, metadataStore: store, logger, metrics = noMetrics } = this.#options;
    const { configRepository: configs, cluster } = rooms;
    return {
      ...rooms,
      brokerId: config.brokerId,
      clock,
      random,
      logger,
      metrics,
      get config() {
        return configs.current;
      },
      users: clients.users,
      delegationTokens: clients.delegationTokens,
      quotaRules: clients.quotaRules,
      quotas: clients.quotas,
      consumerOffsets: new ConsumerOffsets(store),
      storageReports: this.#storageReports,
      authorizer: this.#options.authorizer ?? rooms.accessRules?.authorizer ?? allowAll,
      turns: new TurnLine(clock),
      fetchSessions: new FetchSessionCache({ slots: config.maxIncrementalFetchSessionCacheSlots }, random),
      fetchWaits: new FetchWaits(),
      configAdmin: new ConfigAdmin({ ...this.#options, brokerId: config.brokerId, cluster, configs, logger }),
      topicAdmin: topics,
      topicLookup: new TopicLookup({ store, cluster, clock, logger }),
      producerIds: new ProducerIdManager(store, config.brokerId),
      advertisedApis,
    };
  }

  #newSession(endpoints: readonly BrokerEndpoint[] | undefined, renewed: () => Promise<void>): SessionKeeper {
    const { config, clock, metadataStore: store, logger, transactionVersionMax } = this.#options;
    const waitMsMax = config.zookeeperSessionTimeoutMs + REGISTRATION_GRACE_MS;
    const broker = this.#liveBroker(endpoints);
    let formerSession: string | undefined;
    const register = async (): Promise<number> => {
      // Before a controller can tell it of a leader in an epoch that has been.
      await this.#epochs?.raise();
      const brokerEpoch = await registerBroker({
        store,
        clock,
        broker,
        transactionVersion: transactionVersionMax ?? TRANSACTION_VERSION_MAX,
        waitMsMax,
        formerSession,
      });
      formerSession = store.sessionId;
      return brokerEpoch;
    };
    return new SessionKeeper({ store, clock, logger, register, renewed });
  }

  /** See {@link OwnEpochsOptions.isTold}. */
  #isTold({ topic, partition: index, leaderEpoch }: FoundLog): boolean {
    const partition = this.#running?.services.replicas.find(topic, index);
    return partition !== undefined && !isRefusal(partition) && partition.leaderEpoch >= leaderEpoch;
  }

  #liveBroker(endpoints: readonly BrokerEndpoint[] | undefined): LiveBroker {
    const { brokerId, brokerRack, advertisedEndpoints } = this.#options.config;
    const advertised = advertisedEndpoints.map(({ name, ...endpoint }) => ({ listener: name, ...endpoint }));
    return { id: brokerId, rack: brokerRack, endpoints: endpoints ?? advertised };
  }

  #rooms(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new BrokerFault('BROKER_NOT_RUNNING', 'The broker has not started: await start() first', { retriable: true });
  }
}
