import type { Clock, Timer } from '@millrace/ports';
import { CorruptLogError, isShortage, LogError } from '../errors.ts';
import type { PartitionLog } from '../partition-log.ts';
import { Throttle } from '../throttle.ts';
import { type CleaningProgress, CleaningStopped, type CleanResult, SliceFailed } from './clean-log.ts';
import type { Cleanable } from './cleanable.ts';
import { cleanSlice, type SliceCleaner } from './slice.ts';

/** How logs are compacted. Sizes in bytes, times in milliseconds. */
export interface LogCleanerOptions {
  /** `log.cleaner.enable`. Default true. */
  readonly cleanerEnabled: boolean;
  /** `log.cleaner.backoff.ms`: how long to wait when there is nothing to compact. Default 15,000. */
  readonly cleanerBackoffMs: number;
  /** `log.cleaner.dedupe.buffer.size`: memory for the keys of one log; with more keys it takes several goes. Default 128 MiB. */
  readonly cleanerDedupeBufferBytes: number;
  /** `log.cleaner.io.buffer.load.factor`: how full that may get. Default 0.9. */
  readonly cleanerDedupeBufferLoadFactor: number;
  /** `log.cleaner.io.buffer.size`: what is read at a time, before others get their turn. Default 128 KiB. */
  readonly cleanerIoBufferBytes: number;
  /** `log.cleaner.io.max.bytes.per.second`, read and written together. Default `Infinity`. */
  readonly cleanerIoBytesPerSecondMax: number;
  /** Does what of compaction costs the processor's time. Default: in the calling thread. */
  readonly cleanSlice: SliceCleaner;
}

const DEFAULTS: LogCleanerOptions = {
  cleanerEnabled: true,
  cleanerBackoffMs: 15_000,
  cleanerDedupeBufferBytes: 128 * 1024 * 1024,
  cleanerDedupeBufferLoadFactor: 0.9,
  cleanerIoBufferBytes: 128 * 1024,
  cleanerIoBytesPerSecondMax: Number.POSITIVE_INFINITY,
  cleanSlice,
};

/** A log that is being compacted. */
export interface CleaningStatus extends Readonly<CleaningProgress> {
  readonly topic: string;
  readonly partition: number;
  /** The share of the log that was dirty when it began. */
  readonly dirtyRatio: number;
}

/** What compaction is doing and has done since the start, for metrics. */
export interface LogCleanerStatus {
  /** Undefined while nothing is compacted. */
  readonly current: CleaningStatus | undefined;
  readonly logsCleaned: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  /** The largest share of a log that was dirty when the logs were last looked at. */
  readonly dirtyRatioMax: number;
  /** Logs that are left alone until the next start because they cannot be compacted. */
  readonly uncleanableLogs: readonly PartitionLog[];
}

/** What the cleaner needs of the manager. */
export interface LogCleanerHost {
  logs(): Iterable<PartitionLog>;
  /** A log was cleaned; its `cleanedOffset` has moved on. */
  cleaned(log: PartitionLog, result: CleanResult): Promise<void>;
  /** A log cannot be cleaned; its records are served as before. */
  uncleanable(log: PartitionLog, error: unknown): void;
  /** Something did not work that will be tried again. */
  backgroundError(what: string, error: unknown): void;
}

interface Candidate {
  readonly log: PartitionLog;
  readonly cleanable: Cleanable;
}

/**
 * Compacts the logs with `cleanup.policy=compact` (Kafka's `LogCleaner`), one at a time, the dirtiest first, in slices that give
 * way to other work.
 */
export class LogCleaner {
  readonly #clock: Clock;
  #options: LogCleanerOptions;
  readonly #host: LogCleanerHost;
  readonly #throttle: Throttle;
  readonly #uncleanable = new Set<PartitionLog>();
  readonly #done = { logsCleaned: 0, bytesRead: 0, bytesWritten: 0, recordsRead: 0, recordsKept: 0 };
  #dirtyRatioMax = 0;
  #current: { candidate: Candidate; progress: CleaningProgress } | undefined;
  #timer: Timer | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #isStopped = true;

  constructor(clock: Clock, options: Partial<LogCleanerOptions>, host: LogCleanerHost) {
    this.#clock = clock;
    this.#options = DEFAULTS;
    this.reconfigure(options);
    this.#host = host;
    this.#throttle = new Throttle(clock, () => this.#options.cleanerIoBytesPerSecondMax);
  }

  /** Takes over what is given; it holds from the next look at the logs on, the rate at once. */
  reconfigure(options: Partial<LogCleanerOptions>): void {
    const given = Object.entries(options).filter(([name, value]) => name in DEFAULTS && value !== undefined);
    this.#options = { ...this.#options, ...Object.fromEntries(given) };
  }

  get status(): LogCleanerStatus {
    const current = this.#current;
    return {
      ...this.#done,
      current: current && {
        topic: current.candidate.log.topic,
        partition: current.candidate.log.partition,
        dirtyRatio: current.candidate.cleanable.dirtyRatio,
        ...current.progress,
      },
      dirtyRatioMax: this.#dirtyRatioMax,
      uncleanableLogs: [...this.#uncleanable].filter(({ state }) => state !== 'closed'),
    };
  }

  start(): void {
    this.#isStopped = false;
    if (this.#options.cleanerEnabled) this.#schedule();
  }

  /** Leaves off what is under way; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#throttle.stop();
    await this.#running;
  }

  /** Compacts now whatever is dirty enough, until nothing is. Gives how many times a log was gone over. */
  cleanAll(): Promise<number> {
    const running = this.#running.then(() => this.#cleanAllNow());
    this.#running = running.catch(() => {});
    return running;
  }

  #schedule(): void {
    this.#timer = this.#clock.schedule(this.#options.cleanerBackoffMs, () => {
      const again = (): void => {
        if (!this.#isStopped) this.#schedule();
      };
      this.cleanAll().then(again, (error: unknown) => {
        this.#host.backgroundError('Compacting logs', error);
        again();
      });
    });
  }

  async #cleanAllNow(): Promise<number> {
    let count = 0;
    // A log that did not get on is left for the next time, so that the others get their turn.
    const passedOver = new Set<PartitionLog>();
    while (!this.#isStopped) {
      const candidate = await this.#dirtiest(passedOver);
      if (candidate === undefined) return count;
      if (await this.#clean(candidate)) count += 1;
      else passedOver.add(candidate.log);
    }
    return count;
  }

  async #dirtiest(passedOver: ReadonlySet<PartitionLog>): Promise<Candidate | undefined> {
    const nowMs = this.#clock.now();
    let best: Candidate | undefined;
    this.#dirtyRatioMax = 0;
    for (const log of this.#host.logs()) {
      if (!isCompacted(log) || this.#uncleanable.has(log) || passedOver.has(log)) continue;
      const cleanable = await this.#look(log, nowMs);
      if (cleanable === undefined) continue;
      this.#dirtyRatioMax = Math.max(this.#dirtyRatioMax, cleanable.dirtyRatio);
      const isWorth = cleanable.isOverdue || cleanable.dirtyRatio > log.config.minCleanableDirtyRatio;
      if (cleanable.dirtyBytes === 0 || !isWorth) continue;
      if (cleanable.dirtyRatio > (best?.cleanable.dirtyRatio ?? -1)) best = { log, cleanable };
    }
    return best;
  }

  async #look(log: PartitionLog, nowMs: number): Promise<Cleanable | undefined> {
    try {
      return await log.findCleanable(nowMs);
    } catch (error) {
      this.#failed(log, error);
      return undefined;
    }
  }

  async #clean(candidate: Candidate): Promise<boolean> {
    const { log, cleanable } = candidate;
    const progress: CleaningProgress = { phase: 'indexing', bytesDone: 0, bytesTotal: cleanable.dirtyBytes };
    this.#current = { candidate, progress };
    try {
      const result = await log.clean(cleanable, {
        dedupeBufferBytes: this.#options.cleanerDedupeBufferBytes,
        dedupeBufferLoadFactor: this.#options.cleanerDedupeBufferLoadFactor,
        ioBufferBytes: this.#options.cleanerIoBufferBytes,
        throttle: this.#throttle,
        cleanSlice: this.#options.cleanSlice,
        isStopped: () => this.#isStopped,
        progress,
      });
      this.#count(result);
      await this.#host.cleaned(log, result);
      return true;
    } catch (error) {
      this.#failed(log, error);
      return false;
    } finally {
      this.#current = undefined;
    }
  }

  #count(result: CleanResult): void {
    this.#done.logsCleaned += 1;
    this.#done.bytesRead += result.bytesRead;
    this.#done.bytesWritten += result.bytesWritten;
    this.#done.recordsRead += result.recordsRead;
    this.#done.recordsKept += result.recordsKept;
  }

  /** Want of room passes; a disk that fails takes the log with it; anything else is in the log itself, and would come again. */
  #failed(log: PartitionLog, error: unknown): void {
    if (error instanceof CleaningStopped || log.state === 'closed' || log.state === 'failed') return;
    const what = `Compacting ${log.topic}-${log.partition}`;
    if (isShortage(error) || error instanceof SliceFailed) {
      this.#host.backgroundError(what, error);
    } else if (isOfTheLog(error)) {
      this.#uncleanable.add(log);
      this.#host.uncleanable(log, error);
    } else {
      log.fail(error);
      this.#host.backgroundError(what, error);
    }
  }
}

function isCompacted(log: PartitionLog): boolean {
  return log.state === 'online' && !log.isMoving && log.config.cleanupPolicy.includes('compact');
}

function isOfTheLog(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return error instanceof CorruptLogError || error instanceof LogError || String(code).startsWith('RECORDS_');
}
