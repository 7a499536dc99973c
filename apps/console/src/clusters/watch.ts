/** Things are looked at again and again for a while after somebody has asked for them: their history has no holes where nobody sat before the page. */

/** How often. */
const EVERY_MS = 5000;
/** For how long after the last time that somebody asked. */
const WATCHED_MS = 30 * 60_000;
/** Beyond it the one that was asked for the longest time ago is left. */
export const WATCHED_MAX = 50;

/** Time, for tests to be had without waiting. */
export interface WatchClock {
  now(): number;
  /** Calls again and again; what it gives stops that. */
  every(ms: number, call: () => void): () => void;
}

const systemClock: WatchClock = {
  now: () => performance.now(),
  every(ms, call) {
    const timer = setInterval(call, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

interface Watched {
  readonly look: () => Promise<unknown>;
  untilMs: number;
  isLooking: boolean;
}

/** Looks at what it is told to; without anything to look at it has no timer. */
export class Watch {
  readonly #clock: WatchClock;
  readonly #watched = new Map<string, Watched>();
  #stop: (() => void) | undefined;

  constructor(clock: WatchClock = systemClock) {
    this.#clock = clock;
  }

  /** Looks from now on, or for longer. */
  add(name: string, look: () => Promise<unknown>): void {
    const watched = this.#watched.get(name) ?? { look, untilMs: 0, isLooking: false };
    watched.untilMs = this.#clock.now() + WATCHED_MS;
    this.#watched.delete(name);
    this.#watched.set(name, watched);
    const [oldest] = this.#watched.keys();
    if (this.#watched.size > WATCHED_MAX && oldest !== undefined) this.#watched.delete(oldest);
    this.#stop ??= this.#clock.every(EVERY_MS, () => this.#lookAtAll());
  }

  get names(): string[] {
    return [...this.#watched.keys()];
  }

  close(): void {
    this.#watched.clear();
    this.#stop?.();
    this.#stop = undefined;
  }

  #lookAtAll(): void {
    const nowMs = this.#clock.now();
    for (const [name, watched] of this.#watched) {
      if (watched.untilMs <= nowMs) {
        this.#watched.delete(name);
        continue;
      }
      // One look at a time: a cluster that does not answer is not asked by more and more of them.
      if (watched.isLooking) continue;
      watched.isLooking = true;
      const done = (): void => {
        watched.isLooking = false;
      };
      // What fails is a hole in the history; who has the page open is told why.
      watched.look().then(done, done);
    }
    if (this.#watched.size === 0) this.close();
  }
}
