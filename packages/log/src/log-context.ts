import type { Clock, Disk, Random } from '@millrace/ports';
import type { FileReaper } from './file-reaper.ts';
import type { Recompressor } from './log-types.ts';
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
  readonly recompressor: Recompressor;
  /** How long an idle producer is remembered (`producer.id.expiration.ms`). */
  producerIdExpirationMs: number;
  /** Idempotent producers remembered for one log. */
  readonly producerIdsMax: number;
}
