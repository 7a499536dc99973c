/**
 * `pnpm bench compare`: the same load on two builds, in turns, so that a change can be judged by a ratio: the working tree against
 * the commit that `BENCH_BASE` names (the commit before the last by default).
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { LatencyResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient } from './clients/run-client.ts';
import { fill } from './e2e.ts';
import { digits, median, si, summarize } from './report/statistics.ts';
import { inTurns } from './rounds.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;

const root = resolve(import.meta.dirname, '../..');
const TIMES = { warmUpMs: 1_000, timeMs: 2_000, fillMs: 2_000 };
const TIMES_QUICK = { warmUpMs: 300, timeMs: 500, fillMs: 300 };
const LATENCY_RATE = 1_000;

export const bench: Bench = {
  title: 'Two builds',
  about: 'this working tree against the commit in $BENCH_BASE, broker and SDKs of each together',
  parts: ['send', 'enqueue', 'consume', 'latency'],
  seconds: { full: 180, quick: 45 },
  run: compareBuilds,
};

/** A checkout with its broker running. */
interface Build {
  readonly label: string;
  readonly checkout: string;
  readonly broker: RunningBroker;
}

async function compareBuilds(context: BenchContext, findings: Findings): Promise<void> {
  const base = process.env.BENCH_BASE ?? 'HEAD~1';
  const commit = execFileSync('git', ['rev-parse', '--short', base], { cwd: root, encoding: 'utf8' }).trim();
  const folder = checkOut(commit);
  try {
    for (const kind of ['Millrace, sync per ack', 'Millrace, no sync']) {
      const start = brokerKinds[kind]!;
      const builds: Build[] = [];
      try {
        const broker = await start({ checkout: root });
        builds.push({ label: 'working tree', checkout: root, broker });
        // An older broker may need what is not installed any more; then its SDKs are compared on this one.
        const theirs = await start({ checkout: folder }).catch(() => broker);
        const label = `base ${commit}${theirs === broker ? ' (SDKs alone)' : ''}`;
        builds.unshift({ label, checkout: folder, broker: theirs });
        await compareOn(kind, builds, context, findings);
      } finally {
        await Promise.all([...new Set(builds.map(({ broker }) => broker))].map((broker) => broker.stop()));
      }
    }
  } finally {
    execFileSync('git', ['worktree', 'remove', '--force', folder], { cwd: root });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A commit's files in a folder of their own, with the dependencies that are installed here. */
function checkOut(commit: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-base-'));
  execFileSync('git', ['worktree', 'add', '--detach', '--force', folder, commit], { cwd: root, stdio: 'ignore' });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const links of globSync('{packages,apps}/*/node_modules', { cwd: root }).concat('bench/node_modules')) {
    const into = join(folder, links);
    // Links to siblings are relative, so that copies of them point to the siblings in the copy.
    if (existsSync(resolve(into, '..'))) cpSync(join(root, links), into, { recursive: true, verbatimSymlinks: true });
  }
  linkSiblings(folder);
  return folder;
}

/** A package may have needed others then than it does now: every one finds all of them. */
function linkSiblings(folder: string): void {
  const siblings = globSync('packages/*', { cwd: folder });
  for (const one of [...siblings, 'bench']) {
    const scope = join(folder, one, 'node_modules/@millrace');
    mkdirSync(scope, { recursive: true });
    for (const sibling of siblings) {
      const link = join(scope, basename(sibling));
      if (!existsSync(link)) symlinkSync(join(folder, sibling), link);
    }
  }
}

async function compareOn(
  kind: string,
  builds: readonly Build[],
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const { warmUpMs, timeMs, fillMs } = context.isQuick ? TIMES_QUICK : TIMES;
  const rows: string[][] = [];
  for (const mode of ['send', 'enqueue']) {
    if (!isWanted(context, mode)) continue;
    await findings.attempt(`${mode} to ${kind}`, async () => {
      const results = await inTurns(builds, context, ({ broker, checkout }) =>
        withTopic(broker, 1, (topic) => {
          const job = { kind: 'produce', topic, ...PRODUCE, warmUpMs, timeMs } as const;
          return runClient<Throughput>(clientOf(checkout, mode), job, broker, context);
        }),
      );
      findings.raw(`${kind}: ${mode}`, Object.fromEntries(results));
      rows.push(...throughputRows(mode, results));
    });
  }
  if (isWanted(context, 'consume')) {
    await findings.attempt(`consume from ${kind}`, async () => {
      const results = await inTurns(builds, context, ({ broker, checkout }) =>
        withTopic(broker, 1, async (topic) => {
          const records = await fill(broker, topic, PRODUCE, fillMs, context);
          const warmUpRecords = Math.floor(records / 3);
          const job = { kind: 'consume', topic, partitions: 1, records, warmUpRecords, warmUpMs, timeMs } as const;
          return runClient<Throughput>(clientOf(checkout, 'records'), job, broker, context);
        }),
      );
      findings.raw(`${kind}: consume`, Object.fromEntries(results));
      rows.push(...throughputRows('consume', results));
    });
  }
  findings.table({
    title: `${kind}: 100 B, 1 partition, acks=all`,
    columns: ['load', 'build', 'records/s', 'ratio', 'client CPU us/record', 'broker CPU us/record'],
    rows,
    notes: [RATIO_NOTE],
  });
  if (isWanted(context, 'latency')) await compareLatency(kind, builds, context, findings);
}

const PRODUCE = { partitions: 1, recordBytes: 100, acks: -1, compression: 'none' } as const;
const RATIO_NOTE = 'Ratio: to the base of the same round; the median, ± half the distance of the extremes.';

async function compareLatency(
  kind: string,
  builds: readonly Build[],
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const { warmUpMs, timeMs } = context.isQuick ? TIMES_QUICK : TIMES;
  await findings.attempt(`latency of ${kind}`, async () => {
    const results = await inTurns(builds, context, ({ broker, checkout }) =>
      withTopic(broker, 1, (topic) => {
        const { partitions, recordBytes, acks } = PRODUCE;
        const job = { kind: 'latency', topic, partitions, recordBytes, acks, ratePerSecond: LATENCY_RATE } as const;
        return runClient<Latency>(clientOf(checkout, 'send'), { ...job, warmUpMs, timeMs }, broker, context);
      }),
    );
    findings.raw(`${kind}: latency`, Object.fromEntries(results));
    const base = [...results.values()][0] ?? [];
    findings.table({
      title: `${kind}: latency of single sends, ${LATENCY_RATE} a second`,
      columns: ['build', 'p50 ms', 'ratio', 'p99 ms', 'ratio', 'p99.9 ms'],
      rows: [...results].map(([label, rounds], index) => {
        const cells = (at: 'p50' | 'p99' | 'p999', withRatio: boolean): string[] => {
          const values = rounds.map((round) => round[at]);
          const ratio =
            index === 0
              ? ''
              : ratioTo(
                  values,
                  base.map((round) => round[at]),
                );
          return [summarize(values, digits), ...(withRatio ? [ratio] : [])];
        };
        return [label, ...cells('p50', true), ...cells('p99', true), ...cells('p999', false)];
      }),
      notes: [RATIO_NOTE],
    });
  });
}

/** Round by round, since the measurements of a round lie close together in time. */
function ratioTo(values: readonly number[], base: readonly number[]): string {
  const ratios = values.map((value, round) => value / (base[round] ?? Number.NaN));
  return `×${summarize(ratios, digits)}`;
}

function clientOf(checkout: string, mode: string): Client {
  return { label: mode, client: 'millrace', mode, checkout };
}

function throughputRows(load: string, results: ReadonlyMap<string, readonly Throughput[]>): string[][] {
  const rate = ({ records, seconds }: Throughput): number => records / seconds;
  const base = [...results.values()][0] ?? [];
  return [...results].map(([label, rounds], index) => [
    load,
    label,
    summarize(rounds.map(rate), si),
    index === 0 ? '' : ratioTo(rounds.map(rate), base.map(rate)),
    digits(median(rounds.map(({ cpuMs, records }) => (cpuMs * 1000) / records))),
    digits(median(rounds.map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
  ]);
}
