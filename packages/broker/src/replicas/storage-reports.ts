import { type AppendResult, isShortage } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';

/** How often the broker's log says that a disk takes no more, while it takes no more. */
const REPORT_INTERVAL_MS = 60_000;

/** How many pieces of work are told of within that time. */
const WORK_NOTED_MAX = 50;

/**
 * Tells whoever runs the broker that something cannot be written for the disk's sake: at once, and then once in a while, for a full disk
 * refuses thousands of times a second, and everything that writes finds out by itself.
 */
export class StorageReports {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** When records that are refused are told of again. */
  #recordsMs = Number.NEGATIVE_INFINITY;
  /** When other work that lacks room is, by what it is. */
  readonly #workMs = new Map<string, number>();
  #refused = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Notes an append that ended with KAFKA_STORAGE_ERROR. */
  refused(topic: string, partition: number, { errorMessage }: AppendResult): void {
    this.#refused += 1;
    this.short(topic, partition, errorMessage ?? 'the log is offline');
  }

  /** Notes that a log takes no records for now, whoever sends them: producers, a leader, a coordinator of this broker. */
  short(topic: string, partition: number, reason: string): void {
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#recordsMs) return;
    this.#recordsMs = nowMs + REPORT_INTERVAL_MS;
    this.#logger.error(
      { topic, partition, reason, refused: this.#refused },
      `Records are refused because they cannot be written; producers are told to try again: ${reason}`,
    );
    this.#refused = 0;
  }

  /** Notes that work behind the scenes has failed. Want of room lasts, and most work comes again every few seconds. */
  failed(what: string, err: unknown): void {
    if (isShortage(err)) {
      const nowMs = this.#clock.monotonic();
      for (const [other, nextMs] of this.#workMs) if (nextMs <= nowMs) this.#workMs.delete(other);
      if (this.#workMs.has(what) || this.#workMs.size >= WORK_NOTED_MAX) return;
      this.#workMs.set(what, nowMs + REPORT_INTERVAL_MS);
    }
    this.#logger.warn({ err }, `${what} failed`);
  }
}
