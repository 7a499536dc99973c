import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import type { Partition } from './partition.ts';
import { GIVEN_UP_AFTER_MS, type Shortages } from './shortages.ts';
import type { StorageReports } from './storage-reports.ts';

/** At the least so much time passes before a log that has no room is looked at again. */
const CHECK_MS_MIN = 1;

/** What a watch of shortages works with. */
export interface ShortageWatchOptions {
  readonly shortages: Shortages;
  readonly deadlines: Deadlines;
  readonly guard: Guard;
  readonly logger: Logger;
  readonly reports: StorageReports;
  /** Whether a replica is still of this broker. */
  readonly isHere: (partition: Partition) => boolean;
  /** A replica is given up: it is offline now, of which the controller must hear. */
  readonly onGivenUp: () => void;
}

/** Looks after logs that had no room for an append lately, until it is known whether their replicas are given up. */
export class ShortageWatch {
  readonly #options: ShortageWatchOptions;
  readonly #short = new Set<Partition>();
  readonly #check = new Deadline(() => {
    this.#options.guard.settle('Looking whether disks are still full', this.#checkAll());
  });
  #isClosed = false;

  constructor(options: ShortageWatchOptions) {
    this.#options = options;
  }

  /** A log had no room for an append; it has had none for so long. */
  noted(partition: Partition, lastedMs: number): void {
    const { reports, isHere, shortages } = this.#options;
    const { topic, partition: index, log } = partition;
    reports.short(topic, index, log.shortReason);
    if (!isHere(partition)) return;
    if (shortages.noted(partition, lastedMs)) this.#givesUp(partition, lastedMs);
    else if (lastedMs < GIVEN_UP_AFTER_MS) this.#checkLater(partition);
  }

  close(): void {
    this.#isClosed = true;
    this.#options.deadlines.cancel(this.#check);
    this.#short.clear();
  }

  #checkLater(partition: Partition): void {
    this.#short.add(partition);
    if (!this.#check.pending && !this.#isClosed) {
      // Never in less than a moment: fractions of milliseconds that do not add up would have it look for ever in the same one.
      const leftMs = Math.max(CHECK_MS_MIN, GIVEN_UP_AFTER_MS - partition.log.shortMs);
      this.#options.deadlines.set(this.#check, leftMs);
    }
  }

  async #checkAll(): Promise<void> {
    const { isHere, shortages } = this.#options;
    const noted = [...this.#short];
    this.#short.clear();
    for (const partition of noted) {
      const { shortMs } = partition.log;
      if (shortMs === 0 || !isHere(partition)) continue;
      if (shortMs < GIVEN_UP_AFTER_MS) this.#checkLater(partition);
      else if ((await shortages.lasts(partition)) && isHere(partition)) this.#givesUp(partition, shortMs);
    }
  }

  #givesUp({ topic, partition: index }: Partition, lastedMs: number): void {
    const fields = { topic, partition: index, lastedMs };
    this.#options.logger.warn(fields, 'A replica is given up until its disk has room: others lead or go on without it');
    this.#options.onGivenUp();
  }
}
