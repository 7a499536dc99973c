/** A cluster for tests: real controllers, configs and images over one store in memory, and brokers that only note commands. */
import { MemoryMetadataStore, type MetadataStore, type TreeMetadataStore } from '@millrace/metadata';
import { ManualClock, seededRandom } from '@millrace/ports';
import { ConfigAdmin } from '../admin/config-admin.ts';
import { TopicAdmin } from '../admin/topic-admin.ts';
import type {
  BrokerChannel,
  CommandOutcome,
  LeaderAndIsrCommand,
  StopReplicaCommand,
  UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';
import { ClusterImage } from '../cluster/cluster-image.ts';
import { interBrokerVersions } from '../cluster/inter-broker-versions.ts';
import { parseBrokerConfig } from '../config/broker-config.ts';
import { ConfigRepository } from '../config/config-repository.ts';
import { allowingUncleanElection } from '../config/unclean-elections.ts';
import { Controller } from '../controller/controller.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { makePersistentNodes, registerBroker } from '../store/registration.ts';

const DONE: CommandOutcome = { errorCode: 0, partitions: [] };

/** Notes what it is told, and keeps the image as a broker does. */
class RecordingChannel implements BrokerChannel {
  readonly leaderAndIsrCommands: LeaderAndIsrCommand[] = [];
  readonly updateMetadataCommands: UpdateMetadataCommand[] = [];
  readonly stopReplicaCommands: StopReplicaCommand[] = [];
  readonly #image: ClusterImage;
  readonly #configs: ConfigRepository;
  #answering: Promise<CommandOutcome> | undefined;
  /** What StopReplica answers; an error keeps topics from being deleted. */
  stopReplicaErrorCode = 0;
  /** When StopReplica is answered that deletes files. */
  answerStopReplica: (() => Promise<void>) | undefined;
  /** Answers LeaderAndIsr in its time; what comes behind waits, as on a real way to a broker. */
  answerLeaderAndIsr: ((command: LeaderAndIsrCommand) => Promise<CommandOutcome>) | undefined;

  constructor(image: ClusterImage, configs: ConfigRepository) {
    this.#image = image;
    this.#configs = configs;
  }

  async leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    this.leaderAndIsrCommands.push(command);
    this.#answering = this.answerLeaderAndIsr?.(command);
    return (await this.#answering) ?? DONE;
  }

  async updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome> {
    this.updateMetadataCommands.push(command);
    const { deletedTopics } = this.#image.apply(command);
    for (const topic of deletedTopics) this.#configs.forgetTopic(topic);
    await this.#configs.loadTopics(command.partitions.map(({ topic }) => topic));
    if (this.#answering !== undefined) await this.#answering;
    return DONE;
  }

  close(): void {}

  async stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    this.stopReplicaCommands.push(command);
    if (this.#answering !== undefined) await this.#answering;
    if (command.partitions.some(({ deletePartition }) => deletePartition)) await this.answerStopReplica?.();
    return { ...DONE, errorCode: this.stopReplicaErrorCode };
  }
}

/** One broker of the cluster. */
export interface ClusterBroker {
  readonly id: number;
  readonly store: TreeMetadataStore;
  readonly image: ClusterImage;
  readonly channel: RecordingChannel;
  readonly configs: ConfigRepository;
  readonly configAdmin: ConfigAdmin;
  readonly controller: Controller;
  readonly topics: TopicAdmin;
}

export class TestCluster {
  readonly clock = new ManualClock();
  readonly store: TreeMetadataStore;
  readonly brokers = new Map<number, ClusterBroker>();
  /** What kinds of elections there were. */
  readonly elections: ('clean' | 'unclean')[] = [];
  readonly #logger: Logger;

  constructor(store?: TreeMetadataStore, logger: Logger = silentLogger) {
    this.#logger = logger;
    this.store = store ?? new MemoryMetadataStore({ clock: this.clock });
  }

  /**
   * Starts a broker (again).
   * @param toController - what its controller has in the place of the store
   */
  async start(
    id: number,
    properties: Readonly<Record<string, string>> = {},
    toController: (store: TreeMetadataStore) => MetadataStore = (store) => store,
  ): Promise<ClusterBroker> {
    const store = this.store.openSession();
    const { clock } = this;
    const random = seededRandom(id);
    const logger = this.#logger;
    const { config } = parseBrokerConfig({ 'broker.id': String(id), ...properties });
    await makePersistentNodes(store);
    const configs = new ConfigRepository({ store, config, clock, random, logger });
    await configs.start();
    const image = new ClusterImage();
    const channel = new RecordingChannel(image, configs);
    const controller = new Controller({
      brokerId: id,
      store: toController(store),
      clock,
      random,
      logger,
      openChannel: ({ id: to }) => this.brokers.get(to)?.channel ?? broker.channel,
      hasRecoveryState: interBrokerVersions(config.interBrokerProtocolVersion)?.hasRecoveryState ?? true,
      onElection: (isClean) => this.elections.push(isClean ? 'clean' : 'unclean'),
      isDeletionEnabled: () => configs.current.deleteTopicEnable,
      allowingUncleanElection: (topics) => allowingUncleanElection(configs, topics),
      rebalance: () => ({
        isEnabled: configs.current.autoLeaderRebalanceEnable,
        intervalMs: configs.current.leaderImbalanceCheckIntervalSeconds * 1000,
        imbalancePercentMax: configs.current.leaderImbalancePerBrokerPercentage,
      }),
    });
    const broker: ClusterBroker = {
      id,
      store,
      image,
      channel,
      configs,
      configAdmin: new ConfigAdmin({ brokerId: id, cluster: image, configs, logger, logLevel: { level: 'info' } }),
      controller,
      topics: new TopicAdmin({ store, cluster: image, configs, clock, random, logger, isAlone: false }),
    };
    this.brokers.set(id, broker);
    const endpoints = [{ listener: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: `host${id}`, port: 9092 }];
    await registerBroker({ store, clock, broker: { id, rack: null, endpoints }, waitMsMax: 0 });
    await controller.start();
    await this.settle();
    return broker;
  }

  /** Ends a broker as `kill -9` does: its session goes, nothing else is said. */
  async kill(id: number): Promise<void> {
    const broker = this.brokers.get(id);
    this.brokers.delete(id);
    await broker?.store.expireSession();
    await this.settle();
  }

  /** Stops a broker in order; its session ends last. */
  async stop(id: number): Promise<void> {
    const broker = this.brokers.get(id);
    await broker?.controller.stop();
    this.brokers.delete(id);
    await broker?.store.close();
    await this.settle();
  }

  get controller(): ClusterBroker {
    const active = [...this.brokers.values()].find((broker) => broker.controller.isActive);
    if (active === undefined) throw new Error('no broker is the controller');
    return active;
  }

  /** Lets everything that is under way come to its end. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** A node's content; undefined where there is none. */
  async read(path: string): Promise<string | undefined> {
    if ((await this.store.exists(path)) === undefined) return undefined;
    return (await this.store.get(path)).data.toString();
  }

  /** A node's JSON. */
  async readJson(path: string): Promise<unknown> {
    return JSON.parse((await this.read(path)) ?? 'null');
  }
}

/** A topic as a request names it. */
export function newTopic(
  name: string,
  numPartitions: number,
  replicationFactor = 1,
  configs: Readonly<Record<string, string>> = {},
): Parameters<TopicAdmin['createTopics']>[0][number] {
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  return { name, numPartitions, replicationFactor, assignments: [], configs: entries };
}
