import type { Clock, Timer } from '@millrace/ports';
import type { Delivery } from './delivery.ts';

/** How often within the interval progress is looked for. */
const LOOKS = 10;

/**
 * Notices handlers that are stuck, and readers that have stopped reading: the meaning of `maxPollIntervalMs`. It looks now and
 * then, so that handing out a record costs no look at the clock; somebody is found out after 1 to 1.1 intervals.
 */
export class PollWatch {
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #stuck: (why: string) => void;
  #timer: Timer | undefined;
  #lastPollMs: number;

  constructor(delivery: Delivery, clock: Clock, intervalMs: number, stuck: (why: string) => void) {
    this.#delivery = delivery;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#stuck = stuck;
    this.#lastPollMs = clock.monotonic();
  }

  start(): void {
    this.#lastPollMs = this.#clock.monotonic();
    this.#timer ??= this.#clock.schedule(this.#intervalMs / LOOKS, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonic();
    const delivery = this.#delivery;
    if (delivery.waitingCount > 0 || delivery.leases.size > 0) this.#lastPollMs = nowMs;
    for (const lease of delivery.leases) {
      if (lease.progress !== lease.seenProgress) {
        lease.seenProgress = lease.progress;
        lease.seenMs = nowMs;
      } else if (nowMs - lease.seenMs >= this.#intervalMs && !lease.cancelled) {
        const { topic, partition } = lease.state;
        this.#stuck(
          `the handler of partition ${partition} of "${topic}" has made no progress for ${this.#intervalMs} ms (maxPollIntervalMs)`,
        );
        return;
      }
    }
    if (nowMs - this.#lastPollMs >= this.#intervalMs) {
      this.#stuck(`nobody has asked for records for ${this.#intervalMs} ms (maxPollIntervalMs)`);
      return;
    }
    this.#timer = this.#clock.schedule(this.#intervalMs / LOOKS, () => this.#look());
  }
}
