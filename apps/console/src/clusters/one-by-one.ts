/** Work that first looks and then acts: on the same thing one after the other, or two who have seen the same would both act on it. */
import { refusal } from '../errors.ts';

/** Of one thing; a person who waits behind more than that is told to come again. */
export const WAITING_MAX = 100;

interface Line {
  last: Promise<unknown>;
  count: number;
}

/** Lines by the name of what is worked on; what nobody works on has none. */
export class OneByOne {
  readonly #lines = new Map<string, Line>();

  /**
   * Does the work when all that was begun before it on the same thing is done.
   * @throws ConsoleError `CONSOLE_BUSY` where too many wait, and what the work rejects with
   */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name) ?? { last: Promise.resolve(), count: 0 };
    if (line.count >= WAITING_MAX) throw refusal('CONSOLE_BUSY', 'changesBusy', { name });
    this.#lines.set(name, line);
    line.count += 1;
    const done = line.last.then(work);
    // Whoever comes next waits for it, whichever way it ends.
    line.last = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      line.count -= 1;
      if (line.count === 0) this.#lines.delete(name);
    }
  }
}
