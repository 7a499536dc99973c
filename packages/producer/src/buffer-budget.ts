import type { Clock, Timer } from '@millrace/ports';

interface Waiter {
  readonly deadlineMs: number;
  proceed(): void;
  expire(): void;
}

/** Served waiters are dropped from the line in lots of this many, so that a long line is not copied for each. */
const SERVED_KEPT_MAX = 4096;

/**
 * The bound on what waits in a producer: bytes of all batches that are not yet acknowledged. Those who find it spent wait
 * in line, so that records keep the order in which they were sent.
 */
export class BufferBudget {
  readonly #bytesMax: number;
  readonly #waitMsMax: number;
  readonly #clock: Clock;
  #usedBytes = 0;
  readonly #line: Waiter[] = [];
  #served = 0;
  #timer: Timer | undefined;

  constructor(bytesMax: number, waitMsMax: number, clock: Clock) {
    this.#bytesMax = bytesMax;
    this.#waitMsMax = waitMsMax;
    this.#clock = clock;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** How many wait in line. */
  get waitingCount(): number {
    return this.#line.length - this.#served;
  }

  /** Whether a newcomer may go on at once: there is room and nobody was there before. */
  get isOpen(): boolean {
    return this.#usedBytes < this.#bytesMax && this.#served === this.#line.length;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** Joins the line: `proceed` is called when it is its turn and there is room, `expire` when that has taken too long. */
  wait(proceed: () => void, expire: () => void): void {
    this.#line.push({ deadlineMs: this.#clock.monotonic() + this.#waitMsMax, proceed, expire });
    this.#timer ??= this.#clock.schedule(this.#waitMsMax, this.#expireOverdue);
  }

  /** Gives bytes back and lets those at the head of the line go on while there is room. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
    while (this.#usedBytes < this.#bytesMax && this.#served < this.#line.length) {
      this.#line[this.#served++]!.proceed();
    }
    this.#dropServed();
  }

  /** Turns everybody away. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const waiter of this.#line.splice(0).slice(this.#served)) waiter.expire();
    this.#served = 0;
  }

  /** All wait equally long, so those who are overdue stand at the head. */
  readonly #expireOverdue = (): void => {
    const nowMs = this.#clock.monotonic();
    while (this.#served < this.#line.length && this.#line[this.#served]!.deadlineMs <= nowMs) {
      this.#line[this.#served++]!.expire();
    }
    this.#dropServed();
    const head = this.#line[this.#served];
    this.#timer = head === undefined ? undefined : this.#clock.schedule(head.deadlineMs - nowMs, this.#expireOverdue);
  };

  #dropServed(): void {
    if (this.#served === this.#line.length) this.#line.length = 0;
    else if (this.#served > SERVED_KEPT_MAX) this.#line.splice(0, this.#served);
    else return;
    this.#served = 0;
  }
}
