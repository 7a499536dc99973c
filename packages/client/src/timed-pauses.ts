import type { Clock } from '@millrace/ports';
import type { Backoff } from './backoff.ts';
import { sleep } from './waiting.ts';

/**
 * The pauses between attempts that have so much time. A pause that would outlast it is cut to half of what is left, for one attempt more;
 * behind that one the time runs out: whoever was promised it is not told a second early that it is over.
 */
export class TimedPauses {
  readonly #backoff: Backoff;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  #isLastAttempt = false;

  constructor(backoff: Backoff, clock: Clock, deadlineMs: number) {
    this.#backoff = backoff;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Waits after a failure; resolves with whether there is time for another attempt. Rejects with the signal's reason when it fires. */
  async pause(pauseMsMax: number = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<boolean> {
    const pauseMs = Math.min(this.#backoff.next(), pauseMsMax);
    const leftMs = this.#deadlineMs - this.#clock.monotonic();
    if (pauseMs < leftMs) {
      await sleep(this.#clock, pauseMs, signal);
      return true;
    }
    if (leftMs <= 0) return false;
    const isOver = this.#isLastAttempt;
    this.#isLastAttempt = true;
    await sleep(this.#clock, isOver ? leftMs : leftMs / 2, signal);
    return !isOver;
  }
}
