import type { Clock } from '@millrace/ports';

/** Work for one request goes on for so long before others have their turn; what nobody waits for has them set shorter. */
const TURN_MS_MAX = 5;
/** The clock is looked at once in so many elements: looking costs about as much as the cheapest of them. */
const ELEMENTS_PER_LOOK = 32;

/** How a {@link TurnLine} shares the event loop. */
export interface TurnLineOptions {
  /** How long a turn takes, in milliseconds; 5 by default. */
  readonly turnMsMax?: number;
  /** How long nobody in the line works between two turns, in milliseconds; by default what is due has its turn, and no more. */
  readonly restMs?: number;
}

/**
 * Long work that gives up its turn, all of a broker's in one line: each goes on for a few milliseconds and goes to the end of the line.
 * However many long requests there are, everything else waits for one such piece at a time.
 */
export class TurnLine {
  readonly #clock: Clock;
  readonly turnMsMax: number;
  readonly #restMs: number;
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  constructor(clock: Clock, { turnMsMax = TURN_MS_MAX, restMs = 0 }: TurnLineOptions = {}) {
    this.#clock = clock;
    this.turnMsMax = turnMsMax;
    this.#restMs = restMs;
  }

  /** How much work waits for its turn. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Begins a piece of long work. */
  begin(): Turns {
    return new Turns(this, this.#clock);
  }

  /** Resolves when the turn has come. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    this.#clock.schedule(this.#restMs, () => {
      this.#isScheduled = false;
      this.#waiting.shift()?.();
      this.#schedule();
    });
  }
}

/** One piece of long work, divided into turns of the event loop. */
export class Turns {
  readonly #line: TurnLine;
  readonly #clock: Clock;
  #startMs: number;
  #elements = 0;
  /** Up to when the present turn has been counted; undefined in the first. */
  #countedMs: number | undefined;
  #laterMs = 0;

  constructor(line: TurnLine, clock: Clock) {
    this.#line = line;
    this.#clock = clock;
    this.#startMs = clock.monotonic();
  }

  /**
   * How long it has worked in all turns but the first, up to the last look at the clock. Between two looks no more counts than a turn is long: what
   * else is waited for there is no work.
   */
  get laterMs(): number {
    return this.#laterMs;
  }

  /**
   * To be called once for each element. Undefined while the turn is short; otherwise to be awaited.
   *
   * @param weight - as how many it counts, where some cost much more than others; default 1
   */
  pause(weight: number = 1): Promise<void> | undefined {
    this.#elements += weight;
    if (this.#elements < ELEMENTS_PER_LOOK) return undefined;
    this.#elements = 0;
    const nowMs = this.#clock.monotonic();
    if (this.#countedMs !== undefined) {
      this.#laterMs += Math.min(nowMs - this.#countedMs, this.#line.turnMsMax);
      this.#countedMs = nowMs;
    }
    if (nowMs - this.#startMs < this.#line.turnMsMax) return undefined;
    return this.#line.wait().then(() => {
      this.#startMs = this.#clock.monotonic();
      this.#countedMs = this.#startMs;
    });
  }
}

/** Gives a promise where others shall have their turn. */
export type Pause = () => Promise<void> | undefined;

/** For work that is known to be short. */
export function neverPause(): undefined {
  return undefined;
}

/**
 * Runs work that yields after each of its elements. At once where it is short; otherwise with pauses, so that a handler is written
 * once for both.
 */
export function inTurns<Result>(work: Generator<void, Result>, pause: Pause): Result | Promise<Result> {
  for (let step = work.next(); ; step = work.next()) {
    if (step.done === true) return step.value;
    const rest = pause();
    if (rest !== undefined) return rest.then(() => inTurns(work, pause));
  }
}

/** Goes on with what may be there at once: a promise is made where something has to be waited for, and nowhere else. */
export function andThen<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Begins something for each element, with pauses in between, and waits for all. */
export async function startInTurns<Element, Result>(
  elements: readonly Element[],
  start: (element: Element, index: number) => Result | Promise<Result>,
  pause: Pause,
): Promise<Result[]> {
  const results: (Result | Promise<Result>)[] = [];
  for (const [index, element] of elements.entries()) {
    results.push(start(element, index));
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return Promise.all(results);
}

/** Does something short for each element, with pauses in between. */
export async function eachInTurns<Element>(
  elements: Iterable<Element>,
  work: (element: Element) => void,
  pause: Pause,
): Promise<void> {
  for (const element of elements) {
    work(element);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
}
