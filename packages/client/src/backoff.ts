import type { Random } from '@millrace/ports';

/** How long to wait between attempts. */
export interface BackoffSettings {
  /** Before the second attempt, in milliseconds; doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** The part of a wait by which it is varied at random, up or down (0.2: from 80 to 120 percent). */
  readonly jitter: number;
}

/** Resolution of the jitter; any number that is large enough. */
const JITTER_STEPS = 1_000_001;

/** Exponential backoff with jitter (KIP-580). Counts failures in a row; {@link Backoff.reset} after a success. */
export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #random: Random;
  #failures = 0;

  constructor(settings: BackoffSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and says how many milliseconds to wait. */
  next(): number {
    const { backoffMs, backoffMsMax, jitter } = this.#settings;
    const waitMs = Math.min(backoffMsMax, backoffMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    const part = (this.#random.nextInt(JITTER_STEPS) / (JITTER_STEPS - 1)) * 2 - 1;
    return waitMs * (1 + jitter * part);
  }

  reset(): void {
    this.#failures = 0;
  }
}
