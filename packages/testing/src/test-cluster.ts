import { type BrokerConfig, isRefusal, parseBrokerConfig } from '@millrace/broker';
import { MemoryMetadataStore } from '@millrace/metadata';
import { Connection } from '@millrace/network';
import { holdingClock, shown, silentLogger, takeNoMore } from '@millrace/ports';
import { AlterPartitionReassignments, CreateTopics, ElectLeaders, errorInfo } from '@millrace/protocol';
import { checkClusterOptions, checkClusterTopic, checkPartition, settingFaults, surplus } from './arguments.ts';
import { ClusterNode } from './cluster-node.ts';
import { TestBrokerError } from './errors.ts';
import type { NewClusterTopic, StartClusterOptions } from './options.ts';

const HOST = '127.0.0.1';
const REPLICAS_MAX = 3;
const REQUEST_MS = 10_000;
const WAIT_MS_MAX = 20_000;
const LOOK_PAUSE_MS = 10;
const PREFERRED = 0;

/**
 * Several brokers in this process, each on a real port, which replicate to one another and elect their leaders and their controller as
 * brokers on several machines do. Data is in memory.
 *
 * ```ts
 * await using cluster = await startCluster({ topics: ['orders'] });
 * const kafka = new Kafka({ brokers: cluster.bootstrapServers.split(',') });
 * await cluster.kill(await cluster.leaderOf('orders'));
 * ```
 *
 * @throws TestBrokerError `TESTING_INVALID_OPTION` for options that there are not, or that make no sense; `TESTING_INVALID_CONFIG` for
 * settings that a broker would refuse; `TESTING_TOPIC_REFUSED` for topics that it refuses
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<TestCluster> {
  checkClusterOptions(options);
  configOf(1, 0, options);
  const { brokers = 3, logger = silentLogger } = options;
  const store = new MemoryMetadataStore();
  const cuts = new Set<string>();
  const nodes = Array.from(
    { length: brokers },
    (_, index) =>
      new ClusterNode(index + 1, {
        store,
        logger,
        isCut: (from, to) => cuts.has(`${from}-${to}`),
        configOf: (id, port) => configOf(id, port, options),
      }),
  );
  const cluster = new TestCluster(nodes, store, cuts);
  try {
    await Promise.all(nodes.map((node) => node.start()));
    await cluster.settled();
    for (const topic of options.topics ?? []) await cluster.createTopic(topic);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** What follows from the options of a cluster, and cannot be the same for all its brokers. */
const OWN_SETTINGS = ['broker.id', 'listeners'];

function configOf(id: number, port: number, { brokers = 3, config = {}, racks }: StartClusterOptions): BrokerConfig {
  const own = OWN_SETTINGS.find((name) => Object.hasOwn(config, name));
  if (own !== undefined) {
    throw new TestBrokerError('TESTING_INVALID_CONFIG', `Each broker of a cluster for tests has its own ${own}`);
  }
  const replicas = Math.min(brokers, REPLICAS_MAX);
  const inSync = Math.max(1, replicas - 1);
  const {
    config: parsed,
    problems,
    warnings,
  } = parseBrokerConfig({
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1',
    'offsets.topic.num.partitions': '3',
    'offsets.topic.replication.factor': String(replicas),
    'transaction.state.log.num.partitions': '3',
    'transaction.state.log.replication.factor': String(replicas),
    'transaction.state.log.min.isr': String(inSync),
    'default.replication.factor': String(replicas),
    'min.insync.replicas': String(inSync),
    'log.dirs': '/millrace',
    ...Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)])),
    ...(racks === undefined ? {} : { 'broker.rack': racks[id - 1] }),
    'broker.id': String(id),
    listeners: `PLAINTEXT://${HOST}:${port}`,
  });
  const faults = settingFaults(problems, warnings);
  if (faults === '') return parsed;
  throw new TestBrokerError('TESTING_INVALID_CONFIG', `Cannot start brokers with these settings: ${faults}`);
}

/** A cluster that {@link startCluster} has started, with the means to take its brokers away. */
export class TestCluster implements AsyncDisposable {
  readonly #nodes: readonly ClusterNode[];
  readonly #store: MemoryMetadataStore;
  readonly #cuts: Set<string>;
  #closing: Promise<void> | undefined;

  static {
    const promising = {
      leaderOf: 2,
      inSync: 2,
      settled: 0,
      createTopic: 1,
      kill: 1,
      stop: 1,
      start: 1,
      restart: 1,
      expireSession: 1,
      moveLeader: 3,
      moveController: 0,
    } as const;
    takeNoMore(TestCluster.prototype, promising, (fault) => Promise.reject(surplus(fault)));
    takeNoMore(TestCluster.prototype, { pause: 1, resume: 1, isolate: 1, heal: 0 }, (fault) => {
      throw surplus(fault);
    });
  }

  /** @internal Use {@link startCluster}. */
  constructor(nodes: readonly ClusterNode[], store: MemoryMetadataStore, cuts: Set<string>) {
    this.#nodes = nodes;
    this.#store = store;
    this.#cuts = cuts;
  }

  /** All brokers, running or not, as a client's `bootstrapServers` takes them; their ports stay the same. */
  get bootstrapServers(): string {
    return this.#nodes.map(({ port }) => `${HOST}:${port}`).join(',');
  }

  /** The ids of all brokers. */
  get brokerIds(): readonly number[] {
    return this.#nodes.map(({ id }) => id);
  }

  /** The ids of those that run. */
  get runningIds(): readonly number[] {
    return this.#running.map(({ id }) => id);
  }

  /** The controller's broker id; -1 while there is none. */
  get controllerId(): number {
    return this.#running.find(({ broker }) => broker?.services.controller.isActive === true)?.id ?? -1;
  }

  /**
   * The broker that leads a partition; waits until one does.
   * @throws TestBrokerError `TESTING_UNKNOWN_PARTITION` for what the brokers have not heard of within a second; `TESTING_NOT_RUNNING` while
   * no broker runs
   */
  async leaderOf(topic: string, partition = 0): Promise<number> {
    checkPartition('tell a leader', topic, partition);
    this.#mustBeOpen('tell a leader');
    this.#mustRun('tell a leader');
    await this.#mustKnow(topic, partition);
    const leader = (): number =>
      this.#running.find(({ broker }) => {
        const found = broker?.services.replicas.find(topic, partition);
        return found !== undefined && !isRefusal(found) && found.isLeader;
      })?.id ?? -1;
    await this.#until(`${topic}-${partition} has a leader`, () => leader() >= 0);
    return leader();
  }

  /** The in-sync replicas of a partition, as its leader has them, in the order of ids. */
  async inSync(topic: string, partition = 0): Promise<readonly number[]> {
    const leader = this.#node(await this.leaderOf(topic, partition));
    const found = leader.broker?.services.replicas.find(topic, partition);
    return found !== undefined && !isRefusal(found) ? found.isr.toSorted((a, b) => a - b) : [];
  }

  /** Resolves when all brokers that run know one another, and every replica on one of them is in sync. */
  async settled(): Promise<void> {
    this.#mustBeOpen('wait until it has settled');
    await this.#until('the brokers know one another, and all replicas are in sync', () => {
      const ids = this.runningIds;
      return ids.length > 0 && this.#running.every((node) => knows(node, ids) && isInSync(node, ids));
    });
  }

  /**
   * Makes a topic; resolves when every broker knows its leaders.
   * @throws TestBrokerError `TESTING_TOPIC_REFUSED` with the controller's reason; `TESTING_INVALID_ARGUMENT`, as all calls do for what makes
   * no sense; `TESTING_CLOSED`, as all calls do once the cluster is closed
   */
  async createTopic(topic: string | NewClusterTopic): Promise<void> {
    checkClusterTopic(topic);
    this.#mustBeOpen('make a topic');
    const wanted: NewClusterTopic = typeof topic === 'string' ? { topic } : topic;
    const { topic: name, partitions = 1, configs = {} } = wanted;
    const replicationFactor = wanted.replicationFactor ?? Math.min(this.#nodes.length, REPLICAS_MAX);
    const { topics } = await this.#askController((connection) =>
      connection.send(CreateTopics, 'auto', {
        topics: [
          {
            name,
            numPartitions: partitions,
            replicationFactor,
            assignments: [],
            configs: Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) })),
          },
        ],
        timeoutMs: REQUEST_MS,
      }),
    );
    const result = topics[0];
    if (result !== undefined && result.errorCode !== 0) {
      const reason = `${errorInfo(result.errorCode).name}: ${result.errorMessage ?? 'no reason given'}`;
      throw new TestBrokerError('TESTING_TOPIC_REFUSED', `Cannot make topic '${name}': ${reason}`);
    }
    await this.#until(`every broker knows ${name}`, () =>
      this.#running.every(({ broker }) => {
        const known = broker?.services.cluster.topic(name)?.partitions.filter(({ leader }) => leader >= 0);
        return known?.length === partitions;
      }),
    );
  }

  /** Ends a broker as `kill -9` does; its session is over at once. What it has written is there when it is started again. */
  async kill(id: number): Promise<void> {
    await this.#openNode('kill a broker', id).kill();
  }

  /** Stops a broker in order: others take over what it leads before it goes. */
  async stop(id: number): Promise<void> {
    await this.#openNode('stop a broker', id).stop();
  }

  /** Starts a broker that was killed or stopped, on its former port. */
  async start(id: number): Promise<void> {
    await this.#openNode('start a broker', id).start();
  }

  /** Stops a broker in order and starts it again. */
  async restart(id: number): Promise<void> {
    await this.stop(id);
    await this.start(id);
  }

  /** Lets a broker fall silent, as SIGSTOP does, until {@link resume}: clients connect, and get no answer. */
  pause(id: number): void {
    this.#runningNode('pause a broker', id).pause();
  }

  /** Lets a paused broker go on, with all that has come meanwhile. */
  resume(id: number): void {
    this.#node(id).resume();
  }

  /** Lets the metadata store take a broker for gone, though it runs: the others take over, and it registers anew. */
  async expireSession(id: number): Promise<void> {
    await this.#runningNode('let a session expire', id).expireSession();
  }

  /** Cuts a broker off from the other brokers, in both directions, until {@link heal}; clients and metadata store it still reaches. */
  isolate(id: number): void {
    this.#openNode('cut a broker off', id);
    for (const { id: other } of this.#nodes) {
      if (other === id) continue;
      this.#cuts.add(`${id}-${other}`);
      this.#cuts.add(`${other}-${id}`);
    }
  }

  /** Undoes every {@link isolate}. */
  heal(): void {
    this.#cuts.clear();
  }

  /**
   * Makes a broker the leader of a partition: the first of its replicas, which then is elected.
   * @throws TestBrokerError `TESTING_UNKNOWN_PARTITION` where the broker has no replica of it
   */
  async moveLeader(topic: string, partition: number, to: number): Promise<void> {
    checkPartition('move a leader', topic, partition);
    this.#openNode('move a leader', to);
    const state = this.#running[0]?.broker?.services.cluster.partition(topic, partition);
    if (state?.replicas.includes(to) !== true) {
      throw new TestBrokerError('TESTING_UNKNOWN_PARTITION', `Broker ${to} has no replica of ${topic}-${partition}`);
    }
    const replicas = [to, ...state.replicas.filter((id) => id !== to)];
    await this.#askController(async (connection) => {
      const topics = [{ name: topic, partitions: [{ partitionIndex: partition, replicas }] }];
      await connection.send(AlterPartitionReassignments, 'auto', { timeoutMs: REQUEST_MS, topics });
    });
    const isElected = (): boolean => this.#leads(to, topic, partition);
    await this.#until(`broker ${to} leads ${topic}-${partition}`, isElected, () =>
      this.#askController(async (connection) => {
        const topicPartitions = [{ topic, partitions: [partition] }];
        await connection.send(ElectLeaders, 'auto', {
          electionType: PREFERRED,
          topicPartitions,
          timeoutMs: REQUEST_MS,
        });
      }),
    );
  }

  /** Has another controller elected; resolves with its id, which may be the same one's. */
  async moveController(): Promise<number> {
    this.#mustBeOpen('move the controller');
    this.#mustRun('move the controller');
    const epoch = (): number =>
      Math.max(-1, ...this.#running.map(({ broker }) => broker?.services.controller.epoch ?? -1));
    const before = epoch();
    await this.#store.delete('/controller', 'any');
    await this.#until('another controller is elected', () => epoch() > before);
    return this.controllerId;
  }

  /** Stops all brokers; their data is gone. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeAll(): Promise<void> {
    // Nobody takes over from whom, when all go.
    await Promise.all(this.#nodes.map((node) => node.kill()));
    await this.#store.close();
  }

  get #running(): readonly ClusterNode[] {
    return this.#nodes.filter(({ isRunning }) => isRunning);
  }

  #leads(id: number, topic: string, partition: number): boolean {
    const found = this.#node(id).broker?.services.replicas.find(topic, partition);
    return found !== undefined && !isRefusal(found) && found.isLeader;
  }

  #node(id: number): ClusterNode {
    const node = this.#nodes.find((each) => each.id === id);
    if (node !== undefined) return node;
    throw new TestBrokerError(
      'TESTING_UNKNOWN_BROKER',
      `There is no broker ${shown(id)}; there are: ${this.brokerIds.join(', ')}`,
    );
  }

  #openNode(doing: string, id: number): ClusterNode {
    const node = this.#node(id);
    this.#mustBeOpen(doing);
    return node;
  }

  /** What does nothing to a broker that is down is a mistake in a test. */
  #runningNode(doing: string, id: number): ClusterNode {
    const node = this.#openNode(doing, id);
    if (node.isRunning) return node;
    throw new TestBrokerError('TESTING_NOT_RUNNING', `Cannot ${doing}: broker ${id} does not run; start it first`);
  }

  #mustBeOpen(doing: string): void {
    if (this.#closing === undefined) return;
    throw new TestBrokerError('TESTING_CLOSED', `Cannot ${doing}: the cluster is closed`);
  }

  /** Nothing can happen where no broker runs: it would be waited for in vain. */
  #mustRun(doing: string): void {
    if (this.#running.length > 0) return;
    throw new TestBrokerError('TESTING_NOT_RUNNING', `Cannot ${doing}: no broker runs; start one first`);
  }

  /** A topic that a client has made just now reaches the brokers one after the other; one that is not there never does. */
  async #mustKnow(topic: string, partition: number): Promise<void> {
    const startMs = holdingClock.monotonic();
    const count = (): number =>
      Math.max(0, ...this.#running.map(({ broker }) => broker?.services.cluster.topic(topic)?.partitions.length ?? 0));
    while (count() <= partition) {
      if (holdingClock.monotonic() - startMs > NEWS_MS_MAX) {
        const there = count() === 0 ? `there is no topic '${topic}'` : `the partitions of '${topic}' are ${count()}`;
        throw new TestBrokerError('TESTING_UNKNOWN_PARTITION', `There is no partition ${topic}-${partition}: ${there}`);
      }
      await pause();
    }
  }

  async #askController<T>(ask: (connection: Connection) => Promise<T>): Promise<T> {
    this.#mustRun('ask the controller');
    await this.#until('there is a controller', () => this.controllerId >= 0);
    const { port } = this.#node(this.controllerId);
    const connection = await Connection.connect({ host: HOST, port, clientId: 'millrace-testing' });
    try {
      return await ask(connection);
    } finally {
      await connection.close();
    }
  }

  async #until(what: string, holds: () => boolean, meanwhile: () => Promise<void> = pause): Promise<void> {
    const startMs = holdingClock.monotonic();
    while (!holds()) {
      if (holdingClock.monotonic() - startMs > WAIT_MS_MAX) {
        throw new TestBrokerError('TESTING_NOT_SETTLED', `Waited ${WAIT_MS_MAX} ms in vain until ${what}`);
      }
      await meanwhile();
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => void holdingClock.schedule(LOOK_PAUSE_MS, resolve));
}

function knows({ broker }: ClusterNode, ids: readonly number[]): boolean {
  const known = broker?.services.cluster.brokers;
  return known?.size === ids.length && ids.every((id) => known.has(id));
}

function isInSync({ broker }: ClusterNode, ids: readonly number[]): boolean {
  for (const partition of broker?.services.replicas.partitions ?? []) {
    if (!partition.isLeader) continue;
    if (partition.replicas.some((id) => ids.includes(id) && !partition.isr.includes(id))) return false;
  }
  return true;
} /** So long a topic may take from the controller to the brokers, in milliseconds. */
const NEWS_MS_MAX = 1_000;
