/**
 * `node tools/console/main.ts tails [--readers N] [--seconds N] [--rate N] [--program FILE]`: how much memory the process of a console takes
 * while people tail a topic into which so many records a second come, and whether each of them has seen every record. The program is the
 * source, which Node takes the types from as it runs; `node_modules/millrace/dist/main.js` of a folder where it is installed has none.
 */
import { get } from 'node:http';
import { parseArgs } from 'node:util';
import { Producer } from '@millrace/producer';
import { startCluster } from '@millrace/testing';
import { memoryOf, PROGRAM, startConsole } from './programs.ts';

const OPTIONS = {
  readers: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '30' },
  rate: { type: 'string', default: '2000' },
  program: { type: 'string', default: PROGRAM },
} as const;

/** Records are sent so often, in equal parts. */
const PARTS_A_SECOND = 10;
const VALUE = 'x'.repeat(500);
/** What the process may take at its most: 150 MB. */
const MEMORY_MIB_MAX = 143;
/** How long after the last record readers may still have some to come. */
const REST_MS = 2000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What each record has once. */
const EACH = '"offset":';

/** Tails the topic; counts the records that came. */
async function tail(origin: string): Promise<() => number> {
  let seen = 0;
  const path = '/api/clusters/tried/topics/orders/stream?from=newest&live=true';
  const asked = get(origin + path);
  asked.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    asked.on('response', (response) => {
      response.setEncoding('utf8');
      let rest = '';
      response.on('data', (part: string) => {
        const text = rest + part;
        seen += text.split(EACH).length - 1;
        // What the next part may end.
        rest = text.slice(1 - EACH.length);
      });
      resolve();
    });
  });
  return () => seen;
}

/** Has people tail, sends, and prints what it took. */
export async function tails(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [readers, seconds, rate] = [values.readers, values.seconds, values.rate].map(Number) as [
    number,
    number,
    number,
  ];
  const cluster = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
  const { bootstrapServers } = cluster;
  const { child, origin } = await startConsole(values.program, { name: 'tried', bootstrapServers });
  try {
    console.log(`${memoryOf(child).now} MiB  before anybody looks`);
    await fetch(origin);
    const counts = await Promise.all(Array.from({ length: readers }, () => tail(origin)));
    console.log(`${memoryOf(child).now} MiB  when ${readers} tail`);
    await using producer = new Producer({ bootstrapServers: cluster.bootstrapServers });
    const part = Array.from({ length: rate / PARTS_A_SECOND }, () => ({ topic: 'orders', value: VALUE }));
    for (let second = 0; second < seconds; second += 1) {
      for (let n = 0; n < PARTS_A_SECOND; n += 1) {
        await Promise.all([producer.sendBatch(part), pause(1000 / PARTS_A_SECOND)]);
      }
    }
    await pause(REST_MS);
    const { now, most } = memoryOf(child);
    console.log(
      `${now} MiB  after ${seconds} s of ${rate} records of ${VALUE.length} B a second; at its most ${most} MiB, at most ${MEMORY_MIB_MAX} wanted`,
    );
    const seen = counts.map((count) => count());
    console.log(`${seen.join(', ')} of ${seconds * rate} records seen`);
    process.exitCode = most <= MEMORY_MIB_MAX && seen.every((count) => count === seconds * rate) ? 0 : 1;
  } finally {
    child.kill();
    await cluster.close();
  }
}
