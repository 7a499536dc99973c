/**
 * A cluster of whole brokers in the test's own thread: one metadata store with a session for each, a disk for each, frames that go from
 * one to the other without sockets, and one clock that is set forward by hand.
 */
import { MemoryMetadataStore, type MetadataStore, type Operation, type Watcher } from '@millrace/metadata';
import type { ConnectionContext, RequestAdmission } from '@millrace/network';
import { type Clock, ManualClock, MemoryDisk, seededRandom, systemError, type Timer } from '@millrace/ports';
import { type Api, decodeResponseFrame, encodeRequest } from '@millrace/protocol';
import { Broker } from '../broker.ts';
import type { PeerAddress, PeerLane, PeerSendOptions, Peers } from '../cluster/peers.ts';
import { parseBrokerConfig } from '../config/broker-config.ts';
import type { Partition } from '../replicas/partition.ts';
import { silentLogger } from '../shared/logger.ts';
import { type Metrics, noMetrics } from '../shared/metrics.ts';
import { isRefusal } from '../shared/refusal.ts';

const DEFAULTS: Readonly<Record<string, string>> = {
  'log.dirs': '/data',
  'offsets.topic.num.partitions': '2',
  'group.initial.rebalance.delay.ms': '0',
  'auto.create.topics.enable': 'false',
};

/** One request that went from broker to broker, for tests that look at what was said. */
export interface Said {
  readonly from: number;
  readonly to: number;
  readonly api: string;
  readonly version: number;
  readonly body: unknown;
}

/** One broker of the cluster, or its machine while it is down. */
interface Node {
  readonly id: number;
  disk: MemoryDisk;
  readonly process: Process;
  session: ReturnType<MemoryMetadataStore['openSession']>;
  broker: Broker;
  /** Requests that come before wait for it, as they do in a process. */
  started: Promise<void>;
  isUp: boolean;
  /** Lanes that lead here, and what is under way on them. */
  readonly lanes: Set<MemoryLane>;
}

export class TestReplicas {
  readonly clock = new ManualClock();
  readonly store: MemoryMetadataStore;
  readonly nodes = new Map<number, Node>();
  readonly said: Said[] = [];
  /** What was written to the store, in order; that of one transaction together. */
  readonly written: (readonly Operation[])[] = [];
  /** Where brokers that start from now on report what they do. */
  metricsOf: (id: number) => Metrics = () => noMetrics;
  /** What opening a way to another broker throws, as if there were a mistake. */
  lineFault: ((clientId: string) => Error | undefined) | undefined;
  readonly #settings: Readonly<Record<string, string>>;
  /** Pairs of brokers, as `from-to`, whose requests do not arrive. */
  readonly #cuts = new Set<string>();
  #connectionId = 0;

  private constructor(settings: Readonly<Record<string, string>>) {
    this.#settings = settings;
    this.store = new MemoryMetadataStore({ clock: this.clock });
  }

  /** Brokers 1 to `count`, started one after the other. */
  static async start(count: number, settings: Readonly<Record<string, string>> = {}): Promise<TestReplicas> {
    const test = new TestReplicas(settings);
    for (let id = 1; id <= count; id += 1) await test.start(id);
    return test;
  }

  /** Starts a broker for the first time, or again on its disk. */
  async start(id: number, settings: Readonly<Record<string, string>> = {}): Promise<Broker> {
    const known = this.nodes.get(id);
    const disk = known?.disk ?? new MemoryDisk(() => this.clock.now());
    const session = this.store.openSession();
    const process = new Process(this.clock);
    const broker = this.#make(id, disk, session, process, settings);
    const started = broker.start();
    this.nodes.set(id, { id, disk, process, session, broker, started, isUp: true, lanes: known?.lanes ?? new Set() });
    try {
      await this.#whilePassing(`broker ${id} has started`, started);
    } catch (error) {
      // The process ends, and with it its session; that of the one before may live on.
      process.isAlive = false;
      await session.close();
      if (known === undefined) this.nodes.delete(id);
      else this.nodes.set(id, known);
      throw error;
    }
    await this.settle();
    return broker;
  }

  /**
   * Ends a broker as loss of power does: connections break, what was not synced is gone, and its session goes at once, as in a local
   * cluster.
   */
  async kill(id: number): Promise<void> {
    this.die(id);
    await this.expire(id);
  }

  /** Ends a broker as loss of power does, whose session the ensemble goes on to count among the living. */
  die(id: number): void {
    const node = this.#node(id);
    node.isUp = false;
    node.process.isAlive = false;
    node.disk = node.disk.crash('none');
    for (const lane of [...node.lanes]) lane.peerLost();
  }

  /** Ends the session of a broker: of one that is dead, paused, or was not heard of for too long. */
  async expire(id: number): Promise<void> {
    await this.#node(id).session.expireSession();
    await this.settle();
  }

  /** Stops the process of a broker from running on (SIGSTOP): what comes to it waits, and its connections and session stay. */
  pause(id: number): void {
    this.#node(id).process.pause();
  }

  async resume(id: number): Promise<void> {
    this.#node(id).process.resume();
    await this.settle();
  }

  /** Stops a broker in order. */
  async stop(id: number): Promise<void> {
    const node = this.#node(id);
    const stopped = node.broker.stop();
    await this.#whilePassing(`broker ${id} has stopped`, stopped);
    node.isUp = false;
    node.process.isAlive = false;
    for (const lane of [...node.lanes]) lane.peerLost();
    await node.session.close();
    await this.settle();
  }

  async stopAll(): Promise<void> {
    for (const { id, isUp } of this.nodes.values()) if (isUp) await this.stop(id);
  }

  /** No request of one broker reaches the other from now on, in one direction; what is under way is not answered. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}-${to}`);
  }

  /** A follower's fetches do not reach a leader from now on, though everything else does. */
  cutFetches(from: number, to: number): void {
    this.#cuts.add(`${from}-${to} Fetch`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: number, to: number, api: string): boolean {
    return this.#cuts.has(`${from}-${to}`) || this.#cuts.has(`${from}-${to} ${api}`);
  }

  /** Puts an empty disk into the machine of a broker that is down. */
  replaceDisk(id: number): void {
    this.#node(id).disk = new MemoryDisk(() => this.clock.now());
  }

  /** From now on writes below a folder of a broker fail, until it is killed. */
  failWrites(id: number, folder: string): void {
    this.#node(id).disk.fault = ({ kind, path }) =>
      kind === 'write' && path.startsWith(folder)
        ? { error: systemError('EIO', 'the disk has failed'), writtenBytes: 0 }
        : undefined;
  }

  broker(id: number): Broker {
    return this.#node(id).broker;
  }

  /** A replica on a broker. */
  partition(id: number, topic: string, partition = 0): Partition {
    const found = this.broker(id).services.replicas.find(topic, partition);
    if (isRefusal(found)) throw new Error(`Broker ${id} has no ${topic}-${partition}: error ${found.errorCode}`);
    return found;
  }

  /** The broker that leads a partition, as the brokers themselves have it. */
  leaderOf(topic: string, partition = 0): number {
    for (const { id, isUp, broker } of this.nodes.values()) {
      if (!isUp) continue;
      const found = broker.services.replicas.find(topic, partition);
      if (!isRefusal(found) && found.isLeader) return id;
    }
    return -1;
  }

  /** Creates a topic whose partition N has the replicas at place N. */
  async createTopic(
    name: string,
    assignment: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const node = [...this.nodes.values()].find(({ isUp, broker }) => isUp && broker.services.controller.isActive);
    const topic = {
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: assignment.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    };
    const creating = node?.broker.services.topicAdmin.createTopics([topic], { timeoutMs: 10_000, validateOnly: false });
    await this.settle();
    const [created] = (await creating) ?? [];
    if (created?.errorCode !== 0) throw new Error(`Creating ${name} gave error ${created?.errorCode}`);
    await this.settle();
  }

  /** Asks a broker as a client. */
  async ask<Req, Res, ReqInput, ResInput>(
    id: number,
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Promise<Res> {
    const lane = new MemoryLane(this, -1, id, 'test', undefined);
    const answer = lane.send(api, version, body, { timeoutMs: 60_000 });
    try {
      return await answer;
    } finally {
      lane.close();
    }
  }

  /** Lets everything that is under way come to where it waits for time to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass, in steps short enough for every pause to be seen. */
  async pass(ms: number, stepMs = 10): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - passed));
      await this.settle();
    }
  }

  /** Lets time pass until something holds; fails when it does not within `msMax`. */
  async until(what: string, holds: () => boolean, msMax = 5000): Promise<void> {
    for (let passed = 0; passed < msMax; passed += 10) {
      if (holds()) return;
      await this.pass(10);
    }
    throw new Error(`Not within ${msMax} ms: ${what}`);
  }

  /** @internal Hands a frame to a broker. */
  async deliver(to: number, frame: Buffer, context: ConnectionContext): Promise<readonly Uint8Array[] | null> {
    const node = this.nodes.get(to);
    if (node?.isUp !== true) throw new Error(`Broker ${to} refuses the connection`);
    await node.started;
    await node.process.running();
    const answer = await node.broker.requestHandler.handle(frame, context, ADMISSION);
    await node.process.running();
    return answer;
  }

  /** @internal */
  connectionClosed(to: number, context: ConnectionContext): void {
    const node = this.nodes.get(to);
    if (node?.isUp !== true) return;
    void node.started.then(() => node.broker.requestHandler.connectionClosed?.(context));
  }

  /** @internal */
  isUp(id: number): boolean {
    return this.nodes.get(id)?.isUp === true;
  }

  /** @internal */
  lanesTo(to: number): Set<MemoryLane> | undefined {
    return this.nodes.get(to)?.lanes;
  }

  /** @internal */
  nextConnectionId(): number {
    this.#connectionId += 1;
    return this.#connectionId;
  }

  /** Lets time pass until something is done. */
  async #whilePassing(what: string, done: Promise<void>): Promise<void> {
    let isDone = false;
    done
      .finally(() => {
        isDone = true;
      })
      .catch(() => undefined);
    await this.settle();
    await this.until(what, () => isDone, 60_000);
    await done;
  }

  #peersOf(id: number, process: Process): Peers {
    return {
      lane: (address: PeerAddress, clientId) => {
        const fault = this.lineFault?.(clientId);
        if (fault !== undefined) throw fault;
        return new MemoryLane(this, id, address.brokerId, clientId, process);
      },
    };
  }

  #node(id: number): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`There is no broker ${id}`);
    return node;
  }

  #make(
    id: number,
    disk: MemoryDisk,
    session: ReturnType<MemoryMetadataStore['openSession']>,
    process: Process,
    settings: Readonly<Record<string, string>>,
  ): Broker {
    const own = { 'broker.id': String(id), listeners: `PLAINTEXT://broker-${id}.test:9092` };
    const { config, problems } = parseBrokerConfig({ ...DEFAULTS, ...own, ...this.#settings, ...settings });
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
    return new Broker({
      config,
      clock: process,
      random: seededRandom(id),
      disk,
      metadataStore: storeOf(session, process, (operations) => this.written.push(operations)),
      logger: silentLogger,
      metrics: this.metricsOf(id),
      peers: this.#peersOf(id, process),
    });
  }
}

/** The clock of one process: no timer of one that was killed goes off, and those of one that is paused do when it goes on. */
class Process implements Clock {
  isAlive = true;
  readonly #clock: Clock;
  /** What has come since it was paused; undefined while it runs. */
  #waiting: (() => void)[] | undefined;
  readonly #watchers = new WeakMap<Watcher, Watcher>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void): Timer {
    let isCancelled = false;
    const timer = this.#clock.schedule(delayMs, () =>
      this.whenRunning(() => {
        if (this.isAlive && !isCancelled) run();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  /** The same function set twice on a node is called once: so it stays. */
  watcher(watch: Watcher): Watcher {
    let own = this.#watchers.get(watch);
    if (own === undefined) {
      own = (event) => this.whenRunning(() => watch(event));
      this.#watchers.set(watch, own);
    }
    return own;
  }

  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const run of waiting) run();
  }

  /** At once, or when it goes on. */
  whenRunning(run: () => void): void {
    if (this.#waiting === undefined) run();
    else this.#waiting.push(run);
  }

  running(): Promise<void> {
    return new Promise((resolve) => this.whenRunning(resolve));
  }
}

/**
 * The store as one process has it: one that was killed hears nothing from it, the end of its session least of all; one that is paused
 * hears of it when it goes on.
 */
function storeOf(
  session: MetadataStore,
  process: Process,
  written: (operations: readonly Operation[]) => void,
): MetadataStore {
  return new Proxy(session, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        if (!process.isAlive) return new Promise(() => {});
        const operations = operationsOf(String(name), given);
        if (operations !== undefined) {
          return (member.apply(target, given) as Promise<unknown>).then((result) => {
            written(operations);
            return result;
          });
        }
        const listener = given[0];
        if (name !== 'onSession' || typeof listener !== 'function') {
          return member.apply(target, watchedBy(process, given));
        }
        return member.call(target, (state: unknown) => process.whenRunning(() => process.isAlive && listener(state)));
      };
    },
  });
}

/** What a read is asked for, with a watcher that hears nothing while its process is paused; one for each that is given. */
function watchedBy(process: Process, given: readonly unknown[]): readonly unknown[] {
  const options = given[1] as { readonly watch?: Watcher } | undefined;
  return typeof options?.watch === 'function'
    ? [given[0], { ...options, watch: process.watcher(options.watch) }]
    : given;
}

/** What a call of the store writes; undefined for a call that writes nothing. */
function operationsOf(name: string, given: readonly unknown[]): readonly Operation[] | undefined {
  // The arguments are those of the port's methods of these names.
  const [path, data, last] = given as [string, Uint8Array, never];
  if (name === 'multi') return given[0] as readonly Operation[];
  if (name === 'create') return [{ type: 'create', path, data, options: last }];
  if (name === 'set') return [{ type: 'set', path, data, expected: last }];
  if (name === 'delete') return [{ type: 'delete', path, expected: given[1] as never }];
  return undefined;
}

/** Everything is admitted, and memory is never given back. */
const ADMISSION: RequestAdmission = {
  release: () => {},
  holdDecoded: () => {},
  park: () => true,
  reserveResponse: (bytes) => bytes,
  whenSent: () => {},
};

interface UnderWay {
  readonly reject: (error: Error) => void;
}

/** A connection of one broker to another, by which frames go as they would over a socket. */
class MemoryLane implements PeerLane {
  readonly #test: TestReplicas;
  readonly #from: number;
  readonly #to: number;
  readonly #clientId: string;
  readonly #process: Process | undefined;
  readonly #underWay = new Set<UnderWay>();
  #context: ConnectionContext | undefined;
  #isClosed = false;
  #correlationId = 0;

  constructor(test: TestReplicas, from: number, to: number, clientId: string, process: Process | undefined) {
    this.#process = process;
    this.#test = test;
    this.#from = from;
    this.#to = to;
    this.#clientId = clientId;
    test.lanesTo(to)?.add(this);
  }

  async send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    { timeoutMs }: PeerSendOptions,
  ): Promise<Res> {
    if (this.#isClosed) throw new Error('the lane is closed');
    // Who is dead hears nothing, not even that.
    if (this.#process?.isAlive === false) return new Promise(() => {});
    const chosen = version === 'auto' ? api.maxVersion : version;
    const content = typeof body === 'function' ? (body as (version: number) => ReqInput)(chosen) : body;
    this.#correlationId += 1;
    const header = { correlationId: this.#correlationId, clientId: this.#clientId };
    const frame = Buffer.concat(encodeRequest(api, chosen, header, content)).subarray(4);
    // Who refuses the connection is told nothing.
    if (this.#test.isUp(this.#to)) {
      this.#test.said.push({ from: this.#from, to: this.#to, api: api.name, version: chosen, body: content });
    }
    const chunks = await this.#carry(api.name, frame, timeoutMs);
    if (chunks === null) throw new Error(`${api.name} is not answered`);
    return decodeResponseFrame(api, chosen, Buffer.concat(chunks).subarray(4)).body;
  }

  reset(): void {
    const context = this.#context;
    this.#context = undefined;
    if (context !== undefined) this.#test.connectionClosed(this.#to, context);
    for (const { reject } of [...this.#underWay]) reject(new Error('the connection was closed'));
  }

  close(): void {
    this.#isClosed = true;
    this.reset();
    this.#test.lanesTo(this.#to)?.delete(this);
  }

  /** The broker at the other end is gone. */
  peerLost(): void {
    this.#context = undefined;
    for (const { reject } of [...this.#underWay]) reject(new Error('the connection was lost'));
  }

  #carry(api: string, frame: Buffer, timeoutMs: number): Promise<readonly Uint8Array[] | null> {
    return new Promise((resolve, reject) => {
      const end = (run: () => void): void => {
        timer.cancel();
        this.#underWay.delete(underWay);
        if (this.#process === undefined) run();
        else this.#process.whenRunning(run);
      };
      const underWay: UnderWay = { reject: (error) => end(() => reject(error)) };
      const timer = this.#test.clock.schedule(timeoutMs, () => underWay.reject(new Error('no answer came in time')));
      this.#underWay.add(underWay);
      this.#context ??= this.#connect();
      if (this.#test.isCut(this.#from, this.#to, api)) return;
      this.#test.deliver(this.#to, frame, this.#context).then(
        (chunks) => {
          // The way back is a way too.
          if (!this.#test.isCut(this.#to, this.#from, '')) end(() => resolve(chunks));
        },
        (error: Error) => underWay.reject(error),
      );
    });
  }

  #connect(): ConnectionContext {
    const id = this.#test.nextConnectionId();
    let open = true;
    return {
      id,
      clientHost: '127.0.0.1',
      clientPort: 40_000 + id,
      serverHost: '127.0.0.1',
      serverPort: 9092,
      listenerName: 'PLAINTEXT',
      securityProtocol: 'PLAINTEXT',
      principal: 'User:ANONYMOUS',
      authentication: { stage: 'none' },
      get open() {
        return open;
      },
      disconnect: () => {
        open = false;
        this.reset();
      },
      restFor: () => {},
    };
  }
}
