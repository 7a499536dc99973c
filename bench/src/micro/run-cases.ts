/** Runs cases in rounds, each in a process of its own. */
import { join } from 'node:path';
import type { BenchContext } from '../bench.ts';
import { runNode } from '../processes.ts';
import type { CaseResult } from './case.ts';

/** The results of a case, a value per round. */
export interface CaseRounds {
  readonly callNs: number[];
  readonly units: number;
  readonly bytes: number;
}

const TIME_MS = 250;
const TIME_MS_QUICK = 120;
const TIMEOUT_MS = 60_000;

/** @param file the module beside this one that exports `cases` */
export async function runCases(
  file: string,
  names: readonly string[],
  context: BenchContext,
): Promise<Map<string, CaseRounds>> {
  const results = new Map<string, CaseRounds>();
  for (let round = 0; round < context.rounds; round += 1) {
    for (const name of names) {
      const job = { file, name, timeMs: context.isQuick ? TIME_MS_QUICK : TIME_MS };
      const profile = context.profiles ? { folder: context.reportFolder, name: `${name}.cpuprofile` } : undefined;
      const { callNs, units, bytes } = await runNode<CaseResult>(join(import.meta.dirname, 'child.ts'), job, {
        timeoutMs: TIMEOUT_MS,
        profile,
      });
      const rounds = results.get(name) ?? { callNs: [], units, bytes };
      rounds.callNs.push(callNs);
      results.set(name, rounds);
    }
  }
  return results;
}

/** Units a second, a value per round. */
export function unitsPerSecond({ callNs, units }: CaseRounds): number[] {
  return callNs.map((ns) => (units / ns) * 1e9);
}

/** Bytes a second, a value per round. */
export function bytesPerSecond({ callNs, bytes }: CaseRounds): number[] {
  return callNs.map((ns) => (bytes / ns) * 1e9);
}
