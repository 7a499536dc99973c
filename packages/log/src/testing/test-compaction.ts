/** Help for the tests of compaction. */
import { ManualClock, MemoryDisk } from '@millrace/ports';
import { batchIsControl, batchLastOffset, batchSizeBytes, readRecords, splitBatches } from '@millrace/records';
import type { CleanOptions, CleanResult } from '../compaction/clean-log.ts';
import { cleanSlice } from '../compaction/slice.ts';
import type { LogConfig } from '../log-config.ts';
import type { PartitionLog } from '../partition-log.ts';
import { Throttle } from '../throttle.ts';
import { AS_CLIENT, batchOf, followDurable, openTestLog, type TestRecord, testContext } from './test-logs.ts';

export const START_MS = 1_700_000_000_000;

export interface CompactionBench {
  readonly disk: MemoryDisk;
  readonly clock: ManualClock;
  readonly log: PartitionLog;
}

export const COMPACTED: Partial<LogConfig> = {
  cleanupPolicy: ['compact'],
  segmentBytes: 400,
  indexIntervalBytes: 100,
  retentionMs: -1,
};

/** A compacted log with a few batches to a segment. */
export async function compactionBench(
  config: Partial<LogConfig> = {},
  disk = new MemoryDisk(),
): Promise<CompactionBench> {
  const clock = new ManualClock(START_MS);
  const context = testContext({ disk, clock, tailCacheBytesMax: 0 });
  return { disk, clock, log: followDurable(await openTestLog(context, { ...COMPACTED, ...config })) };
}

/** Compacts a log now, however little there is to compact; undefined when there is nothing. */
export async function compact(
  log: PartitionLog,
  clock: ManualClock,
  options: Partial<CleanOptions> = {},
): Promise<CleanResult | undefined> {
  const cleanable = await log.findCleanable(clock.now());
  if (cleanable.dirtyBytes === 0) return undefined;
  return log.clean(cleanable, {
    dedupeBufferBytes: 1024 * 1024,
    dedupeBufferLoadFactor: 0.9,
    ioBufferBytes: 200,
    cleanSlice,
    throttle: new Throttle(clock, () => Number.POSITIVE_INFINITY),
    isStopped: () => false,
    progress: { phase: 'indexing', bytesDone: 0, bytesTotal: 0 },
    ...options,
  });
}

export async function append(log: PartitionLog, ...records: TestRecord[]): Promise<void> {
  for (const record of records) await log.append(batchOf([{ timestamp: START_MS, ...record }]), AS_CLIENT);
}

/** Begins a segment, and has one record in it, so that all that was there before can be compacted. */
export async function seal(log: PartitionLog): Promise<void> {
  log.roll();
  await append(log, { key: 'active', value: 'a' });
}

export interface SeenRecord {
  readonly offset: number;
  readonly key: string;
  /** Undefined for a tombstone. */
  readonly value: string | undefined;
  readonly timestamp: number;
}

/** Every record that is visible, read as a consumer does, from an offset on. */
export async function seeAll(log: PartitionLog, from = log.logStartOffset, bytesMax = 300): Promise<SeenRecord[]> {
  const seen: SeenRecord[] = [];
  let offset = from;
  while (offset < log.highWatermark) {
    const result = await log.read(offset, bytesMax, { isolation: 'highWatermark', minOneBatch: true });
    if (result.errorCode !== 0) throw new Error(`read at ${offset} gave error ${result.errorCode}`);
    if (result.sizeBytes === 0) return seen;
    for (const chunk of result.chunks) {
      for (const at of splitBatches(chunk)) {
        const batch = chunk.subarray(at, at + batchSizeBytes(chunk, at));
        for (const record of batchIsControl(batch, 0) ? [] : readRecords(batch)) {
          const { timestamp } = record;
          const value = record.value?.toString();
          if (record.offset >= offset) seen.push({ offset: record.offset, key: `${record.key}`, value, timestamp });
        }
        offset = batchLastOffset(batch, 0) + 1;
      }
    }
  }
  return seen;
}

/** `offset key=value`, short to compare. */
export function brief(records: readonly SeenRecord[]): string[] {
  return records.map(({ offset, key, value }) => `${offset} ${key}=${value ?? '-'}`);
}
