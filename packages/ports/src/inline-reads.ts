import { monotonicMs, realTimers, runNextTurn } from './real-timers.ts';

/** Calls that take longer than this on the average wait for the disk, and do not only copy from the system's memory. */
const FROM_MEMORY_MS_MAX = 0.1;
/** What one call counts for at the most: a process that loses the processor in the middle of one has not waited for the disk. */
const CALL_MS_MAX = 0.5;
/** How many calls the average is over, roughly. */
const AVERAGE_CALLS = 16;
/** Where calls wait for the disk, how long they go to libuv's threads, which wait for several at a time. */
const COLD_PAUSE_MS = 50;
/** How long calls may be made in the calling thread before everything else there has its turn. */
const TURN_MS = 20;

/**
 * Decides for small reads whether they are made in the calling thread.
 *
 * A call through libuv's threads costs the calling thread about 15 us, ten times as much as the system call itself when what it reads
 * is in memory. While a broker opens thousands of logs, and has nothing else to do, that is most of its start. When reads have
 * to wait for the disk, it is better to have many of them wait at the same time.
 */
export class InlineReads {
  #isOn = false;
  #mayRun = false;
  #turnEndsMs = 0;
  #averageMs = 0;

  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    this.#beginTurn();
  }

  /** What `inline` gives now, or what `queued` will. */
  run<T>(inline: () => T, queued: () => Promise<T>): Promise<T> {
    if (!this.#mayRun) return queued();
    const startMs = monotonicMs();
    try {
      return Promise.resolve(inline());
    } catch (error) {
      return Promise.reject(error);
    } finally {
      this.#end(startMs, monotonicMs());
    }
  }

  #beginTurn(): void {
    this.#mayRun = this.#isOn;
    this.#turnEndsMs = monotonicMs() + TURN_MS;
  }

  #end(startMs: number, endMs: number): void {
    this.#averageMs += (Math.min(endMs - startMs, CALL_MS_MAX) - this.#averageMs) / AVERAGE_CALLS;
    const isCold = this.#averageMs > FROM_MEMORY_MS_MAX;
    if (!isCold && endMs < this.#turnEndsMs) return;
    this.#mayRun = false;
    if (isCold) {
      this.#averageMs = 0;
      realTimers.setTimeout(() => this.#beginTurn(), COLD_PAUSE_MS).unref();
    } else {
      runNextTurn(() => this.#beginTurn());
    }
  }
}
