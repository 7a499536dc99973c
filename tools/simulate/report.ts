import { type CampaignResult, runCampaign } from './campaign.ts';
import { flipEveryBit } from './corrupt/flip-every-bit.ts';
import { mutants } from './mutants/index.ts';
import type { SimulateOptions } from './options.ts';
import { ProgressBar } from './progress.ts';
import { runSeed } from './run-seed.ts';
import { excerpt, formatLine } from './trace.ts';

/** Violations of one seed that are printed. */
const VIOLATIONS_MAX = 10;
/** Seeds in which a mutant must be caught. */
const MUTANT_SEEDS_MAX = 1000;

/** Says what came of a campaign. */
export function printCampaign({ sum, failures, tookMs, hash }: CampaignResult, { isJson }: SimulateOptions): void {
  const perSecond = sum.seeds / (tookMs / 1000);
  if (isJson) {
    const figures = { ...sum.sums, faults: sum.faults };
    const seconds = Number((tookMs / 1000).toFixed(1));
    console.log(
      JSON.stringify({ seeds: sum.seeds, seconds, perSecond: Math.round(perSecond), hash, failures, figures }),
    );
    return;
  }
  console.log(`${sum.seeds} seeds in ${(tookMs / 1000).toFixed(1)} s, ${perSecond.toFixed(0)} a second`);
  for (const line of sum.lines()) console.log(`  ${line}`);
  console.log(`  trace              ${hash}`);
  if (failures.length === 0) console.log('no violation');
  else console.log(`${failures.length} seeds failed: ${failures.map(({ seed }) => seed).join(' ')}`);
}

/** Runs a seed once more with its trace, and prints what went wrong. */
export async function printFailure(seed: number, options: SimulateOptions): Promise<number> {
  const { length, brokers, transactions, unclean, racks, faults, build, isTraced } = options;
  const lines: string[] = [];
  const trace = (elapsedMs: number, who: string, message: string): void => {
    const line = formatLine(elapsedMs, who, message);
    if (isTraced) console.log(line);
    else lines.push(line);
  };
  const { violations, hash } = await runSeed(seed, {
    length,
    brokers,
    faults,
    build,
    trace,
    ...(transactions ? { transactions } : {}),
    ...(unclean ? { unclean } : {}),
    ...(racks ? { racks } : {}),
  });
  const [first] = violations;
  if (first === undefined) {
    console.log(`seed ${seed}: no violation, trace ${hash}`);
    return 0;
  }
  console.log(`\nseed ${seed}: ${violations.length} violations, trace ${hash}`);
  for (const { anomaly, partition, message } of violations.slice(0, VIOLATIONS_MAX)) {
    console.log(`  ${anomaly} ${partition ?? ''}: ${message}`);
  }
  if (!isTraced) console.log(`\nwhat happened to ${first.partition ?? 'the world'}, as far as it may matter:`);
  for (const line of excerpt(lines, first)) console.log(line);
  console.log(`\nagain: pnpm simulate --seed ${seed}${argumentsOf(options)}; all of it: with --trace`);
  return 1;
}

function argumentsOf({ length, brokers, transactions, unclean, racks, faults, build }: SimulateOptions): string {
  const parts = [
    length === 1 ? '' : ` --length ${length}`,
    brokers === 1 ? '' : ` --brokers ${brokers}`,
    transactions ? ' --transactions' : '',
    unclean ? ' --unclean' : '',
    racks ? ' --racks' : '',
    faults === undefined ? '' : ` --faults ${faults.join(',')}`,
    build.name === 'sound' ? '' : ` --mutant ${build.name}`,
  ];
  return parts.join('');
}

/** Runs each mutant until it is caught. */
export async function printMutants({ from, length, brokers, faults, jobs }: SimulateOptions): Promise<number> {
  let escaped = 0;
  for (const { name, what, brokers: least = 1, faults: telling } of mutants) {
    const seeds = MUTANT_SEEDS_MAX;
    const settings = {
      from,
      seeds,
      seconds: undefined,
      length,
      brokers: Math.max(brokers, least),
      faults: faults ?? telling,
      buildName: name,
      jobs,
      keepsGoing: false,
    };
    const { sum, failures, tookMs } = await runCampaign(settings);
    const [first] = failures;
    if (first === undefined) escaped += 1;
    const verdict = first === undefined ? 'NOT CAUGHT' : `caught by ${first.violations[0]?.anomaly}`;
    console.log(`${name.padEnd(28)} ${verdict}, ${sum.seeds} seeds, ${(tookMs / 1000).toFixed(1)} s  (${what})`);
  }
  return escaped === 0 ? 0 : 1;
}

/** Flips every bit of a small log, and says what became of it. */
export async function printCorruption({ from, isJson }: SimulateOptions): Promise<number> {
  const bar = new ProgressBar(undefined, undefined, !isJson);
  const startMs = performance.now();
  const onChange = (done: number, total: number): void => bar.showShare(done / total, `${done} of ${total} changes`);
  const { kinds, silent } = await flipEveryBit({ everyNth: 1, seed: from, onChange });
  bar.end();
  if (isJson) {
    console.log(JSON.stringify({ kinds: Object.fromEntries(kinds), silent }));
    return silent.length === 0 ? 0 : 1;
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(34) : String(cell).padStart(9))).join('');
  console.log(row(['file', 'changes', 'found', 'harmless', 'untold']));
  for (const [kind, { changes, found, harmless, untold }] of kinds)
    console.log(row([kind, changes, found, harmless, untold]));
  console.log(`${silent.length} silent, in ${seconds} s`);
  for (const line of silent.slice(0, VIOLATIONS_MAX)) console.log(`  ${line}`);
  return silent.length === 0 ? 0 : 1;
}
