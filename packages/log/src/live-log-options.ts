import type { LogCleanerOptions } from './compaction/log-cleaner.ts';

/** What may change while the logs are open. */
export interface LiveLogOptions
  extends Partial<
    Pick<
      LogCleanerOptions,
      'cleanerBackoffMs' | 'cleanerDedupeBufferBytes' | 'cleanerDedupeBufferLoadFactor' | 'cleanerIoBytesPerSecondMax'
    >
  > {
  readonly producerIdExpirationMs?: number;
  /** See {@link LogManagerOptions.moveBytesPerSecondMax}. */
  readonly moveBytesPerSecondMax?: number;
}
