import { runNextTurn } from '@millrace/ports';

/** Requests are started for so long before everybody else has a turn: those that wait, timers, other sockets. */
const TURN_MS_MAX = 10;
/** A pause of so long means that a new turn has begun. */
const GAP_MS = 1;

/**
 * Shares the time of the event loop between connections. Whatever is ready in one turn would be handled in it, however long that
 * takes; with hundreds of costly requests a client with a small one would wait for all of them. So no request is started once a turn
 * has taken its time; small requests that wait go first in the next one.
 */
export class TurnShare {
  readonly #monotonic: () => number;
  readonly #light = new Set<() => void>();
  readonly #heavy = new Set<() => void>();
  #spentMs = 0;
  #lastEndMs = 0;
  #isScheduled = false;

  /** @param monotonic Milliseconds that never go back. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Whether this turn has taken its time. */
  get isOver(): boolean {
    return this.#spentMs >= TURN_MS_MAX;
  }

  /** Begins a piece of work; to be given to {@link end}. */
  begin(): number {
    const nowMs = this.#monotonic();
    if (nowMs - this.#lastEndMs > GAP_MS && !this.#isScheduled) this.#spentMs = 0;
    return nowMs;
  }

  end(beganMs: number): void {
    this.#lastEndMs = this.#monotonic();
    this.#spentMs += this.#lastEndMs - beganMs;
    if (this.isOver) this.#schedule();
  }

  /** Calls `run` in one of the next turns. */
  wait(run: () => void, heavy: boolean): void {
    (heavy ? this.#heavy : this.#light).add(run);
    this.#schedule();
  }

  stopWaiting(run: () => void): void {
    this.#light.delete(run);
    this.#heavy.delete(run);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    runNextTurn(() => {
      this.#isScheduled = false;
      this.#spentMs = 0;
      this.#runSome(this.#light);
      this.#runSome(this.#heavy);
      if (this.#light.size + this.#heavy.size > 0) this.#schedule();
    });
  }

  /** Runs those that wait now, each at most once, while the turn lasts. */
  #runSome(waiting: Set<() => void>): void {
    for (let left = waiting.size; left > 0 && !this.isOver; left -= 1) {
      const [run] = waiting;
      if (run === undefined) return;
      waiting.delete(run);
      run();
    }
  }
}
