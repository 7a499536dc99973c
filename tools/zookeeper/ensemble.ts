/** Real ZooKeeper servers, in temporary folders and on free ports. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooKeeperClassPath } from '../kafka/jars.ts';
import { ZOOKEEPER_JAR } from '../needs/index.ts';

/** How an ensemble is set up. */
export interface EnsembleOptions {
  /** How many servers. Default 1. */
  readonly servers?: number;
  /** ZooKeeper's unit of time; sessions last 2 to 20 of it. Default 100 ms. */
  readonly tickMs?: number;
  /** Default: the jars of Debian's release, or of the one that `MILLRACE_ZOOKEEPER` names. */
  readonly classPath?: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** What the JVM is told besides. */
  readonly jvm?: readonly string[];
  /** What the servers find in their environment, beside that of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The manifest of Debian's jar forgets what TLS needs of netty. */
const DEBIAN_CLASS_PATH = [
  ZOOKEEPER_JAR,
  ...['netty-codec', 'netty-resolver'].map((name) => `/usr/share/java/${name}.jar`),
].join(':');

/** Debian's release, or the one that `MILLRACE_ZOOKEEPER` names, such as 3.9.3, from Maven. */
export function defaultClassPath(): Promise<string> {
  const release = process.env['MILLRACE_ZOOKEEPER'];
  return release === undefined ? Promise.resolve(DEBIAN_CLASS_PATH) : zooKeeperClassPath(release);
}

/** How long a server may take until it serves. */
const START_MS_MAX = 40_000;

/** How often it is asked. */
const ASK_MS = 50;

/** ZooKeeper's name for the folder of its snapshots and logs, in `dataDir`. */
const DATA = 'version-2';

interface Server {
  readonly id: number;
  readonly port: number;
  readonly folder: string;
  process: ChildProcess | undefined;
}

/** An ensemble of one or more servers. */
export class ZooKeeperEnsemble {
  readonly #folder: string;
  readonly #classPath: string;
  readonly #jvm: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #servers: readonly Server[];

  private constructor(
    folder: string,
    classPath: string,
    servers: readonly Server[],
    { jvm = [], env = {} }: Pick<EnsembleOptions, 'jvm' | 'env'>,
  ) {
    this.#jvm = jvm;
    this.#env = env;
    this.#folder = folder;
    this.#classPath = classPath;
    this.#servers = servers;
  }

  /** Starts the servers, and resolves when all of them serve. */
  static async start(options: EnsembleOptions = {}): Promise<ZooKeeperEnsemble> {
    const { servers: count = 1, tickMs = 100, settings = {} } = options;
    const folder = await mkdtemp(join(tmpdir(), 'millrace-zookeeper-'));
    const ports = await freePorts(count * 3);
    const servers = Array.from({ length: count }, (_, index): Server => {
      const own = join(folder, String(index + 1));
      mkdirSync(own);
      return { id: index + 1, port: ports[index * 3]!, folder: own, process: undefined };
    });
    const members =
      count === 1
        ? []
        : servers.map(({ id }) => `server.${id}=127.0.0.1:${ports[(id - 1) * 3 + 1]}:${ports[(id - 1) * 3 + 2]}`);
    for (const { id, port, folder: own } of servers) {
      writeFileSync(join(own, 'myid'), String(id));
      const lines = [
        `tickTime=${tickMs}`,
        `dataDir=${own}`,
        `clientPort=${port}`,
        'clientPortAddress=127.0.0.1',
        'initLimit=50',
        'syncLimit=50',
        'maxClientCnxns=0',
        'admin.enableServer=false',
        '4lw.commands.whitelist=*',
        ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
        ...members,
      ];
      writeFileSync(join(own, 'zoo.cfg'), `${lines.join('\n')}\n`);
    }
    const classPath = options.classPath ?? (await defaultClassPath());
    const ensemble = new ZooKeeperEnsemble(folder, classPath, servers, options);
    try {
      await Promise.all(servers.map(({ id }) => ensemble.startServer(id)));
      return ensemble;
    } catch (error) {
      await ensemble.stop();
      throw error;
    }
  }

  /** `host:port` of all servers, for `zookeeper.connect`. */
  get connectString(): string {
    return this.#servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  /** The port of one server. */
  portOf(id: number): number {
    return this.#server(id).port;
  }

  /** Starts a server (again), and resolves when it serves. */
  async startServer(id: number): Promise<void> {
    const server = this.#server(id);
    const args = [
      '-Xmx256m',
      ...this.#jvm,
      '-Dzookeeper.jmx.log4j.disable=true',
      '-cp',
      this.#classPath,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      join(server.folder, 'zoo.cfg'),
    ];
    server.process = spawn('java', args, { stdio: 'ignore', env: { ...process.env, ...this.#env } });
    const limitMs = performance.now() + START_MS_MAX;
    while (!(await serves(server.port))) {
      if (server.process.exitCode !== null) throw new Error(`ZooKeeper server ${id} ended before it served`);
      if (performance.now() > limitMs) throw new Error(`ZooKeeper server ${id} does not serve`);
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  /** Sends a signal to a server; it has ended when this resolves, unless the signal only pauses it. */
  async signal(id: number, signal: NodeJS.Signals): Promise<void> {
    const { process } = this.#server(id);
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = once(process, 'exit');
    process.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended;
  }

  /** Copies what a server keeps, which has everything in its log that it has answered; the folder, for `putBack`. */
  async copy(id: number): Promise<string> {
    const { folder } = this.#server(id);
    const copy = await mkdtemp(`${folder}-copy-`);
    await cp(join(folder, DATA), join(copy, DATA), { recursive: true });
    return copy;
  }

  /** Puts a copy in the place of what a server that has ended keeps. */
  async putBack(id: number, copy: string): Promise<void> {
    const { folder } = this.#server(id);
    await rm(join(folder, DATA), { recursive: true });
    await cp(join(copy, DATA), join(folder, DATA), { recursive: true });
  }

  /** The id of the server that leads; undefined when there is none, or only one server. */
  async leader(): Promise<number | undefined> {
    for (const { id, port } of this.#servers) if ((await ask(port, 'srvr')).includes('Mode: leader')) return id;
    return undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map(({ id }) => this.signal(id, 'SIGKILL')));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #server(id: number): Server {
    const server = this.#servers[id - 1];
    if (server === undefined) throw new Error(`There is no ZooKeeper server ${id}`);
    return server;
  }
}

async function serves(port: number): Promise<boolean> {
  return /Mode: (standalone|leader|follower)/.test(await ask(port, 'srvr'));
}

/** Asks with one of ZooKeeper's four-letter words; empty when nobody answers. */
function ask(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(word));
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
