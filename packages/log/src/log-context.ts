import type { Clock, Disk, Random } from '@millrace/ports';
import type { BatchWork } from './batch-work.ts';
import type { FileReaper } from './file-reaper.ts';
import type { SegmentFiles } from './segment.ts';
import type { TailCacheBudget } from './tail-cache.ts';

/** What all partitions of a broker share. */
export interface LogContext extends SegmentFiles {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly tailCacheBudget: TailCacheBudget;
  /** The most that one partition's tail cache keeps alive. */
  readonly tailCacheBytesMax: number;
  readonly reaper: FileReaper;
  readonly batchWork: BatchWork;
  /** Whether every record of a client's batch is looked at before it is taken, as Kafka does, and not its header alone. */
  readonly checksRecords: boolean;
  /** How long an idle producer is remembered (`producer.id.expiration.ms`). */
  producerIdExpirationMs: number;
  /** Idempotent producers remembered for one log. */
  readonly producerIdsMax: number;
}
