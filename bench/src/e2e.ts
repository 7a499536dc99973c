/** `pnpm bench e2e`: client libraries on the same broker, each in a process of its own, in turns. */
import { type Bench, type BenchContext, isWanted, type Section, type Table } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { LatencyResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient } from './clients/run-client.ts';
import { digits, median, si, summarize, times } from './report/statistics.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;

const producers: readonly Client[] = [
  { label: 'millrace send', client: 'millrace', mode: 'send' },
  { label: 'millrace sendBatch', client: 'millrace', mode: 'sendBatch' },
  { label: 'millrace enqueue', client: 'millrace', mode: 'enqueue' },
  { label: 'kafkajs', client: 'kafkajs', mode: '' },
  { label: '@platformatic/kafka', client: 'platformatic', mode: '' },
  { label: 'librdkafka (C)', client: 'librdkafka', mode: '' },
];

const consumers: readonly Client[] = [
  { label: 'millrace for await', client: 'millrace', mode: 'records' },
  { label: 'millrace batches', client: 'millrace', mode: 'batches' },
  { label: 'kafkajs eachMessage', client: 'kafkajs', mode: 'eachMessage' },
  { label: 'kafkajs eachBatch', client: 'kafkajs', mode: 'eachBatch' },
  { label: '@platformatic/kafka', client: 'platformatic', mode: '' },
  { label: 'librdkafka (C)', client: 'librdkafka', mode: '' },
];

const singleSenders: readonly Client[] = producers.filter(({ mode }) => mode === '' || mode === 'send');

interface ProduceCell {
  readonly recordBytes: number;
  readonly partitions: number;
  readonly acks: 1 | -1;
  readonly compression: 'none' | 'lz4';
}

/** The first is what the others differ from in one thing. */
const produceCells: readonly ProduceCell[] = [
  { recordBytes: 100, partitions: 1, acks: -1, compression: 'none' },
  { recordBytes: 1024, partitions: 1, acks: -1, compression: 'none' },
  { recordBytes: 100, partitions: 12, acks: -1, compression: 'none' },
  { recordBytes: 1024, partitions: 12, acks: -1, compression: 'none' },
  { recordBytes: 100, partitions: 1, acks: 1, compression: 'none' },
  { recordBytes: 100, partitions: 1, acks: -1, compression: 'lz4' },
  { recordBytes: 1024, partitions: 1, acks: -1, compression: 'lz4' },
];

/** On Apache Kafka, and in quick runs. */
const CELLS_FEW = 2;

interface ConsumeCell {
  readonly recordBytes: number;
  readonly partitions: number;
  readonly compression: 'none' | 'lz4';
}

const consumeCells: readonly ConsumeCell[] = [
  { recordBytes: 100, partitions: 1, compression: 'none' },
  { recordBytes: 1024, partitions: 1, compression: 'none' },
  { recordBytes: 100, partitions: 12, compression: 'none' },
  { recordBytes: 1024, partitions: 1, compression: 'lz4' },
];

interface Times {
  readonly warmUpMs: number;
  readonly timeMs: number;
  readonly fillMs: number;
}

const TIMES: Times = { warmUpMs: 1_000, timeMs: 1_500, fillMs: 3_000 };
const TIMES_QUICK: Times = { warmUpMs: 400, timeMs: 400, fillMs: 500 };

const LATENCY_RATE = 1_000;

const brokers = ['Millrace, no sync', 'Kafka, no sync'];

export const bench: Bench = {
  about: 'our SDKs, kafkajs, @platformatic/kafka and librdkafka on the same broker',
  parts: ['producer', 'consumer', 'latency', ...brokers],
  run: measureClients,
};

async function measureClients(context: BenchContext): Promise<Section> {
  const tables: Table[] = [];
  const raw: Record<string, unknown> = {};
  const named = brokers.filter((name) => context.only.some((part) => name.includes(part)));
  for (const name of named.length > 0 ? named : brokers) {
    context.progress(`e2e: starting ${name}`);
    const broker = await brokerKinds[name]!();
    const isMain = name === brokers[0];
    const few = !isMain || context.isQuick ? CELLS_FEW : undefined;
    try {
      if (wants(context, 'producer')) {
        for (const cell of produceCells.slice(0, few)) await compareProducers(broker, cell, context, tables, raw);
      }
      if (wants(context, 'consumer')) {
        for (const cell of consumeCells.slice(0, few)) await compareConsumers(broker, cell, context, tables, raw);
      }
      if (wants(context, 'latency')) await compareLatencies(broker, context, tables, raw);
    } finally {
      await broker.stop();
    }
  }
  return { title: 'Clients on the same broker', tables, raw };
}

/** `--only` may name brokers too; a run that names nothing else wants all parts. */
function wants(context: BenchContext, part: string): boolean {
  const parts = context.only.filter((each) => !brokers.some((name) => name.includes(each)));
  return isWanted({ ...context, only: parts }, part);
}

async function compareProducers(
  broker: RunningBroker,
  cell: ProduceCell,
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const title = `Produce to ${broker.name}: ${describe(cell)}, acks=${cell.acks === -1 ? 'all' : cell.acks}`;
  context.progress(title);
  const results = await inTurns(producers, context, (client) =>
    withTopic(broker, cell.partitions, (topic) =>
      runClient<Throughput>(
        client,
        { kind: 'produce', topic, ...cell, warmUpMs, timeMs },
        broker,
        context,
        `produce-${client.mode || client.client}`,
      ),
    ),
  );
  raw[title] = Object.fromEntries(results);
  tables.push(throughputTable(title, results));
}

async function compareConsumers(
  broker: RunningBroker,
  cell: ConsumeCell,
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs, fillMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const title = `Consume from ${broker.name}: ${describe(cell)}`;
  context.progress(title);
  await withTopic(broker, cell.partitions, async (topic) => {
    const records = await fill(broker, topic, cell, fillMs, context);
    const job = { kind: 'consume', topic, partitions: cell.partitions, records, warmUpMs, timeMs } as const;
    const results = await inTurns(consumers, context, (client) =>
      runClient<Throughput>(
        client,
        { ...job, warmUpRecords: Math.floor(records / 3) },
        broker,
        context,
        `consume-${client.mode || client.client}`,
      ),
    );
    raw[title] = Object.fromEntries(results);
    tables.push(throughputTable(title, results));
  });
}

/** Writes a topic full with our own producer; returns how many records it holds. */
export async function fill(
  broker: RunningBroker,
  topic: string,
  cell: ConsumeCell,
  fillMs: number,
  context: BenchContext,
): Promise<number> {
  const { records } = await runClient<Throughput>(
    { label: 'fill', client: 'millrace', mode: 'enqueue' },
    { kind: 'produce', topic, ...cell, acks: -1, warmUpMs: 0, timeMs: fillMs },
    broker,
    context,
  );
  return records;
}

async function compareLatencies(
  broker: RunningBroker,
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const title = `Latency of single sends to ${broker.name}: 100 B, ${LATENCY_RATE} a second, acks=all`;
  context.progress(title);
  const results = await inTurns(singleSenders, context, (client) =>
    withTopic(broker, 1, (topic) =>
      runClient<Latency>(
        client,
        {
          kind: 'latency',
          topic,
          partitions: 1,
          recordBytes: 100,
          acks: -1,
          ratePerSecond: LATENCY_RATE,
          warmUpMs: 2 * warmUpMs,
          timeMs: 2 * timeMs,
        },
        broker,
        context,
      ),
    ),
  );
  raw[title] = Object.fromEntries(results);
  tables.push(latencyTable(title, results));
}

export function latencyTable(title: string, results: ReadonlyMap<string, readonly Latency[]>): Table {
  return {
    title,
    columns: ['client', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'client CPU us/record', 'broker CPU us/record'],
    rows: [...results].map(([label, rounds]) => [
      label,
      ...(['p50', 'p99', 'p999', 'max'] as const).map((at) =>
        summarize(
          rounds.map((round) => round[at]),
          digits,
        ),
      ),
      digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
      digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
    ]),
    notes: [
      'Open loop: a latency counts from the time the record was due, so the up to 1 ms that a timer of Node is late counts for every client in Node.',
    ],
  };
}

/** Every client once, then every client again, so that what the machine does besides hits all alike. */
export async function inTurns<Key extends { readonly label: string }, Result>(
  keys: readonly Key[],
  { rounds }: BenchContext,
  run: (key: Key) => Promise<Result>,
): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>(keys.map(({ label }) => [label, []]));
  for (let round = 0; round < rounds; round++) {
    for (const key of keys) results.get(key.label)!.push(await run(key));
  }
  return results;
}

function throughputTable(title: string, results: ReadonlyMap<string, readonly Throughput[]>): Table {
  const rate = ({ records, seconds }: Throughput): number => records / seconds;
  const fastest = Math.max(
    ...[...results].filter(([label]) => label.startsWith('millrace')).map(([, rounds]) => median(rounds.map(rate))),
  );
  return {
    title,
    columns: ['client', 'records/s', 'MB/s', 'client CPU us/record', 'client RSS MB', 'our fastest against it'],
    rows: [...results].map(([label, rounds]) => [
      label,
      summarize(rounds.map(rate), si),
      digits(median(rounds.map(({ bytes, seconds }) => bytes / seconds / 1e6))),
      digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
      digits(median(rounds.map(({ rssBytes }) => rssBytes / 1e6))),
      label.startsWith('millrace') ? '' : times(fastest, median(rounds.map(rate))),
    ]),
  };
}

function describe({ recordBytes, partitions, compression }: ConsumeCell): string {
  const size = recordBytes < 1024 ? `${recordBytes} B` : `${recordBytes / 1024} KiB`;
  return `${size}, ${partitions} partition${partitions === 1 ? '' : 's'}${compression === 'none' ? '' : `, ${compression}`}`;
}
