import type { Clock, Timer } from './clock.ts';
import { nextTurn } from './real-timers.ts';

interface PendingTimer {
  dueMs: number;
  order: number;
  run: () => void;
}

/**
 * A clock that moves only when told to, for tests and simulation. Timers fire in the order they are due,
 * and those due at the same instant in the order they were scheduled.
 */
export class ManualClock implements Clock {
  readonly #startMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #pending = new Set<PendingTimer>();

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  now(): number {
    return Math.floor(this.#startMs + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const timer: PendingTimer = { dueMs: this.#elapsedMs + Math.max(delayMs, 0), order: this.#order++, run };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  /** How many timers wait. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer is due, or undefined when none waits. */
  get nextDueInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#elapsedMs;
  }

  /** Moves time on by `ms` and fires what falls due on the way, each timer at its own instant. */
  advance(ms: number): void {
    const targetMs = this.#elapsedMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= targetMs; next = this.#next()) {
      this.#moveTo(next.dueMs);
      this.#pending.delete(next);
      next.run();
    }
    this.#moveTo(targetMs);
  }

  /**
   * Like {@link advance}, and lets promises settle after every timer, so that async code keeps step with time: one turn of the event
   * loop runs every microtask that is queued, and those that they queue.
   */
  async advanceAsync(ms: number): Promise<void> {
    const targetMs = this.#elapsedMs + ms;
    await nextTurn();
    for (let next = this.#next(); next !== undefined && next.dueMs <= targetMs; next = this.#next()) {
      this.#moveTo(next.dueMs);
      this.#pending.delete(next);
      next.run();
      await nextTurn();
    }
    this.#moveTo(targetMs);
  }

  #moveTo(elapsedMs: number): void {
    this.#elapsedMs = elapsedMs;
  }

  #next(): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#pending) {
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }
}
