import type { AppendResult } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';

/** How often the log says that records are refused because a disk does not take them. */
const REPORT_INTERVAL_MS = 10_000;

/** Tells whoever runs the broker that records are refused for the disk's sake: a full disk refuses thousands a second. */
export class StorageReports {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #nextMs = Number.NEGATIVE_INFINITY;
  #refused = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Notes an append that ended with KAFKA_STORAGE_ERROR. */
  refused(topic: string, partition: number, { errorMessage }: AppendResult): void {
    this.#refused += 1;
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + REPORT_INTERVAL_MS;
    this.#logger.error(
      { topic, partition, reason: errorMessage, refused: this.#refused },
      `Records are refused because they cannot be written; producers are told to try again: ${errorMessage ?? 'the log is offline'}`,
    );
    this.#refused = 0;
  }
}
