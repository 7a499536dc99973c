import type { Clock, Timer } from '@millrace/ports';
import type { Gate } from './gate.ts';

/** The clock as one process sees it: when the process is paused, its timers wait, and when it dies, they never fire. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #gate: Gate;

  constructor(clock: Clock, gate: Gate) {
    this.#clock = clock;
    this.#gate = gate;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void): Timer {
    let isCancelled = false;
    const timer = this.#clock.schedule(delayMs, () => {
      this.#gate.pass(() => {
        if (!isCancelled) run();
      });
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}
