import type { Clock, Timer } from '@millrace/ports';

/** How long a debt is waited off at a time, so that a cleaner that is to stop need not wait long. */
const WAIT_MS_MAX = 1000;

/** Holds reading and writing down to a rate (`log.cleaner.io.max.bytes.per.second`). */
export class Throttle {
  readonly #clock: Clock;
  readonly #bytesPerSecond: () => number;
  /** When what was done so far is paid for. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;
  #waiting: { timer: Timer; wake: () => void } | undefined;
  #isStopped = false;

  /** @param bytesPerSecond asked before each spending, for it may change; `Infinity` for no bound */
  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Notes bytes that were read or written, and waits until they are paid for, or until whoever waits has reason not to. */
  async spend(sizeBytes: number, isOver: () => boolean = () => false): Promise<void> {
    const bytesPerSecond = this.#bytesPerSecond();
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, this.#clock.monotonic()) + (sizeBytes * 1000) / bytesPerSecond;
    for (;;) {
      const debtMs = this.#paidUntilMs - this.#clock.monotonic();
      if (debtMs <= 0 || this.#isStopped || isOver()) return;
      await this.#wait(Math.min(debtMs, WAIT_MS_MAX));
    }
  }

  /** Wakes who waits; nobody waits from now on. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting?.timer.cancel();
    this.#waiting?.wake();
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { timer: this.#clock.schedule(delayMs, resolve), wake: resolve };
    });
  }
}
