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
  readonly onSeed?: (campaign: CampaignResult) => void;
}

/** What came of it. */
export interface CampaignResult {
  readonly sum: FigureSum;
  readonly failures: readonly SeedVerdict[];
  readonly tookMs: number;
}

/** Runs seed after seed, in one thread or several, until there are enough, the time is over, or one has failed. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { from, seeds = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY, jobs, keepsGoing } = options;
  const startMs = performance.now();
  const sum = new FigureSum();
  const failures: SeedVerdict[] = [];
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
        if (verdict.violations.length > 0) failures.push(verdict);
        options.onSeed?.({ sum, failures, tookMs: tookMs() });
      }
    } finally {
      await runner.close();
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return { sum, failures: failures.sort((a, b) => a.seed - b.seed), tookMs: tookMs() };
}
