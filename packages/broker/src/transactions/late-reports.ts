import type { Clock } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';

/** How often the broker's log says that transactions are still to be aborted. */
const REPORT_INTERVAL_MS = 60_000;

/** Tells of transactions that are aborted because they took too long: of each once, and of those that cannot be, once in a while of all. */
export class LateReports {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #nextMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<string>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** One is about to be aborted; again, where that could not be written down before. */
  aborting(transactionalId: string, timeoutMs: number, isTriedAgain: boolean): void {
    if (!isTriedAgain) {
      this.#logger.info({ transactionalId, timeoutMs }, 'Aborting a transaction that took too long');
      return;
    }
    this.#waiting.add(transactionalId);
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + REPORT_INTERVAL_MS;
    const fields = { transactionalId, timeoutMs, transactions: this.#waiting.size };
    this.#logger.warn(
      fields,
      'A transaction that took too long could not be aborted: nothing can be written; tried again',
    );
    this.#waiting.clear();
  }
}
