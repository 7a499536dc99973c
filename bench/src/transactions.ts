/** `pnpm bench transactions`: transactions a second by their size, and what committing every 100 ms costs against plain idempotent sends. */
import { Producer } from '@millrace/producer';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopics } from './brokers.ts';
import { randomValues } from './random-values.ts';
import { digits, median, percent, summarize, times } from './report/statistics.ts';
import { inTurns } from './rounds.ts';

const RECORDS = [1, 10, 100, 1000];
const PARTITIONS = [1, 12];
const VALUE_BYTES = 100;
const VALUES = 1000;
const COMMIT_EVERY_MS = 100;

const TIMES = { warmUpMs: 500, timeMs: 2000 };
const TIMES_QUICK = { warmUpMs: 150, timeMs: 400 };

const KINDS = ['Millrace, sync per ack', 'Kafka, sync per ack', 'Millrace, no sync', 'Kafka, no sync'];

export const bench: Bench = {
  title: 'Transactions',
  about: 'transactions a second by records and partitions, and what a commit every 100 ms costs; beside Apache Kafka',
  parts: ['rate', 'loss'],
  seconds: { full: 240, quick: 60 },
  run: measureTransactions,
};

async function measureTransactions(context: BenchContext, findings: Findings): Promise<void> {
  const brokers: RunningBroker[] = [];
  try {
    for (const kind of KINDS) brokers.push(await brokerKinds[kind]!());
    if (isWanted(context, 'rate')) await findings.attempt('rate', () => rates(brokers, context, findings));
    if (isWanted(context, 'loss')) await findings.attempt('loss', () => losses(brokers, context, findings));
  } finally {
    for (const broker of brokers) await broker.stop();
  }
}

async function rates(brokers: readonly RunningBroker[], context: BenchContext, findings: Findings): Promise<void> {
  const rows: string[][] = [];
  for (const partitions of PARTITIONS) {
    for (const records of RECORDS) {
      context.progress(`${records} records a transaction, ${partitions} partitions`);
      const found = await inTurns(candidates(brokers), context, ({ broker }) =>
        transactionsPerSecond(broker, { partitions, records }, context),
      );
      const of = (kind: string): readonly number[] => found.get(kind) ?? [];
      findings.raw(`rate ${records} ${partitions}`, Object.fromEntries(found));
      rows.push([
        String(records),
        String(partitions),
        ...KINDS.map((kind) => summarize(of(kind), digits)),
        times(median(of(KINDS[0]!)), median(of(KINDS[1]!))),
        times(median(of(KINDS[2]!)), median(of(KINDS[3]!))),
      ]);
    }
  }
  findings.table({
    title: 'Transactions a second, one after the other',
    columns: ['records', 'partitions', ...KINDS, 'synced, to Kafka', 'not synced, to Kafka'],
    rows,
    notes: [
      `Our producer, ${VALUE_BYTES} bytes a record, one transaction at a time: each is begun when the one before is committed.`,
      'A transaction costs two serial round trips (the records, the end), and two writes of its coordinator before its commit is answered.',
    ],
  });
}

async function losses(brokers: readonly RunningBroker[], context: BenchContext, findings: Findings): Promise<void> {
  // One beside the other in each round: what else the machine does changes more than the difference between them.
  const both = brokers.flatMap((broker) =>
    [false, true].map((isTransactional) => ({ label: labelOf(broker.name, isTransactional), broker, isTransactional })),
  );
  const found = await inTurns(both, context, ({ broker, isTransactional }) =>
    recordsPerSecond(broker, isTransactional, context),
  );
  findings.raw('loss', Object.fromEntries(found));
  findings.table({
    title: `Records a second with a commit every ${COMMIT_EVERY_MS} ms`,
    columns: ['broker', 'plain, idempotent', 'in transactions', 'loss'],
    rows: KINDS.map((kind) => {
      const [before, after] = [false, true].map((isTransactional) => found.get(labelOf(kind, isTransactional)) ?? []);
      const lost = before!.map((rate, round) => 1 - (after![round] ?? Number.NaN) / rate);
      return [kind, summarize(before!, digits), summarize(after!, digits), percent(median(lost))];
    }),
    notes: [
      '`enqueue` as fast as the producer takes it, 12 partitions, acks=all.',
      'The loss is the median of what each round lost.',
    ],
  });
}

function labelOf(kind: string, isTransactional: boolean): string {
  return `${kind}, ${isTransactional ? 'in transactions' : 'plain'}`;
}

function candidates(brokers: readonly RunningBroker[]): { readonly label: string; readonly broker: RunningBroker }[] {
  return brokers.map((broker) => ({ label: broker.name, broker }));
}

function transactionsPerSecond(
  broker: RunningBroker,
  { partitions, records }: { readonly partitions: number; readonly records: number },
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

function recordsPerSecond(broker: RunningBroker, isTransactional: boolean, context: BenchContext): Promise<number> {
  const values = randomValues(VALUES, VALUE_BYTES);
  const partitions = Math.max(...PARTITIONS);
  return withTopics(broker, 1, partitions, async ([topic]) => {
    await using producer = newProducer(broker, isTransactional);
    let sent = 0;
    return await rateOf(context, async () => {
      const before = sent;
      const transaction = isTransactional ? await producer.begin() : undefined;
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
      await (transaction === undefined ? producer.flush() : transaction.commit());
      return sent - before;
    });
  });
}

function newProducer({ bootstrap }: RunningBroker, isTransactional: boolean): Producer {
  const id = `bench-${Math.random().toString(36).slice(2)}`;
  return new Producer({ bootstrapServers: bootstrap, ...(isTransactional ? { transactionalId: id } : {}) });
}

/** How much `work` does a second, after a while in which it is not counted. */
async function rateOf({ isQuick }: BenchContext, work: () => Promise<number>): Promise<number> {
  const { warmUpMs, timeMs } = isQuick ? TIMES_QUICK : TIMES;
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
