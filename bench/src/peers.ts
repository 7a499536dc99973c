/** `pnpm bench peers`: Millrace and Apache Kafka under the same clients, each with and without a sync before acknowledgements. */
import { type Bench, type BenchContext, type Fact, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import { rssBytesOf } from './clients/cpu.ts';
import type { LatencyResult, RawResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient, runRaw } from './clients/run-client.ts';
import { fill, latencyCells, OPEN_LOOP } from './e2e.ts';
import { limitsOf, produceLimit } from './limits.ts';
import { dropPageCache } from './page-cache.ts';
import { digits, median, percent, si, summarize, timesByRound } from './report/statistics.ts';
import { inTurns, secondary } from './rounds.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;
type Raw = RawResult & BrokerUse;

/** A broker as a key for `inTurns`. */
interface Peer {
  readonly label: string;
  readonly broker: RunningBroker;
}

const librdkafka: Client = { label: 'librdkafka', client: 'librdkafka', mode: '' };
const java: Client = { label: 'Java', client: 'java', mode: '' };
const producers: readonly Client[] = [
  librdkafka,
  java,
  { label: 'millrace enqueue', client: 'millrace', mode: 'enqueue' },
];
const consumers: readonly Client[] = [
  librdkafka,
  java,
  { label: 'millrace batches', client: 'millrace', mode: 'batches' },
];
const tailReader: Client = { label: 'millrace', client: 'millrace', mode: 'batches' };

const SIZES = [100, 1024];
const TIMES = { warmUpMs: 700, timeMs: 1_500, fillMs: 3_000 };
const TIMES_QUICK = { warmUpMs: 300, timeMs: 400, fillMs: 500 };
const FAN_OUT = 10;
/** What one connection has under way in the test with many connections. */
const SMALL_BATCH_BYTES = 200;
const CONNECTIONS = [1, 500];
const MANY_PARTITIONS = 1_000;
const TAIL_RATE = 5_000;
const LOW_RATE = 1_000;

/** Where produce was not measured. */
const FALLBACK_MAX = 80_000;

const parts = ['produce', 'tail', 'catch-up', 'disk', 'latency', 'fan-out', 'partitions', 'connections'] as const;

export const bench: Bench = {
  title: 'Brokers under the same clients',
  about: 'Millrace and Apache Kafka under librdkafka, Java and our SDK, synced and not: throughput, latency, memory',
  parts,
  seconds: { full: 540, quick: 90 },
  run: measurePeers,
};

async function measurePeers(context: BenchContext, findings: Findings): Promise<void> {
  const peers: Peer[] = [];
  try {
    for (const [label, start] of Object.entries(brokerKinds)) {
      context.progress(`starting ${label}`);
      peers.push({ label, broker: await start() });
    }
    const idle = peers.map(({ broker }) => rssBytesOf(broker.pid));
    const run: PeerRun = { peers, unsynced: peers.filter(({ label }) => label.endsWith('no sync')), context, findings };
    const kafkaMax = isWanted(context, 'produce') ? await measureProduce(run) : undefined;
    if (isWanted(context, 'produce')) reportMemory(run, idle);
    if (isWanted(context, 'latency')) await measureLatencies(run, kafkaMax);
    const second = { ...run, context: secondary(context) };
    if (isWanted(context, 'tail')) await measureTail(second);
    if (isWanted(context, 'catch-up')) await measureCatchUp(run);
    if (isWanted(context, 'disk')) await measureFromDisk(run);
    if (isWanted(context, 'fan-out')) await measureFanOut(second);
    if (isWanted(context, 'partitions')) await measureManyPartitions(second);
    if (isWanted(context, 'connections')) await measureConnections(second);
  } finally {
    await Promise.all(peers.map(({ broker }) => broker.stop()));
  }
}

interface PeerRun {
  readonly peers: readonly Peer[];
  /** Whether acknowledgements are synced makes no difference to who reads. */
  readonly unsynced: readonly Peer[];
  readonly context: BenchContext;
  readonly findings: Findings;
}

/** After producing with every client, what the brokers keep of it. */
function reportMemory({ peers, findings }: PeerRun, idle: readonly number[]): void {
  const title = 'Memory of the brokers';
  const loaded = peers.map(({ broker }) => rssBytesOf(broker.pid));
  findings.table({
    title,
    columns: ['broker', 'RSS after start', 'RSS after producing'],
    rows: peers.map(({ label }, index) => [
      label,
      `${digits(idle[index]! / 1e6)} MB`,
      `${digits(loaded[index]! / 1e6)} MB`,
    ]),
    notes: ['After all of the producing above, with each client. Kafka has a heap of 1 GiB, as its scripts give it.'],
  });
  peers.forEach(({ label }, index) => {
    const place = { broker: label, client: '', load: 'after producing', table: title };
    findings.fact({ what: 'loaded RSS', ...place, values: [loaded[index]!] });
  });
}

/** Returns the records a second that Kafka without syncs took at the most of 1 KiB. */
async function measureProduce(run: PeerRun): Promise<number | undefined> {
  const { peers, context, findings } = run;
  const { warmUpMs, timeMs } = timesOf(context);
  let kafkaMax = 0;
  for (const recordBytes of SIZES) {
    for (const client of context.isQuick ? producers.slice(0, 1) : producers) {
      const load = `${sizeOf(recordBytes)}, 1 partition, acks=all`;
      const title = `Produce with ${client.label}: ${load}`;
      await findings.attempt(title, async () => {
        const rounds = client === java ? secondary(context) : context;
        const results = await inTurns(peers, rounds, ({ broker }) =>
          withTopic(broker, 1, async (topic, countRecords) => {
            const cell = { partitions: 1, recordBytes, acks: -1, compression: 'none' } as const;
            const job = { kind: 'produce', topic, ...cell, warmUpMs, timeMs } as const;
            const result = await runClient<Throughput>(client, job, broker, context);
            const held = await countRecords();
            if (held < result.records) throw new Error(`${result.records} acknowledged, and the topic holds ${held}`);
            return result;
          }),
        );
        await reportThroughput(run, title, 'produced records/s', client.label, load, results);
        const kafka = results.get('Kafka, no sync') ?? [];
        if (recordBytes === SIZES.at(-1)) {
          kafkaMax = Math.max(kafkaMax, median(kafka.map(({ records, seconds }) => records / seconds)) || 0);
        }
      });
    }
  }
  return kafkaMax || undefined;
}

async function measureCatchUp(run: PeerRun): Promise<void> {
  const { unsynced, context, findings } = run;
  const { warmUpMs, timeMs, fillMs } = timesOf(context);
  for (const recordBytes of SIZES) {
    const cell = { recordBytes, partitions: 1, compression: 'none' } as const;
    await withFilledTopics(unsynced, cell, fillMs, context, async (topics) => {
      for (const client of context.isQuick ? consumers.slice(0, 1) : consumers) {
        const load = `${sizeOf(recordBytes)}, 1 partition, from memory`;
        const title = `Catch up with ${client.label}: ${load}`;
        await findings.attempt(title, async () => {
          const rounds = client === java ? secondary(context) : context;
          const results = await inTurns(unsynced, rounds, ({ label, broker }) => {
            const { topic, records } = topics.get(label)!;
            const warmUpRecords = Math.floor(records / 4);
            const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords, warmUpMs, timeMs } as const;
            return runClient<Throughput>(client, job, broker, context);
          });
          await reportThroughput(run, title, 'consumed records/s', client.label, load, results);
        });
      }
    });
  }
}

/** The whole topic, the page cache emptied before each reading, so that every byte comes from the disk. */
async function measureFromDisk(run: PeerRun): Promise<void> {
  const { unsynced, context, findings } = run;
  const { fillMs } = timesOf(context);
  const cell = { recordBytes: 1024, partitions: 1, compression: 'none' } as const;
  await withFilledTopics(unsynced, cell, fillMs, context, async (topics) => {
    const load = '1 KiB, 1 partition, from disk';
    const title = `Catch up with librdkafka: ${load}`;
    await findings.attempt(title, async () => {
      const isDropped = dropPageCache();
      const results = await inTurns(unsynced, context, ({ label, broker }) => {
        dropPageCache();
        const { topic, records } = topics.get(label)!;
        const job = {
          kind: 'consume',
          topic,
          partitions: 1,
          records,
          warmUpRecords: 1,
          warmUpMs: 0,
          timeMs: 20_000,
        } as const;
        return runClient<Throughput>(librdkafka, job, broker, context);
      });
      const sizes = [...topics].map(([label, { records }]) => `${label} ${digits((records * 1024) / 1e6)} MB`);
      const how = isDropped
        ? 'The page cache was emptied before each reading'
        : 'NOT from disk: the page cache could not be emptied (not root), so this is from memory';
      const note = `${how}; read from beginning to end: ${sizes.join(', ')}. What a broker keeps in its own memory is part of the topic's end.`;
      await reportThroughput(run, title, 'consumed records/s', 'librdkafka', load, results, note);
    });
  });
}

async function measureFanOut(run: PeerRun): Promise<void> {
  const { unsynced, context, findings } = run;
  const { warmUpMs, timeMs, fillMs } = timesOf(context);
  const cell = { recordBytes: 1024, partitions: 1, compression: 'none' } as const;
  await withFilledTopics(unsynced, cell, fillMs, context, async (topics) => {
    const load = `1 KiB, 1 partition, ${FAN_OUT} consumers at once`;
    const title = `Fan-out with librdkafka: ${load}`;
    await findings.attempt(title, async () => {
      const results = await inTurns(unsynced, context, async ({ label, broker }) => {
        const { topic, records } = topics.get(label)!;
        const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords: 1, warmUpMs, timeMs } as const;
        const all = await Promise.all(
          Array.from({ length: FAN_OUT }, () => runClient<Throughput>(librdkafka, job, broker, context)),
        );
        return added(all);
      });
      const note = 'The sum of what all of them read; each from the beginning, at the same time.';
      await reportThroughput(run, title, 'consumed records/s', `librdkafka, ${FAN_OUT} of them`, load, results, note);
    });
  });
}

/** Each counts its own time; they run side by side, so their rates add up. The broker's time was counted by each. */
function added(all: readonly Throughput[]): Throughput {
  const sum = (of: (each: Throughput) => number): number => all.reduce((total, each) => total + of(each), 0);
  const seconds = sum((each) => each.seconds) / all.length;
  return {
    seconds,
    records: sum((each) => each.records),
    bytes: sum(({ bytes }) => bytes),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    brokerCpuMs: sum(({ brokerCpuMs }) => brokerCpuMs) / all.length,
    rssBytes: sum(({ rssBytes }) => rssBytes),
    brokerRssBytes: Math.max(...all.map(({ brokerRssBytes }) => brokerRssBytes)),
  };
}

async function measureManyPartitions(run: PeerRun): Promise<void> {
  const { peers, context, findings } = run;
  const { warmUpMs, timeMs } = timesOf(context);
  const load = `1 KiB, ${si(MANY_PARTITIONS)} partitions, acks=all`;
  const title = `Produce with librdkafka: ${load}`;
  await findings.attempt(title, async () => {
    const results = await inTurns(peers, context, ({ broker }) =>
      withTopic(broker, MANY_PARTITIONS, (topic) => {
        const cell = { partitions: MANY_PARTITIONS, recordBytes: 1024, acks: -1, compression: 'none' } as const;
        return runClient<Throughput>(
          librdkafka,
          { kind: 'produce', topic, ...cell, warmUpMs, timeMs },
          broker,
          context,
        );
      }),
    );
    await reportThroughput(run, title, 'produced records/s', 'librdkafka', load, results);
  });
}

async function measureLatencies(run: PeerRun, measuredMax: number | undefined): Promise<void> {
  const kafkaMax = measuredMax ?? FALLBACK_MAX;
  const whose =
    measuredMax === undefined
      ? `${si(FALLBACK_MAX)} records/s, which are assumed: Kafka's maximum was not measured in this run`
      : `the ${si(kafkaMax)} records/s that Kafka without syncs took at the most in this run`;
  const second = { ...run, context: secondary(run.context) };
  await measureLatency(second, LOW_RATE, `1 KiB, ${si(LOW_RATE)} records a second`, '');
  const half = Math.round(kafkaMax / 2);
  await measureLatency(run, half, "1 KiB, half of Kafka's maximum", `${si(half)} records a second, half of ${whose}.`);
  // At half of Kafka's maximum without syncs, who syncs may only queue. A tenth is what all should hold.
  const tenth = Math.round(kafkaMax / 10);
  const note = `${si(tenth)} records a second, a tenth of ${whose}.`;
  await measureLatency(second, tenth, "1 KiB, a tenth of Kafka's maximum", note);
}

async function measureLatency(run: PeerRun, ratePerSecond: number, load: string, note: string): Promise<void> {
  const { peers, context, findings } = run;
  const { warmUpMs, timeMs } = timesOf(context);
  const title = `Latency of produce with librdkafka: ${load}, linger 0`;
  await findings.attempt(title, async () => {
    const results = await inTurns(peers, context, ({ broker }) =>
      withTopic(broker, 1, (topic) => {
        const cell = { partitions: 1, recordBytes: 1024, acks: -1, ratePerSecond } as const;
        const job = { kind: 'latency', topic, ...cell, warmUpMs, timeMs } as const;
        return runClient<Latency>(librdkafka, job, broker, context);
      }),
    );
    reportLatency(run, title, 'librdkafka', load, results, [OPEN_LOOP, ...(note === '' ? [] : [note])]);
  });
}

/** A consumer that is always at the end: how long after a record was due it has it. */
async function measureTail(run: PeerRun): Promise<void> {
  const { peers, context, findings } = run;
  const { warmUpMs, timeMs } = timesOf(context);
  const load = `1 KiB, ${si(TAIL_RATE)} records a second`;
  const title = `Consume the tail with our SDK, from due to read: ${load}`;
  await findings.attempt(title, async () => {
    const results = await inTurns(peers, context, ({ broker }) =>
      withTopic(broker, 1, (topic) => {
        const cell = { partitions: 1, recordBytes: 1024, acks: -1, ratePerSecond: TAIL_RATE } as const;
        return runClient<Latency>(
          tailReader,
          { kind: 'tail', topic, ...cell, warmUpMs, timeMs: 2 * timeMs },
          broker,
          context,
        );
      }),
    );
    const note = 'One process sends and reads, so that one clock tells both times.';
    reportLatency(run, title, 'millrace', load, results, [OPEN_LOOP, note]);
  });
}

async function measureConnections({ peers, context, findings }: PeerRun): Promise<void> {
  const { warmUpMs, timeMs } = timesOf(context);
  const rows: string[][] = [];
  const title = 'Small requests: one record of 100 B each, one under way per connection, acks=all, 1 partition';
  for (const connections of CONNECTIONS) {
    await findings.attempt(`Small requests over ${connections} connections`, async () => {
      const results = await inTurns(peers, context, ({ broker }) =>
        withTopic(broker, 1, (topic) => {
          const load = { partitions: 1, connections, inFlight: 1, batchBytes: SMALL_BATCH_BYTES } as const;
          return runRaw({ topics: [topic], ...load, warmUpMs, timeMs }, broker);
        }),
      );
      findings.raw(`small requests, ${connections} connections`, Object.fromEntries(results));
      for (const [label, rounds] of results) rows.push([String(connections), label, ...rawCells(rounds)]);
    });
  }
  findings.table({
    title,
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

function reportLatency(
  { findings }: PeerRun,
  title: string,
  client: string,
  load: string,
  results: ReadonlyMap<string, readonly Latency[]>,
  notes: readonly string[],
): void {
  findings.raw(title, Object.fromEntries(results));
  findings.table({
    title,
    columns: ['broker', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'lag p99 ms', 'broker CPU us/record'],
    rows: [...results].map(([label, rounds]) => [
      label,
      ...latencyCells(rounds),
      digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
    ]),
    notes,
  });
  for (const [broker, rounds] of results) {
    const place = { broker, client, load, table: title };
    findings.fact({ what: 'p50 ms', ...place, values: rounds.map(({ p50 }) => p50) });
    findings.fact({ what: 'p99 ms', ...place, values: rounds.map(({ p99 }) => p99) });
  }
}

async function reportThroughput(
  { context, findings }: PeerRun,
  title: string,
  what: 'produced records/s' | 'consumed records/s',
  client: string,
  load: string,
  results: ReadonlyMap<string, readonly Throughput[]>,
  note?: string,
): Promise<void> {
  const limits = await limitsOf(context);
  const isProduce = what === 'produced records/s';
  const limitOf = (label: string): number =>
    isProduce ? produceLimit(limits, label.includes('sync per ack')) : limits.loopback;
  const rate = ({ records, seconds }: Throughput): number => records / seconds;
  findings.raw(title, Object.fromEntries(results));
  findings.table({
    title,
    columns: [
      'broker',
      'MB/s',
      'share of limit',
      'records/s',
      'broker CPU s/GB',
      'client CPU us/record',
      'broker RSS MB',
      'to Kafka, alike',
    ],
    rows: [...results].map(([label, rounds]) => {
      const peer = results.get(label.replace('Millrace', 'Kafka'));
      const isOurs = label.startsWith('Millrace') && peer !== undefined;
      const rates = rounds.map(({ bytes, seconds }) => bytes / seconds);
      return [
        label,
        summarize(
          rates.map((each) => each / 1e6),
          digits,
        ),
        percent(median(rates) / limitOf(label)),
        si(median(rounds.map(rate))),
        digits(median(rounds.map(({ brokerCpuMs, bytes }) => (brokerCpuMs / 1000 / bytes) * 1e9))),
        digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
        digits(median(rounds.map(({ brokerRssBytes }) => brokerRssBytes / 1e6))),
        isOurs ? timesByRound(rounds.map(rate), peer.map(rate)) : '',
      ];
    }),
    notes: [
      isProduce
        ? `Limit: the slower of the loopback (${si(limits.loopback)}B/s) and the disk (${si(limits.write)}B/s, synced ${si(limits.syncedWrite)}B/s).`
        : `Limit: the loopback into Node, ${si(limits.loopback)}B/s.`,
      ...(note === undefined ? [] : [note]),
    ],
  });
  const fact = (broker: string, values: readonly number[]): Fact => ({
    what,
    broker,
    client,
    load,
    values,
    table: title,
  });
  for (const [label, rounds] of results) findings.fact(fact(label, rounds.map(rate)));
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

function sizeOf(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}

function timesOf({ isQuick }: BenchContext): typeof TIMES {
  return isQuick ? TIMES_QUICK : TIMES;
}
