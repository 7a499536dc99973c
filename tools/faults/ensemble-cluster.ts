/** Three brokers on a ZooKeeper ensemble of three servers, each of which may be one of Millrace or of Apache Kafka, today one and tomorrow the other. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, startApacheKafka } from '../kafka/broker.ts';
import { KAFKA_3 } from '../kafka/jars.ts';
import { ZooKeeperEnsemble } from '../zookeeper/ensemble.ts';
import type { ProxiedNetwork } from './link-proxy.ts';
import { SpawnedBroker } from './spawned-broker.ts';

/** Whose program a broker is. */
export type Make = 'millrace' | 'kafka';

export interface EnsembleClusterOptions {
  /** Where the brokers' data goes. */
  readonly folder: string;
  /** The brokers by their ids, and whose each is at first. */
  readonly makes: ReadonlyMap<number, Make>;
  /** The release of Apache Kafka. Default: the 3.9 line. */
  readonly kafka?: string | undefined;
  /** `inter.broker.protocol.version` of all. Default: each broker's own. */
  readonly interBrokerProtocol?: string | undefined;
  /** Brokers that may come later: clients know from the start where those will be. Default: none. */
  readonly laterIds?: readonly number[] | undefined;
  /** Settings of all brokers. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Where the brokers' ways to each other and to the servers go through, so that these can be cut. Millrace's brokers only. */
  readonly network?: ProxiedNetwork | undefined;
  /** Where a broker's logs are, its own folder being one; Millrace's brokers only. Default: there. */
  readonly logDirsOf?: ((brokerId: number, own: string) => readonly string[]) | undefined;
  /** What a broker's process finds in its environment; Millrace's brokers only. */
  readonly envOf?: ((brokerId: number) => Readonly<Record<string, string>>) | undefined;
  /** The same for the servers of the ensemble. */
  readonly ensembleEnv?: Readonly<Record<string, string>> | undefined;
  /** Settings of one broker. */
  readonly ownSettings?: ((brokerId: number) => Readonly<Record<string, string | number>>) | undefined;
}

/** Sessions of a cluster on ZooKeeper; how long a killed broker goes unnoticed there. */
export const SESSION_MS = 3000;
/** ZooKeeper looks for sessions that have ended once in a tick. */
export const TICK_MS = 500;
/** How long an ensemble may take to have another leader, and how often it is asked. */
const NEW_LEADER_MS_MAX = 60_000;
const NEW_LEADER_LOOK_MS = 20;
const KAFKA_HEAP = '256m';

interface RunningBroker {
  readonly isRunning: boolean;
  readonly pid: number;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** How many servers an ensemble has. */
export const SERVERS = 3;

/** A broker's ways through a network that can be cut. */
interface ProxiedWays {
  /** Where it listens for brokers, and where they are told to come. */
  readonly ownPort: number;
  readonly toldPort: number;
  readonly connectString: string;
}

async function openWays(id: number, network: ProxiedNetwork, ensemble: ZooKeeperEnsemble): Promise<ProxiedWays> {
  const ownPort = await freePort();
  const toldPort = await network.wayOfBrokers(`broker ${id}`, () => ownPort);
  const servers = Array.from({ length: SERVERS }, (_, index) => index + 1);
  const ways = servers.map((server) => network.way(`broker ${id}`, `server ${server}`, () => ensemble.portOf(server)));
  const connectString = (await Promise.all(ways)).map((port) => `127.0.0.1:${port}`).join(',');
  return { ownPort, toldPort, connectString };
}

export class EnsembleCluster {
  /** The servers that keep the metadata. */
  readonly ensemble: ZooKeeperEnsemble;
  #killedServer: number | undefined;
  readonly #options: EnsembleClusterOptions;
  readonly #makes: Map<number, Make>;
  readonly #ports = new Map<number, number>();
  readonly #brokers = new Map<number, RunningBroker>();
  readonly #ways = new Map<number, ProxiedWays>();

  private constructor(ensemble: ZooKeeperEnsemble, options: EnsembleClusterOptions) {
    this.ensemble = ensemble;
    this.#options = options;
    this.#makes = new Map(options.makes);
  }

  static async start(options: EnsembleClusterOptions): Promise<EnsembleCluster> {
    const ensemble = await ZooKeeperEnsemble.start({
      servers: SERVERS,
      tickMs: TICK_MS,
      env: options.ensembleEnv ?? {},
    });
    const cluster = new EnsembleCluster(ensemble, options);
    try {
      for (const id of [...options.makes.keys(), ...(options.laterIds ?? [])]) {
        cluster.#ports.set(id, await freePort());
        if (options.network !== undefined) cluster.#ways.set(id, await openWays(id, options.network, ensemble));
      }
      await Promise.all([...options.makes.keys()].map((id) => cluster.restart(id)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Of all brokers, those that may come later included. */
  get bootstrapServers(): string {
    return [...this.#ports.values()].map((port) => `127.0.0.1:${port}`).join(',');
  }

  /** Where a broker's log directory is, whoever's it is. */
  logDirOf(brokerId: number): string {
    return join(this.#options.folder, String(brokerId), 'data');
  }

  /** All folders with logs of a broker of Millrace. */
  logDirsOf(brokerId: number): readonly string[] {
    const own = this.logDirOf(brokerId);
    return this.#options.logDirsOf?.(brokerId, own) ?? [own];
  }

  /** Its processes are known here. */
  async find(): Promise<void> {}

  async kill(brokerId: number): Promise<void> {
    await this.#brokers.get(brokerId)?.end('SIGKILL');
  }

  async stopOne(brokerId: number): Promise<void> {
    await this.#brokers.get(brokerId)?.end('SIGTERM');
  }

  /** Stops a broker's process where it is, with all its connections. */
  async pause(brokerId: number): Promise<void> {
    process.kill(this.#brokers.get(brokerId)!.pid, 'SIGSTOP');
  }

  async resume(brokerId: number): Promise<void> {
    process.kill(this.#brokers.get(brokerId)!.pid, 'SIGCONT');
  }

  /** Kills the server of the ensemble that leads, and resolves when another one does. */
  async killKeeper(): Promise<void> {
    this.#killedServer = (await this.ensemble.leader()) ?? 1;
    await this.ensemble.signal(this.#killedServer, 'SIGKILL');
    const deadline = performance.now() + NEW_LEADER_MS_MAX;
    while ((await this.ensemble.leader()) === undefined) {
      if (performance.now() > deadline) throw new Error(`no server leads the ensemble after ${NEW_LEADER_MS_MAX} ms`);
      await sleep(NEW_LEADER_LOOK_MS);
    }
  }

  async restartKeeper(): Promise<void> {
    if (this.#killedServer !== undefined) await this.ensemble.startServer(this.#killedServer);
  }

  /** Takes away all that a broker has stored, while it does not run. */
  async emptyDisk(brokerId: number): Promise<void> {
    if (this.#brokers.get(brokerId)?.isRunning === true) throw new Error(`broker ${brokerId} runs on that disk`);
    await rm(this.logDirOf(brokerId), { recursive: true, force: true });
  }

  async restart(brokerId: number): Promise<void> {
    const { settings: shared, ownSettings } = this.#options;
    const settings = { ...this.#settings(brokerId), ...shared, ...ownSettings?.(brokerId) };
    const start = this.#makes.get(brokerId) === 'kafka' ? this.#startKafka : this.#startMillrace;
    this.#brokers.set(brokerId, await start.call(this, brokerId, settings));
  }

  /** From its next start on, a broker is of this make. It stays on its port and its folder. */
  remake(brokerId: number, make: Make): void {
    this.#makes.set(brokerId, make);
  }

  /** Starts a broker that the cluster did not have, one of {@link EnsembleClusterOptions.laterIds}. */
  async add(brokerId: number, make: Make): Promise<void> {
    this.#makes.set(brokerId, make);
    await this.restart(brokerId);
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#brokers.values()].map((broker) => (broker.isRunning ? broker.end('SIGTERM') : undefined)),
    );
    await this.ensemble.stop();
  }

  #settings(brokerId: number): Record<string, string | number> {
    const { interBrokerProtocol } = this.#options;
    const ways = this.#ways.get(brokerId);
    return {
      'default.replication.factor': Math.min(3, this.#options.makes.size),
      'broker.id': brokerId,
      'zookeeper.connect': `${ways?.connectString ?? this.ensemble.connectString}/fire`,
      'zookeeper.session.timeout.ms': SESSION_MS,
      ...(interBrokerProtocol === undefined ? {} : { 'inter.broker.protocol.version': interBrokerProtocol }),
      ...(ways === undefined ? {} : this.#listenersOf(brokerId, ways)),
    };
  }

  /** Clients come directly; brokers are told of the proxy's port. */
  #listenersOf(brokerId: number, { ownPort, toldPort }: ProxiedWays): Record<string, string> {
    const forClients = `PLAINTEXT://127.0.0.1:${this.#ports.get(brokerId)}`;
    return {
      listeners: `${forClients},BROKERS://127.0.0.1:${ownPort}`,
      'advertised.listeners': `${forClients},BROKERS://127.0.0.1:${toldPort}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT',
      'inter.broker.listener.name': 'BROKERS',
    };
  }

  async #startMillrace(brokerId: number, settings: Record<string, string | number>): Promise<RunningBroker> {
    const folders = this.logDirsOf(brokerId);
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    const place = { folder: folders.join(','), port: this.#ports.get(brokerId)! };
    const broker = await SpawnedBroker.start({ ...place, settings, env: this.#options.envOf?.(brokerId) ?? {} });
    return {
      get isRunning() {
        return broker.isRunning;
      },
      pid: broker.pid,
      async end(signal) {
        if (signal === 'SIGKILL') await broker.kill();
        else await broker.stop();
      },
    };
  }

  async #startKafka(brokerId: number, settings: Record<string, string | number>): Promise<RunningBroker> {
    const broker = await startApacheKafka({
      version: this.#options.kafka ?? KAFKA_3,
      folder: join(this.#options.folder, String(brokerId)),
      port: this.#ports.get(brokerId)!,
      zooKeeper: { connect: String(settings['zookeeper.connect']), brokerId },
      config: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
      heap: KAFKA_HEAP,
    });
    let isRunning = true;
    return {
      get isRunning() {
        return isRunning;
      },
      pid: broker.pid,
      async end(signal) {
        isRunning = false;
        await broker.stop(signal);
      },
    };
  }
}
