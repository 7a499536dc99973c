/** `pnpm bench others`: brokers that do not speak Kafka's protocol, each under its own client in Node, beside Millrace under ours. */
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker } from './brokers.ts';
import { rssBytesOf } from './clients/cpu.ts';
import type { LatencyResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient } from './clients/run-client.ts';
import { latencyCells, OPEN_LOOP } from './e2e.ts';
import { otherBrokers } from './other-brokers.ts';
import { versionOf } from './report/machine.ts';
import { digits, median, si, summarize } from './report/statistics.ts';
import { inTurns, secondary } from './rounds.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;

/** A broker with who talks to it. */
interface Pair {
  readonly label: string;
  readonly broker: RunningBroker;
  readonly producer: Client;
  readonly consumer: Client;
}

const TIMES = { warmUpMs: 500, timeMs: 1_000 };
const TIMES_QUICK = { warmUpMs: 200, timeMs: 300 };
const RATE = 1_000;

export const bench: Bench = {
  title: 'Other brokers, each under its own client',
  about: 'Redis Streams, NATS JetStream, RabbitMQ streams where installed, and Millrace, each under its client in Node',
  // Produce always runs: what it leaves is what is read.
  parts: ['produce', 'consume', 'latency'],
  seconds: { full: 140, quick: 40 },
  run: measureOthers,
};

async function measureOthers(whole: BenchContext, findings: Findings): Promise<void> {
  const context = secondary(whole);
  const pairs: Pair[] = [];
  try {
    await findings.attempt('start', () => startAll(pairs, findings));
    const idle = new Map(pairs.map(({ label, broker }) => [label, rssBytesOf(broker.pid)]));
    const topics = new Map<string, { readonly topic: string; readonly records: number }>();
    for (const recordBytes of [100, 1024]) await compareProduce(pairs, recordBytes, topics, context, findings);
    if (isWanted(context, 'consume')) await compareConsume(pairs, topics, context, findings);
    if (isWanted(context, 'latency')) {
      await compareLatency(pairs, 'single', context, findings);
      await compareLatency(pairs, 'latency', context, findings);
      await compareLatency(pairs, 'tail', context, findings);
    }
    findings.table({
      title: 'Memory of the other brokers',
      columns: ['broker', 'RSS after start', 'RSS after all of the above'],
      rows: pairs.map(({ label, broker }) => [
        label,
        `${digits(idle.get(label)! / 1e6)} MB`,
        `${digits(rssBytesOf(broker.pid) / 1e6)} MB`,
      ]),
      notes: ['Redis holds every record in memory.'],
    });
  } finally {
    await Promise.all(pairs.map(({ broker }) => broker.stop()));
  }
}

async function startAll(pairs: Pair[], findings: Findings): Promise<void> {
  const rows: string[][] = [];
  for (const name of ['Millrace, sync per ack', 'Millrace, no sync']) {
    pairs.push({
      label: name,
      broker: await brokerKinds[name]!(),
      producer: { label: name, client: 'millrace', mode: 'sendBatch' },
      consumer: { label: name, client: 'millrace', mode: 'records' },
    });
    const isSynced = name.includes('sync per ack');
    rows.push([
      name,
      'this commit',
      'ours',
      isSynced ? 'synced before the answer' : 'written before the answer, synced by the system',
    ]);
  }
  for (const other of otherBrokers) {
    if (!other.isInstalled()) {
      rows.push([other.name, `not installed (Debian: ${other.from}), not measured`, '', '']);
      continue;
    }
    const client: Client = { label: other.name, client: other.client, mode: '' };
    pairs.push({ label: other.name, broker: await other.start(), producer: client, consumer: client });
    const packageName = { redis: 'redis', nats: 'nats', rabbitmq: 'rabbitmq-stream-js-client' }[
      other.client as 'redis'
    ];
    rows.push([other.name, other.version(), `${packageName} ${versionOf(packageName)}`, other.durability]);
  }
  findings.table({
    title: 'What was compared',
    columns: ['broker', 'version', 'client', 'what an acknowledgement means'],
    rows,
  });
}

/** Lots of 1,000 records, several at a time, through every client. Leaves the topics for reading. */
async function compareProduce(
  pairs: readonly Pair[],
  recordBytes: number,
  topics: Map<string, { readonly topic: string; readonly records: number }>,
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const title = `Produce: ${sizeOf(recordBytes)}, one stream, each record acknowledged`;
  await findings.attempt(title, async () => {
    const results = await inTurns(pairs, context, async ({ label, broker, producer }) => {
      const topic = newTopic();
      const cell = { partitions: 1, recordBytes, acks: -1, compression: 'none' } as const;
      // Without a warm-up, what is counted is all that the topic holds; the clients are warm after a tenth of the time.
      const { timeMs } = timesOf(context);
      const job = { kind: 'produce', topic, ...cell, warmUpMs: 0, timeMs: 2 * timeMs } as const;
      const result = await runClient<Throughput>(producer, job, broker, context);
      topics.set(`${label} ${recordBytes}`, { topic, records: result.records });
      return result;
    });
    reportThroughput(title, results, findings);
  });
}

async function compareConsume(
  pairs: readonly Pair[],
  topics: ReadonlyMap<string, { readonly topic: string; readonly records: number }>,
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  for (const recordBytes of [100, 1024]) {
    const title = `Consume: ${sizeOf(recordBytes)}, one stream, from the beginning`;
    await findings.attempt(title, async () => {
      const results = await inTurns(pairs, context, async ({ label, broker, consumer }) => {
        const { topic, records } = topics.get(`${label} ${recordBytes}`)!;
        const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords: Math.floor(records / 4) } as const;
        return runClient<Throughput>(consumer, { ...job, ...timesOf(context) }, broker, context);
      });
      reportThroughput(title, results, findings);
    });
  }
}

async function compareLatency(
  pairs: readonly Pair[],
  kind: 'single' | 'latency' | 'tail',
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const what = {
    single: 'one outstanding, closed loop, until acknowledged',
    latency: `${si(RATE)} a second, until acknowledged`,
    tail: `${si(RATE)} a second, until a consumer has it`,
  }[kind];
  const title = `Latency: 100 B, ${what}`;
  await findings.attempt(title, async () => {
    const results = await inTurns(pairs, context, ({ broker, producer }) => {
      const job = { kind, topic: newTopic(), partitions: 1, recordBytes: 100, acks: -1, ratePerSecond: RATE } as const;
      const client = { ...producer, mode: producer.client === 'millrace' ? 'send' : '' };
      return runClient<Latency>(client, { ...job, ...timesOf(context) }, broker, context);
    });
    findings.raw(title, Object.fromEntries(results));
    findings.table({
      title,
      columns: ['broker', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'lag p99 ms', 'broker CPU us/record'],
      rows: [...results].map(([label, rounds]) => [
        label,
        ...latencyCells(rounds),
        digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
      ]),
      notes: kind === 'single' ? [] : [OPEN_LOOP],
    });
  });
}

function reportThroughput(
  title: string,
  results: ReadonlyMap<string, readonly Throughput[]>,
  findings: Findings,
): void {
  findings.raw(title, Object.fromEntries(results));
  findings.table({
    title,
    columns: ['broker', 'records/s', 'MB/s', 'broker CPU s/GB', 'client CPU us/record', 'broker RSS MB'],
    rows: [...results].map(([label, rounds]) => [
      label,
      summarize(
        rounds.map(({ records, seconds }) => records / seconds),
        si,
      ),
      digits(median(rounds.map(({ bytes, seconds }) => bytes / seconds / 1e6))),
      digits(median(rounds.map(({ brokerCpuMs, bytes }) => (brokerCpuMs / 1000 / bytes) * 1e9))),
      digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
      digits(median(rounds.map(({ brokerRssBytes }) => brokerRssBytes / 1e6))),
    ]),
    notes: ['Lots of 500 or 1,000 records, several lots at a time; Millrace through `sendBatch` and `for await`.'],
  });
}

function newTopic(): string {
  return `bench-${Math.random().toString(36).slice(2, 10)}`;
}

function sizeOf(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}

function timesOf({ isQuick }: BenchContext): typeof TIMES {
  return isQuick ? TIMES_QUICK : TIMES;
}
