import type { Clock, Timer } from '@millrace/ports';

/** How long a debt is waited off at a time, so that a cleaner that is to stop need not wait long. */
const WAIT_MS_MAX = 1000;

/**
 * A debt that is paid off sooner is kept and not waited for: no timer is as exact, and at a rate as high as Kafka's default (the highest
 * number there is) it would be less than the clock can tell from no time at all.
 */
const WAIT_MS_MIN = 1;

/** Holds reading and writing down to a rate (`log.cleaner.io.max.bytes.per.second`). */
export class Throttle {
  readonly #clock: Clock;
  readonly #bytesPerSecond: () => number;
  /** What is not paid for yet, in bytes: at another rate they are paid for in another time. */
  #debtBytes = 0;
  #settledMs: number;
  #waiting: { timer: Timer; wake: () => void } | undefined;
  #isStopped = false;

  /** @param bytesPerSecond asked before each spending, for it may change; `Infinity` for no bound */
  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#settledMs = clock.monotonic();
  }

  /** Notes bytes that were read or written, and waits until they are paid for, or until whoever waits has reason not to. */
  async spend(sizeBytes: number, isOver: () => boolean = () => false): Promise<void> {
    this.#owedMs();
    this.#debtBytes += sizeBytes;
    for (;;) {
      const owedMs = this.#owedMs();
      if (owedMs < WAIT_MS_MIN || this.#isStopped || isOver()) return;
      await this.#wait(Math.min(owedMs, WAIT_MS_MAX));
    }
  }

  /** How long it takes until everything is paid for, at the rate of now. */
  #owedMs(): number {
    const bytesPerSecond = this.#bytesPerSecond();
    const nowMs = this.#clock.monotonic();
    const paidBytes = ((nowMs - this.#settledMs) * bytesPerSecond) / 1000;
    this.#settledMs = nowMs;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) this.#debtBytes = 0;
    else this.#debtBytes = Math.max(0, this.#debtBytes - paidBytes);
    return this.#debtBytes === 0 ? 0 : (this.#debtBytes * 1000) / bytesPerSecond;
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
