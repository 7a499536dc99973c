/**
 * `node tools/console/main.ts search [--records N] [--rounds N] [--kafka VERSION] [--program FILE]`: a search for a text that one record in
 * 250,000 has, through a topic of a million, by the console and by AKHQ's way (AkhqSearch.java), in turns, on one broker of ours or of Apache
 * Kafka. Both are servers that go on from round to round, and both stream what they find and how far they are. Then one search is
 * ended early, to see that the console has let it go.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { KAFKA_4, kafkaClassPath, startApacheKafka } from '../kafka/index.ts';
import { sendOrders, timed } from './look.ts';
import { memoryOf, PROGRAM, printed, spreadOf, startBrokerProgram, startConsole } from './programs.ts';

const OPTIONS = {
  records: { type: 'string', default: '1000000' },
  rounds: { type: 'string', default: '7' },
  kafka: { type: 'string' },
  program: { type: 'string', default: PROGRAM },
} as const;

const PARTITIONS = 3;
/** The console's way may not take longer than the other. */
const RATIO_MAX = 1;
/** Whoever waits sees that it goes on. */
const SILENCE_MS_MAX = 1000;
/** A search that was ended takes no more of a processor in the second after it than looking once more does. */
const AFTER_CANCEL_MS_MAX = 250;
/** Of what `/proc` counts. */
const TICKS_A_SECOND = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One search, as somebody sees it who waits for it. */
interface Seen {
  /** Until the first match is there. */
  readonly firstMs: number;
  /** Until it was said that all was looked at. */
  readonly lookedMs: number;
  /** Until it was said to be over. */
  readonly overMs: number;
  readonly matches: number;
  readonly scanned: number;
  /** The longest time in which nothing was said. */
  readonly silenceMs: number;
}

/** What either says with an event, as far as it is looked at here. */
interface Told {
  readonly scanned?: number;
  readonly total?: number;
  readonly records?: readonly unknown[];
}

/** Searches, and ends it early where `isEnough` says so. */
function searched(url: string, isEnough: (told: Told) => boolean = () => false): Promise<Seen> {
  const beganMs = performance.now();
  const seen = { firstMs: Number.NaN, lookedMs: Number.NaN, overMs: Number.NaN, matches: 0, scanned: 0, silenceMs: 0 };
  let saidMs = 0;
  const take = (event: string, data: unknown): boolean => {
    const ms = performance.now() - beganMs;
    seen.silenceMs = Math.max(seen.silenceMs, ms - saidMs);
    saidMs = ms;
    const told: Told = Array.isArray(data) ? { records: data } : (data as Told);
    seen.matches += told.records?.length ?? 0;
    if (seen.matches > 0 && Number.isNaN(seen.firstMs)) seen.firstMs = ms;
    seen.scanned = told.scanned ?? seen.scanned;
    if (Number.isNaN(seen.lookedMs) && seen.scanned > 0 && seen.scanned === told.total) seen.lookedMs = ms;
    if (event === 'failed') throw new Error(`The search has failed: ${JSON.stringify(data)}`);
    return isEnough(told);
  };
  return new Promise((resolve, reject) => {
    const asked = get(url, (response) => {
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        const frames = (rest + part).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(frame) ?? [];
          // A comment that keeps the connection says nothing.
          if (event === '') continue;
          try {
            if (take(event, JSON.parse(data))) asked.destroy();
          } catch (error) {
            reject(error);
          }
        }
      });
      response.on('close', () => resolve({ ...seen, overMs: performance.now() - beganMs }));
    });
    asked.on('error', reject);
  });
}

/** Starts AKHQ's way as a server of its own. */
async function startAkhqWay(bootstrapServers: string): Promise<{ child: ChildProcess; origin: string }> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  const args = [
    quiet,
    '-cp',
    await kafkaClassPath(KAFKA_4),
    join(import.meta.dirname, 'AkhqSearch.java'),
    bootstrapServers,
  ];
  const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [origin] = await printed(child, /http:\S+/);
  return { child, origin };
}

/** A way to search, and what it took. */
interface Way {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
  readonly taken: Seen[];
}

const FIGURES = [
  ['firstMs', 'to the first match'],
  ['lookedMs', 'until all is looked at'],
  ['overMs', 'until it says that it is over'],
  ['silenceMs', 'longest without a word'],
] as const;

const medianOf = ({ taken }: Way, figure: (typeof FIGURES)[number][0]): number =>
  spreadOf(taken.map((seen) => seen[figure])).median;

/** Prints what the ways took; whether ours is within its bounds. */
function tell(ours: Way, other: Way): boolean {
  for (const { name, taken, child } of [ours, other]) {
    console.log(`${name}: ${taken.length} rounds, at its most ${memoryOf(child).most} MiB`);
    for (const [figure, what] of FIGURES) {
      const { median, least, most } = spreadOf(taken.map((seen) => Math.round(seen[figure])));
      console.log(`${median.toString().padStart(7)} ms  ${what} (${least} to ${most})`);
    }
  }
  const ratio = medianOf(ours, 'lookedMs') / medianOf(other, 'lookedMs');
  console.log(`ratio until all is looked at: ${ratio.toFixed(2)} of AKHQ's way, at most ${RATIO_MAX} wanted`);
  const silenceMs = Math.max(...ours.taken.map((seen) => seen.silenceMs));
  console.log(`longest without a word from the console: ${Math.round(silenceMs)} ms, at most ${SILENCE_MS_MAX} wanted`);
  return ratio <= RATIO_MAX && silenceMs <= SILENCE_MS_MAX;
}

/** Milliseconds of processor that the process has had. */
function processorMs({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name may have spaces; utime and stime are the twelfth and thirteenth after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_A_SECOND;
}

/** Ends a search when it has begun to look; whether the console has let it go. */
async function cancels({ url, child }: Way, records: number): Promise<boolean> {
  const { scanned, overMs } = await searched(url, (told) => (told.scanned ?? 0) > 0);
  const before = processorMs(child);
  await pause(1000);
  const after = processorMs(child) - before;
  console.log(
    `ended after ${Math.round(overMs)} ms at ${scanned} of ${records}: ${after} ms of processor in the second after it, at most ${AFTER_CANCEL_MS_MAX} wanted`,
  );
  return scanned < records && after <= AFTER_CANCEL_MS_MAX;
}

/** A broker to search on, of ours or of Apache Kafka. */
async function startBroker(
  program: string,
  version: string | undefined,
): Promise<{ bootstrapServers: string; name: string; stop(): Promise<void> }> {
  if (version === undefined) return { name: 'a broker of ours', ...(await startBrokerProgram(program)) };
  const kafka = await startApacheKafka({ version });
  return { name: `Apache Kafka ${version}`, bootstrapServers: kafka.bootstrap, stop: () => kafka.stop() };
}

/** Fills a topic, searches in turns, and prints what it took; ends with 1 where the console is the slower, or goes on when nobody waits. */
export async function search(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [records, rounds] = [Number(values.records), Number(values.rounds)];
  const broker = await startBroker(values.program, values.kafka);
  const children: ChildProcess[] = [];
  try {
    const { bootstrapServers } = broker;
    await using admin = new Admin({ bootstrapServers });
    await admin.createTopics([{ topic: 'orders', partitions: PARTITIONS, replicationFactor: 1 }]);
    await using producer = new Producer({ bootstrapServers });
    await timed('to fill the topic', () => sendOrders(producer, records));
    const [served, akhq] = await Promise.all([
      startConsole(values.program, { name: 'tried', bootstrapServers }),
      startAkhqWay(bootstrapServers),
    ]);
    children.push(served.child, akhq.child);
    const path = '/api/clusters/tried/topics/orders/stream?from=beginning&limit=50&search=needle';
    const ours: Way = { name: 'the console', url: served.origin + path, child: served.child, taken: [] };
    const url = `${akhq.origin}/search?topic=orders&text=needle`;
    const other: Way = { name: "AKHQ's way", url, child: akhq.child, taken: [] };
    console.log(
      `${records} records in ${PARTITIONS} partitions on ${broker.name}; Node ${process.version}, ${cpus().length} processors of ${cpus()[0]?.model}`,
    );
    // Each has compiled what it runs then, and the broker has read the records once.
    for (const way of [ours, other]) await searched(way.url);
    for (let round = 0; round < rounds; round += 1) {
      for (const way of round % 2 === 0 ? [ours, other] : [other, ours]) way.taken.push(await searched(way.url));
    }
    const wrong = [ours, other].flatMap(({ name, taken }) =>
      taken.filter((seen) => seen.scanned !== records).map((seen) => `${name} has looked at ${seen.scanned}`),
    );
    const found = new Set([...ours.taken, ...other.taken].map(({ matches }) => matches));
    console.log(`${[...found].join(' and ')} matches found${wrong.length === 0 ? '' : `; ${wrong.join('; ')}`}`);
    const isFast = tell(ours, other);
    const isLetGo = await cancels(ours, records);
    process.exitCode = isFast && isLetGo && wrong.length === 0 && found.size === 1 ? 0 : 1;
  } finally {
    for (const child of children) child.kill();
    await broker.stop();
  }
}
