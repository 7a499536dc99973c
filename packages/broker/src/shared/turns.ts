import type { Clock } from '@millrace/ports';

/** Work for one client goes on for so long before others have their turn. */
const TURN_MS_MAX = 5;
/** The clock is looked at once in so many elements: looking costs about as much as the cheapest of them. */
const ELEMENTS_PER_LOOK = 32;

/** Divides long work into turns of the event loop, so that nobody waits for the whole of it. */
export class Turns {
  readonly #clock: Clock;
  #startMs: number;
  #elements = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonic();
  }

  /** To be called once for each element. Undefined while the turn is short; otherwise to be awaited. */
  pause(): Promise<void> | undefined {
    this.#elements += 1;
    if (this.#elements % ELEMENTS_PER_LOOK !== 0) return undefined;
    if (this.#clock.monotonic() - this.#startMs < TURN_MS_MAX) return undefined;
    return new Promise((resolve) => {
      this.#clock.schedule(0, () => {
        this.#startMs = this.#clock.monotonic();
        resolve();
      });
    });
  }
}
