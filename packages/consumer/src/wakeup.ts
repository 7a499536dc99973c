import { type Clock, runInMicrotask, type Timer } from '@millrace/ports';

/**
 * Calls `run` soon, or at a moment: however often it is asked for, once, and with one timer at most. What runs says itself when it
 * wants to be called again, so an idle part of the consumer has no timer at all.
 */
export class Wakeup {
  readonly #clock: Clock;
  readonly #run: () => void;
  #scheduled = false;
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** After what is running now. */
  soon(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    runInMicrotask(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#run();
    });
  }

  /** At `dueMs` on the monotonic scale, or earlier. */
  at(dueMs: number): void {
    if (dueMs >= this.#timerMs || this.#closed) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    this.#timer = this.#clock.schedule(Math.max(Math.ceil(dueMs - this.#clock.monotonic()), 1), () => {
      this.#timer = undefined;
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.soon();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}
