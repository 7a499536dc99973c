/** `pnpm bench scaling`: what throughput and latency cost as records, batches, partitions and connections grow; a chart each. */
import { join } from 'node:path';
import { type Bench, type BenchContext, type Chart, isWanted, type Section, type Table } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { RawJob, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, runClient, runRaw } from './clients/run-client.ts';
import { measureTcp } from './limits.ts';
import { bytesPerSecond, runCases } from './micro/run-cases.ts';
import { digits, median, percent, si, summarize } from './report/statistics.ts';

const KIB = 1024;
const RECORD_SIZES = [10, 100, KIB, 10 * KIB, 100 * KIB];
const BATCH_SIZES = [KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1000 * KIB];
const PARTITIONS = [1, 10, 100, 1000];
const CONNECTIONS = [1, 4, 16, 64, 256];

const TIMES = { warmUpMs: 800, timeMs: 1_200 };
const TIMES_QUICK = { warmUpMs: 150, timeMs: 250 };

/** Requests under way on a connection, as many as a producer has by default. */
const IN_FLIGHT = 5;
const SMALL_BATCH_BYTES = 4 * KIB;

const kinds = ['Millrace, sync per ack', 'Millrace, no sync'];

export const bench: Bench = {
  about: 'cost as it grows: record size, batch size, partitions, connections; the share of the machine that is used',
  parts: ['records', 'batches', 'partitions', 'connections'],
  run: measureScaling,
};

/** What was measured at one place of the x axis. */
interface Point {
  readonly bytesPerSecond: number;
  readonly unitsPerSecond: number;
  readonly brokerCpuUsPerUnit: number;
  readonly p99: number;
}

/** By the broker's name, then by x: a value per round. */
type Curve = Map<string, Map<number, Point[]>>;

async function measureScaling(context: BenchContext): Promise<Section> {
  const tables: Table[] = [];
  const charts: Chart[] = [];
  const raw: Record<string, unknown> = {};
  const brokers: RunningBroker[] = [];
  try {
    for (const kind of kinds) brokers.push(await brokerKinds[kind]!());
    const report = (title: string, x: string, unit: string, curve: Curve): void => {
      raw[title] = Object.fromEntries([...curve].map(([name, points]) => [name, Object.fromEntries(points)]));
      tables.push(table(title, x, unit, curve));
      charts.push(chart(`${title}, MB per second`, x, 'MB/s', curve, (point) => point.bytesPerSecond / 1e6));
      charts.push(chart(`${title}, ${unit} per second`, x, `${unit}/s`, curve, (point) => point.unitsPerSecond));
    };
    if (isWanted(context, 'records')) {
      const curve = await measure(brokers, thin(RECORD_SIZES, context), context, sdkPoint(context));
      report('Our producer by record size', 'bytes of a record', 'records', curve);
    }
    if (isWanted(context, 'batches')) {
      const curve = await measure(brokers, thin(BATCH_SIZES, context), context, (broker, batchBytes) =>
        rawPoint(broker, { partitions: 1, connections: 1, inFlight: IN_FLIGHT, batchBytes }, context),
      );
      report('Broker by batch size, one connection', 'bytes of a batch', 'batches', curve);
      tables.push(await shareOfLimit(curve, context));
    }
    if (isWanted(context, 'partitions')) {
      const curve = await measure(brokers, thin(PARTITIONS, context), context, (broker, partitions) =>
        rawPoint(broker, { partitions, connections: 8, inFlight: IN_FLIGHT, batchBytes: SMALL_BATCH_BYTES }, context),
      );
      report('Broker by partitions, 4 KiB batches over 8 connections', 'partitions', 'batches', curve);
    }
    if (isWanted(context, 'connections')) {
      const curve = await measure(brokers, thin(CONNECTIONS, context), context, (broker, connections) =>
        rawPoint(broker, { partitions: 1, connections, inFlight: 1, batchBytes: SMALL_BATCH_BYTES }, context),
      );
      report('Broker by connections, 4 KiB batches', 'connections', 'batches', curve);
    }
  } finally {
    await Promise.all(brokers.map((broker) => broker.stop()));
  }
  return { title: 'Cost as it grows', tables, charts, raw };
}

async function measure(
  brokers: readonly RunningBroker[],
  xs: readonly number[],
  context: BenchContext,
  point: (broker: RunningBroker, x: number) => Promise<Point>,
): Promise<Curve> {
  const curve: Curve = new Map(brokers.map(({ name }) => [name, new Map(xs.map((x) => [x, []]))]));
  for (let round = 0; round < context.rounds; round++) {
    for (const x of xs) {
      context.progress(`scaling: ${x}, round ${round + 1}`);
      for (const broker of brokers)
        curve
          .get(broker.name)!
          .get(x)!
          .push(await point(broker, x));
    }
  }
  return curve;
}

function sdkPoint(context: BenchContext): (broker: RunningBroker, recordBytes: number) => Promise<Point> {
  return (broker, recordBytes) =>
    withTopic(broker, 1, async (topic) => {
      const result = await runClient<ThroughputResult & BrokerUse>(
        { label: '', client: 'millrace', mode: 'enqueue' },
        {
          kind: 'produce',
          topic,
          partitions: 1,
          recordBytes,
          acks: -1,
          compression: 'none',
          ...(context.isQuick ? TIMES_QUICK : TIMES),
        },
        broker,
        context,
      );
      return {
        bytesPerSecond: result.bytes / result.seconds,
        unitsPerSecond: result.records / result.seconds,
        brokerCpuUsPerUnit: (result.brokerCpuMs * 1000) / result.records,
        p99: Number.NaN,
      };
    });
}

function rawPoint(
  broker: RunningBroker,
  job: Pick<RawJob, 'partitions' | 'connections' | 'inFlight' | 'batchBytes'>,
  context: BenchContext,
): Promise<Point> {
  return withTopic(broker, job.partitions, async (topic) => {
    const result = await runRaw({ topic, ...job, ...(context.isQuick ? TIMES_QUICK : TIMES) }, broker);
    return {
      bytesPerSecond: result.bytes / result.seconds,
      unitsPerSecond: result.requests / result.seconds,
      brokerCpuUsPerUnit: (result.brokerCpuMs * 1000) / result.requests,
      p99: result.p99,
    };
  });
}

/** Every byte of a batch passes the loopback and the disk; the slower of the two is what the broker cannot go beyond. */
async function shareOfLimit(curve: Curve, context: BenchContext): Promise<Table> {
  const names = { synced: 'O_DSYNC write 1 MiB', unsynced: 'write 1 MiB, no sync' };
  const file = join(import.meta.dirname, 'micro/limits-cases.ts');
  const disk = await runCases(file, Object.values(names), context);
  const loopback = median(Object.values(await measureTcp(context)).at(-1) ?? []);
  const rows = kinds.map((kind) => {
    const limits = disk.get(kind.includes('no sync') ? names.unsynced : names.synced)!;
    const limit = Math.min(loopback, median(bytesPerSecond(limits)));
    const points = [...curve.get(kind)!.values()].at(-1)!;
    const rate = median(points.map((point) => point.bytesPerSecond));
    return [
      kind,
      `${si(rate)}B/s`,
      `${si(loopback)}B/s`,
      `${si(median(bytesPerSecond(limits)))}B/s`,
      percent(rate / limit),
    ];
  });
  return {
    title: 'The largest batches against what the machine can do',
    columns: ['broker', 'broker', 'loopback TCP', 'disk', 'share of the slower'],
    rows,
  };
}

function table(title: string, x: string, unit: string, curve: Curve): Table {
  const rows: string[][] = [];
  for (const [name, points] of curve) {
    for (const [at, rounds] of points) {
      rows.push([
        name,
        si(at),
        `${summarize(
          rounds.map((point) => point.bytesPerSecond / 1e6),
          digits,
        )}`,
        si(median(rounds.map(({ unitsPerSecond }) => unitsPerSecond))),
        digits(median(rounds.map(({ brokerCpuUsPerUnit }) => brokerCpuUsPerUnit))),
        digits(median(rounds.map(({ p99 }) => p99))),
      ]);
    }
  }
  return {
    title,
    columns: ['broker', x, 'MB/s', `${unit}/s`, `broker CPU us per ${unit.slice(0, -1)}`, 'p99 ms'],
    rows,
  };
}

function chart(title: string, x: string, y: string, curve: Curve, of: (point: Point) => number): Chart {
  const series = [...curve].map(([name, points]) => ({
    name,
    points: [...points].map(([at, rounds]) => [at, median(rounds.map(of))] as const),
  }));
  return { title, x, y, logX: true, series };
}

/** In quick runs, the ends only. */
function thin(xs: readonly number[], { isQuick }: BenchContext): readonly number[] {
  return isQuick ? [xs[0]!, xs.at(-1)!] : xs;
}
