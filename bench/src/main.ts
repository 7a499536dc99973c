/**
 * `pnpm bench [NAME...] [--quick] [--rounds N] [--only PART]... [--profiles]`: runs benches one after the other and writes a
 * report into `bench/reports`.
 */
import { parseArgs } from 'node:util';
import type { Bench, BenchContext, Section } from './bench.ts';
import { newReportFolder, writeReport } from './report/report.ts';

/** In the order in which they run. Loaded when they are wanted, so that a bench carries no other's modules. */
const benches: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  limits: () => import('./limits.ts'),
  micro: () => import('./micro.ts'),
  e2e: () => import('./e2e.ts'),
  peers: () => import('./peers.ts'),
  scaling: () => import('./scaling.ts'),
  start: () => import('./start.ts'),
  partitions: () => import('./partitions.ts'),
  restart: () => import('./restart.ts'),
  compare: () => import('./compare.ts'),
};

/** Runs only when asked for by name: it measures a change, not the program. */
const unasked = ['compare'];

const ROUNDS_DEFAULT = 3;
const ROUNDS_QUICK = 1;

const { values, positionals } = parseArgs({
  // Turbo and pnpm pass a "--" on.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    profiles: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const names = positionals.length > 0 ? positionals : Object.keys(benches).filter((name) => !unasked.includes(name));
const unknown = names.filter((name) => benches[name] === undefined);
if (values.list || unknown.length > 0) {
  for (const [name, load] of Object.entries(benches)) {
    const { bench } = await load();
    console.log(`${name.padEnd(12)} ${bench.about}\n${' '.repeat(13)}--only ${bench.parts.join(', ')}`);
  }
  if (unknown.length > 0) throw new Error(`There is no bench ${unknown.join(', ')}`);
} else {
  await runBenches();
}

async function runBenches(): Promise<void> {
  const startedMs = performance.now();
  const progress = (text: string): void => {
    process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
  };
  const reportFolder = newReportFolder();
  const context: BenchContext = {
    isQuick: values.quick,
    rounds: Number(values.rounds ?? (values.quick ? ROUNDS_QUICK : ROUNDS_DEFAULT)),
    only: values.only,
    reportFolder,
    profiles: values.profiles,
    progress,
  };
  const sections: Record<string, Section> = {};
  for (const name of names) {
    progress(name);
    const { bench } = await benches[name]!();
    sections[name] = await bench.run(context);
    // Written after each bench, so that a run that is cut off leaves what it has.
    await writeReport(reportFolder, sections, context, startedMs);
  }
}
