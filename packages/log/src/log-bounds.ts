/** What all logs together may take, but where it says otherwise. */
export interface LogBounds {
  /** Files that are open at a time. Default 1,000. */
  readonly openFilesMax: number;
  /** Memory for indexes read from files, in bytes. Default 32 MiB. */
  readonly indexCacheBytesMax: number;
  /** Memory for the newest batches of all partitions, in bytes. Default 64 MiB. */
  readonly tailCacheBytesMax: number;
  /** Of that, the most for one partition. Default 16 MiB. */
  readonly tailCachePartitionBytesMax: number;
  /** Memory kept for reads from files, with what was read ahead of readers in it. Default 16 MiB. */
  readonly readMemoryBytesMax: number;
  /**
   * Idempotent producers remembered for one partition; beyond it those are forgotten that have not written for longest, as if their
   * `producer.id.expiration.ms` had passed. Default 100,000.
   */
  readonly producerIdsMax: number;
}

const MIB = 1024 * 1024;
const BOUNDS: LogBounds = {
  openFilesMax: 1000,
  indexCacheBytesMax: 32 * MIB,
  tailCacheBytesMax: 64 * MIB,
  tailCachePartitionBytesMax: 16 * MIB,
  readMemoryBytesMax: 16 * MIB,
  producerIdsMax: 100_000,
};

/** What is given, and the defaults for what is not. */
export function boundsOf(options: Partial<LogBounds>): LogBounds {
  const given = Object.entries(options).filter(([name, value]) => name in BOUNDS && value !== undefined);
  return { ...BOUNDS, ...Object.fromEntries(given) };
}
