/**
 * `node tools/console/main.ts memory [--rounds N] [--calm SECONDS] [--program FILE]`: the memory of an idle broker that would serve a console,
 * and of one that cannot, because nothing of the console can be loaded there; then that of the first when a page was asked for. In turns,
 * each a process of its own with empty data. The broker is idle for some seconds first, as what a start leaves is collected then.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type BrokerProgram, PROGRAM, spreadOf, startBrokerProgram } from './programs.ts';

const OPTIONS = {
  rounds: { type: 'string', default: '7' },
  calm: { type: 'string', default: '20' },
  program: { type: 'string', default: PROGRAM },
} as const;

/** What an idle broker may take more with a console than without: less than two of its starts differ. */
const DIFFERENCE_MIB_MAX = 2;

/** A hook of Node's loader by which a package cannot be found. Both brokers have it, so that it makes no difference; one of them hides nothing. */
const hiding = (name: string): string[] => [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    `import { registerHooks } from 'node:module';
     registerHooks({ resolve(specifier, context, next) {
       if (specifier === ${JSON.stringify(name)}) throw new Error(specifier + ' is hidden');
       return next(specifier, context);
     } });`,
  )}`,
];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** In MiB: all of the process that is in memory, and its share of what others have there too. */
interface Memory {
  readonly rss: number;
  readonly pss: number;
}

function memoryOf({ child }: BrokerProgram): Memory {
  const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8');
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) / 1024;
  return { rss: mib('Rss'), pss: mib('Pss') };
}

/** What is measured of each round. */
interface Taken {
  readonly without: Memory[];
  readonly unseen: Memory[];
  readonly seen: Memory[];
  readonly rested: Memory[];
}

/** The page and what it shows first, as a browser asks for them. */
async function look(origin: string): Promise<number> {
  const page = await fetch(origin);
  await page.text();
  if (page.ok) await (await fetch(`${origin}/api/clusters/local/overview`)).text();
  return page.status;
}

async function without(program: string, calmMs: number, taken: Taken): Promise<void> {
  const broker = await startBrokerProgram(program, hiding('@millrace/console'));
  try {
    await pause(calmMs);
    taken.without.push(memoryOf(broker));
    const status = await look(broker.origin);
    if (status !== 503) throw new Error(`The console should have been out of reach, and answered ${status}.`);
  } finally {
    await broker.stop();
  }
}

async function within(program: string, calmMs: number, taken: Taken): Promise<void> {
  const broker = await startBrokerProgram(program, hiding('nothing'));
  try {
    await pause(calmMs);
    taken.unseen.push(memoryOf(broker));
    const status = await look(broker.origin);
    if (status !== 200) throw new Error(`The console should have given its page, and answered ${status}.`);
    taken.seen.push(memoryOf(broker));
    await pause(calmMs);
    taken.rested.push(memoryOf(broker));
  } finally {
    await broker.stop();
  }
}

function tell(what: string, memories: readonly Memory[]): void {
  const line = (['rss', 'pss'] as const).map((kind) => {
    const { median, least, most } = spreadOf(memories.map((each) => each[kind]));
    return `${kind.toUpperCase()} ${median.toFixed(1)} MiB (${least.toFixed(1)} to ${most.toFixed(1)})`;
  });
  console.log(`${what.padEnd(38)} ${line.join(', ')}`);
}

/** Measures in turns; ends with 1 where a console that nobody has looked at takes memory. */
export async function memory(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [rounds, calmMs] = [Number(values.rounds), Number(values.calm) * 1000];
  console.log(`${rounds} rounds; Node ${process.version}, ${cpus().length} processors of ${cpus()[0]?.model}`);
  const taken: Taken = { without: [], unseen: [], seen: [], rested: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const run of round % 2 === 0 ? [without, within] : [within, without]) await run(values.program, calmMs, taken);
  }
  tell('an idle broker without a console', taken.without);
  tell('with one that nobody has looked at', taken.unseen);
  tell('when its first page was asked for', taken.seen);
  tell(`${values.calm} s after that`, taken.rested);
  const rss = (memories: readonly Memory[]): number => spreadOf(memories.map((each) => each.rss)).median;
  const difference = rss(taken.unseen) - rss(taken.without);
  console.log(
    `a console that nobody has looked at takes ${difference.toFixed(1)} MiB of RSS, at most ${DIFFERENCE_MIB_MAX} wanted`,
  );
  process.exitCode = difference <= DIFFERENCE_MIB_MAX ? 0 : 1;
}
