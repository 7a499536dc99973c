import type { LogRecovery, MissingLog, OpenProgress, SetAside } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import type { Logger } from './shared/logger.ts';

/** How often a long start says how far it has come. */
const REPORT_INTERVAL_MS = 2000;

/** What to do about what is gone. */
const PUT_BACK =
  'Without other replicas new records take those offsets again: if there is a copy, stop the broker and put it back first';

/** Tells how the opening of the logs goes on, and what an unclean stop has cost. */
export class OpeningReports {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #startMs: number;
  #nextMs: number;
  #scannedBytes = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#startMs = clock.monotonic();
    this.#nextMs = this.#startMs + REPORT_INTERVAL_MS;
  }

  /** To be called before a log's end is cut off. */
  cut(topic: string, partition: number, recovery: LogRecovery): void {
    const { truncatedBytes, logEndOffset, fault, setAside } = recovery;
    const { paths, sizeBytes, error } = setAside ?? {};
    const kept = error === undefined ? { paths, sizeBytes } : undefined;
    this.#logger.warn(
      { topic, partition, truncatedBytes, logEndOffset, fault, setAside: kept, err: error },
      `${topic}-${partition} is read no further than to offset ${logEndOffset}: the ${truncatedBytes} bytes from there on are cut off, which begin with a batch that is incomplete or damaged.${fateOf(setAside)}`,
    );
  }

  /** To be called for each log whose folder is gone. */
  missing({ name, directory, syncedTo }: MissingLog): void {
    this.#logger.error(
      { log: name, directory, syncedTo },
      `The folder of ${name} is gone from ${directory}, and everything below offset ${syncedTo} was on the disk: it was removed or moved while the broker was down. ${PUT_BACK}`,
    );
  }

  #short({ topic, partition, recovery: { logEndOffset, syncedTo } }: OpenProgress['log']): void {
    if (syncedTo === undefined) return;
    this.#logger.error(
      { topic, partition, logEndOffset, syncedTo },
      `${topic}-${partition} ends at offset ${logEndOffset}, and everything below offset ${syncedTo} was on the disk: its files were cut or replaced while the broker was down, or the disk has lost them. ${PUT_BACK}`,
    );
  }

  /** To be called after each partition. */
  opened({ partitionsOpened, partitionsTotal, log }: OpenProgress): void {
    this.#scannedBytes += log.recovery.scannedBytes;
    this.#short(log);
    const nowMs = this.#clock.monotonic();
    const isDone = partitionsOpened === partitionsTotal;
    if (nowMs < this.#nextMs && !(isDone && this.#scannedBytes > 0)) return;
    this.#nextMs = nowMs + REPORT_INTERVAL_MS;
    const tookMs = Math.round(nowMs - this.#startMs);
    this.#logger.info(
      { partitionsOpened, partitionsTotal, scannedBytes: this.#scannedBytes, tookMs },
      `Opened ${partitionsOpened} of ${partitionsTotal} partitions`,
    );
  }
}

/** What is told of a log folder that cannot be used, at the start or later. */
export function failedFolder(folder: string, hasStarted: boolean): string {
  return hasStarted
    ? `The log folder ${folder} has failed: its partitions are offline until a restart`
    : `The log folder ${folder} could not be opened: mend what is the matter, then start the broker again; its partitions are offline until then`;
}

/** What became of what was cut off, where it may have been acknowledged. */
function fateOf(setAside: SetAside | undefined): string {
  if (setAside === undefined) return ' A crash has cut it short, and none behind it is whole';
  if (setAside.error !== undefined) {
    return ' They could not be set aside, and are lost, though they may have been acknowledged';
  }
  return ` They may have been acknowledged: ${setAside.sizeBytes} bytes are set aside in ${setAside.paths.join(', ')}, of which \`millrace log dump --records\` shows what is whole`;
}
