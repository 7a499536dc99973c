import type { CampaignResult } from './campaign.ts';

const BAR_CHARACTERS = 30;
const INTERVAL_MS = 100;

/** A line on the terminal that says how far a campaign has come; nothing where nobody sits. */
export class ProgressBar {
  readonly #seeds: number | undefined;
  readonly #seconds: number | undefined;
  readonly #isShown: boolean;
  #shownMs = Number.NEGATIVE_INFINITY;

  constructor(seeds: number | undefined, seconds: number | undefined, isWanted: boolean) {
    this.#seeds = seeds;
    this.#seconds = seconds;
    this.#isShown = isWanted && process.stderr.isTTY === true;
  }

  show({ sum, failures, tookMs }: Omit<CampaignResult, 'hash'>): void {
    const bySeeds = this.#seeds === undefined ? 0 : sum.seeds / this.#seeds;
    const byTime = this.#seconds === undefined ? 0 : tookMs / (this.#seconds * 1000);
    const rate = Math.round(sum.seeds / (tookMs / 1000));
    const failed = failures.length === 0 ? '' : `, ${failures.length} failed`;
    this.showShare(Math.min(Math.max(bySeeds, byTime), 1), `${sum.seeds} seeds, ${rate} a second${failed}`);
  }

  /** @param share what is done of all, from 0 to 1 */
  showShare(share: number, text: string): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#shownMs < INTERVAL_MS) return;
    this.#shownMs = nowMs;
    const bar = '█'.repeat(Math.round(share * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS, '·');
    process.stderr.write(`\r${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${text} `);
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001B[K');
  }
}
