import type { Clock, Timer } from '@millrace/ports';
import type { Gate } from './gate.ts';

/** What a machine's calendar says beside the world's. */
export interface WallClock {
  offsetMs: number;
}

/** The clock as one process sees it: when the process is paused, its timers wait, and when it dies, they never fire. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #gate: Gate;
  readonly #wallClock: WallClock;
  readonly #call: (run: () => void) => void;

  /** @param call - Runs what a timer calls, in the process. */
  constructor(clock: Clock, gate: Gate, wallClock: WallClock, call: (run: () => void) => void) {
    this.#call = call;
    this.#wallClock = wallClock;
    this.#clock = clock;
    this.#gate = gate;
  }

  now(): number {
    return this.#clock.now() + this.#wallClock.offsetMs;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void): Timer {
    let isCancelled = false;
    const timer = this.#clock.schedule(delayMs, () => {
      this.#gate.pass(() => {
        if (!isCancelled) this.#call(run);
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
