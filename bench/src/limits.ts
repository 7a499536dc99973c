/** `pnpm bench limits`: what the machine can do at the most; other benches give their figures as shares of these. */
import { join } from 'node:path';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { cases } from './micro/limits-cases.ts';
import { bytesPerSecond, type CaseRounds, runCases } from './micro/run-cases.ts';
import { runNode } from './processes.ts';
import { bytesRate, median, summarize } from './report/statistics.ts';

const TCP_MS = 1_500;
const TCP_MS_QUICK = 400;
const TIMEOUT_MS = 60_000;
const KIB = 1024;

/** What one process does with what another sends it over the loopback, 1 MiB a write. */
const RECEIVERS = {
  'loopback TCP into Node, 64 KiB writes': { chunkBytes: 64 * KIB, sink: 'none' },
  'loopback TCP into Node, 1 MiB writes': { chunkBytes: KIB * KIB, sink: 'none' },
  'loopback TCP into Node and to disk, no sync': { chunkBytes: KIB * KIB, sink: 'write' },
  'loopback TCP into Node and to disk, O_DSYNC': { chunkBytes: KIB * KIB, sink: 'dsync' },
} as const;

export const bench: Bench = {
  title: 'Limits of the machine',
  about: 'loopback TCP into Node, write and sync, read, memory copy, CRC: what nothing can go beyond',
  parts: ['loopback TCP', ...Object.keys(cases)],
  seconds: { full: 60, quick: 15 },
  run: measureLimits,
};

async function measureLimits(context: BenchContext, findings: Findings): Promise<void> {
  const rows: string[][] = [];
  await findings.attempt('cases', async () => {
    const wanted = Object.keys(cases).filter((name) => isWanted(context, name));
    const results = await runCases(casesFile, wanted, context);
    findings.raw('cases', Object.fromEntries(results));
    for (const [name, rounds] of results)
      rows.push([name, summarize(bytesPerSecond(rounds), bytesRate), calls(rounds)]);
  });
  await findings.attempt('loopback', async () => {
    const tcp = isWanted(context, 'loopback TCP') ? await measureTcp(context, Object.keys(RECEIVERS)) : {};
    findings.raw('tcp', tcp);
    for (const [name, rates] of Object.entries(tcp)) rows.push([name, summarize(rates, bytesRate), '']);
    findings.table({ title: 'Limits', columns: ['what', 'rate', 'a call'], rows });
  });
}

function calls({ callNs }: CaseRounds): string {
  return `${summarize(
    callNs.map((ns) => ns / 1000),
    (us) => us.toFixed(1),
  )} us`;
}

const casesFile = join(import.meta.dirname, 'micro/limits-cases.ts');

/** One process writes into a loopback connection, another counts what arrives, or writes it into a file. */
async function measureTcp(context: BenchContext, names: readonly string[]): Promise<Record<string, number[]>> {
  const rates: Record<string, number[]> = {};
  for (let round = 0; round < context.rounds; round += 1) {
    for (const name of names) {
      const receiver = RECEIVERS[name as keyof typeof RECEIVERS];
      const { bytesPerSecond: rate } = await runNode<{ bytesPerSecond: number }>(
        join(import.meta.dirname, 'limits-tcp-child.ts'),
        { ...receiver, timeMs: context.isQuick ? TCP_MS_QUICK : TCP_MS },
        { timeoutMs: TIMEOUT_MS },
      );
      rates[name] = [...(rates[name] ?? []), rate];
    }
  }
  return rates;
}

/** In bytes a second: what no broker on this machine can go beyond. */
export interface Limits {
  readonly loopback: number;
  readonly syncedWrite: number;
  readonly write: number;
  /** One process that does both and nothing else. */
  readonly loopbackToDisk: number;
  readonly loopbackToSyncedDisk: number;
  readonly copy: number;
  readonly crc: number;
}

const known = new Map<string, Promise<Limits>>();

/** Measured once in a run, when they are first asked for: a figure is held against the limits of its own hour. */
export function limitsOf(context: BenchContext): Promise<Limits> {
  const limits = known.get(context.reportFolder) ?? measureThem(context);
  known.set(context.reportFolder, limits);
  return limits;
}

async function measureThem(context: BenchContext): Promise<Limits> {
  const names = ['O_DSYNC write 1 MiB', 'write 1 MiB, no sync', 'copy 1 MiB', 'crc32c 1 MiB'] as const;
  const results = await runCases(casesFile, names, context);
  const tcp = await measureTcp(context, Object.keys(RECEIVERS).slice(1));
  const caseOf = (name: (typeof names)[number]): number => median(bytesPerSecond(results.get(name)!));
  const tcpOf = (name: keyof typeof RECEIVERS): number => median(tcp[name] ?? []);
  return {
    loopback: tcpOf('loopback TCP into Node, 1 MiB writes'),
    syncedWrite: caseOf('O_DSYNC write 1 MiB'),
    write: caseOf('write 1 MiB, no sync'),
    loopbackToDisk: tcpOf('loopback TCP into Node and to disk, no sync'),
    loopbackToSyncedDisk: tcpOf('loopback TCP into Node and to disk, O_DSYNC'),
    copy: caseOf('copy 1 MiB'),
    crc: caseOf('crc32c 1 MiB'),
  };
}

/** What limits a broker that takes bytes from the loopback and writes them: the slower of the two. */
export function produceLimit(limits: Limits, isSynced: boolean): number {
  return Math.min(limits.loopback, isSynced ? limits.syncedWrite : limits.write);
}
