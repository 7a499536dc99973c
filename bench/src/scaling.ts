/** `pnpm bench scaling`: what throughput and latency cost as records, batches, partitions, connections and topics grow; charts. */
import { type Bench, type BenchContext, type Chart, type Findings, isWanted, type Table } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic, withTopics } from './brokers.ts';
import type { LatencyResult, RawJob, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient, runRaw } from './clients/run-client.ts';
import { limitsOf } from './limits.ts';
import { bytesRate, digits, median, percent, si, summarize } from './report/statistics.ts';
import { secondary } from './rounds.ts';

const KIB = 1024;
const RECORD_SIZES = [10, 100, KIB, 10 * KIB, 100 * KIB];
const BATCH_SIZES = [KIB, 16 * KIB, 128 * KIB, 1000 * KIB];
const PARTITIONS = [1, 30, 1000];
const CONNECTIONS = [1, 8, 64, 500];
const TOPICS = [1, 30, 1000];

const TIMES = { warmUpMs: 400, timeMs: 600 };
const TIMES_QUICK = { warmUpMs: 150, timeMs: 250 };

/** Requests under way on a connection, as many as a producer has by default. */
const IN_FLIGHT = 5;
const SMALL_BATCH_BYTES = 4 * KIB;
const FEW_CONNECTIONS = 8;

const kinds = ['Millrace, sync per ack', 'Millrace, no sync', 'Kafka, no sync'];

export const bench: Bench = {
  title: 'Cost as it grows',
  about: 'throughput and latency by record size, batch size, partitions, connections, topics; the share of the machine',
  parts: ['records', 'batches', 'partitions', 'connections', 'topics'],
  seconds: { full: 260, quick: 75 },
  run: measureScaling,
};

/** What was measured at one place of the x axis. */
interface Point {
  readonly bytesPerSecond: number;
  readonly unitsPerSecond: number;
  readonly brokerCpuUsPerUnit: number;
  readonly p50: number;
  readonly p99: number;
}

/** By the broker's name, then by x: a value per round. */
type Curve = Map<string, Map<number, Point[]>>;

/** One of the things that grow. */
interface Growth {
  readonly part: string;
  readonly title: string;
  readonly x: string;
  readonly unit: string;
  readonly xs: readonly number[];
  readonly note: string;
  point(broker: RunningBroker, x: number): Promise<Point>;
}

const CLOSED_LOOP = 'Closed loop: latency is from the sending of a request to its answer.';

function growthsOf(context: BenchContext): Growth[] {
  const raw = (broker: RunningBroker, load: Omit<Load, 'inFlight'> & Partial<Load>): Promise<Point> =>
    rawPoint(broker, { inFlight: IN_FLIGHT, ...load }, context);
  const small = { topics: 1, connections: FEW_CONNECTIONS, batchBytes: SMALL_BATCH_BYTES };
  return [
    {
      part: 'records',
      title: 'By record size, our producer',
      x: 'bytes of a record',
      unit: 'records',
      xs: RECORD_SIZES,
      note: 'Throughput with `enqueue`, 1 partition, acks=all; latency of single sends, one outstanding.',
      point: (broker, recordBytes) => sdkPoint(broker, recordBytes, context),
    },
    {
      part: 'batches',
      title: 'By batch size, one connection',
      x: 'bytes of a batch',
      unit: 'batches',
      xs: BATCH_SIZES,
      note: `Batches that were built beforehand, ${IN_FLIGHT} requests under way, 1 partition. ${CLOSED_LOOP}`,
      point: (broker, batchBytes) => raw(broker, { ...small, partitions: 1, connections: 1, batchBytes }),
    },
    {
      part: 'partitions',
      title: 'By partitions, 4 KiB batches over 8 connections',
      x: 'partitions of one topic',
      unit: 'batches',
      xs: PARTITIONS,
      note: `Each batch goes to the next partition, ${IN_FLIGHT} requests under way per connection. ${CLOSED_LOOP}`,
      point: (broker, partitions) => raw(broker, { ...small, partitions }),
    },
    {
      part: 'connections',
      title: 'By connections, 4 KiB batches',
      x: 'connections',
      unit: 'batches',
      xs: CONNECTIONS,
      note: `One request under way per connection, 1 partition. ${CLOSED_LOOP}`,
      point: (broker, connections) => raw(broker, { ...small, partitions: 1, connections, inFlight: 1 }),
    },
    {
      part: 'topics',
      title: 'By topics, 4 KiB batches over 8 connections',
      x: 'topics of one partition',
      unit: 'batches',
      xs: TOPICS,
      note: `Each batch goes to the next topic, ${IN_FLIGHT} requests under way per connection. ${CLOSED_LOOP}`,
      point: (broker, topics) => raw(broker, { ...small, partitions: 1, topics }),
    },
  ];
}

async function measureScaling(whole: BenchContext, findings: Findings): Promise<void> {
  const context = secondary(whole);
  const brokers: RunningBroker[] = [];
  try {
    for (const kind of kinds) brokers.push(await brokerKinds[kind]!());
    for (const growth of growthsOf(context)) {
      if (!isWanted(context, growth.part)) continue;
      await findings.attempt(growth.title, async () => {
        const curve = await measure(brokers, growth, context);
        report(growth, curve, findings);
        if (growth.part === 'batches') await reportShareOfLimit(curve, context, findings);
      });
    }
  } finally {
    await Promise.all(brokers.map((broker) => broker.stop()));
  }
}

async function measure(brokers: readonly RunningBroker[], growth: Growth, context: BenchContext): Promise<Curve> {
  // In quick runs, the ends only.
  const xs = context.isQuick ? [growth.xs[0]!, growth.xs.at(-1)!] : growth.xs;
  const curve: Curve = new Map(brokers.map(({ name }) => [name, new Map(xs.map((x) => [x, []]))]));
  for (let round = 0; round < context.rounds; round += 1) {
    for (const x of xs) {
      context.progress(`${growth.title}: ${x}, round ${round + 1}`);
      for (const broker of brokers) {
        try {
          const point = await growth.point(broker, x);
          curve.get(broker.name)!.get(x)!.push(point);
        } catch (error) {
          context.failed(`${broker.name} at ${x}`, error);
        }
      }
    }
  }
  return curve;
}

const enqueuing: Client = { label: '', client: 'millrace', mode: 'enqueue' };

async function sdkPoint(broker: RunningBroker, recordBytes: number, context: BenchContext): Promise<Point> {
  const times = context.isQuick ? TIMES_QUICK : TIMES;
  const cell = { partitions: 1, recordBytes, acks: -1 } as const;
  const result = await withTopic(broker, 1, (topic) => {
    const job = { kind: 'produce', topic, ...cell, compression: 'none', ...times } as const;
    return runClient<ThroughputResult & BrokerUse>(enqueuing, job, broker, context);
  });
  const { p50, p99 } = await withTopic(broker, 1, (topic) =>
    runClient<LatencyResult & BrokerUse>(enqueuing, { kind: 'single', topic, ...cell, ...times }, broker, context),
  );
  return {
    bytesPerSecond: result.bytes / result.seconds,
    unitsPerSecond: result.records / result.seconds,
    brokerCpuUsPerUnit: (result.brokerCpuMs * 1000) / result.records,
    p50,
    p99,
  };
}

type Load = Pick<RawJob, 'partitions' | 'connections' | 'inFlight' | 'batchBytes'> & { readonly topics: number };

function rawPoint(broker: RunningBroker, { topics: count, ...load }: Load, context: BenchContext): Promise<Point> {
  return withTopics(broker, count, load.partitions, async (topics) => {
    const result = await runRaw({ topics, ...load, ...(context.isQuick ? TIMES_QUICK : TIMES) }, broker);
    return {
      bytesPerSecond: result.bytes / result.seconds,
      unitsPerSecond: result.requests / result.seconds,
      brokerCpuUsPerUnit: (result.brokerCpuMs * 1000) / result.requests,
      p50: result.p50,
      p99: result.p99,
    };
  });
}

/** Every byte of a batch passes the loopback and the disk; the slower of the two is what the broker cannot go beyond. */
async function reportShareOfLimit(curve: Curve, context: BenchContext, findings: Findings): Promise<void> {
  const limits = await limitsOf(context);
  const title = 'Batches of 1 MiB against what the machine can do';
  const rows = [...curve].map(([kind, points]) => {
    const isSynced = kind.includes('sync per ack');
    const disk = isSynced ? limits.syncedWrite : limits.write;
    const both = isSynced ? limits.loopbackToSyncedDisk : limits.loopbackToDisk;
    const rates = [...points.values()].at(-1)!.map(({ bytesPerSecond }) => bytesPerSecond);
    const limit = Math.min(limits.loopback, disk);
    const shares = rates.map((rate) => rate / limit);
    if (kind.startsWith('Millrace')) {
      const place = { broker: kind, client: '', load: '1 MiB batches, one connection', table: title };
      findings.fact({ what: 'bytes/s', ...place, values: rates });
      findings.fact({ what: 'limit', ...place, values: [limit] });
    }
    return [
      kind,
      summarize(rates, bytesRate),
      bytesRate(limits.loopback),
      bytesRate(disk),
      bytesRate(both),
      percent(median(shares)),
      percent(median(rates) / both),
    ];
  });
  findings.table({
    title,
    columns: ['broker', 'rate', 'loopback', 'disk', 'one process doing both', 'share of the slower', 'share of both'],
    rows,
    notes: [
      '"One process doing both": Node takes bytes from the loopback and writes them, as they come, and does nothing else.',
    ],
  });
}

function report(growth: Growth, curve: Curve, findings: Findings): void {
  const { title, x, unit } = growth;
  findings.raw(title, Object.fromEntries([...curve].map(([name, points]) => [name, Object.fromEntries(points)])));
  findings.table(table(growth, curve));
  const chart = (what: string, y: string, of: (point: Point) => number, logY = true): Chart => ({
    title: `${title}: ${what}`,
    x,
    y,
    logX: true,
    logY,
    series: [...curve].map(([name, points]) => ({
      name,
      points: [...points]
        .filter(([, rounds]) => rounds.length > 0)
        .map(([at, rounds]) => [at, median(rounds.map(of))] as const),
    })),
  });
  findings.chart(
    chart(
      'throughput',
      'MB/s',
      (point) => point.bytesPerSecond / 1e6,
      growth.part === 'records' || growth.part === 'batches',
    ),
  );
  if (growth.part === 'records') {
    findings.chart(chart(`${unit} a second`, `${unit}/s`, (point) => point.unitsPerSecond));
  }
  findings.chart(chart('p99 latency', 'ms', (point) => point.p99));
}

function table({ title, x, unit, note }: Growth, curve: Curve): Table {
  const rows: string[][] = [];
  for (const [name, points] of curve) {
    for (const [at, rounds] of points) {
      rows.push([
        name,
        si(at),
        summarize(
          rounds.map((point) => point.bytesPerSecond / 1e6),
          digits,
        ),
        si(median(rounds.map(({ unitsPerSecond }) => unitsPerSecond))),
        digits(median(rounds.map(({ brokerCpuUsPerUnit }) => brokerCpuUsPerUnit))),
        digits(median(rounds.map(({ p50 }) => p50))),
        summarize(
          rounds.map(({ p99 }) => p99),
          digits,
        ),
      ]);
    }
  }
  return {
    title,
    columns: [
      'broker',
      x,
      'MB/s',
      `${unit}/s`,
      `broker CPU us per ${unit === 'batches' ? 'batch' : 'record'}`,
      'p50 ms',
      'p99 ms',
    ],
    rows,
    notes: [note],
  };
}
