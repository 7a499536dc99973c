/** `pnpm bench e2e`: client libraries on the same broker, each in a process of its own, in turns. */
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { LatencyResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient } from './clients/run-client.ts';
import { limitsOf, produceLimit } from './limits.ts';
import { digits, median, percent, si, summarize, times } from './report/statistics.ts';
import { inTurns, secondary } from './rounds.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;

/** A client and a way to use it; the extra ways are left out where not the clients but the settings are compared. */
type Candidate = Client & { readonly isExtra?: boolean };

const producers: readonly Candidate[] = [
  { label: 'millrace send', client: 'millrace', mode: 'send' },
  { label: 'millrace sendBatch', client: 'millrace', mode: 'sendBatch', isExtra: true },
  { label: 'millrace enqueue', client: 'millrace', mode: 'enqueue' },
  { label: 'kafkajs', client: 'kafkajs', mode: '' },
  { label: '@platformatic/kafka', client: 'platformatic', mode: '' },
  { label: 'librdkafka (C)', client: 'librdkafka', mode: '' },
];

const consumers: readonly Candidate[] = [
  { label: 'millrace for await', client: 'millrace', mode: 'records' },
  { label: 'millrace batches', client: 'millrace', mode: 'batches' },
  { label: 'kafkajs eachMessage', client: 'kafkajs', mode: 'eachMessage', isExtra: true },
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

/** Both sizes; the others differ from the first two in one thing. */
const produceCells: readonly ProduceCell[] = [
  { recordBytes: 100, partitions: 1, acks: -1, compression: 'none' },
  { recordBytes: 1024, partitions: 1, acks: -1, compression: 'none' },
  { recordBytes: 100, partitions: 12, acks: -1, compression: 'none' },
  { recordBytes: 1024, partitions: 12, acks: -1, compression: 'none' },
  { recordBytes: 100, partitions: 1, acks: 1, compression: 'none' },
  { recordBytes: 1024, partitions: 1, acks: 1, compression: 'none' },
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
  { recordBytes: 1024, partitions: 12, compression: 'none' },
  { recordBytes: 100, partitions: 1, compression: 'lz4' },
  { recordBytes: 1024, partitions: 1, compression: 'lz4' },
];

interface Times {
  readonly warmUpMs: number;
  readonly timeMs: number;
  readonly fillMs: number;
}

const TIMES: Times = { warmUpMs: 500, timeMs: 900, fillMs: 3_500 };
const TIMES_QUICK: Times = { warmUpMs: 300, timeMs: 300, fillMs: 400 };

const LATENCY_RATES = [1_000, 5_000];

const brokers = ['Millrace, no sync', 'Kafka, no sync'];

export const bench: Bench = {
  title: 'Clients on the same broker',
  about:
    'our SDKs, kafkajs, @platformatic/kafka and librdkafka on the same broker: produce, consume, latency, single sends',
  parts: ['producer', 'consumer', 'latency', 'single', ...brokers],
  seconds: { full: 540, quick: 75 },
  run: measureClients,
};

async function measureClients(context: BenchContext, findings: Findings): Promise<void> {
  const named = brokers.filter((name) => context.only.some((part) => name.includes(part)));
  for (const name of named.length > 0 ? named : brokers) {
    await findings.attempt(`on ${name}`, async () => {
      const broker = await brokerKinds[name]!();
      try {
        await measureOn(broker, name === brokers[0], context, findings);
      } finally {
        await broker.stop();
      }
    });
  }
}

async function measureOn(
  broker: RunningBroker,
  isMain: boolean,
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const few = context.isFull ? undefined : !isMain || context.isQuick ? CELLS_FEW : undefined;
  if (wants(context, 'producer')) {
    const cells = context.isFull ? everyProduceCell() : produceCells;
    for (const [index, cell] of cells.slice(0, few).entries()) {
      const isFirst = isMain && index < CELLS_FEW;
      await compareProducers(broker, cell, isFirst ? context : secondary(context), findings, isFirst);
    }
  }
  if (wants(context, 'consumer')) {
    const cells = context.isFull ? everyConsumeCell() : consumeCells;
    for (const [index, cell] of cells.slice(0, few).entries()) {
      const isFirst = isMain && index < CELLS_FEW;
      await compareConsumers(broker, cell, isFirst ? context : secondary(context), findings, isFirst);
    }
  }
  if (wants(context, 'latency')) {
    for (const rate of LATENCY_RATES.slice(0, few === undefined ? undefined : 1)) {
      await compareLatencies(broker, rate, secondary(context), findings);
    }
  }
  if (wants(context, 'single')) await compareSingleSends(broker, context, findings);
}

/** With `--full`: each size with each number of partitions, acks and compression. */
function everyProduceCell(): ProduceCell[] {
  return everyConsumeCell().flatMap((cell) => ([-1, 1] as const).map((acks) => ({ ...cell, acks })));
}

function everyConsumeCell(): ConsumeCell[] {
  return [100, 1024].flatMap((recordBytes) =>
    [1, 12].flatMap((partitions) =>
      (['none', 'lz4'] as const).map((compression) => ({ recordBytes, partitions, compression })),
    ),
  );
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
  findings: Findings,
  everyMode: boolean,
): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const load = `${describe(cell)}, acks=${cell.acks === -1 ? 'all' : cell.acks}`;
  const title = `Produce to ${broker.name}: ${load}`;
  await findings.attempt(title, async () => {
    const results = await inTurns(
      producers.filter(({ isExtra }) => everyMode || isExtra !== true),
      context,
      (client) =>
        withTopic(broker, cell.partitions, async (topic, countRecords) => {
          const job = { kind: 'produce', topic, ...cell, warmUpMs, timeMs } as const;
          const profile = `produce-${client.mode || client.client}`;
          const result = await runClient<Throughput>(client, job, broker, context, profile);
          await mustHold(countRecords, result.records);
          return result;
        }),
    );
    const limit = produceLimit(await limitsOf(context), false);
    reportThroughput(title, 'produced records/s', { broker: broker.name, load, limit }, results, findings);
  });
}

/** What a client counts as acknowledged has to be in the log: those of the warm-up come on top. */
async function mustHold(countRecords: () => Promise<number>, acknowledged: number): Promise<void> {
  const held = await countRecords();
  if (held < acknowledged) throw new Error(`${acknowledged} records were acknowledged, and the topic holds ${held}`);
}

async function compareConsumers(
  broker: RunningBroker,
  cell: ConsumeCell,
  context: BenchContext,
  findings: Findings,
  everyMode: boolean,
): Promise<void> {
  const { warmUpMs, timeMs, fillMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const load = describe(cell);
  const title = `Consume from ${broker.name}: ${load}`;
  await findings.attempt(title, () =>
    withTopic(broker, cell.partitions, async (topic) => {
      const records = await fill(broker, topic, cell, fillMs, context);
      const job = { kind: 'consume', topic, partitions: cell.partitions, records, warmUpMs, timeMs } as const;
      const results = await inTurns(
        consumers.filter(({ isExtra }) => everyMode || isExtra !== true),
        context,
        async (client) => {
          const profile = `consume-${client.mode || client.client}`;
          const whole = { ...job, warmUpRecords: Math.floor(records / 3) };
          const result = await runClient<Throughput>(client, whole, broker, context, profile);
          const meanBytes = result.bytes / result.records;
          if (meanBytes !== cell.recordBytes) throw new Error(`values of ${meanBytes} bytes on average were read`);
          return result;
        },
      );
      const limit = (await limitsOf(context)).loopback;
      reportThroughput(title, 'consumed records/s', { broker: broker.name, load, limit }, results, findings);
    }),
  );
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
  ratePerSecond: number,
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const load = `100 B, 1 partition, acks=all, ${si(ratePerSecond)} a second`;
  const title = `Latency of sends to ${broker.name}: ${load}`;
  await findings.attempt(title, async () => {
    const results = await inTurns(singleSenders, context, (client) =>
      withTopic(broker, 1, (topic) => {
        const job = { kind: 'latency', topic, ...ONE_SMALL, ratePerSecond } as const;
        return runClient<Latency>(client, { ...job, warmUpMs: 2 * warmUpMs, timeMs: 2 * timeMs }, broker, context);
      }),
    );
    reportLatency(title, { broker: broker.name, load, notes: [OPEN_LOOP] }, results, findings);
  });
}

async function compareSingleSends(broker: RunningBroker, context: BenchContext, findings: Findings): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const load = '100 B, 1 partition, acks=all, one outstanding';
  const title = `Single sends to ${broker.name}: ${load}, no linger`;
  await findings.attempt(title, async () => {
    const results = await inTurns(singleSenders, context, (client) =>
      withTopic(broker, 1, (topic) =>
        runClient<Latency>(client, { kind: 'single', topic, ...ONE_SMALL, warmUpMs, timeMs }, broker, context),
      ),
    );
    reportLatency(title, { broker: broker.name, load, notes: [CLOSED_LOOP] }, results, findings);
  });
}

const ONE_SMALL = { partitions: 1, recordBytes: 100, acks: -1 } as const;

export const OPEN_LOOP =
  'Open loop: a latency counts from the time the record was due, so that waiting behind others counts. "Lag" is how late 99 of 100 records were handed to the client; it is part of the latency. In Node, where records of a millisecond are sent together, up to 1 ms of it is the timer.';
const CLOSED_LOOP = 'Closed loop: the next record is sent when the one before is acknowledged.';

/** Where a figure was taken, for its fact. */
interface Place {
  readonly broker: string;
  readonly load: string;
}

export function reportLatency(
  title: string,
  { broker, load, notes }: Place & { readonly notes: readonly string[] },
  results: ReadonlyMap<string, readonly Latency[]>,
  findings: Findings,
): void {
  findings.raw(title, Object.fromEntries(results));
  findings.table({
    title,
    columns: [
      'client',
      'p50 ms',
      'p99 ms',
      'p99.9 ms',
      'max ms',
      'lag p99 ms',
      'client CPU us/record',
      'broker CPU us/record',
    ],
    rows: [...results].map(([label, rounds]) => [label, ...latencyCells(rounds), ...cpuCells(rounds)]),
    notes,
  });
  for (const [client, rounds] of results) {
    const place = { broker, client, load, table: title };
    findings.fact({ what: 'p50 ms', ...place, values: rounds.map(({ p50 }) => p50) });
    findings.fact({ what: 'p99 ms', ...place, values: rounds.map(({ p99 }) => p99) });
  }
}

export function latencyCells(rounds: readonly LatencyResult[]): string[] {
  return (['p50', 'p99', 'p999', 'max', 'lagP99'] as const).map((at) =>
    summarize(
      rounds.map((round) => round[at]),
      digits,
    ),
  );
}

function cpuCells(rounds: readonly LatencyResult[]): string[] {
  return [
    digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
    digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
  ];
}

function reportThroughput(
  title: string,
  what: 'produced records/s' | 'consumed records/s',
  { broker, load, limit }: Place & { readonly limit: number },
  results: ReadonlyMap<string, readonly Throughput[]>,
  findings: Findings,
): void {
  const rate = ({ records, seconds }: Throughput): number => records / seconds;
  const fastest = Math.max(
    ...[...results].filter(([label]) => label.startsWith('millrace')).map(([, rounds]) => median(rounds.map(rate))),
  );
  findings.raw(title, Object.fromEntries(results));
  findings.table({
    title,
    columns: [
      'client',
      'records/s',
      'MB/s',
      'share of limit',
      'client CPU us/record',
      'broker CPU us/record',
      'client RSS MB',
      'our fastest against it',
    ],
    rows: [...results].map(([label, rounds]) => [
      label,
      summarize(rounds.map(rate), si),
      digits(median(rounds.map(({ bytes, seconds }) => bytes / seconds / 1e6))),
      percent(median(rounds.map(({ bytes, seconds }) => bytes / seconds / limit))),
      digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
      digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
      digits(median(rounds.map(({ rssBytes }) => rssBytes / 1e6))),
      label.startsWith('millrace') ? '' : times(fastest, median(rounds.map(rate))),
    ]),
    notes: [
      what === 'produced records/s'
        ? `Limit: the slower of the loopback and the disk, ${si(limit)}B/s.`
        : `Limit: the loopback into Node, ${si(limit)}B/s. What is read was written a moment ago; it comes from the broker's memory or the page cache.`,
    ],
  });
  for (const [client, rounds] of results)
    findings.fact({ what, broker, client, load, values: rounds.map(rate), table: title });
}

function describe({ recordBytes, partitions, compression }: ConsumeCell): string {
  const size = recordBytes < 1024 ? `${recordBytes} B` : `${recordBytes / 1024} KiB`;
  return `${size}, ${partitions} partition${partitions === 1 ? '' : 's'}${compression === 'none' ? '' : `, ${compression}`}`;
}
