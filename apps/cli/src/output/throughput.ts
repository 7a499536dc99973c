import { counted, formatBytes, formatCount, formatDuration } from './format.ts';

/** What has been carried so far. */
export interface Tally {
  records: number;
  /** Of keys and values. */
  bytes: number;
  /** Milliseconds, as `performance.now()` has them. */
  readonly startedAt: number;
}

/** `5,168 records (350 KiB) in 71 ms: 72,588 records/s, 4.7 MiB/s`. */
export function throughput({ records, bytes, startedAt }: Tally, now: number): string {
  const elapsedMs = Math.max(now - startedAt, 1);
  const rate = `${formatCount((records / elapsedMs) * 1000)} records/s, ${formatBytes((bytes / elapsedMs) * 1000)}/s`;
  return `${counted(records, 'record')} (${formatBytes(bytes)}) in ${formatDuration(elapsedMs)}: ${rate}`;
}
