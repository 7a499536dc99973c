/** A cluster of three brokers as its users run it, whose brokers can be killed and come back on their folders and ports. */
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../kafka/broker.ts';
import { root } from '../source/index.ts';
import { CLEANING_SETTINGS } from './cleaned-load.ts';
import { EnsembleCluster, SESSION_MS } from './ensemble-cluster.ts';
import { SpawnedBroker, type SpawnedBrokerOptions } from './spawned-broker.ts';

/** What keeps the cluster's metadata: the parent of a local cluster, or three servers of ZooKeeper. */
export const ENGINES = ['local', 'zookeeper'] as const;
export type Engine = (typeof ENGINES)[number];

export interface ClusterProcesses {
  /** `host:port` of all brokers, with commas. */
  readonly bootstrapServers: string;
  /** Looks up what ending a broker takes, which holds its clients up: before what is measured begins. */
  find(brokerId: number): Promise<void>;
  /** Ends a broker without warning, and resolves when it has ended. Somebody has to start it again, or does so by himself. */
  kill(brokerId: number): Promise<void>;
  /** Stops a broker in order, so that it hands over what it leads, and resolves when it has. */
  stopOne(brokerId: number): Promise<void>;
  /** Stops a broker's process where it is, with all its connections; {@link resume} lets it go on. */
  pause(brokerId: number): Promise<void>;
  resume(brokerId: number): Promise<void>;
  /**
   * Kills what keeps the metadata, where it leads: the parent of a local cluster; the leader of an ensemble, and then resolves when another
   * leads.
   */
  killKeeper(): Promise<void>;
  restartKeeper(): Promise<void>;
  /** Takes away all that a broker has stored, while it does not run. */
  emptyDisk(brokerId: number): Promise<void>;
  /** Sees to it that a broker that has ended runs again. */
  restart(brokerId: number): Promise<void>;
  stop(): Promise<void>;
}

export const BROKER_IDS: readonly number[] = [1, 2, 3];

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;

/** A cluster that serves clients which know nothing of faults. */
export const PLAIN_SETTINGS = {
  'offsets.topic.num.partitions': 4,
  'offsets.topic.replication.factor': 3,
  'min.insync.replicas': 2,
  'transaction.state.log.num.partitions': 4,
  'group.initial.rebalance.delay.ms': 0,
};

export const SETTINGS = { ...PLAIN_SETTINGS, ...CLEANING_SETTINGS };

const CLI = join(root, 'apps/cli/src/main.ts');
const MILLRACE = ['--import', join(root, 'tools/source/compile-cache.mjs'), CLI];

export interface ClusterOptions {
  readonly engine: Engine;
  /** Where the brokers' data goes. */
  readonly folder: string;
  /** On an ensemble: the brokers that are Apache Kafka's. Default: none. */
  readonly kafkaIds?: readonly number[] | undefined;
  /** Their release, and the protocol between all brokers; see {@link EnsembleClusterOptions}. */
  readonly kafka?: string | undefined;
  readonly interBrokerProtocol?: string | undefined;
  /** Of all brokers. Default: {@link SETTINGS}. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Of a local cluster: what node is given to run `millrace`. Default: its source. */
  readonly program?: readonly string[] | undefined;
}

export function startCluster(options: ClusterOptions): Promise<ClusterProcesses> {
  const { engine, folder, kafkaIds = [], settings = SETTINGS, program = MILLRACE, ...rest } = options;
  if (engine === 'local') return LocalCluster.start(folder, settings, program);
  const makes = new Map(BROKER_IDS.map((id) => [id, kafkaIds.includes(id) ? 'kafka' : 'millrace'] as const));
  return EnsembleCluster.start({ ...rest, folder, makes, settings });
}

type LocalClusterOptions = Pick<SpawnedBrokerOptions, 'folder' | 'settings'> & {
  readonly port: number;
  readonly program: readonly string[];
};

/** `millrace start --brokers 3`: its parent starts a broker again that has ended. */
class LocalCluster implements ClusterProcesses {
  readonly #options: LocalClusterOptions;
  #parent: SpawnedBroker;
  /** Processes of brokers that were looked up, each for one use: who is started again is another process. */
  readonly #found = new Map<number, number>();
  /** Parents that were killed; each is seen to have ended when its brokers have. */
  readonly #ended: Promise<unknown>[] = [];

  private constructor(options: LocalClusterOptions, parent: SpawnedBroker) {
    this.#options = options;
    this.#parent = parent;
  }

  static async start(
    folder: string,
    settings: ClusterOptions['settings'],
    program: readonly string[],
  ): Promise<LocalCluster> {
    // The ports of the other brokers follow the first one's.
    const port = await freePortsInARow(BROKER_IDS.length);
    const options = { folder, port, program, settings: { ...settings, 'zookeeper.session.timeout.ms': SESSION_MS } };
    return new LocalCluster(options, await LocalCluster.#startParent(options));
  }

  static async #startParent(options: LocalClusterOptions): Promise<SpawnedBroker> {
    const parent = new SpawnedBroker({ ...options, program: [...options.program, 'start', '--brokers', '3'] });
    try {
      await parent.says(/ready with 3 brokers at/, START_MS_MAX);
    } catch (error) {
      await parent.kill();
      throw error;
    }
    return parent;
  }

  get bootstrapServers(): string {
    return BROKER_IDS.map((_, index) => `127.0.0.1:${this.#options.port + index}`).join(',');
  }

  async find(brokerId: number): Promise<void> {
    this.#found.set(brokerId, await this.#pidOf(brokerId));
  }

  async kill(brokerId: number): Promise<void> {
    await ended(await this.#pidOf(brokerId), 'SIGKILL');
  }

  async stopOne(brokerId: number): Promise<void> {
    await ended(await this.#pidOf(brokerId), 'SIGTERM');
  }

  async pause(brokerId: number): Promise<void> {
    process.kill(await this.#pidOf(brokerId), 'SIGSTOP');
  }

  async resume(brokerId: number): Promise<void> {
    process.kill(await this.#pidOf(brokerId), 'SIGCONT');
  }

  /** The brokers end as well, when they see it: nobody keeps their metadata. */
  async killKeeper(): Promise<void> {
    this.#ended.push(this.#parent.kill());
  }

  /** At once, while the brokers of the last parent may still be ending. */
  async restartKeeper(): Promise<void> {
    this.#parent = await LocalCluster.#startParent(this.#options);
  }

  async emptyDisk(brokerId: number): Promise<void> {
    throw new Error(`broker ${brokerId} is started again by its parent before anybody could empty its disk`);
  }

  /** The parent does it. */
  async restart(): Promise<void> {}

  /** Asked for without holding up the clients, which are measured in this process. */
  async #pidOf(brokerId: number): Promise<number> {
    const found = this.#found.get(brokerId);
    this.#found.delete(brokerId);
    if (found !== undefined) return found;
    const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
    for (const line of stdout.split('\n')) {
      const [, pid, parent, title] = /^\s*(\d+)\s+(\d+)\s+(.*?)\s*$/.exec(line) ?? [];
      if (Number(parent) === this.#parent.pid && title === `millrace broker ${brokerId}`) return Number(pid);
    }
    throw new Error(`broker ${brokerId} does not run`);
  }

  async stop(): Promise<void> {
    await this.#parent.stop();
    await Promise.all(this.#ended);
  }
}

/** One broker by itself, as `millrace start` runs it: nobody goes on for it while it is away. */
export class SingleBroker {
  static readonly ID = 1;
  readonly #options: SpawnedBrokerOptions;
  #broker: SpawnedBroker;

  private constructor(options: SpawnedBrokerOptions, broker: SpawnedBroker) {
    this.#options = options;
    this.#broker = broker;
  }

  static async start(folder: string): Promise<SingleBroker> {
    const alone = {
      'broker.id': SingleBroker.ID,
      'offsets.topic.replication.factor': 1,
      'min.insync.replicas': 1,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
    };
    const options = { folder: join(folder, 'data'), port: await freePort(), settings: { ...SETTINGS, ...alone } };
    mkdirSync(options.folder);
    return new SingleBroker(options, await SpawnedBroker.start(options));
  }

  get bootstrapServers(): string {
    return `127.0.0.1:${this.#options.port}`;
  }

  async kill(): Promise<void> {
    await this.#broker.kill();
  }

  async restart(): Promise<void> {
    this.#broker = await SpawnedBroker.start(this.#options);
  }

  async stop(): Promise<void> {
    await this.#broker.stop();
  }
}

/** Sends a signal to a process that is a child of another, and resolves when it has ended. */
async function ended(pid: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  process.kill(pid, signal);
  const deadline = performance.now() + STOP_MS_MAX;
  while (isThere(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} has not ended ${STOP_MS_MAX} ms after ${signal}`);
    await sleep(1);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Below those that systems give to connections that go out (Linux from 32768 on, others higher). */
const PORTS = { from: 15_000, to: 32_000 };

/**
 * The first of free ports that follow one another. None that a connection might get for its own end while a broker is down: nobody could
 * listen there then, and one to that very port would even find itself.
 */
export async function freePortsInARow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = randomInt(PORTS.from, PORTS.to - count);
    if (await areFree(Array.from({ length: count }, (_, index) => first + index))) return first;
    await sleep(1);
  }
  throw new Error(`found no ${count} free ports in a row`);
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  const { createServer } = await import('node:net');
  const results = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const server = createServer();
          server.once('error', () => resolve(false));
          server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
        }),
    ),
  );
  return results.every(Boolean);
}
