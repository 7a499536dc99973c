import type { Clock, Timer } from '@millrace/ports';

/** The clock as one process sees it: when the process dies, its timers never fire. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  #isDead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void): Timer {
    return this.#clock.schedule(delayMs, () => {
      if (!this.#isDead) run();
    });
  }

  kill(): void {
    this.#isDead = true;
  }
}
