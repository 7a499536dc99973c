import { Worker } from 'node:worker_threads';
import { SOUND } from './build.ts';
import type { Violation } from './checker/violation.ts';
import { mutants } from './mutants/index.ts';
import { runSeed, type SeedFigures } from './run-seed.ts';
import type { FaultKind } from './world/fault-plan.ts';

/** What a thread needs to run seeds as the others do. */
export interface SeedSettings {
  readonly length: number;
  readonly brokers: number;
  readonly transactions?: boolean | undefined;
  readonly unclean?: boolean | undefined;
  readonly racks?: boolean | undefined;
  readonly faults: readonly FaultKind[] | undefined;
  readonly buildName: string;
}

/** What is kept of a seed: its world is gone. */
export interface SeedVerdict {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly figures: SeedFigures;
  readonly hash: string;
}

/** Runs a seed in this thread. */
export async function judgeSeed(
  seed: number,
  { length, brokers, transactions, unclean, racks, faults, buildName }: SeedSettings,
): Promise<SeedVerdict> {
  const build = mutants.find(({ name }) => name === buildName) ?? SOUND;
  const { violations, figures, hash } = await runSeed(seed, {
    length,
    brokers,
    faults,
    build,
    ...(transactions === true ? { transactions } : {}),
    ...(unclean === true ? { unclean } : {}),
    ...(racks === true ? { racks } : {}),
  });
  return { seed, violations, figures, hash };
}

/** Runs seeds somewhere, one at a time. */
export interface SeedRunner {
  run(seed: number): Promise<SeedVerdict>;
  close(): Promise<void>;
}

/** In this thread. */
export function localRunner(settings: SeedSettings): SeedRunner {
  return { run: (seed) => judgeSeed(seed, settings), close: async () => {} };
}

/** In a thread of its own. A world of its own it is anyway: threads share nothing but the machine. */
export function threadRunner({
  length,
  brokers,
  transactions,
  unclean,
  racks,
  faults,
  buildName,
}: SeedSettings): SeedRunner {
  const workerData: SeedSettings = { length, brokers, transactions, unclean, racks, faults, buildName };
  const worker = new Worker(new URL('./seed-thread.ts', import.meta.url), { workerData });
  return {
    run: (seed) =>
      new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('message', (verdict: SeedVerdict) => {
          worker.off('error', reject);
          resolve(verdict);
        });
        worker.postMessage(seed);
      }),
    close: async () => void (await worker.terminate()),
  };
}
