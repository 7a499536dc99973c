import type { Clock, Timer } from '@millrace/ports';
import { isShortage } from './errors.ts';
import type { LogDirectory } from './log-directory.ts';
import type { PartitionLog } from './partition-log.ts';

/** How often the background work is done, in milliseconds; `Infinity` for never. */
export interface LogScheduleOptions {
  /** `log.retention.check.interval.ms`. Default 300,000. */
  readonly retentionCheckIntervalMs: number;
  /** `log.flush.offset.checkpoint.interval.ms`. Default 60,000. */
  readonly recoveryPointCheckpointIntervalMs: number;
  /** `replica.high.watermark.checkpoint.interval.ms`. Default 5,000. */
  readonly highWatermarkCheckpointIntervalMs: number;
  /** `log.flush.scheduler.interval.ms`: how often `flush.ms` is looked at. Default `Infinity`, as in Kafka. */
  readonly flushSchedulerIntervalMs: number;
  /** `producer.id.expiration.check.interval.ms`. Default 600,000. */
  readonly producerExpirationCheckIntervalMs: number;
  /** How often memory that nobody reads with any more is given back. Default 30,000. */
  readonly memoryTrimIntervalMs: number;
  /** A log whose scan after a crash would be shorter is left alone by the checkpoints. Default 4 MiB. */
  readonly unrecoveredBytesMax: number;
}

const DEFAULTS: LogScheduleOptions = {
  retentionCheckIntervalMs: 300_000,
  recoveryPointCheckpointIntervalMs: 60_000,
  highWatermarkCheckpointIntervalMs: 5_000,
  flushSchedulerIntervalMs: Number.POSITIVE_INFINITY,
  producerExpirationCheckIntervalMs: 600_000,
  memoryTrimIntervalMs: 30_000,
  unrecoveredBytesMax: 4 * 1024 * 1024,
};

/** What the schedule needs of the manager. */
export interface LogScheduleHost {
  /** Those that are online. */
  directories(): Iterable<LogDirectory>;
  directoryFailed(directory: LogDirectory, error: unknown): void;
  trimMemory(): void;
  backgroundError(what: string, error: unknown): void;
}

/** The background work on all logs: one timer per kind of work, however many partitions there are. */
export class LogSchedule {
  readonly #clock: Clock;
  readonly #options: LogScheduleOptions;
  readonly #host: LogScheduleHost;
  readonly #timers = new Set<Timer>();
  #running: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(clock: Clock, options: Partial<LogScheduleOptions>, host: LogScheduleHost) {
    this.#clock = clock;
    this.#options = withDefaults(options);
    this.#host = host;
  }

  start(): void {
    this.#isStopped = false;
    this.#every(this.#options.retentionCheckIntervalMs, () => this.enforceRetention());
    this.#every(this.#options.recoveryPointCheckpointIntervalMs, () => this.#checkpointRecoveryPoints());
    this.#every(this.#options.highWatermarkCheckpointIntervalMs, () => this.#checkpointHighWatermarks());
    this.#every(this.#options.flushSchedulerIntervalMs, () => this.#flushDue());
    this.#every(this.#options.producerExpirationCheckIntervalMs, () => this.#expireProducers());
    this.#every(this.#options.memoryTrimIntervalMs, async () => this.#host.trimMemory());
  }

  /** No more work begins; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#running;
  }

  /** Drops old segments of all logs. */
  enforceRetention(): Promise<void> {
    return this.#eachLog('Enforcing the retention of', async (log) => {
      await log.enforceRetention();
    });
  }

  /** Makes all logs durable and writes all checkpoints. */
  async checkpoint(): Promise<void> {
    await this.#eachLog('Making a checkpoint of', (log) => log.checkpoint());
    await this.#checkpointDirectories((directory) => directory.checkpointRecoveryPoints());
    await this.#checkpointHighWatermarks();
  }

  async #checkpointRecoveryPoints(): Promise<void> {
    await this.#eachLog('Making a checkpoint of', async (log) => {
      if (log.unrecoveredBytes >= this.#options.unrecoveredBytesMax) await log.checkpoint();
    });
    await this.#checkpointDirectories((directory) => directory.checkpointRecoveryPoints());
  }

  #checkpointHighWatermarks(): Promise<void> {
    return this.#checkpointDirectories((directory) => directory.checkpointHighWatermarks());
  }

  #flushDue(): Promise<void> {
    const nowMs = this.#clock.now();
    return this.#eachLog('Flushing', async (log) => {
      if (log.isFlushDue(nowMs)) await log.flush();
    });
  }

  async #expireProducers(): Promise<void> {
    const nowMs = this.#clock.now();
    await this.#eachLog('Forgetting producers of', async (log) => log.expireProducers(nowMs));
  }

  async #eachLog(what: string, work: (log: PartitionLog) => Promise<void>): Promise<void> {
    for (const directory of this.#host.directories()) {
      for (const log of directory.logs) {
        if (log.state !== 'online') continue;
        try {
          await work(log);
        } catch (error) {
          // A failure that matters has made the log, and its directory, fail already.
          this.#host.backgroundError(`${what} ${log.topic}-${log.partition}`, error);
        }
      }
    }
  }

  async #checkpointDirectories(checkpoint: (directory: LogDirectory) => Promise<void>): Promise<void> {
    for (const directory of this.#host.directories()) await this.checkpointDirectory(directory, checkpoint);
  }

  /** Writes one of a directory's checkpoints; a disk that fails takes the directory offline. */
  async checkpointDirectory(
    directory: LogDirectory,
    checkpoint: (directory: LogDirectory) => Promise<void>,
  ): Promise<void> {
    try {
      await checkpoint(directory);
    } catch (error) {
      // The checkpoint of before is still there: without a new one, a recovery only has more to do.
      if (isShortage(error)) this.#host.backgroundError(`Writing a checkpoint of ${directory.folder}`, error);
      else this.#host.directoryFailed(directory, error);
    }
  }

  /** Works of different kinds do not overlap: they would only compete for the same disks. */
  #every(intervalMs: number, work: () => Promise<void>): void {
    if (intervalMs === Number.POSITIVE_INFINITY) return;
    const timer = this.#clock.schedule(intervalMs, () => {
      this.#timers.delete(timer);
      this.#running = this.#running.then(async () => {
        try {
          if (!this.#isStopped) await work();
        } catch (error) {
          // Nobody awaits this, and what is due the next time is due all the same.
          this.#host.backgroundError('Work on all logs', error);
        }
        if (!this.#isStopped) this.#every(intervalMs, work);
      });
    });
    this.#timers.add(timer);
  }
}

function withDefaults(options: Partial<LogScheduleOptions>): LogScheduleOptions {
  const given = Object.entries(options).filter(([name, value]) => name in DEFAULTS && value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}
