import type { Clock, Timer } from '@millrace/ports';

interface Waiter {
  readonly deadlineMs: number;
  proceed(): void;
  expire(): void;
  /** Set when its time is over before those in front of it had theirs. */
  isTurnedAway: boolean;
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
  #turnedAway = 0;
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
    return this.#line.length - this.#served - this.#turnedAway;
  }

  /** Whether a newcomer may go on at once: there is room and nobody was there before. */
  get isOpen(): boolean {
    return this.#usedBytes < this.#bytesMax && this.#served === this.#line.length;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /**
   * Joins the line: `proceed` is called when it is its turn and there is room, `expire` when that has taken too long.
   * @param sinceMs since when it has been waiting, where it has waited for something else before
   */
  wait(proceed: () => void, expire: () => void, sinceMs?: number): void {
    const nowMs = this.#clock.monotonic();
    const waiter = { deadlineMs: (sinceMs ?? nowMs) + this.#waitMsMax, proceed, expire, isTurnedAway: false };
    const last = this.#line.at(-1);
    this.#line.push(waiter);
    if (last !== undefined && waiter.deadlineMs < last.deadlineMs) this.#expireByItself(waiter, nowMs);
    else this.#timer ??= this.#clock.schedule(waiter.deadlineMs - nowMs, this.#expireOverdue);
  }

  /** Gives bytes back and lets those at the head of the line go on while there is room. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
    while (this.#usedBytes < this.#bytesMax && this.#served < this.#line.length) this.#serveHead()?.proceed();
    this.#dropServed();
  }

  /** Takes the head out of the line; undefined where it was turned away already. */
  #serveHead(): Waiter | undefined {
    const head = this.#line[this.#served]!;
    this.#served += 1;
    if (!head.isTurnedAway) return head;
    this.#turnedAway -= 1;
    return undefined;
  }

  /** Who has waited elsewhere before may be overdue before those in front. */
  #expireByItself(waiter: Waiter, nowMs: number): void {
    this.#clock.schedule(waiter.deadlineMs - nowMs, () => {
      if (this.#line.indexOf(waiter, this.#served) < 0) return;
      waiter.isTurnedAway = true;
      this.#turnedAway += 1;
      waiter.expire();
    });
  }

  /** Turns everybody away. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const waiter of this.#line.splice(0).slice(this.#served)) if (!waiter.isTurnedAway) waiter.expire();
    this.#served = 0;
    this.#turnedAway = 0;
  }

  /** Nearly all wait equally long, so those who are overdue stand at the head. */
  readonly #expireOverdue = (): void => {
    const nowMs = this.#clock.monotonic();
    while (this.#served < this.#line.length && this.#line[this.#served]!.deadlineMs <= nowMs) {
      this.#serveHead()?.expire();
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
