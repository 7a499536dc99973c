import type { Clock, Disk, Random } from '@millrace/ports';
import type { BatchWork } from './batch-work.ts';
import type { CleanResult } from './compaction/clean-log.ts';
import type { LogCleanerOptions } from './compaction/log-cleaner.ts';
import type { CorruptLogError, UnloadableLogError } from './errors.ts';
import type { LogBounds } from './log-bounds.ts';
import type { LogConfig } from './log-config.ts';
import type { LogMoveNews } from './log-mover.ts';
import type { LogScheduleOptions } from './log-schedule.ts';
import type { LogRecovery, MissingLog } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';

/** How far the opening of the logs has come. */
export interface OpenProgress {
  readonly partitionsOpened: number;
  readonly partitionsTotal: number;
  /** The partition that was opened last. */
  readonly log: PartitionLog;
}

/** What a {@link LogManager} is made with. Sizes in bytes, times in milliseconds. */
export interface LogManagerOptions extends Partial<LogScheduleOptions>, Partial<LogCleanerOptions>, Partial<LogBounds> {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** `log.dirs`: at least one. */
  readonly logDirs: readonly string[];
  readonly brokerId: number;
  readonly clusterId: string;
  /** The configuration of a topic's logs, asked for when they are opened. */
  readonly configOf: (topic: string) => LogConfig;
  /** Partitions opened, recovered or closed at a time. Default 16. */
  readonly openConcurrency?: number;
  /** `producer.id.expiration.ms`. Default 1 day. */
  readonly producerIdExpirationMs?: number;
  /** `replica.alter.log.dirs.io.max.bytes.per.second`: how fast logs are copied from one log directory to another. Default no bound. */
  readonly moveBytesPerSecondMax?: number;
  /** Default: in the calling thread. */
  readonly batchWork?: BatchWork;
  /**
   * Whether every record of a client's batch is looked at before it is taken, as Kafka does. Default false: its header and CRC, and
   * its records where the topic or a doubtful count asks for it.
   */
  readonly checksRecords?: boolean;
  /** Told before recovery cuts off the damaged end of a log. */
  readonly onCut?: (topic: string, partition: number, recovery: LogRecovery) => void;
  /** Told at a start after a stop in order of a log that had records then, and whose folder is gone. */
  readonly onMissing?: (missing: MissingLog) => void;
  /** Told after each partition that was opened at the start. */
  readonly onProgress?: (progress: OpenProgress) => void;
  /** Told once for a log directory that goes offline, with all its partitions. */
  readonly onDirectoryFailed?: (folder: string, error: unknown, logs: readonly PartitionLog[]) => void;
  /** Told at the start of a partition that could not be opened: it alone is offline, and its folder is left as it is. */
  readonly onUnloadable?: (topic: string, partition: number, error: UnloadableLogError) => void;
  /** Told when a reader meets a damaged batch. */
  readonly onDamaged?: (log: PartitionLog, error: CorruptLogError) => void;
  /** Told after each log that was compacted. */
  readonly onCleaned?: (log: PartitionLog, result: CleanResult) => void;
  /** Told once of a log that cannot be compacted, and is left as it is until the next start. */
  readonly onUncleanable?: (log: PartitionLog, error: unknown) => void;
  /** Told of logs on their way into another log directory. */
  readonly onMove?: (news: LogMoveNews) => void;
  /** Told of failures of background work that put nothing at risk (a file that cannot be removed, say). */
  readonly onBackgroundError?: (what: string, error: unknown) => void;
}

/** One of `log.dirs`, for DescribeLogDirs. */
export interface LogDirectoryDescription {
  readonly folder: string;
  /** Undefined while the directory is online. */
  readonly failure: unknown;
  readonly logs: readonly PartitionLog[];
}

/** Why a log is not moved to another log directory. */
export type MoveRefusal = 'name-too-long' | 'no-such-directory' | 'offline';

/** What goes with {@link LogManager.getOrCreate}. */
export interface CreateLogOptions {
  /** Kept in `partition.metadata`; a 22-character base64 UUID. */
  readonly topicId?: string;
  /** Whether the partition was just created, so that it cannot lie in a directory that is offline. Default false. */
  readonly isNew?: boolean;
}

/** Memory and files in use, for metrics. */
export interface LogManagerUsage {
  readonly openFiles: number;
  readonly indexCacheBytes: number;
  readonly readMemoryBytes: number;
  readonly tailCacheBytes: number;
  /** Idempotent producers remembered, of all partitions and of the one with the most. */
  readonly producerIds: number;
  readonly producerIdsLargest: number;
  /** What of these is allowed. */
  readonly bounds: LogBounds;
  readonly filesAwaitingRemoval: number;
}
