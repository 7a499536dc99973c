import { Broker, type BrokerConfig, isRefusal, parseBrokerConfig, silentLogger } from '@millrace/broker';
import { Connection, ListenError, Listener } from '@millrace/network';
import { type Logger, listenFault, nearestName, systemRandom, takeNoMore } from '@millrace/ports';
import { CreateTopics, ErrorCode, type ErrorName, errorInfo } from '@millrace/protocol';
import { AdjustableClock } from './adjustable-clock.ts';
import {
  checkAdvance,
  checkBrokerOptions,
  checkDelay,
  checkFaultOptions,
  checkIds,
  checkPartition,
  checkTopic,
  errorCodeOf,
  type FaultCall,
  settingFaults,
  surplus,
} from './arguments.ts';
import { TestBrokerError } from './errors.ts';
import { type Effect, type Fault, FaultInjector } from './faults.ts';
import type { ApiName, DropOptions, FaultOptions, NewTestTopic, StartBrokerOptions } from './options.ts';
import { applySecurity, type SecuredWith, securityOf } from './security.ts';
import { StartingHandler } from './starting-handler.ts';
import { openStorage, type Storage } from './storage.ts';

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
 * @throws TestBrokerError `TESTING_INVALID_OPTION` for options that there are not, or that make no sense; `TESTING_INVALID_CONFIG` for
 * settings that a broker would refuse; `TESTING_FOLDER_REFUSED` and `TESTING_PORT_REFUSED` for what the system does not give or another
 * has; `TESTING_TOPIC_REFUSED` for topics that it refuses
 */
export async function startBroker(options: StartBrokerOptions = {}): Promise<TestBroker> {
  checkBrokerOptions(options);
  const clock = new AdjustableClock();
  const security = securityOf(options);
  const logger = options.logger ?? silentLogger;
  const starting = new StartingHandler();
  const listener = listenerFrom(options, security, starting, logger);
  // Before anything is opened, which would have to be closed again.
  configFrom(options, '/', security);
  const storage = await openStorage(options.storage ?? 'memory', clock);
  const config = configFrom(options, storage.folder, security);
  const broker = new Broker({
    config,
    clock,
    random: systemRandom,
    disk: storage.disk,
    metadataStore: storage.metadataStore,
    logger,
    transactionVersionMax: options.transactionVersion,
  });
  try {
    const port = await portOf(listener, options);
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

/** @throws TestBrokerError `TESTING_PORT_REFUSED` */
async function portOf(listener: Listener, options: StartBrokerOptions): Promise<number> {
  try {
    return (await listener.listen()).port;
  } catch (cause) {
    if (!(cause instanceof ListenError)) throw cause;
    const why = listenFault(cause.cause as NodeJS.ErrnoException);
    const what = `Cannot start a broker on port ${options.port ?? 0}: ${why}. Leave port out for one that is free`;
    throw new TestBrokerError('TESTING_PORT_REFUSED', what, { cause });
  }
}

function listenerFrom(
  { port = 0, tls }: StartBrokerOptions,
  { protocol }: SecuredWith,
  handler: StartingHandler,
  logger: Logger,
): Listener {
  try {
    return new Listener({ handler, name: protocol, host: HOST, port, securityProtocol: protocol, tls, logger });
  } catch (cause) {
    // What Node says of keys and certificates that it cannot read.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TestBrokerError('TESTING_INVALID_OPTION', `Cannot start a broker with this tls: ${reason}`, { cause });
  }
}

/** How the test itself reaches its broker. */
function connector({ tls }: StartBrokerOptions, { login }: SecuredWith, port: number): () => Promise<Connection> {
  // It has just made the broker, so it need not ask who that is.
  const ownTls = tls === undefined ? undefined : { rejectUnauthorized: false };
  return () => Connection.connect({ host: HOST, port, clientId: 'millrace-testing', sasl: login, tls: ownTls });
}

function configFrom(options: StartBrokerOptions, folder: string, security: SecuredWith): BrokerConfig {
  const place = ['log.dirs', 'log.dir'].find((name) => options.config?.[name] !== undefined);
  if (place !== undefined) {
    throw new TestBrokerError(
      'TESTING_INVALID_CONFIG',
      `Cannot start a broker with ${place}: storage says where its data is`,
    );
  }
  const properties = {
    ...TEST_CONFIG,
    listeners: `${security.protocol}://${HOST}:${options.port ?? 0}`,
    ...security.config,
    'log.dirs': folder,
    ...Object.fromEntries(Object.entries(options.config ?? {}).map(([name, value]) => [name, String(value)])),
  };
  const { config, problems, warnings } = parseBrokerConfig(properties);
  if (!String(properties.listeners).startsWith(`${security.protocol}://`)) {
    throw new TestBrokerError(
      'TESTING_INVALID_CONFIG',
      'Where a broker for tests listens follows from its options: users and tls secure it',
    );
  }
  const faults = settingFaults(problems, warnings);
  if (faults !== '') {
    throw new TestBrokerError('TESTING_INVALID_CONFIG', `Cannot start a broker with these settings: ${faults}`);
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
  static {
    // `close` is as lenient as hooks want it, which hand over what they like.
    const promising = { createTopic: 1, moveLeader: 2, expireTransaction: 1, fenceProducer: 1 } as const;
    takeNoMore(TestBroker.prototype, promising, (fault) => Promise.reject(surplus(fault)));
    const others = {
      failNext: 3,
      delayNext: 3,
      holdNext: 2,
      dropNext: 2,
      clearFaults: 0,
      dropConnections: 0,
      expireMember: 2,
      memberIds: 1,
      holdMarkers: 0,
      advanceTime: 1,
    } as const;
    takeNoMore(TestBroker.prototype, others, (fault) => {
      throw surplus(fault);
    });
  }
  #closing: Promise<void> | undefined;

  /** @internal Use {@link startBroker}. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.port = parts.port;
    this.bootstrapServers = `${HOST}:${parts.port}`;
  }

  /**
   * Makes a topic; resolves when clients see it.
   * @throws TestBrokerError `TESTING_TOPIC_REFUSED` with the broker's reason; `TESTING_INVALID_ARGUMENT`, as all calls do for what makes no
   * sense; `TESTING_CLOSED`, as all calls do once the broker is closed
   */
  async createTopic(topic: string | NewTestTopic): Promise<void> {
    checkTopic(topic);
    this.#mustBeOpen('make a topic');
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
    return this.#order('failNext', api, () => ({ kind: 'fail', errorCode: errorCodeOf(error) }), options);
  }

  /** Carries the next requests of an API out only after `delayMs`. */
  delayNext(api: ApiName, delayMs: number, options: FaultOptions = {}): Fault {
    return this.#order('delayNext', api, () => ({ kind: 'delay', ms: checkDelay(delayMs) }), options);
  }

  /** Holds the next requests of an API back until the fault is removed. */
  holdNext(api: ApiName, options: FaultOptions = {}): Fault {
    return this.#order('holdNext', api, () => ({ kind: 'hold' }), options);
  }

  /** Cuts the connection on the next requests of an API: before they are carried out, or after, so that only the answer is lost. */
  dropNext(api: ApiName, options: DropOptions = {}): Fault {
    return this.#order('dropNext', api, () => ({ kind: 'drop', after: options.when === 'after' }), options);
  }

  /** Takes back all faults that are still to come. */
  clearFaults(): void {
    this.#parts.injector.clear();
  }

  /** Cuts all connections. Returns how many. */
  dropConnections(): number {
    this.#mustBeOpen('cut connections');
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
    checkPartition('move a leader', topic, partition);
    this.#mustBeOpen('move a leader');
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
    checkIds('let a member expire', { groupId, memberId });
    this.#mustBeOpen('let a member expire');
    return this.#parts.broker.services.groups.expireMember(groupId, memberId);
  }

  /** The ids of a group's members, as the coordinator knows them now. */
  memberIds(groupId: string): string[] {
    checkIds('tell the members of a group', { groupId });
    this.#mustBeOpen('tell the members of a group');
    return this.#parts.broker.services.groups.describe(groupId).members.map(({ memberId }) => memberId);
  }

  /**
   * Has the coordinator abort a producer's open transaction, as if its `transactionTimeoutMs` were over: what the producer sends for it is
   * refused from then on. Resolves with whether there was one.
   */
  async expireTransaction(transactionalId: string): Promise<boolean> {
    checkIds('let a transaction expire', { transactionalId });
    this.#mustBeOpen('let a transaction expire');
    return this.#parts.broker.services.transactions.coordinator.expire(transactionalId);
  }

  /**
   * Has another producer take a `transactionalId` over: whoever had it is refused, and what it left open is aborted.
   * @throws TestBrokerError `TESTING_NOT_FENCED` where nobody has had it, or with the broker's reason
   */
  async fenceProducer(transactionalId: string): Promise<void> {
    checkIds('fence a producer', { transactionalId });
    this.#mustBeOpen('fence a producer');
    const { coordinator } = this.#parts.broker.services.transactions;
    this.#mustHaveBegun(transactionalId);
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

  /** Before the first producer there is no coordinator; one that loads may know it. */
  #mustHaveBegun(transactionalId: string): void {
    const { coordinator } = this.#parts.broker.services.transactions;
    const found = coordinator.describe(transactionalId);
    const missing: readonly number[] = [ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, ErrorCode.NOT_COORDINATOR];
    if (!isRefusal(found) || !missing.includes(found.errorCode)) return;
    const ids = coordinator.list().transactions.map((each) => each.transactionalId);
    const nearest = nearestName(transactionalId, ids);
    const advice = nearest === undefined ? 'it does with its first transaction' : `did you mean '${nearest}'?`;
    const what = `Cannot fence the producers of '${transactionalId}': none has begun with it; ${advice}`;
    throw new TestBrokerError('TESTING_NOT_FENCED', what);
  }

  /**
   * Keeps the ends of transactions from being written into their partitions until the returned function is called: their producers are
   * told that they are committed or aborted, and readers of what is committed wait.
   */
  holdMarkers(): () => void {
    this.#mustBeOpen('hold markers');
    return this.#parts.broker.services.transactions.coordinator.holdMarkers();
  }

  /** Sets the broker's clock forward: sessions time out, retention passes, waits end. Clients keep their own time. */
  advanceTime(ms: number): void {
    checkAdvance(ms);
    this.#mustBeOpen('set its clock forward');
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

  #order(call: FaultCall, api: ApiName, effect: () => Effect, options: FaultOptions): Fault {
    checkFaultOptions(call, options);
    const fault = effect();
    this.#mustBeOpen(`order a fault with ${call}`);
    return this.#parts.injector.order(api, fault, options);
  }

  #mustBeOpen(doing: string): void {
    if (this.#closing === undefined) return;
    throw new TestBrokerError('TESTING_CLOSED', `Cannot ${doing}: the broker is closed`);
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
