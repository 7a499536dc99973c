import type { Clock, Timer } from '@millrace/ports';

interface PendingTimer {
  readonly dueMs: number;
  readonly order: number;
  /** Undefined once it has fired or was cancelled. */
  run: (() => void) | undefined;
}

/** When a simulated machine's clock begins: a fixed instant, so that timestamps are the same in every run. */
const START_MS = 1_700_000_000_000;

/**
 * The time of a simulated world. It stands still while anything can still happen at once, then jumps to the next timer. Timers
 * fire in the order they are due, those of one instant in the order they were set. `ManualClock` of the ports does the same for
 * tests; this one has a heap, because a world has hundreds of timers and moves a hundred thousand times.
 */
export class SimulatedClock implements Clock {
  readonly #heap: PendingTimer[] = [];
  #elapsedMs = 0;
  #order = 0;
  #isStopped = false;
  /** Timers that have fired, for the figures. */
  fired = 0;

  now(): number {
    return Math.floor(START_MS + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const timer: PendingTimer = { dueMs: this.#elapsedMs + Math.max(delayMs, 0), order: this.#order++, run };
    this.#push(timer);
    return {
      cancel: () => {
        timer.run = undefined;
      },
    };
  }

  /** Resolves `delayMs` from now. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(delayMs, resolve));
  }

  /** Lets no more time pass: who waits for it is told so. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Lets time pass until `isOver` says so, which is asked whenever nothing can happen without time passing, or until
   * `limitMs` on the clock.
   *
   * @returns false when the limit was reached, or nothing is left that could ever happen
   * @throws ClockStopped when it was stopped
   */
  async run(isOver: () => boolean, limitMs: number): Promise<boolean> {
    for (;;) {
      await settled();
      if (this.#isStopped) throw new ClockStopped('the clock was stopped');
      if (isOver()) return true;
      const next = this.#pop();
      if (next === undefined) return false;
      if (next.dueMs > limitMs) {
        this.#push(next);
        this.#elapsedMs = Math.max(this.#elapsedMs, limitMs);
        return false;
      }
      this.#elapsedMs = next.dueMs;
      const { run } = next;
      next.run = undefined;
      this.fired += 1;
      run?.();
    }
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  /** The first timer that was not cancelled. */
  #pop(): PendingTimer | undefined {
    for (;;) {
      const first = this.#popAny();
      if (first === undefined || first.run !== undefined) return first;
    }
  }

  #popAny(): PendingTimer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** The world has come to its end before its time. */
export class ClockStopped extends Error {
  override readonly name = 'ClockStopped';
}

function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** One turn of the event loop runs every microtask that is queued, and those that they queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
