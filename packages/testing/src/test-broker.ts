import { Broker, type BrokerConfig, parseBrokerConfig, silentLogger } from '@millrace/broker';
import { Connection, Listener } from '@millrace/network';
import { type Logger, systemRandom } from '@millrace/ports';
import { CreateTopics, ErrorCode, type ErrorName, errorInfo } from '@millrace/protocol';
import { AdjustableClock } from './adjustable-clock.ts';
import { TestBrokerError } from './errors.ts';
import { type ApiName, errorCodeOf, type Fault, FaultInjector, type FaultOptions } from './faults.ts';
import { applySecurity, type SecuredWith, securityOf, type TestSecurity } from './security.ts';
import { StartingHandler } from './starting-handler.ts';
import { openStorage, type Storage } from './storage.ts';

/** How a broker for tests is set up. */
export interface StartBrokerOptions extends TestSecurity {
  /**
   * Where the data is: in `memory` (the default, gone at the end), in a `temp` folder that is removed at the end, or in a folder
   * that stays, so that a second broker can go on with it.
   */
  readonly storage?: 'memory' | 'temp' | { readonly folder: string };
  /** The port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /**
   * Settings by Kafka's names, such as `auto.create.topics.enable`; `advertised.listeners` is for clients that are to come through
   * a proxy: `PLAINTEXT://127.0.0.1:` and the proxy's port.
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /**
   * The `transaction.version` of the broker: 2, the default, where producers get a new epoch with each transaction (KIP-890); 0 for
   * transactions as before Kafka 4.0.
   */
  readonly transactionVersion?: 0 | 1 | 2;
  /** Topics that are there from the start: a name, or a name with its partitions and configs. */
  readonly topics?: readonly (string | NewTestTopic)[];
  /** pino or alike. Silent by default. */
  readonly logger?: Logger;
}

/** A topic for a test. */
export interface NewTestTopic {
  readonly topic: string;
  /** 1 by default. */
  readonly partitions?: number;
  /** Topic configs by Kafka's names. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>;
}

/** What differs from a broker's defaults: nothing that a test would wait for, and few partitions where many help nobody. */
const TEST_CONFIG = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'num.partitions': '1',
};

const HOST = '127.0.0.1';
const CREATE_TIMEOUT_MS = 10_000;
/** Of transactions that the producer will never begin which a test fences others with. */
const FENCE_TIMEOUT_MS = 60_000;

/**
 * A Kafka-compatible broker in this process, on a real port: any Kafka client can connect to it.
 *
 * ```ts
 * await using broker = await startBroker({ topics: ['orders'] });
 * const kafka = new Kafka({ brokers: [broker.bootstrapServers] }); // kafkajs, or any other client
 * ```
 *
 * @throws TestBrokerError `TESTING_INVALID_CONFIG` for settings that a broker would refuse
 */
export async function startBroker(options: StartBrokerOptions = {}): Promise<TestBroker> {
  const clock = new AdjustableClock();
  const storage = await openStorage(options.storage ?? 'memory', clock);
  const security = securityOf(options);
  const config = configFrom(options, storage, security);
  const logger = options.logger ?? silentLogger;
  const broker = new Broker({
    config,
    clock,
    random: systemRandom,
    disk: storage.disk,
    metadataStore: storage.metadataStore,
    logger,
    transactionVersionMax: options.transactionVersion,
  });
  const starting = new StartingHandler();
  const listener = new Listener({
    handler: starting,
    name: security.protocol,
    host: HOST,
    port: options.port ?? 0,
    securityProtocol: security.protocol,
    tls: options.tls,
    logger,
  });
  try {
    const { port } = await listener.listen();
    const told = config.advertisedListeners === null ? { host: HOST, port } : config.advertisedEndpoints[0]!;
    await broker.start({
      endpoints: [
        { listener: security.protocol, securityProtocol: security.protocol, host: told.host, port: told.port },
      ],
    });
    await applySecurity(broker, options);
    const injector = new FaultInjector(broker.requestHandler, clock);
    starting.started(injector);
    const testBroker = new TestBroker({
      broker,
      clock,
      listener,
      injector,
      storage,
      port,
      connect: connector(options, security, port),
    });
    for (const topic of options.topics ?? []) await testBroker.createTopic(topic);
    return testBroker;
  } catch (error) {
    await listener.close(0);
    await broker.stop();
    await storage.close();
    throw error;
  }
}

/** How the test itself reaches its broker. */
function connector({ tls }: StartBrokerOptions, { login }: SecuredWith, port: number): () => Promise<Connection> {
  // It has just made the broker, so it need not ask who that is.
  const ownTls = tls === undefined ? undefined : { rejectUnauthorized: false };
  return () => Connection.connect({ host: HOST, port, clientId: 'millrace-testing', sasl: login, tls: ownTls });
}

function configFrom(options: StartBrokerOptions, storage: Storage, security: SecuredWith): BrokerConfig {
  const properties = {
    ...TEST_CONFIG,
    listeners: `${security.protocol}://${HOST}:${options.port ?? 0}`,
    ...security.config,
    'log.dirs': storage.folder,
    ...Object.fromEntries(Object.entries(options.config ?? {}).map(([name, value]) => [name, String(value)])),
  };
  const { config, problems, warnings } = parseBrokerConfig(properties);
  if (!String(properties.listeners).startsWith(`${security.protocol}://`)) {
    throw new TestBrokerError(
      'TESTING_INVALID_CONFIG',
      'Where a broker for tests listens follows from its options: users and tls secure it',
    );
  }
  // A name that no broker knows is a mistake in a test, where a running broker would only warn.
  const faults = [...problems, ...warnings].map(({ message }) => message);
  if (faults.length > 0) {
    throw new TestBrokerError(
      'TESTING_INVALID_CONFIG',
      `Cannot start a broker with these settings: ${faults.join('; ')}`,
    );
  }
  return config;
}

interface Parts {
  readonly broker: Broker;
  readonly clock: AdjustableClock;
  readonly listener: Listener;
  readonly injector: FaultInjector;
  readonly storage: Storage;
  readonly port: number;
  readonly connect: () => Promise<Connection>;
}

/** A broker that {@link startBroker} has started, with the means to make its clients' lives hard. */
export class TestBroker implements AsyncDisposable {
  /** What a client's `bootstrapServers`, `brokers` or `bootstrap.servers` takes. */
  readonly bootstrapServers: string;
  readonly host = HOST;
  readonly port: number;
  readonly #parts: Parts;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link startBroker}. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.port = parts.port;
    this.bootstrapServers = `${HOST}:${parts.port}`;
  }

  /**
   * Makes a topic; resolves when clients see it.
   * @throws TestBrokerError `TESTING_TOPIC_REFUSED` with the broker's reason
   */
  async createTopic(topic: string | NewTestTopic): Promise<void> {
    const { topic: name, partitions = 1, configs = {} }: NewTestTopic = typeof topic === 'string' ? { topic } : topic;
    const connection = await this.#parts.connect();
    try {
      const response = await connection.send(CreateTopics, 'auto', {
        topics: [
          {
            name,
            numPartitions: partitions,
            replicationFactor: 1,
            assignments: [],
            configs: Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) })),
          },
        ],
        timeoutMs: CREATE_TIMEOUT_MS,
      });
      const result = response.topics[0];
      if (result === undefined || result.errorCode === 0) return;
      const { name: errorName } = errorInfo(result.errorCode);
      throw new TestBrokerError(
        'TESTING_TOPIC_REFUSED',
        `Cannot make topic '${name}': ${errorName}: ${result.errorMessage ?? 'no reason given'}`,
      );
    } finally {
      await connection.close();
    }
  }

  /** Answers the next requests of an API with an error, without carrying them out. */
  failNext(api: ApiName, error: ErrorName | number, options: FaultOptions = {}): Fault {
    return this.#parts.injector.order(api, { kind: 'fail', errorCode: errorCodeOf(error) }, options);
  }

  /** Carries the next requests of an API out only after `delayMs`. */
  delayNext(api: ApiName, delayMs: number, options: FaultOptions = {}): Fault {
    return this.#parts.injector.order(api, { kind: 'delay', ms: delayMs }, options);
  }

  /** Holds the next requests of an API back until the fault is removed. */
  holdNext(api: ApiName, options: FaultOptions = {}): Fault {
    return this.#parts.injector.order(api, { kind: 'hold' }, options);
  }

  /** Cuts the connection on the next requests of an API: before they are carried out, or after, so that only the answer is lost. */
  dropNext(api: ApiName, options: FaultOptions & { readonly when?: 'before' | 'after' } = {}): Fault {
    return this.#parts.injector.order(api, { kind: 'drop', after: options.when === 'after' }, options);
  }

  /** Takes back all faults that are still to come. */
  clearFaults(): void {
    this.#parts.injector.clear();
  }

  /** Cuts all connections, or those of one client host and port. Returns how many. */
  dropConnections(): number {
    let count = 0;
    for (const connection of this.#parts.listener.connections()) {
      connection.disconnect('the test asked for it');
      count += 1;
    }
    return count;
  }

  /**
   * Has the leader of a partition elected anew: its epoch is raised, and requests that carry the old one are refused.
   * @throws TestBrokerError `TESTING_UNKNOWN_PARTITION`
   */
  async moveLeader(topic: string, partition: number): Promise<void> {
    const { cluster, replicas, brokerId } = this.#parts.broker.services;
    const state = cluster.partition(topic, partition);
    if (state === undefined) {
      throw new TestBrokerError('TESTING_UNKNOWN_PARTITION', `there is no partition ${partition} of topic '${topic}'`);
    }
    const moved = { ...state, leaderEpoch: state.leaderEpoch + 1 };
    const command = { controllerId: brokerId, controllerEpoch: state.controllerEpoch, brokerEpoch: -1 };
    const orders = { ...moved, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false };
    await replicas.leaderAndIsr({ ...command, partitions: [orders], liveLeaders: [] });
    cluster.apply({ ...command, liveBrokers: [...cluster.brokers.values()], partitions: [moved] });
  }

  /** Lets a member of a group expire, as if its session had timed out. Returns whether there was one. */
  expireMember(groupId: string, memberId: string): boolean {
    return this.#parts.broker.services.groups.expireMember(groupId, memberId);
  }

  /** The ids of a group's members, as the coordinator knows them now. */
  memberIds(groupId: string): string[] {
    return this.#parts.broker.services.groups.describe(groupId).members.map(({ memberId }) => memberId);
  }

  /**
   * Has the coordinator abort a producer's open transaction, as if its `transactionTimeoutMs` were over: what the producer sends for it is
   * refused from then on. Resolves with whether there was one.
   */
  expireTransaction(transactionalId: string): Promise<boolean> {
    return this.#parts.broker.services.transactions.coordinator.expire(transactionalId);
  }

  /**
   * Has another producer take a `transactionalId` over: whoever had it is refused, and what it left open is aborted.
   * @throws TestBrokerError `TESTING_NOT_FENCED` with the broker's reason
   */
  async fenceProducer(transactionalId: string): Promise<void> {
    const { coordinator } = this.#parts.broker.services.transactions;
    const request = { transactionalId, timeoutMs: FENCE_TIMEOUT_MS, producerId: -1, producerEpoch: -1 };
    for (;;) {
      const { errorCode } = await coordinator.initProducer(request);
      if (errorCode === ErrorCode.NONE) return;
      if (errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS) {
        const { name } = errorInfo(errorCode);
        throw new TestBrokerError('TESTING_NOT_FENCED', `Cannot fence the producers of '${transactionalId}': ${name}`);
      }
      await coordinator.whenComplete(transactionalId);
    }
  }

  /**
   * Keeps the ends of transactions from being written into their partitions until the returned function is called: their producers are
   * told that they are committed or aborted, and readers of what is committed wait.
   */
  holdMarkers(): () => void {
    return this.#parts.broker.services.transactions.coordinator.holdMarkers();
  }

  /** Sets the broker's clock forward: sessions time out, retention passes, waits end. Clients keep their own time. */
  advanceTime(ms: number): void {
    this.#parts.clock.advance(ms);
  }

  /** Stops the broker and removes what is not to stay. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { broker, listener, injector, storage } = this.#parts;
    injector.clear();
    broker.finishWaits();
    await listener.close(0);
    await broker.stop();
    await storage.close();
  }
}
