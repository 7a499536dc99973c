/** Help for this package's tests: contexts on a disk in memory, and batches. */
import { type Clock, type Disk, ManualClock, MemoryDisk, type Random, seededRandom } from '@millrace/ports';
import {
  type BuildBatchOptions,
  batchSizeBytes,
  RecordBatchBuilder,
  readRecords,
  splitBatches,
} from '@millrace/records';
import { batchWorkInline } from '../batch-work.ts';
import { FileReaper } from '../file-reaper.ts';
import { IndexCache } from '../index-cache.ts';
import { defaultLogConfig, type LogConfig } from '../log-config.ts';
import type { LogContext } from '../log-context.ts';
import type { AppendOptions, ReadResult } from '../log-types.ts';
import { OpenFiles } from '../open-files.ts';
import { type OpenLogOptions, PartitionLog } from '../partition-log.ts';
import { ReadMemory } from '../read-memory.ts';
import { TailCacheBudget } from '../tail-cache.ts';

export const FOLDER = '/data/topic-0';

export interface TestOptions {
  readonly disk?: Disk;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly tailCacheBytesMax?: number;
  readonly readMemoryBytesMax?: number;
  readonly openFilesMax?: number;
  readonly indexTailEntriesMax?: number;
  readonly checksRecords?: boolean;
}

export function testContext(options: TestOptions = {}): LogContext {
  const disk = options.disk ?? new MemoryDisk();
  const clock = options.clock ?? new ManualClock();
  return {
    disk,
    clock,
    random: options.random ?? seededRandom(1),
    producerIdsMax: 1000,
    files: new OpenFiles(disk, options.openFilesMax ?? 100),
    indexCache: new IndexCache(1024 * 1024),
    readMemory: new ReadMemory(options.readMemoryBytesMax ?? 4 * 1024 * 1024),
    indexTailEntriesMax: options.indexTailEntriesMax ?? 2,
    tailCacheBudget: new TailCacheBudget(options.tailCacheBytesMax ?? 1024 * 1024),
    tailCacheBytesMax: options.tailCacheBytesMax ?? 1024 * 1024,
    reaper: new FileReaper(disk, clock, () => {}),
    batchWork: batchWorkInline,
    checksRecords: options.checksRecords ?? false,
    producerIdExpirationMs: 86_400_000,
  };
}

export async function openTestLog(
  context: LogContext,
  config: Partial<LogConfig> = {},
  options: Partial<OpenLogOptions> = {},
): Promise<PartitionLog> {
  const folder = options.folder ?? FOLDER;
  await context.disk.makeFolder(folder);
  await context.disk.syncFolder('/');
  return PartitionLog.open(context, {
    topic: 'topic',
    partition: 0,
    folder,
    config: { ...defaultLogConfig, ...config },
    topicId: undefined,
    recoveryPoint: undefined,
    highWatermark: undefined,
    logStartOffset: undefined,
    isClean: false,
    ...options,
  });
}

/** As the replica manager of a sole replica does: what is durable is visible. */
export function followDurable(log: PartitionLog): PartitionLog {
  log.advanceHighWatermark(log.durableEndOffset);
  log.onAppended((end) => log.advanceHighWatermark(end));
  return log;
}

export interface TestRecord {
  readonly key?: string | null;
  readonly value?: string | null;
  readonly timestamp?: number;
}

/** A batch of these records; strings are values with the key `k`. */
export function batchOf(records: readonly (string | TestRecord)[], options: BuildBatchOptions = {}): Buffer {
  const builder = new RecordBatchBuilder();
  for (const record of records) {
    const {
      key = 'k',
      value = 'v',
      timestamp = 1_700_000_000_000,
    } = typeof record === 'string' ? { value: record } : record;
    builder.append(timestamp, key, value);
  }
  return builder.build(options);
}

export const AS_CLIENT: AppendOptions = { leaderEpoch: 0, origin: 'client' };

/** Offsets and values of all records in what a read gave. */
export function recordsOf(result: Pick<ReadResult, 'chunks'>): { offset: number; value: string }[] {
  return result.chunks.flatMap((chunk) =>
    [...splitBatches(chunk)].flatMap((at) =>
      readRecords(chunk.subarray(at, at + batchSizeBytes(chunk, at))).map((record) => ({
        offset: record.offset,
        value: record.value?.toString() ?? '',
      })),
    ),
  );
}

/** Every record that is visible, read as a consumer does. */
export async function readAll(log: PartitionLog, bytesMax = 1000): Promise<{ offset: number; value: string }[]> {
  const all: { offset: number; value: string }[] = [];
  let offset = log.logStartOffset;
  for (;;) {
    const result = await log.read(offset, bytesMax, { isolation: 'highWatermark', minOneBatch: true });
    if (result.errorCode !== 0) throw new Error(`read at ${offset} gave error ${result.errorCode}`);
    const records = recordsOf(result).filter((record) => record.offset >= offset);
    if (records.length === 0) return all;
    all.push(...records);
    offset = records.at(-1)!.offset + 1;
  }
}

/** An end-of-transaction marker as a transaction coordinator has it written. */
function marker(type: number, producerId: number, producerEpoch: number, coordinatorEpoch: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt16BE(type, 2);
  const value = Buffer.alloc(6);
  value.writeInt32BE(coordinatorEpoch, 2);
  const builder = new RecordBatchBuilder();
  builder.append(1_700_000_000_000, key, value);
  return builder.build({ producerId, producerEpoch, isTransactional: true, isControl: true });
}

export function abortMarker(producerId: number, producerEpoch: number, coordinatorEpoch = 0): Buffer {
  return marker(0, producerId, producerEpoch, coordinatorEpoch);
}

export function commitMarker(producerId: number, producerEpoch: number, coordinatorEpoch = 0): Buffer {
  return marker(1, producerId, producerEpoch, coordinatorEpoch);
}
