/** A partition's log on the real disk: appends with and without a sync, reads of the tail and of the disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { RecordBatchBuilder } from '@millrace/records';
import { randomValues } from '../random-values.ts';
import type { MakeCase, MicroCase } from './case.ts';

const KIB = 1024;
/** Small, so that a measurement does not fill the disk: retention drops what is behind. */
const SEGMENT_BYTES = 64 * 1024 * KIB;
const READ_BYTES_MAX = 1024 * KIB;

export const cases: Record<string, MakeCase> = {};

for (const batchBytes of [KIB, 64 * KIB, 1000 * KIB]) {
  const size = `batches of ${batchBytes / KIB} KiB`;
  cases[`append synced, one at a time, ${size}`] = () => appendCase(batchBytes, 1, 1);
  cases[`append synced, 8 at a time, ${size}`] = () => appendCase(batchBytes, 8, 1);
  cases[`append unsynced, 8 at a time, ${size}`] = () => appendCase(batchBytes, 8, Number.POSITIVE_INFINITY);
}
cases['read the tail, 1 MiB of 64 KiB batches'] = () => readCase(64 * KIB, 16 * 1024 * KIB);
cases['read on through 128 MiB of files (page cache), 1 MiB of 64 KiB batches'] = () => readCase(64 * KIB, 0);

interface OpenLog {
  readonly log: PartitionLog;
  close(): Promise<void>;
}

async function openLog(flushMessages: number, tailCacheBytesMax: number): Promise<OpenLog> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-log-'));
  const manager = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random: systemRandom,
    logDirs: [folder],
    brokerId: 1,
    clusterId: 'bench',
    configOf: () => ({
      ...defaultLogConfig,
      flushMessages,
      segmentBytes: SEGMENT_BYTES,
      retentionBytes: 0,
      fileDeleteDelayMs: 0,
    }),
    tailCacheBytesMax,
  });
  await manager.open();
  const log = await manager.getOrCreate('bench', 0, { isNew: true });
  return {
    log,
    async close() {
      await manager.close(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function appendCase(batchBytes: number, atATime: number, flushMessages: number): Promise<MicroCase> {
  const { log, close } = await openLog(flushMessages, 16 * 1024 * KIB);
  const batch = batchOf(batchBytes);
  let segments = log.segmentCount;
  return {
    async run() {
      // The log owns what it is given, so every append needs bytes of its own, as it would from a socket.
      const appends = Array.from({ length: atATime }, () =>
        log.append(Buffer.from(batch), { leaderEpoch: 0, origin: 'client' }),
      );
      const { lastOffset } = (await Promise.all(appends)).at(-1)!;
      if (log.segmentCount !== segments) {
        log.advanceHighWatermark(lastOffset + 1);
        await log.enforceRetention();
        segments = log.segmentCount;
      }
    },
    units: atATime,
    bytes: atATime * batch.length,
    end: close,
  };
}

async function readCase(batchBytes: number, tailCacheBytesMax: number): Promise<MicroCase> {
  const { log, close } = await openLog(Number.POSITIVE_INFINITY, tailCacheBytesMax);
  const batch = batchOf(batchBytes);
  const offsets: number[] = [];
  // Far more than what is read ahead and kept, where the files are what is measured.
  const allBytes = tailCacheBytesMax === 0 ? 128 * 1024 * KIB : 8 * 1024 * KIB;
  for (let written = 0; written < allBytes; written += batch.length) {
    const { baseOffset } = await log.append(Buffer.from(batch), { leaderEpoch: 0, origin: 'client' });
    offsets.push(baseOffset);
  }
  log.advanceHighWatermark(log.durableEndOffset);
  const starts = offsets.slice(0, -Math.ceil(READ_BYTES_MAX / batch.length));
  let next = 0;
  // One after the other, as a consumer reads that catches up.
  const read = () => {
    const from = starts[next % starts.length]!;
    next += Math.floor(READ_BYTES_MAX / batch.length) - 1;
    return log.read(from, READ_BYTES_MAX, { isolation: 'highWatermark', minOneBatch: true });
  };
  const sizes = [await read(), await read(), await read()].map((result) => result.sizeBytes);
  // Whether one batch more fits in depends on where a read begins.
  const sizeBytes = Math.min(...sizes);
  // A read answers at once or with a promise; what is measured must not depend on which came first.
  const run = async (): Promise<void> => {
    const { sizeBytes: gotBytes } = await read();
    // At the end of a segment it is less.
    if (gotBytes === 0) throw new Error('nothing was read');
  };
  return { run, units: 1, bytes: sizeBytes, end: close };
}

function batchOf(bytes: number): Buffer {
  const builder = new RecordBatchBuilder({ targetBytes: bytes });
  for (const value of randomValues(Math.ceil(bytes / 100), 100)) {
    if (!builder.hasRoomFor(null, value)) break;
    builder.append(systemClock.now(), null, value);
  }
  return builder.build();
}
