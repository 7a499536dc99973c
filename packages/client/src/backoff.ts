import type { Random } from '@millrace/ports';

/** How long to wait between attempts. */
export interface BackoffSettings {
  /** Before the second attempt, in milliseconds; doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** The part of a wait by which it is varied at random, up or down. 0.2 by default: from 80 to 120 percent. */
  readonly jitter?: number;
}

/** So that many clients do not come back at once (KIP-580). */
const JITTER = 0.2;

/** Resolution of the jitter; any number that is large enough. */
const JITTER_STEPS = 1_000_001;

/** How many milliseconds to wait after so many failures in a row before this one. */
export function backoffMs(settings: BackoffSettings, failuresBefore: number, random: Random): number {
  const { jitter = JITTER } = settings;
  const waitMs = Math.min(settings.backoffMsMax, settings.backoffMs * 2 ** Math.min(failuresBefore, 30));
  const part = (random.nextInt(JITTER_STEPS) / (JITTER_STEPS - 1)) * 2 - 1;
  return waitMs * (1 + jitter * part);
}

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
    const waitMs = backoffMs(this.#settings, this.#failures, this.#random);
    this.#failures += 1;
    return waitMs;
  }

  reset(): void {
    this.#failures = 0;
  }
}
