/**
 * `pnpm bench transactions`: transactions a second by their size, by our producer and by librdkafka; what committing every 100 ms costs against
 * plain idempotent sends, which nobody waits for; and what reading what is committed costs against reading all.
 */
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopics } from './brokers.ts';
import { cpuMsOf } from './clients/cpu.ts';
import type { ThroughputResult } from './clients/jobs.ts';
import { runLibrdkafka } from './clients/librdkafka.ts';
import { randomValues } from './random-values.ts';
import { digits, median, percent, ratios, summarize } from './report/statistics.ts';
import { inTurns } from './rounds.ts';
import { CLIENTS, KINDS, rateFacts, rateRow, rateTitle, type TransactionSize } from './transaction-rates.ts';

const RECORDS = [1, 10, 100, 1000];
const PARTITIONS = [1, 12];
const VALUE_BYTES = 100;
const VALUES = 1000;
const COMMIT_EVERY_MS = 100;

/** How records are written one after the other: as they come; as they come, but waited for as often as is committed; and in transactions. */
const WAYS = ['plain', 'flushed', 'in transactions'] as const;
type Way = (typeof WAYS)[number];

const TIMES = { warmUpMs: 500, timeMs: 2000 };
const TIMES_QUICK = { warmUpMs: 150, timeMs: 400 };

/** How many the topic has, which is read several times in each round: a broker's processor time is told in steps of 10 ms. */
const READ_RECORDS = 400_000;
const READ_RECORDS_QUICK = 100_000;
const READ_PASSES = 10;
const READ_PASSES_QUICK = 2;
const READ_TRANSACTION_RECORDS = 1000;
const LIBRDKAFKA_MS_MAX = 60_000;

const ISOLATIONS = ['read_uncommitted', 'read_committed'] as const;
/** Whose topics are read: how they were written does not matter to it. */
const READ_KINDS = ['Millrace, no sync', 'Kafka, no sync'];

const READ_TITLE = 'Processor time of reader and broker, in microseconds a record';

export const bench: Bench = {
  title: 'Transactions',
  about:
    'transactions a second by records and partitions, and what a commit every 100 ms and reading what is committed cost; librdkafka too; beside Apache Kafka',
  parts: ['rate', 'loss', 'read'],
  seconds: { full: 600, quick: 120 },
  run: measureTransactions,
};

async function measureTransactions(context: BenchContext, findings: Findings): Promise<void> {
  const brokers: RunningBroker[] = [];
  try {
    // What one that does not start leaves out is told; the others are measured.
    for (const kind of KINDS) {
      await findings.attempt(`start of ${kind}`, async () => void brokers.push(await brokerKinds[kind]!()));
    }
    if (isWanted(context, 'rate')) await findings.attempt('rate', () => rates(brokers, context, findings));
    if (isWanted(context, 'loss')) await findings.attempt('loss', () => losses(brokers, context, findings));
    if (isWanted(context, 'read')) await findings.attempt('read', () => reads(brokers, context, findings));
  } finally {
    for (const broker of brokers) await broker.stop();
  }
}

async function rates(brokers: readonly RunningBroker[], context: BenchContext, findings: Findings): Promise<void> {
  const rows = new Map<string, string[][]>(CLIENTS.map((client) => [client, []]));
  const candidates = brokers.flatMap((broker) =>
    CLIENTS.map((client) => ({ label: `${client} on ${broker.name}`, broker, client })),
  );
  for (const partitions of PARTITIONS) {
    for (const records of RECORDS) {
      context.progress(`${records} records a transaction, ${partitions} partitions`);
      const size = { partitions, records };
      const found = await inTurns(candidates, context, ({ broker, client }) =>
        (client === 'librdkafka' ? librdkafkaPerSecond : transactionsPerSecond)(broker, size, context),
      );
      findings.raw(`rate ${records} ${partitions}`, Object.fromEntries(found));
      for (const client of CLIENTS) {
        const of = (kind: string): readonly number[] => found.get(`${client} on ${kind}`) ?? [];
        rows.get(client)!.push(rateRow(size, of));
        for (const fact of rateFacts(size, client, of)) findings.fact(fact);
      }
    }
  }
  for (const client of CLIENTS) {
    findings.table({
      title: rateTitle(client),
      columns: ['records', 'partitions', ...KINDS, 'synced, to Kafka', 'not synced, to Kafka'],
      rows: rows.get(client)!,
      notes: [
        `${VALUE_BYTES} bytes a record, one transaction at a time: each is begun when the one before is committed. To Kafka: the median of the ratios of each round.`,
        'A transaction costs two serial round trips by our producer (the records, the end), three by librdkafka (the partitions before them), and two writes of its coordinator before its commit is answered.',
        'Synced, that is three syncs one after the other (its beginning, its records, its end) and two behind the answer (its markers, its completion), however many partitions it has: tools/sdk/transaction-trips.test.ts and packages/broker/src/handlers/transaction-costs.test.ts count them.',
      ],
    });
  }
}

function librdkafkaPerSecond(broker: RunningBroker, size: TransactionSize, context: BenchContext): Promise<number> {
  const { bootstrap, pid: brokerPid } = broker;
  return withTopics(broker, 1, size.partitions, async ([topic]) => {
    const job = { kind: 'transact', bootstrap, brokerPid, topic: topic!, mode: 'transactions', acks: -1 } as const;
    const { records, seconds } = await runLibrdkafka<ThroughputResult>(
      { ...job, ...size, recordBytes: VALUE_BYTES, ...timesOf(context) },
      LIBRDKAFKA_MS_MAX,
      { 'transactional.id': newId() },
    );
    return records / seconds;
  });
}

async function losses(brokers: readonly RunningBroker[], context: BenchContext, findings: Findings): Promise<void> {
  // One beside the other in each round: what else the machine does changes more than the difference between them.
  const all = brokers.flatMap((broker) => WAYS.map((way) => ({ label: `${broker.name}, ${way}`, broker, way })));
  const found = await inTurns(all, context, ({ broker, way }) => recordsPerSecond(broker, way, context));
  findings.raw('loss', Object.fromEntries(found));
  const title = `Records a second with a commit every ${COMMIT_EVERY_MS} ms`;
  const load = `a commit every ${COMMIT_EVERY_MS} ms`;
  for (const { label, broker, way } of all) {
    const values = found.get(label) ?? [];
    findings.fact({ what: 'records/s with commits', broker: broker.name, client: way, load, values, table: title });
  }
  findings.table({
    title,
    columns: ['broker', 'plain, idempotent', 'and flushed as often', 'in transactions', 'loss', 'of it by waiting'],
    rows: KINDS.map((kind) => {
      const [plain, flushed, committed] = WAYS.map((way) => found.get(`${kind}, ${way}`) ?? []);
      const lossOf = (rates: readonly number[]): string => percent(1 - median(ratios(rates, plain!)));
      const rates = [plain!, flushed!, committed!].map((each) => summarize(each, digits));
      return [kind, ...rates, lossOf(committed!), lossOf(flushed!)];
    }),
    notes: [
      '`enqueue` as fast as the producer takes it, 12 partitions, acks=all. Counted is what is acknowledged.',
      'Plain sends are never waited for. Both losses are against them, the median of what each round lost: by transactions, and by nothing but waiting for all records as often as those commit.',
    ],
  });
}

/** Processor time of reader and broker for a record, where all is committed: what is the same to both is how much they read. */
async function reads(brokers: readonly RunningBroker[], context: BenchContext, findings: Findings): Promise<void> {
  const records = context.isQuick ? READ_RECORDS_QUICK : READ_RECORDS;
  const rows: string[][] = [];
  for (const broker of brokers.filter(({ name }) => READ_KINDS.includes(name))) {
    context.progress(`reading what is committed from ${broker.name}`);
    await withTopics(broker, 1, Math.max(...PARTITIONS), async ([topic]) => {
      await fill(broker, topic!, records);
      // Not counted: what is compiled and in the page cache afterwards helps both alike.
      for (const isolation of ISOLATIONS) await readByOurs(broker, topic!, { records, isolation });
      const candidates = CLIENTS.flatMap((client) =>
        ISOLATIONS.map((isolation) => ({ label: `${client}, ${isolation}`, client, isolation })),
      );
      const passes = context.isQuick ? READ_PASSES_QUICK : READ_PASSES;
      const found = await inTurns(candidates, context, async ({ client, isolation }) => {
        const read = client === 'librdkafka' ? readByLibrdkafka : readByOurs;
        let sum = 0;
        for (let pass = 0; pass < passes; pass += 1) sum += await read(broker, topic!, { records, isolation });
        return sum / passes;
      });
      findings.raw(`read ${broker.name}`, Object.fromEntries(found));
      for (const { label, client, isolation } of candidates) {
        const place = { broker: broker.name, client: isolation, load: `reading with ${client}`, table: READ_TITLE };
        findings.fact({ what: 'CPU us/record', ...place, values: found.get(label) ?? [] });
      }
      for (const client of CLIENTS) rows.push(readRow(broker.name, client, found));
    });
  }
  findings.table({
    title: READ_TITLE,
    columns: ['broker', 'reader', ...ISOLATIONS, 'more for what is committed', 'from', 'to'],
    rows,
    notes: [
      `${digits(records)} records of ${VALUE_BYTES} bytes in transactions of ${READ_TRANSACTION_RECORDS}, all committed, over ${Math.max(...PARTITIONS)} partitions.`,
      'Each round reads both ways, one after the other; the difference is the median of what each round shows, with the least and the most.',
    ],
  });
}

function readRow(broker: string, client: string, found: ReadonlyMap<string, readonly number[]>): string[] {
  const [all, committed] = ISOLATIONS.map((isolation) => found.get(`${client}, ${isolation}`) ?? []);
  const more = ratios(committed!, all!).map((ratio) => ratio - 1);
  const bounds = [median(more), Math.min(...more), Math.max(...more)];
  return [broker, client, summarize(all!, digits), summarize(committed!, digits), ...bounds.map(percent)];
}

async function fill(broker: RunningBroker, topic: string, records: number): Promise<void> {
  const values = randomValues(VALUES, VALUE_BYTES);
  const partitions = Math.max(...PARTITIONS);
  await using producer = newProducer(broker, true);
  for (let sent = 0; sent < records; ) {
    await producer.transaction((tx) => {
      for (let count = 0; count < READ_TRANSACTION_RECORDS; count += 1, sent += 1) {
        void tx.send({ topic, partition: sent % partitions, value: values[sent % VALUES]! });
      }
    });
  }
}

interface Reading {
  readonly records: number;
  readonly isolation: (typeof ISOLATIONS)[number];
}

async function readByOurs(broker: RunningBroker, topic: string, { records, isolation }: Reading): Promise<number> {
  const { bootstrap: bootstrapServers, pid } = broker;
  await using consumer = new Consumer({ bootstrapServers, isolationLevel: isolation });
  const partitions = Array.from({ length: Math.max(...PARTITIONS) }, (_, partition) => partition);
  const [before, brokerBefore] = [process.cpuUsage(), cpuMsOf(pid)];
  consumer.assign(partitions.map((partition) => ({ topic, partition, offset: 0 })));
  let seen = 0;
  for await (const _ of consumer) {
    seen += 1;
    if (seen === records) break;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system + (cpuMsOf(pid) - brokerBefore) * 1000) / records;
}

async function readByLibrdkafka(broker: RunningBroker, topic: string, reading: Reading): Promise<number> {
  const { bootstrap, pid: brokerPid } = broker;
  const place = { bootstrap, brokerPid, topic, partitions: Math.max(...PARTITIONS), mode: 'consume' };
  const { records, cpuMs, brokerCpuMs } = await runLibrdkafka<ThroughputResult>(
    { kind: 'consume', ...place, records: reading.records, warmUpRecords: 1, warmUpMs: 0, timeMs: LIBRDKAFKA_MS_MAX },
    2 * LIBRDKAFKA_MS_MAX,
    { 'isolation.level': reading.isolation },
  );
  return ((cpuMs + brokerCpuMs) * 1000) / records;
}

function transactionsPerSecond(
  broker: RunningBroker,
  { partitions, records }: TransactionSize,
  context: BenchContext,
): Promise<number> {
  const values = randomValues(VALUES, VALUE_BYTES);
  return withTopics(broker, 1, partitions, async ([topic]) => {
    await using producer = newProducer(broker, true);
    let sent = 0;
    return await rateOf(context, async () => {
      await producer.transaction((tx) => {
        for (let count = 0; count < records; count += 1) {
          void tx.send({ topic: topic!, partition: sent % partitions, value: values[sent % VALUES]! });
          sent += 1;
        }
      });
      return 1;
    });
  });
}

function recordsPerSecond(broker: RunningBroker, way: Way, context: BenchContext): Promise<number> {
  const values = randomValues(VALUES, VALUE_BYTES);
  const partitions = Math.max(...PARTITIONS);
  return withTopics(broker, 1, partitions, async ([topic]) => {
    await using producer = newProducer(broker, way === 'in transactions');
    let sent = 0;
    let counted = 0;
    return await rateOf(context, async () => {
      const transaction = way === 'in transactions' ? await producer.begin() : undefined;
      const until = performance.now() + COMMIT_EVERY_MS;
      while (performance.now() < until) {
        const mayGoOn = producer.enqueue({
          topic: topic!,
          partition: sent % partitions,
          value: values[sent % VALUES]!,
        });
        sent += 1;
        if (!mayGoOn) await producer.ready();
      }
      if (way === 'flushed') await producer.flush();
      await transaction?.commit();
      const before = counted;
      counted = producer.metrics().recordsAcknowledged;
      return counted - before;
    });
  });
}

function newProducer({ bootstrap }: RunningBroker, isTransactional: boolean): Producer {
  return new Producer({ bootstrapServers: bootstrap, ...(isTransactional ? { transactionalId: newId() } : {}) });
}

function newId(): string {
  return `bench-${Math.random().toString(36).slice(2)}`;
}

function timesOf({ isQuick }: BenchContext): typeof TIMES {
  return isQuick ? TIMES_QUICK : TIMES;
}

/** How much `work` does a second, after a while in which it is not counted. */
async function rateOf(context: BenchContext, work: () => Promise<number>): Promise<number> {
  const { warmUpMs, timeMs } = timesOf(context);
  const until = async (deadline: number): Promise<number> => {
    let done = 0;
    while (performance.now() < deadline) done += await work();
    return done;
  };
  await until(performance.now() + warmUpMs);
  const start = performance.now();
  const done = await until(start + timeMs);
  return (done * 1000) / (performance.now() - start);
}
