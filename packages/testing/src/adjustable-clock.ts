import { type Clock, systemClock, type Timer } from '@millrace/ports';

interface Pending {
  readonly dueMs: number;
  readonly run: () => void;
  timer: Timer;
}

/**
 * The machine's clock, which a test may set forward: timers that fall due on the way fire at once, all others come closer.
 */
export class AdjustableClock implements Clock {
  #aheadMs = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return systemClock.now() + Math.floor(this.#aheadMs);
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#aheadMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const pending: Pending = { dueMs: this.monotonic() + Math.max(delayMs, 0), run, timer: NO_TIMER };
    this.#arm(pending);
    this.#pending.add(pending);
    return {
      cancel: () => {
        pending.timer.cancel();
        this.#pending.delete(pending);
      },
    };
  }

  /** Sets the clock forward by `ms`. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    for (const pending of this.#pending) {
      pending.timer.cancel();
      this.#arm(pending);
    }
  }

  #arm(pending: Pending): void {
    pending.timer = systemClock.schedule(pending.dueMs - this.monotonic(), () => {
      this.#pending.delete(pending);
      pending.run();
    });
  }
}

const NO_TIMER: Timer = { cancel: () => {} };
