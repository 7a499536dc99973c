/** `pnpm bench peers`: Millrace and Apache Kafka under the same clients, each with and without a sync before acknowledgements. */
import { type Bench, type BenchContext, isWanted, type Section, type Table } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import { rssBytesOf } from './clients/cpu.ts';
import type { LatencyResult, RawResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient, runRaw } from './clients/run-client.ts';
import { fill, inTurns } from './e2e.ts';
import { digits, median, si, summarize, times } from './report/statistics.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;
type Raw = RawResult & BrokerUse;

/** A broker as a key for `inTurns`. */
interface Peer {
  readonly label: string;
  readonly broker: RunningBroker;
}

const producers: readonly Client[] = [
  { label: 'librdkafka', client: 'librdkafka', mode: '' },
  { label: 'Java', client: 'java', mode: '' },
  { label: 'millrace enqueue', client: 'millrace', mode: 'enqueue' },
];
const consumers: readonly Client[] = [
  { label: 'librdkafka', client: 'librdkafka', mode: '' },
  { label: 'Java', client: 'java', mode: '' },
  { label: 'millrace batches', client: 'millrace', mode: 'batches' },
];

const SIZES = [100, 1024];
const TIMES = { warmUpMs: 1_000, timeMs: 2_000, fillMs: 3_000 };
const TIMES_QUICK = { warmUpMs: 300, timeMs: 500, fillMs: 500 };
const FAN_OUT = 10;
/** What one connection has under way in the test with many connections. */
const SMALL_BATCH_BYTES = 200;
const CONNECTIONS = [1, 10, 100, 500];

export const bench: Bench = {
  about: 'Millrace and Apache Kafka under librdkafka, Java and our SDK; synced and not; latency, fan-out, connections',
  parts: ['produce', 'consume', 'latency', 'fan-out', 'connections'],
  run: measurePeers,
};

async function measurePeers(context: BenchContext): Promise<Section> {
  const peers: Peer[] = [];
  const tables: Table[] = [];
  const raw: Record<string, unknown> = {};
  try {
    for (const [label, start] of Object.entries(brokerKinds)) {
      context.progress(`peers: starting ${label}`);
      peers.push({ label, broker: await start() });
    }
    const idle = peers.map(({ label, broker }) => [label, `${digits(rssBytesOf(broker.pid) / 1e6)} MB`]);
    let kafkaMax: number | undefined;
    if (isWanted(context, 'produce')) kafkaMax = await measureProduce(peers, context, tables, raw);
    if (isWanted(context, 'consume')) await measureConsume(peers, context, tables, raw);
    if (isWanted(context, 'latency')) await measureLatency(peers, kafkaMax, context, tables, raw);
    if (isWanted(context, 'fan-out')) await measureFanOut(peers, context, tables, raw);
    if (isWanted(context, 'connections')) await measureConnections(peers, context, tables, raw);
    tables.push({
      title: 'Memory',
      columns: ['broker', 'RSS after start', 'RSS after all of the above'],
      rows: idle.map(([label = '', rss = ''], index) => [
        label,
        rss,
        `${digits(rssBytesOf(peers[index]!.broker.pid) / 1e6)} MB`,
      ]),
    });
  } finally {
    await Promise.all(peers.map(({ broker }) => broker.stop()));
  }
  return { title: 'Brokers under the same clients', tables, raw };
}

/** Returns the records a second that Kafka without syncs took at the most of 1 KiB. */
async function measureProduce(
  peers: readonly Peer[],
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<number | undefined> {
  const { warmUpMs, timeMs } = timesOf(context);
  let kafkaMax: number | undefined;
  for (const recordBytes of SIZES) {
    for (const client of context.isQuick ? producers.slice(0, 1) : producers) {
      const title = `Produce with ${client.label}: ${recordBytes} B, 1 partition, acks=all`;
      context.progress(title);
      const results = await inTurns(peers, context, ({ broker }) =>
        withTopic(broker, 1, (topic) =>
          runClient<Throughput>(
            client,
            { kind: 'produce', topic, partitions: 1, recordBytes, acks: -1, compression: 'none', warmUpMs, timeMs },
            broker,
            context,
          ),
        ),
      );
      raw[title] = Object.fromEntries(results);
      tables.push(throughputTable(title, results));
      const kafka = results.get('Kafka, no sync') ?? [];
      if (recordBytes === SIZES.at(-1)) {
        kafkaMax = Math.max(kafkaMax ?? 0, median(kafka.map(({ records, seconds }) => records / seconds)));
      }
    }
  }
  return kafkaMax;
}

async function measureConsume(
  peers: readonly Peer[],
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs, fillMs } = timesOf(context);
  const unsynced = peers.filter(({ label }) => label.endsWith('no sync'));
  for (const recordBytes of SIZES) {
    const cell = { recordBytes, partitions: 1, compression: 'none' } as const;
    await withFilledTopics(unsynced, cell, fillMs, context, async (topics) => {
      for (const client of context.isQuick ? consumers.slice(0, 1) : consumers) {
        const title = `Catch up with ${client.label}: ${recordBytes} B, 1 partition`;
        context.progress(title);
        const results = await inTurns(unsynced, context, ({ label, broker }) => {
          const { topic, records } = topics.get(label)!;
          const warmUpRecords = Math.floor(records / 4);
          const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords, warmUpMs, timeMs } as const;
          return runClient<Throughput>(client, job, broker, context);
        });
        raw[title] = Object.fromEntries(results);
        tables.push(throughputTable(title, results));
      }
    });
  }
}

async function measureFanOut(
  peers: readonly Peer[],
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs, fillMs } = timesOf(context);
  const unsynced = peers.filter(({ label }) => label.endsWith('no sync'));
  const title = `${FAN_OUT} consumers (librdkafka) of one topic at once: 1 KiB, 1 partition`;
  context.progress(title);
  const cell = { recordBytes: 1024, partitions: 1, compression: 'none' } as const;
  await withFilledTopics(unsynced, cell, fillMs, context, async (topics) => {
    const results = await inTurns(unsynced, context, async ({ label, broker }) => {
      const { topic, records } = topics.get(label)!;
      const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords: 1, warmUpMs, timeMs } as const;
      const all = await Promise.all(
        Array.from({ length: FAN_OUT }, () => runClient<Throughput>(consumers[0]!, job, broker, context)),
      );
      // Each counts its own time; they run side by side, so their rates add up. The broker's time was counted by each.
      const sum = (of: (each: Throughput) => number): number => all.reduce((total, each) => total + of(each), 0);
      const seconds = sum((each) => each.seconds) / FAN_OUT;
      return {
        ...all[0]!,
        seconds,
        records: sum(({ records: own }) => own),
        bytes: sum(({ bytes }) => bytes),
        cpuMs: sum(({ cpuMs }) => cpuMs),
        brokerCpuMs: sum(({ brokerCpuMs }) => brokerCpuMs) / FAN_OUT,
      };
    });
    raw[title] = Object.fromEntries(results);
    tables.push(throughputTable(title, results));
  });
}

async function measureLatency(
  peers: readonly Peer[],
  kafkaMax: number | undefined,
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs } = timesOf(context);
  const half = Math.round((kafkaMax ?? FALLBACK_RATE * 2) / 2);
  for (const ratePerSecond of [1_000, half]) {
    const what = ratePerSecond === half ? "half of Kafka's maximum, " : '';
    const title = `Latency of produce with librdkafka: 1 KiB, ${what}${si(ratePerSecond)} records a second, linger 0`;
    context.progress(title);
    const results = await inTurns(peers, context, ({ broker }) =>
      withTopic(broker, 1, (topic) =>
        runClient<Latency>(
          producers[0]!,
          {
            kind: 'latency',
            topic,
            partitions: 1,
            recordBytes: 1024,
            acks: -1,
            ratePerSecond,
            warmUpMs: 2 * warmUpMs,
            timeMs: 2 * timeMs,
          },
          broker,
          context,
        ),
      ),
    );
    raw[title] = Object.fromEntries(results);
    tables.push({
      title,
      columns: ['broker', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'broker CPU us/record'],
      rows: [...results].map(([label, rounds]) => [
        label,
        ...(['p50', 'p99', 'p999', 'max'] as const).map((at) =>
          summarize(
            rounds.map((round) => round[at]),
            digits,
          ),
        ),
        digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
      ]),
      notes: ['Open loop: a latency counts from the time the record was due.'],
    });
  }
}

/** Where produce was not measured. */
const FALLBACK_RATE = 40_000;

async function measureConnections(
  peers: readonly Peer[],
  context: BenchContext,
  tables: Table[],
  raw: Record<string, unknown>,
): Promise<void> {
  const { warmUpMs, timeMs } = timesOf(context);
  const rows: string[][] = [];
  for (const connections of context.isQuick ? [CONNECTIONS[1]!] : CONNECTIONS) {
    const title = `${connections} connections`;
    context.progress(`Small requests over ${title}`);
    const results = await inTurns(peers, context, ({ broker }) =>
      withTopic(broker, 1, (topic) =>
        runRaw(
          { topic, partitions: 1, connections, inFlight: 1, batchBytes: SMALL_BATCH_BYTES, warmUpMs, timeMs },
          broker,
        ),
      ),
    );
    raw[`small requests, ${title}`] = Object.fromEntries(results);
    for (const [label, rounds] of results) rows.push([title, label, ...rawCells(rounds)]);
  }
  tables.push({
    title: 'Small requests: one record of 100 B each, one under way per connection, acks=all, 1 partition',
    columns: ['connections', 'broker', 'requests/s', 'p50 ms', 'p99 ms', 'broker CPU us/request', 'broker RSS MB'],
    rows,
    notes: ['Closed loop: a request is sent when the answer to the one before has come.'],
  });
}

function rawCells(rounds: readonly Raw[]): string[] {
  return [
    summarize(
      rounds.map(({ requests, seconds }) => requests / seconds),
      si,
    ),
    digits(median(rounds.map(({ p50 }) => p50))),
    digits(median(rounds.map(({ p99 }) => p99))),
    digits(median(rounds.map(({ brokerCpuMs, requests }) => (brokerCpuMs * 1000) / requests))),
    digits(median(rounds.map(({ brokerRssBytes }) => brokerRssBytes / 1e6))),
  ];
}

function throughputTable(title: string, results: ReadonlyMap<string, readonly Throughput[]>): Table {
  const rate = ({ records, seconds }: Throughput): number => records / seconds;
  return {
    title,
    columns: [
      'broker',
      'MB/s',
      'records/s',
      'broker CPU s/GB',
      'client CPU us/record',
      'broker RSS MB',
      'to Kafka, alike',
    ],
    rows: [...results].map(([label, rounds]) => {
      const peer = results.get(label.replace('Millrace', 'Kafka'));
      const isOurs = label.startsWith('Millrace') && peer !== undefined;
      return [
        label,
        summarize(
          rounds.map(({ bytes, seconds }) => bytes / seconds / 1e6),
          digits,
        ),
        si(median(rounds.map(rate))),
        digits(median(rounds.map(({ brokerCpuMs, bytes }) => (brokerCpuMs / 1000 / bytes) * 1e9))),
        digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
        digits(median(rounds.map(({ brokerRssBytes }) => brokerRssBytes / 1e6))),
        isOurs ? times(median(rounds.map(rate)), median(peer.map(rate))) : '',
      ];
    }),
  };
}

/** Fills a topic of each broker before `use`, and removes them after. */
async function withFilledTopics(
  peers: readonly Peer[],
  cell: { readonly recordBytes: number; readonly partitions: number; readonly compression: 'none' | 'lz4' },
  fillMs: number,
  context: BenchContext,
  use: (topics: ReadonlyMap<string, { topic: string; records: number }>) => Promise<void>,
): Promise<void> {
  const topics = new Map<string, { topic: string; records: number }>();
  const next = async (rest: readonly Peer[]): Promise<void> => {
    const [peer, ...others] = rest;
    if (peer === undefined) return use(topics);
    await withTopic(peer.broker, cell.partitions, async (topic) => {
      const records = await fill(peer.broker, topic, cell, fillMs, context);
      topics.set(peer.label, { topic, records });
      await next(others);
    });
  };
  await next(peers);
}

function timesOf({ isQuick }: BenchContext): typeof TIMES {
  return isQuick ? TIMES_QUICK : TIMES;
}
