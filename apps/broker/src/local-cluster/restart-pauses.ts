import type { Clock } from '@millrace/ports';

/** How long a broker that ended by itself waits until it is started again: the first time, and at the most. */
const RESTART_MS = [100, 10_000] as const;

/** A broker that has served for so long can run, whatever has ended it: it waits as at the first time. */
const PROVEN_MS = 5000;

/**
 * How long a broker that has ended waits until it is started again. What grows the pauses is that it ends before it has served for a while:
 * that is what costs the machine something again and again, while a broker that is killed now and then is wanted back at once.
 */
export class RestartPauses {
  readonly #clock: Clock;
  #failures = 0;
  #servesSinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many times in a row it has ended too early. */
  get failures(): number {
    return this.#failures;
  }

  /** It serves. */
  served(): void {
    this.#servesSinceMs = this.#clock.monotonic();
  }

  /** It has ended. @returns how long it waits now */
  ended(): number {
    const sinceMs = this.#servesSinceMs;
    this.#servesSinceMs = undefined;
    if (sinceMs !== undefined && this.#clock.monotonic() - sinceMs >= PROVEN_MS) this.#failures = 0;
    const pauseMs = Math.min(RESTART_MS[0] * 2 ** this.#failures, RESTART_MS[1]);
    this.#failures += 1;
    return pauseMs;
  }
}
