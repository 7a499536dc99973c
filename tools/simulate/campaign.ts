import { createHash } from 'node:crypto';
import { FigureSum } from './figures.ts';
import { localRunner, type SeedSettings, type SeedVerdict, threadRunner } from './seed-runner.ts';

/** Which seeds are run, and for how long. */
export interface CampaignOptions extends SeedSettings {
  readonly from: number;
  readonly seeds: number | undefined;
  readonly seconds: number | undefined;
  readonly jobs: number;
  readonly keepsGoing: boolean;
  /** Told after each seed. */
  readonly onSeed?: (campaign: Omit<CampaignResult, 'hash'>) => void;
}

/** What came of it. */
export interface CampaignResult {
  readonly sum: FigureSum;
  readonly failures: readonly SeedVerdict[];
  readonly tookMs: number;
  /** Of the traces of all seeds, or the trace of the only one: the same seeds give the same, in however many threads. */
  readonly hash: string;
}

/** Runs seed after seed, in one thread or several, until there are enough, the time is over, or one has failed. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { from, seeds = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY, jobs, keepsGoing } = options;
  const startMs = performance.now();
  const sum = new FigureSum();
  const failures: SeedVerdict[] = [];
  const hashes = new Map<number, string>();
  let next = from;
  const tookMs = (): number => performance.now() - startMs;
  const isOver = (): boolean =>
    next >= from + seeds || tookMs() >= seconds * 1000 || (failures.length > 0 && !keepsGoing);
  const work = async (): Promise<void> => {
    const runner = jobs > 1 ? threadRunner(options) : localRunner(options);
    try {
      while (!isOver()) {
        const verdict = await runner.run(next++);
        sum.add(verdict.figures);
        hashes.set(verdict.seed, verdict.hash);
        if (verdict.violations.length > 0) failures.push(verdict);
        options.onSeed?.({ sum, failures, tookMs: tookMs() });
      }
    } finally {
      await runner.close();
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return { sum, failures: failures.sort((a, b) => a.seed - b.seed), tookMs: tookMs(), hash: hashOf(hashes) };
}

function hashOf(hashes: ReadonlyMap<number, string>): string {
  const [only, ...others] = hashes.values();
  if (only !== undefined && others.length === 0) return only;
  const hash = createHash('sha1');
  for (const [seed, ofSeed] of [...hashes].sort(([a], [b]) => a - b)) hash.update(`${seed} ${ofSeed}\n`);
  return hash.digest('hex');
}
