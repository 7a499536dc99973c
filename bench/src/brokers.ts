/** Brokers under test, each a process of its own with its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KAFKA_4, startApacheKafka } from '../../tools/kafka/index.ts';

export interface RunningBroker {
  /** As the report calls it. */
  readonly name: string;
  readonly bootstrap: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface BrokerOptions {
  /** Lines of server.properties. */
  readonly config?: Readonly<Record<string, string>>;
  /** Has Node write a CPU profile on stop; Millrace only. */
  readonly profile?: { readonly folder: string; readonly name: string } | undefined;
  /** The checkout that Millrace is started from; this one by default. */
  readonly checkout?: string;
}

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;

/** From so many partitions on, their removal is waited for. */
const MANY_PARTITIONS = 100;
const REMOVAL_MS = 1_500;

/** Kafka's default: syncs are left to the operating system. */
const NEVER = '9223372036854775807';

/** What both brokers get, so that topics of earlier runs do not fill the disk. */
const COMMON_CONFIG = { 'log.segment.delete.delay.ms': '1000' };

/** The brokers that are held against each other, by their names in reports. */
export const brokerKinds: Readonly<Record<string, (options?: BrokerOptions) => Promise<RunningBroker>>> = {
  'Millrace, sync per ack': (options) => startMillrace('Millrace, sync per ack', '1', options),
  'Millrace, no sync': (options) => startMillrace('Millrace, no sync', NEVER, options),
  'Kafka, sync per ack': (options) => startKafka('Kafka, sync per ack', '1', options),
  'Kafka, no sync': (options) => startKafka('Kafka, no sync', NEVER, options),
};

async function startMillrace(name: string, flushMessages: string, options: BrokerOptions = {}): Promise<RunningBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-millrace-'));
  const settings = {
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'log.dirs': folder,
    'group.initial.rebalance.delay.ms': '0',
    'millrace.http.port': '-1',
    'log.flush.interval.messages': flushMessages,
    ...COMMON_CONFIG,
    ...options.config,
  };
  const overrides = Object.entries(settings).flatMap(([key, value]) => ['--override', `${key}=${value}`]);
  const { profile } = options;
  const profiling =
    profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile.folder, '--cpu-prof-name', profile.name];
  const main = join(options.checkout ?? join(import.meta.dirname, '../..'), 'apps/broker/src/main.ts');
  const child = spawn(process.execPath, [...profiling, main, ...overrides], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  };
  const bootstrap = await new Promise<string>((resolve, reject) => {
    let output = '';
    const late = setTimeout(() => reject(new Error(`Millrace is not ready:\n${output}`)), START_MS_MAX);
    const listen = (chunk: Buffer): void => {
      // What it prints later is of no interest, but has to be taken so that it does not block.
      if (output.length < 100_000) output += chunk;
      const address = /is ready at PLAINTEXT:\/\/([\w.]+:\d+)/.exec(output)?.[1];
      if (address === undefined) return;
      clearTimeout(late);
      resolve(address);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('close', (code) => {
      clearTimeout(late);
      reject(new Error(`Millrace ended with ${code}:\n${output}`));
    });
  });
  return { name, bootstrap, pid: child.pid ?? -1, stop };
}

async function startKafka(name: string, flushMessages: string, options: BrokerOptions = {}): Promise<RunningBroker> {
  const kafka = await startApacheKafka({
    version: KAFKA_4,
    config: { 'log.flush.interval.messages': flushMessages, ...COMMON_CONFIG, ...options.config },
  });
  return { name, bootstrap: kafka.bootstrap, pid: kafka.pid, stop: () => kafka.stop() };
}

/** Makes a topic, hands it to `use` with a way to ask how many records it holds, and removes it with its data. */
export function withTopic<T>(
  broker: RunningBroker,
  partitions: number,
  use: (topic: string, countRecords: () => Promise<number>) => Promise<T>,
): Promise<T> {
  return withTopics(broker, 1, partitions, ([topic = ''], countRecords) => use(topic, countRecords));
}

/** As {@link withTopic}, for several alike. */
export async function withTopics<T>(
  { bootstrap }: RunningBroker,
  count: number,
  partitions: number,
  use: (topics: readonly string[], countRecords: () => Promise<number>) => Promise<T>,
): Promise<T> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const prefix = `bench-${Math.random().toString(36).slice(2, 10)}`;
  const topics = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await admin.createTopics(topics.map((topic) => ({ topic, partitions, replicationFactor: 1 })));
  const countRecords = async (): Promise<number> => {
    const queries = topics.flatMap((topic) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at: 'latest' as const })),
    );
    return (await admin.listOffsets(queries)).reduce((sum, { offset }) => sum + offset, 0);
  };
  // Kafka answers before every partition has its leader. This is asked of the leaders, and again until they know.
  await countRecords();
  try {
    return await use(topics, countRecords);
  } finally {
    await admin.deleteTopics(topics);
    // So that who comes next does not pay for the removal of many folders.
    if (count * partitions >= MANY_PARTITIONS) await sleep(REMOVAL_MS);
  }
}
