/**
 * `pnpm bench [NAME...] [--quick] [--full] [--rounds N] [--only PART]... [--into REPORT] [--profiles]`: runs benches one after the
 * other and writes a report into `bench/reports`. `pnpm bench report [REPORT] [--readme]` writes a report anew from its JSON. With `--check`
 * either names what has become worse since the figures in bench/README.md and ends with 3 if anything has.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, BenchContext } from './bench.ts';
import { planOf, UnknownPart } from './plan.ts';
import { changesSince, changesTable } from './report/check.ts';
import { Collected } from './report/findings.ts';
import { describeLoad, describeMachine } from './report/machine.ts';
import { Durations, type Planned, Progress } from './report/progress.ts';
import { readFigures, writeReadme } from './report/readme.ts';
import {
  merged,
  newReportFolder,
  readSections,
  reportFolderOf,
  reports,
  sectionMarkdown,
  tableMarkdown,
  writeReport,
} from './report/report.ts';

/**
 * In the order in which they run: those first that aims hang on, so that a run that is cut off has them. Loaded when they are wanted,
 * so that a bench carries no other's modules.
 */
const benches: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  limits: () => import('./limits.ts'),
  start: () => import('./start.ts'),
  e2e: () => import('./e2e.ts'),
  peers: () => import('./peers.ts'),
  scaling: () => import('./scaling.ts'),
  micro: () => import('./micro.ts'),
  others: () => import('./others.ts'),
  partitions: () => import('./partitions.ts'),
  transactions: () => import('./transactions.ts'),
  restart: () => import('./restart.ts'),
  cluster: () => import('./cluster.ts'),
  security: () => import('./security.ts'),
  compare: () => import('./compare.ts'),
};
const order = Object.keys(benches);

/** Run only when asked for by name: they look at bounds rather than at speed, for minutes, or measure a change and not the program. */
const unasked = ['partitions', 'transactions', 'restart', 'cluster', 'security', 'compare'];

const USAGE = `pnpm bench [NAME...] [--quick] [--full] [--rounds N] [--only PART[,PART]]... [--into REPORT] [--profiles] [--list] [--check]
pnpm bench report [REPORT] [--readme] [--check]
`;

const EXIT_REFUSED = 2;
const EXIT_WORSE = 3;
const ROUNDS_DEFAULT = 3;
const ROUNDS_QUICK = 1;

const { values, positionals } = parseArgs({
  // Turbo and pnpm pass a "--" on.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    into: { type: 'string' },
    profiles: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

if (positionals[0] === 'report') {
  writeAgain(positionals[1] ?? values.into ?? 'latest');
} else {
  const names = positionals.length > 0 ? positionals : order.filter((name) => !unasked.includes(name));
  const unknown = names.filter((name) => benches[name] === undefined);
  const isAsked = values.list || values.help;
  if (values.help) console.log(USAGE);
  if (isAsked || unknown.length > 0) await list();
  if (unknown.length > 0) refuse(`There is no bench ${unknown.join(', ')}`);
  else if (!isAsked) await runBenches(names).catch(orRefuse);
}

/** What a user has mistyped is told without a stack. */
function refuse(message: string): void {
  console.error(`bench: ${message}`);
  process.exitCode = EXIT_REFUSED;
}

function orRefuse(error: unknown): void {
  if (!(error instanceof UnknownPart)) throw error;
  refuse(error.message);
}

async function list(): Promise<void> {
  for (const [name, load] of Object.entries(benches)) {
    const { bench } = await load();
    console.log(`${name.padEnd(12)} ${bench.about}\n${' '.repeat(13)}--only ${bench.parts.join(', ')}`);
  }
  console.log('report       writes a report anew from its JSON; with --readme, its figures into bench/README.md');
}

function writeAgain(name: string): void {
  const folder = reportFolderOf(name);
  const sections = readSections(folder);
  writeReport(folder, sections, order);
  if (values.check) check(folder);
  if (values.readme) writeReadme(sections);
  console.log(join(folder, 'report.md'));
}

/** Before new figures take the place of those that are looked at. */
function check(folder: string): void {
  const changes = changesSince(readFigures(), readFileSync(join(folder, 'report.md'), 'utf8'));
  if (changes.length === 0) refuse(`${folder} has nothing that bench/README.md has a ratio of`);
  else console.log(tableMarkdown(changesTable(changes)));
  if (changes.some(({ verdict }) => verdict === 'worse')) process.exitCode = EXIT_WORSE;
}

async function runBenches(names: readonly string[]): Promise<void> {
  const all = await Promise.all(names.map(async (name) => ({ name, bench: (await benches[name]!()).bench })));
  const { benches: wanted, only } = planOf(all, values.only);
  const reportFolder = values.into === undefined ? newReportFolder() : reportFolderOf(values.into);
  const rounds = Number(values.rounds ?? (values.quick ? ROUNDS_QUICK : ROUNDS_DEFAULT));
  const durations = new Durations(join(reports, 'durations.json'));
  const settings = `${values.quick ? 'quick' : values.full ? 'full' : 'default'}, ${rounds} rounds, ${only.join('+') || 'all'}`;
  const planned: Planned[] = [];
  for (const { name, bench } of wanted) {
    const { seconds } = bench;
    const usual = values.quick ? seconds.quick * rounds : (seconds.full * rounds) / ROUNDS_DEFAULT;
    planned.push({ name, seconds: durations.of(`${name}: ${settings}`) ?? usual });
  }
  const progress = new Progress(planned);
  progress.announce();
  const sections = readSections(reportFolder);
  for (const { name, bench } of wanted) {
    const startedMs = performance.now();
    const before = sections[name];
    progress.begin(name);
    const collected = new Collected(bench.title, {
      taken: () => ({
        at: new Date().toISOString(),
        seconds: (performance.now() - startedMs) / 1000,
        rounds,
        isQuick: values.quick,
        only,
        load: describeLoad(),
        machine: describeMachine(),
      }),
      // Written after each part, so that a run that is cut off leaves what it has.
      onPart: (section) => {
        sections[name] = only.length > 0 ? merged(before, section) : section;
        writeReport(reportFolder, sections, order);
      },
      progress: (text) => progress.say(text),
    });
    const context: BenchContext = {
      isQuick: values.quick,
      isFull: values.full,
      rounds,
      only,
      reportFolder,
      profiles: values.profiles,
      progress: (text) => progress.say(text),
      failed: (what, error) => collected.failed(what, error),
    };
    await collected.attempt('begins', () => bench.run(context, collected));
    if (!collected.hasFailed) durations.note(`${name}: ${settings}`, (performance.now() - startedMs) / 1000);
    console.log(sectionMarkdown(collected.section(), ''));
  }
  if (values.check) check(reportFolder);
  console.log(`\n${join(reportFolder, 'report.md')}`);
}
