/** Redis, NATS and RabbitMQ from Debian's packages, each a process of its own with its data in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../tools/kafka/index.ts';
import type { RunningBroker } from './brokers.ts';
import type { Client } from './clients/run-client.ts';
import { tool } from './report/machine.ts';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;

/** Another broker: how to start it, who talks to it, and what its acknowledgement means. */
export interface OtherBroker {
  readonly name: string;
  readonly client: Client['client'];
  /** The Debian package. */
  readonly from: string;
  /** What keeps an acknowledged record. */
  readonly durability: string;
  isInstalled(): boolean;
  version(): string;
  start(): Promise<RunningBroker>;
}

const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';

export const otherBrokers: readonly OtherBroker[] = [
  {
    name: 'Redis Streams',
    client: 'redis',
    from: 'redis-server',
    durability: 'appendfsync always: synced before the answer',
    isInstalled: () => has('redis-server'),
    version: () => tool('redis-server --version'),
    start: startRedis,
  },
  {
    name: 'NATS JetStream',
    client: 'nats',
    from: 'nats-server',
    durability: 'file storage; written before the answer, synced every two minutes (2.9 has no setting for more)',
    isInstalled: () => has('nats-server'),
    version: () => tool('nats-server --version'),
    start: startNats,
  },
  {
    name: 'RabbitMQ streams',
    client: 'rabbitmq',
    from: 'rabbitmq-server',
    durability: 'written before the confirmation, never synced: streams have no setting for it',
    isInstalled: () => existsSync(RABBITMQ),
    version: () => tool('dpkg-query -W rabbitmq-server'),
    start: startRabbitmq,
  },
];

function has(program: string): boolean {
  return tool(`command -v ${program}`).startsWith('/');
}

async function startRedis(): Promise<RunningBroker> {
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', appendonly: 'yes', appendfsync: 'always', save: '' };
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', [...args, '--dir', folder], { stdio: 'ignore' });
  return running('Redis Streams', child, port, folder);
}

async function startNats(): Promise<RunningBroker> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'bench-nats-'));
  const child = spawn('nats-server', ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', folder], {
    stdio: 'ignore',
  });
  return running('NATS JetStream', child, port, folder);
}

/** With a name daemon of its own, which goes with it, so that it meets no other RabbitMQ of the machine. */
async function startRabbitmq(): Promise<RunningBroker> {
  const [port, amqpPort, namePort, distributionPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'bench-rabbitmq-'));
  const file = (name: string): string => join(folder, name);
  writeFileSync(file('plugins'), '[rabbitmq_stream].\n');
  const config = {
    'listeners.tcp.1': `127.0.0.1:${amqpPort}`,
    'stream.listeners.tcp.1': `127.0.0.1:${port}`,
    'stream.advertised_host': '127.0.0.1',
    'stream.advertised_port': port,
    // Otherwise it stops taking records when the disk has less free than this share of the memory.
    'disk_free_limit.absolute': '1GB',
  };
  const lines = Object.entries(config).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(file('rabbitmq.conf'), lines.join(''));
  const env = {
    ...process.env,
    HOME: folder,
    RABBITMQ_NODENAME: `bench${port}@localhost`,
    RABBITMQ_MNESIA_BASE: file('mnesia'),
    RABBITMQ_LOG_BASE: file('log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('plugins'),
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_PID_FILE: file('pid'),
    RABBITMQ_DIST_PORT: String(distributionPort),
    ERL_EPMD_PORT: String(namePort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  const names = spawn('epmd', ['-port', String(namePort), '-address', '127.0.0.1'], { stdio: 'ignore', env });
  const child = spawn(RABBITMQ, [], { stdio: 'ignore', env });
  const pidOf = (): number => Number(readFileSync(file('pid'), 'utf8'));
  const broker = await running('RabbitMQ streams', child, port, folder, pidOf);
  const stop = async (): Promise<void> => {
    process.kill(broker.pid, 'SIGTERM');
    await broker.stop();
    names.kill();
  };
  return { ...broker, stop };
}

/** Waits until the port accepts connections. */
async function running(
  name: string,
  child: ChildProcess,
  port: number,
  folder: string,
  pidOf = (): number => child.pid ?? -1,
): Promise<RunningBroker> {
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      hasEnded = true;
      resolve();
    };
    child.on('error', end);
    child.on('close', end);
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadlineMs = performance.now() + START_MS_MAX;
  while (!(await accepts(port))) {
    if (hasEnded || performance.now() > deadlineMs) {
      await stop();
      throw new Error(`${name} did not start on port ${port}`);
    }
    await sleep(20);
  }
  return { name, bootstrap: `127.0.0.1:${port}`, pid: pidOf(), stop };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
