/** Starts a broker of Apache Kafka: one node in combined mode (KRaft), its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KAFKA_3 } from './jars.ts';
import { javaArguments, kafkaTool } from './tool.ts';

export interface ApacheKafkaOptions {
  /** Default: the 3.9 line ({@link KAFKA_3}). */
  readonly version?: string;
  /** Where clients connect; 0 takes a free port. Default: 0. */
  readonly port?: number;
  /** The address the broker tells clients, when something stands in between. Default: the address it listens on. */
  readonly advertised?: { readonly host: string; readonly port: number };
  /** Further lines of server.properties; they come last, so they win. */
  readonly config?: Readonly<Record<string, string>>;
  /** The ensemble and the number of a broker in ZooKeeper mode, of Kafka before 4.0. Default: a node of its own (KRaft). */
  readonly zooKeeper?: { readonly connect: string; readonly brokerId: number };
  /** What the JVM is told besides. */
  readonly jvm?: readonly string[];
  /** Maximum heap. Default: 1g. */
  readonly heap?: string;
  /** Data and logs stay here; without it, a temporary folder that is removed on stop. */
  readonly folder?: string;
}

export interface ApacheKafka {
  readonly version: string;
  readonly host: string;
  readonly port: number;
  /** `host:port`, as clients take it. */
  readonly bootstrap: string;
  /** The log directory: a folder per partition. */
  readonly logDir: string;
  readonly pid: number;
  /** Stops the broker in order, or at once with SIGKILL, and removes its temporary folder. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

const HOST = '127.0.0.1';
const START_MS_MAX = 180_000;
const STOP_MS_MAX = 30_000;

/**
 * Starts a broker and waits until it accepts connections.
 *
 * @throws Error with the end of the broker's log when it does not start within a minute.
 */
export async function startApacheKafka(options: ApacheKafkaOptions = {}): Promise<ApacheKafka> {
  const version = options.version ?? KAFKA_3;
  const port = options.port || (await freePort());
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'apache-kafka-'));
  mkdirSync(folder, { recursive: true });
  const logDir = join(folder, 'data');
  const properties = join(folder, 'server.properties');
  writeFileSync(properties, serverProperties(options, port, await freePort(), logDir));

  const removeTemporary = (): void => {
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  if (options.zooKeeper === undefined) await format(version, properties, logDir, removeTemporary);

  const logFile = join(folder, 'server.log');
  const log = createWriteStream(logFile);
  const heap = options.heap ?? '1g';
  const java = await javaArguments('kafka-server-start', version, heap);
  const child = spawn(
    'java',
    [`-Xms${heap}`, ...(options.jvm ?? []), ...java, properties].filter((arg) => !arg.startsWith('-XX:Tiered')),
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  let hasEnded = false;
  const exited = new Promise<void>((resolve) => {
    child.on('close', () => {
      hasEnded = true;
      log.end();
      resolve();
    });
  });
  child.on('error', () => undefined);

  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(late);
    removeTemporary();
  };
  try {
    await accepts(port, () => hasEnded);
  } catch {
    const tail = readFileSync(logFile, 'utf8').slice(-4000);
    await stop('SIGKILL');
    throw new Error(`Kafka ${version} did not start on port ${port}. The end of its log:\n${tail}`);
  }
  return { version, host: HOST, port, bootstrap: `${HOST}:${port}`, logDir, pid: child.pid ?? -1, stop };
}

async function format(version: string, properties: string, logDir: string, removeTemporary: () => void): Promise<void> {
  const args = ['format', '--ignore-formatted', '-t', newClusterId(), '-c', properties];
  const formatted = await kafkaTool('kafka-storage', args, { version });
  if (formatted.exitCode === 0) return;
  removeTemporary();
  throw new Error(`Kafka ${version} did not format ${logDir}:\n${formatted.stdout}${formatted.stderr}`);
}

/** 16 random bytes as Kafka writes them; the first bit is 0, since an id that begins with a dash looks like an option. */
function newClusterId(): string {
  const bytes = randomBytes(16);
  bytes[0]! &= 0x7f;
  return bytes.toString('base64url');
}

function roleProperties(
  { zooKeeper }: ApacheKafkaOptions,
  port: number,
  controllerPort: number,
): Record<string, string> {
  if (zooKeeper !== undefined) {
    return {
      'broker.id': String(zooKeeper.brokerId),
      'zookeeper.connect': zooKeeper.connect,
      listeners: `PLAINTEXT://${HOST}:${port}`,
    };
  }
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
  };
}

function serverProperties(options: ApacheKafkaOptions, port: number, controllerPort: number, logDir: string): string {
  const advertised = options.advertised ?? { host: HOST, port };
  const properties: Record<string, string> = {
    ...roleProperties(options, port, controllerPort),
    'advertised.listeners': `PLAINTEXT://${advertised.host}:${advertised.port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDir,
    // One broker cannot hold three replicas, and a test should not wait for members that never come.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    ...options.config,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Waits until the port accepts a connection; Kafka opens it only when the broker is unfenced and ready. */
async function accepts(port: number, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (!(await connects(port))) {
    if (hasEnded() || performance.now() > deadline) throw new Error(`nothing accepts connections on port ${port}`);
    await sleep(50);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: HOST });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
