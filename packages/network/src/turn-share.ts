import { runInMicrotask, runNextTick, runNextTurn } from '@millrace/ports';

/** Requests are started for so long before everybody else has a turn: those that wait, timers, other sockets. */
const TURN_MS_MAX = 10;

/**
 * Who waits for the next turn: small requests go before those of connections that have had their slice and want more, and these before
 * large requests.
 */
export type TurnClass = (typeof TURN_CLASSES)[number];
const TURN_CLASSES = ['light', 'greedy', 'heavy'] as const;

/**
 * Shares the time of the event loop between connections. Whatever is ready in one turn would be handled in it, however long that
 * takes; with hundreds of costly requests a client with a small one would wait for all of them. So no request is started once a turn
 * has taken its time, whatever has taken it: what handlers do later in it, and what sockets do, counts.
 */
export class TurnShare {
  readonly #monotonic: () => number;
  readonly #light = new Set<() => void>();
  readonly #greedy = new Set<() => void>();
  readonly #heavy = new Set<() => void>();
  #isOpen = false;
  #isTurnOfHeavy = true;
  #beganMs = 0;
  #nowMs = 0;

  /** @param monotonic Milliseconds that never go back. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Whether this turn has taken its time, as far as it was measured. */
  get isOver(): boolean {
    return this.#isOpen && this.#nowMs - this.#beganMs >= TURN_MS_MAX;
  }

  /** Whether somebody waits. */
  get isContended(): boolean {
    return this.#light.size + this.#greedy.size + this.#heavy.size > 0;
  }

  /** Looks at the clock: to be called before a connection starts requests, and now and then while it does. Gives the time. */
  look(): number {
    this.#nowMs = this.#monotonic();
    if (!this.#isOpen) {
      this.#beganMs = this.#nowMs;
      this.#open();
    }
    return this.#nowMs;
  }

  /** Calls `run` in one of the next turns. */
  wait(run: () => void, turnClass: TurnClass): void {
    this.#waiting(turnClass).add(run);
    if (!this.#isOpen) this.look();
  }

  stopWaiting(run: () => void): void {
    for (const waiting of [this.#light, this.#greedy, this.#heavy]) waiting.delete(run);
  }

  #waiting(turnClass: TurnClass): Set<() => void> {
    if (turnClass === 'light') return this.#light;
    return turnClass === 'greedy' ? this.#greedy : this.#heavy;
  }

  #open(): void {
    this.#isOpen = true;
    runNextTurn(() => this.#next());
  }

  /** One turn ends, and the next begins with those that wait now, each at most once. */
  #next(): void {
    this.#isOpen = false;
    if (!this.isContended) return;
    this.look();
    this.#isTurnOfHeavy = !this.#isTurnOfHeavy;
    const left = { light: this.#light.size, greedy: this.#greedy.size, heavy: this.#heavy.size };
    // However many are quick, who wants more and who is large goes on too: one of the ones a turn, or one of the others.
    const isForHeavy = this.#isTurnOfHeavy || left.greedy === 0;
    this.#step(left, isForHeavy ? 'heavy' : 'greedy');
  }

  /** Runs one of those that wait, and goes on once all that it has set off is done. */
  #step(left: Record<TurnClass, number>, owed: TurnClass | undefined): void {
    this.look();
    const turnClass = this.isOver ? owed : TURN_CLASSES.find((each) => left[each] > 0);
    if (turnClass === undefined) return;
    const waiting = this.#waiting(turnClass);
    const [run] = waiting;
    left[turnClass] -= 1;
    if (run !== undefined) {
      waiting.delete(run);
      run();
    }
    const stillOwed = turnClass === owed ? undefined : owed;
    // What a handler does after its first pause is done when the microtasks are: only then is it known what it took.
    if (this.isContended) runInMicrotask(() => runNextTick(() => this.#step(left, stillOwed)));
  }
}
