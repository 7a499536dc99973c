/** A cluster of three brokers as its users run it, whose brokers can be killed and come back on their folders and ports. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../kafka/broker.ts';
import { root } from '../source/index.ts';
import { ZooKeeperEnsemble } from '../zookeeper/ensemble.ts';
import { BrokerProcess } from './broker-process.ts';

/** What keeps the cluster's metadata: the parent of a local cluster, or three servers of ZooKeeper. */
export const ENGINES = ['local', 'zookeeper'] as const;
export type Engine = (typeof ENGINES)[number];

export interface ClusterProcesses {
  /** `host:port` of all brokers, with commas. */
  readonly bootstrapServers: string;
  /** Ends a broker without warning. Somebody has to start it again, or does so by himself. */
  kill(brokerId: number): Promise<void>;
  /** Stops a broker in order, so that it hands over what it leads. */
  stopOne(brokerId: number): Promise<void>;
  /** Sees to it that a broker that has ended runs again. */
  restart(brokerId: number): Promise<void>;
  stop(): Promise<void>;
}

export const BROKER_IDS: readonly number[] = [1, 2, 3];

/** Sessions of a cluster on ZooKeeper; how long a killed broker goes unnoticed there. */
export const SESSION_MS = 3000;
const TICK_MS = 500;
const START_MS_MAX = 60_000;

const SETTINGS = {
  'offsets.topic.num.partitions': 4,
  'offsets.topic.replication.factor': 3,
  'min.insync.replicas': 2,
  'group.initial.rebalance.delay.ms': 0,
};

const CLI = join(root, 'apps/cli/src/main.ts');
const COMPILE_CACHE = join(root, 'tools/source/compile-cache.mjs');

export function startCluster(engine: Engine, folder: string): Promise<ClusterProcesses> {
  return engine === 'local' ? LocalCluster.start(folder) : EnsembleCluster.start(folder);
}

/** `millrace start --brokers 3`: its parent starts a broker again that has ended. */
class LocalCluster implements ClusterProcesses {
  readonly #parent: BrokerProcess;
  readonly bootstrapServers: string;

  private constructor(parent: BrokerProcess, bootstrapServers: string) {
    this.#parent = parent;
    this.bootstrapServers = bootstrapServers;
  }

  static async start(folder: string): Promise<LocalCluster> {
    const program = ['--import', COMPILE_CACHE, CLI, 'start', '--brokers', '3'];
    // The ports of the other brokers follow the first one's.
    const port = await freePortsInARow(BROKER_IDS.length);
    const parent = new BrokerProcess({ folder, port, program, settings: SETTINGS });
    try {
      await parent.says(/ready with 3 brokers at/, START_MS_MAX);
    } catch (error) {
      await parent.kill();
      throw error;
    }
    return new LocalCluster(parent, BROKER_IDS.map((_, index) => `127.0.0.1:${port + index}`).join(','));
  }

  async kill(brokerId: number): Promise<void> {
    process.kill(this.#pidOf(brokerId), 'SIGKILL');
  }

  async stopOne(brokerId: number): Promise<void> {
    process.kill(this.#pidOf(brokerId), 'SIGTERM');
  }

  /** The parent does it. */
  async restart(): Promise<void> {}

  #pidOf(brokerId: number): number {
    const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
    for (const line of processes) {
      const [, pid, parent, title] = /^\s*(\d+)\s+(\d+)\s+(.*?)\s*$/.exec(line) ?? [];
      if (Number(parent) === this.#parent.pid && title === `millrace broker ${brokerId}`) return Number(pid);
    }
    throw new Error(`broker ${brokerId} does not run`);
  }

  async stop(): Promise<void> {
    await this.#parent.stop();
  }
}

/** Brokers on an ensemble of three servers. */
class EnsembleCluster implements ClusterProcesses {
  readonly #ensemble: ZooKeeperEnsemble;
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #brokers = new Map<number, BrokerProcess>();

  private constructor(ensemble: ZooKeeperEnsemble, folder: string, ports: readonly number[]) {
    this.#ensemble = ensemble;
    this.#folder = folder;
    this.#ports = ports;
  }

  static async start(folder: string): Promise<EnsembleCluster> {
    const ensemble = await ZooKeeperEnsemble.start({ servers: 3, tickMs: TICK_MS });
    const ports = await Promise.all(BROKER_IDS.map(freePort));
    const cluster = new EnsembleCluster(ensemble, folder, ports);
    try {
      await Promise.all(BROKER_IDS.map((id) => cluster.restart(id)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get bootstrapServers(): string {
    return this.#ports.map((port) => `127.0.0.1:${port}`).join(',');
  }

  async kill(brokerId: number): Promise<void> {
    await this.#brokers.get(brokerId)?.kill();
  }

  async stopOne(brokerId: number): Promise<void> {
    await this.#brokers.get(brokerId)?.stop();
  }

  async restart(brokerId: number): Promise<void> {
    const settings = {
      ...SETTINGS,
      'default.replication.factor': 3,
      'broker.id': brokerId,
      'zookeeper.connect': `${this.#ensemble.connectString}/fire`,
      'zookeeper.session.timeout.ms': SESSION_MS,
    };
    const place = { folder: join(this.#folder, String(brokerId)), port: this.#ports[brokerId - 1]! };
    this.#brokers.set(brokerId, await BrokerProcess.start({ ...place, settings }));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map((broker) => (broker.isRunning ? broker.stop() : undefined)));
    await this.#ensemble.stop();
  }
}

/** The first of free ports that follow one another. */
async function freePortsInARow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = await freePort();
    if (first + count > 65_000) continue;
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
