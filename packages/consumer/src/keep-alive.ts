import { realTimers } from '@millrace/ports';

/** The longest delay of a Node timer. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Keeps the process alive while somebody waits for records. Timers of the clock do not, and between two attempts to connect there
 * is no socket that would.
 */
export class KeepAlive {
  #holders = 0;
  #timer: NodeJS.Timeout | undefined;

  hold(): void {
    this.#holders += 1;
    this.#timer ??= realTimers.setInterval(() => {}, LONGEST_MS);
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    realTimers.clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
