/** `pnpm bench limits`: what the machine can do at the most; other benches give their figures as shares of these. */
import { join } from 'node:path';
import { type Bench, type BenchContext, isWanted, type Section } from './bench.ts';
import { cases } from './micro/limits-cases.ts';
import { bytesPerSecond, runCases } from './micro/run-cases.ts';
import { runNode } from './processes.ts';
import { si, summarize } from './report/statistics.ts';

const TCP_MS = 1_500;
const TCP_MS_QUICK = 400;
const TIMEOUT_MS = 60_000;
const KIB = 1024;

/** Sizes of a write into the socket. */
const TCP_CHUNKS = [64 * KIB, 1024 * KIB];

export const bench: Bench = {
  about: 'loopback TCP into Node, write and sync, memory copy, CRC: what nothing can go beyond',
  parts: ['tcp', ...Object.keys(cases)],
  run: measureLimits,
};

async function measureLimits(context: BenchContext): Promise<Section> {
  const wanted = Object.keys(cases).filter((name) => isWanted(context, name));
  const results = await runCases(join(import.meta.dirname, 'micro/limits-cases.ts'), wanted, context);
  const rows = [...results].map(([name, rounds]) => [
    name,
    `${summarize(bytesPerSecond(rounds), si)}B/s`,
    `${summarize(
      rounds.callNs.map((ns) => ns / 1000),
      (us) => us.toFixed(1),
    )} us`,
  ]);
  const tcp = isWanted(context, 'tcp') ? await measureTcp(context) : {};
  for (const [name, rates] of Object.entries(tcp)) rows.push([name, `${summarize(rates, si)}B/s`, '']);
  return {
    title: 'Limits of the machine',
    tables: [{ title: 'Limits', columns: ['what', 'rate', 'a call'], rows }],
    raw: { cases: Object.fromEntries(results), tcp },
  };
}

/** One process writes into a loopback connection, another counts what arrives. */
export async function measureTcp(context: BenchContext): Promise<Record<string, number[]>> {
  const rates: Record<string, number[]> = {};
  for (let round = 0; round < context.rounds; round++) {
    for (const chunkBytes of TCP_CHUNKS) {
      const { bytesPerSecond: rate } = await runNode<{ bytesPerSecond: number }>(
        join(import.meta.dirname, 'limits-tcp-child.ts'),
        { chunkBytes, timeMs: context.isQuick ? TCP_MS_QUICK : TCP_MS },
        { timeoutMs: TIMEOUT_MS },
      );
      const name = `loopback TCP, ${chunkBytes / KIB} KiB writes`;
      rates[name] = [...(rates[name] ?? []), rate];
    }
  }
  return rates;
}
