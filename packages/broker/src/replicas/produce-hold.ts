import type { Clock, Timer } from '@millrace/ports';

/** A controller that has not relieved a broker by then is slow: records are taken again, as before, until it does. */
const HOLD_MS_MAX = 40;

/**
 * Keeps new records waiting for a moment while a broker hands over what it leads. Followers have everything by the time that one of them
 * leads: else those that are ahead of it had to cut their logs first, and nothing could be acknowledged meanwhile. Who waits is told at once
 * who leads, and loses no time by having waited.
 */
export class ProduceHold {
  readonly #clock: Clock;
  #held: PromiseWithResolvers<void> | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What records that come now wait for, in the order in which they came; undefined where they need not. */
  get wait(): Promise<void> | undefined {
    return this.#held?.promise;
  }

  begin(): void {
    if (this.#held !== undefined) return;
    this.#held = Promise.withResolvers();
    this.#timer = this.#clock.schedule(HOLD_MS_MAX, () => this.end());
  }

  end(): void {
    this.#timer?.cancel();
    this.#held?.resolve();
    this.#timer = undefined;
    this.#held = undefined;
  }
}
