import type { Clock, Timer } from '@millrace/ports';
import type { Guard } from './guard.ts';

const NOT_QUEUED = -1;

/** One thing that is to happen at an instant; made once by its owner and set, moved and cancelled many times. */
export class Deadline {
  readonly run: () => void;
  /** When it is due, on the monotonic clock. May lie after `queuedMs`: the queue finds out when it gets there. */
  dueMs = 0;
  /** The instant under which it stands in the heap. */
  queuedMs = 0;
  /** Where it stands in the heap. */
  index = NOT_QUEUED;

  constructor(run: () => void) {
    this.run = run;
  }

  /** Whether it waits to happen. */
  get pending(): boolean {
    return this.index !== NOT_QUEUED;
  }
}

/**
 * All session, rebalance and sync timeouts of a coordinator in one heap under one timer of the clock.
 *
 * Nearly every deadline is moved later again and again (each heartbeat does) and hardly ever fires. So moving
 * later is a store into the deadline; only when its old place in the heap comes up is it put where it belongs.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #heap: Deadline[] = [];
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  /** What the clock said last. */
  #nowMs = 0;
  #closed = false;

  constructor(clock: Clock, guard: Guard) {
    this.#clock = clock;
    this.#guard = guard;
  }

  /** How many deadlines wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets or moves a deadline to `delayMs` from now. Never throws: who is half way through something must not be kept from its end. */
  set(deadline: Deadline, delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#lookAtClock() + Math.max(delayMs, 0);
    deadline.dueMs = dueMs;
    if (deadline.index === NOT_QUEUED) {
      deadline.queuedMs = dueMs;
      deadline.index = this.#heap.length;
      this.#heap.push(deadline);
      this.#siftUp(deadline.index);
    } else if (dueMs < deadline.queuedMs) {
      deadline.queuedMs = dueMs;
      this.#siftUp(deadline.index);
    } else {
      return;
    }
    try {
      this.#arm();
    } catch (error) {
      this.#guard.report('Setting a timeout', error);
    }
  }

  #lookAtClock(): number {
    try {
      this.#nowMs = this.#clock.monotonic();
    } catch (error) {
      this.#guard.report('Looking at the clock', error);
    }
    return this.#nowMs;
  }

  /** Forgets a deadline; does nothing to one that does not wait. */
  cancel(deadline: Deadline): void {
    if (deadline.index !== NOT_QUEUED) this.#removeAt(deadline.index);
  }

  /** Forgets all deadlines and takes no more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const deadline of this.#heap) deadline.index = NOT_QUEUED;
    this.#heap.length = 0;
  }

  /** Keeps the clock's timer at or before the first place in the heap; a timer that comes too early costs one look. */
  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.queuedMs >= this.#timerDueMs) return;
    const { queuedMs } = first;
    const delayMs = queuedMs - this.#clock.monotonic();
    const timer = this.#clock.schedule(delayMs, () => this.#guard.run('Looking for timeouts', () => this.#fire()));
    this.#timer?.cancel();
    this.#timer = timer;
    this.#timerDueMs = queuedMs;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    try {
      this.#nowMs = this.#clock.monotonic();
      this.#runDue(this.#nowMs);
    } finally {
      this.#arm();
    }
  }

  #runDue(nowMs: number): void {
    // At most one look per deadline that waits now: one that sets itself to "now" again has its turn next time.
    for (let looks = this.#heap.length; looks > 0; looks -= 1) {
      const first = this.#heap[0];
      if (first === undefined || first.queuedMs > nowMs) break;
      if (first.dueMs > nowMs) {
        first.queuedMs = first.dueMs;
        this.#siftDown(0);
      } else {
        this.#removeAt(0);
        this.#guard.run('A timeout', first.run);
      }
    }
  }

  #removeAt(index: number): void {
    const heap = this.#heap;
    const removed = heap[index]!;
    const last = heap.pop()!;
    removed.index = NOT_QUEUED;
    if (last === removed) return;
    heap[index] = last;
    last.index = index;
    this.#siftUp(index);
    this.#siftDown(last.index);
  }

  #siftUp(from: number): void {
    const heap = this.#heap;
    const moved = heap[from]!;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above]!;
      if (parent.queuedMs <= moved.queuedMs) break;
      heap[index] = parent;
      parent.index = index;
      index = above;
    }
    heap[index] = moved;
    moved.index = index;
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const moved = heap[from]!;
    let index = from;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.queuedMs < heap[below]!.queuedMs) below += 1;
      const child = heap[below]!;
      if (child.queuedMs >= moved.queuedMs) break;
      heap[index] = child;
      child.index = index;
      index = below;
    }
    heap[index] = moved;
    moved.index = index;
  }
}
