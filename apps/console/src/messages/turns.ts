/** How many read at once, and how many of their filters: what one person asks for a hundred times is not to be everybody's memory. */
import { availableParallelism } from 'node:os';
import type { RefusalWord } from '../api/refusals.ts';
import { type ConsoleError, refusal } from '../errors.ts';

/** Pages and tails that are read at once, each of which fetches some megabytes ahead. */
const READS_MAX = 64;
const READS_EACH_MAX = 16;
/** Searches by expression, path and script at once: each has a thread with an engine. */
const FILTERS_MAX = 8;
const FILTERS_EACH_MAX = 3;
/** Filters that work at this moment, one of each person: a script that never ends holds up nobody's but his own. */
const WORKING_MAX = Math.max(2, availableParallelism() - 1);
/** How long somebody waits for a turn: as long as it takes to end what he has just left. */
const WAIT_MS_MAX = 1000;
/** A filter works for two seconds at most, and waits for those before it. */
const WORK_WAIT_MS_MAX = 60_000;
const WAITING_MAX = 64;

const SEARCHES = { own: 'ownSearches', all: 'allSearches' } as const;

/** The bounds of some turns. */
export interface TurnLimits {
  /** What is said to whoever has as many as he may, and where there are as many as there may be. */
  readonly what: { readonly own: RefusalWord; readonly all: RefusalWord };
  readonly max: number;
  /** Of one person. */
  readonly eachMax: number;
  readonly waitMsMax: number;
}

interface Waiting {
  readonly who: string;
  readonly enter: () => void;
}

/** Lets so many do something at once; the others wait a little, in the order in which they came. */
export class Turns {
  readonly #limits: TurnLimits;
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #all = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /**
   * A turn, which ends when it is disposed of.
   * @throws ConsoleError `CONSOLE_BUSY` where none is free for a while
   */
  async take(who: string): Promise<Disposable> {
    if (this.#isFree(who)) this.#enter(who);
    else await this.#wait(who);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#leave(who);
      },
    };
  }

  #isFree(who: string): boolean {
    const { max, eachMax } = this.#limits;
    return this.#all < max && (this.#taken.get(who) ?? 0) < eachMax;
  }

  #enter(who: string): void {
    this.#all += 1;
    this.#taken.set(who, (this.#taken.get(who) ?? 0) + 1);
  }

  #leave(who: string): void {
    this.#all -= 1;
    const left = (this.#taken.get(who) ?? 1) - 1;
    if (left === 0) this.#taken.delete(who);
    else this.#taken.set(who, left);
    for (const waiting of this.#waiting) {
      if (!this.#isFree(waiting.who)) continue;
      this.#waiting.delete(waiting);
      this.#enter(waiting.who);
      waiting.enter();
    }
  }

  #wait(who: string): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) throw this.#busy(who);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        who,
        enter: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(this.#busy(who));
      }, this.#limits.waitMsMax);
      this.#waiting.add(waiting);
    });
  }

  #busy(who: string): ConsoleError {
    const { what, max, eachMax } = this.#limits;
    const own = this.#taken.get(who) ?? 0;
    return own >= eachMax
      ? refusal('CONSOLE_BUSY', what.own, { n: own })
      : refusal('CONSOLE_BUSY', what.all, { n: max });
  }
}

/** What readers of a console take turns at. */
export interface ReadTurns {
  readonly reads: Turns;
  readonly filters: Turns;
}

/** The turns of one console. */
export function readTurns(): ReadTurns {
  const waitMsMax = WAIT_MS_MAX;
  return {
    reads: new Turns({
      what: { own: 'ownReads', all: 'allReads' },
      max: READS_MAX,
      eachMax: READS_EACH_MAX,
      waitMsMax,
    }),
    filters: new Turns({ what: SEARCHES, max: FILTERS_MAX, eachMax: FILTERS_EACH_MAX, waitMsMax }),
  };
}

/** Of all consoles of this process: they have its cores in common. */
export const filterWork = new Turns({
  what: SEARCHES,
  max: WORKING_MAX,
  eachMax: 1,
  waitMsMax: WORK_WAIT_MS_MAX,
});
