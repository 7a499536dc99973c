import { ManualClock, MemoryDisk, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { LogConfig } from './log-config.ts';
import type { LogRecovery } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';
import { DISK_FULL_PAUSE_MS } from './shortage.ts';
import { AS_CLIENT, batchOf, FOLDER, followDurable, openTestLog, readAll, testContext } from './testing/test-logs.ts';

const TO_END = { isolation: 'highWatermark', minOneBatch: true } as const;
const START_MS = 1_700_000_000_000;
const BATCH_BYTES = batchOf(['v']).length;

interface Bench {
  readonly disk: MemoryDisk;
  readonly clock: ManualClock;
  readonly log: PartitionLog;
}

/** A log with three batches to a segment. */
async function bench(config: Partial<LogConfig> = {}, tailCacheBytesMax = 0): Promise<Bench> {
  const disk = new MemoryDisk();
  const clock = new ManualClock(START_MS);
  const segmentBytes = 3 * BATCH_BYTES;
  const context = testContext({ disk, clock, tailCacheBytesMax });
  const log = followDurable(await openTestLog(context, { segmentBytes, retentionMs: -1, ...config }));
  return { disk, clock, log };
}

async function append(log: PartitionLog, count: number, timestamp = START_MS): Promise<void> {
  for (let i = 0; i < count; i += 1) await log.append(batchOf([{ value: 'v', timestamp }]), AS_CLIENT);
}

async function logFiles(disk: MemoryDisk): Promise<string[]> {
  const names = await disk.list(FOLDER);
  return names.filter((name) => /\.log(\.deleted)?$/.test(name)).map((name) => name.replace(/^0{18}/, ''));
}

/** A copy of what a log says of itself, which a failing test can print. */
function stateOf(log: PartitionLog): object {
  const { logStartOffset, logEndOffset, durableEndOffset, highWatermark, segmentCount, sizeBytes, state } = log;
  return { logStartOffset, logEndOffset, durableEndOffset, highWatermark, segmentCount, sizeBytes, state };
}

describe('rolling', () => {
  it('begins a segment when the bytes, the age, or the index say so', async () => {
    const bySize = await bench();
    await append(bySize.log, 7);
    expect(bySize.log.segmentCount).toBe(3);
    const byAge = await bench({ segmentBytes: 1_000_000, segmentMs: 1000 });
    await append(byAge.log, 2);
    await append(byAge.log, 1, START_MS + 1000);
    expect(byAge.log.segmentCount).toBe(1);
    await append(byAge.log, 1, START_MS + 1001);
    expect(byAge.log.segmentCount).toBe(2);
    const byIndex = await bench({ segmentBytes: 1_000_000, indexIntervalBytes: 1, segmentIndexBytes: 36 });
    await append(byIndex.log, 8, START_MS);
    expect(byIndex.log.segmentCount).toBe(2);
  });

  it('leaves the files that Kafka would: log, indexes, a snapshot at each beginning', async () => {
    const { disk, log } = await bench({ indexIntervalBytes: 1 });
    await append(log, 4);
    await log.close();
    expect(await disk.list(FOLDER)).toEqual([
      '00000000000000000000.index',
      '00000000000000000000.log',
      '00000000000000000000.timeindex',
      '00000000000000000003.index',
      '00000000000000000003.log',
      '00000000000000000003.snapshot',
      '00000000000000000003.timeindex',
      '00000000000000000004.snapshot',
      'leader-epoch-checkpoint',
    ]);
    expect((await disk.readFile(`${FOLDER}/leader-epoch-checkpoint`)).toString()).toBe('0\n1\n0 0\n');
  });
});

describe('retention', () => {
  it('drops the oldest segments while the others still hold retention.bytes', async () => {
    const { disk, clock, log } = await bench({ retentionBytes: 6 * BATCH_BYTES });
    await append(log, 11);
    expect(await log.enforceRetention()).toEqual({ segmentsDeleted: 1, bytesDeleted: 3 * BATCH_BYTES });
    expect(log.logStartOffset).toBe(3);
    expect(await logFiles(disk)).toEqual(['00.log.deleted', '03.log', '06.log', '09.log']);
    await clock.advanceAsync(60_000);
    expect(await logFiles(disk)).toEqual(['03.log', '06.log', '09.log']);
    expect((await log.read(2, 100, TO_END)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(await readAll(log)).toHaveLength(8);
  });

  it('drops segments whose youngest record is old; when all are, it begins a new one', async () => {
    const { disk, clock, log } = await bench({ retentionMs: 10_000 });
    await append(log, 3, START_MS);
    await append(log, 3, START_MS + 5000);
    clock.advance(10_001);
    expect((await log.enforceRetention()).segmentsDeleted).toBe(1);
    expect(log.logStartOffset).toBe(3);
    clock.advance(5000);
    expect((await log.enforceRetention()).segmentsDeleted).toBe(1);
    expect(stateOf(log)).toMatchObject({ logStartOffset: 6, logEndOffset: 6, segmentCount: 1, sizeBytes: 0 });
    expect((await log.enforceRetention()).segmentsDeleted).toBe(0);
    const next = await openTestLog(testContext({ disk: disk.crash('none') }));
    expect(stateOf(next)).toMatchObject({ logStartOffset: 6, logEndOffset: 6 });
    await append(next, 1);
    expect(next.logEndOffset).toBe(7);
  });

  it('keeps what comes while it waits for its turn, all before being old', async () => {
    const { disk, clock, log } = await bench({ retentionMs: 10_000 });
    await append(log, 2, START_MS);
    clock.advance(10_001);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    disk.fault = async ({ kind }) => {
      if (kind === 'sync') await held;
      return undefined;
    };
    const busy = log.checkpoint();
    const retention = log.enforceRetention();
    for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
    const appended = append(log, 1, START_MS + 10_000);
    release();
    await Promise.all([busy, retention, appended]);
    expect(stateOf(log)).toMatchObject({ logStartOffset: 2, logEndOffset: 3 });
    expect((await readAll(log)).map(({ offset }) => offset)).toEqual([2]);
  });

  it('keeps what the high watermark has not passed, and everything of a compacted topic', async () => {
    const disk = new MemoryDisk();
    const config = { segmentBytes: 3 * BATCH_BYTES, retentionBytes: 0 };
    const behind = await openTestLog(testContext({ disk }), config);
    await append(behind, 9);
    behind.advanceHighWatermark(4);
    await behind.enforceRetention();
    expect(behind.logStartOffset).toBe(3);
    const compacted = await bench({ retentionBytes: 0, cleanupPolicy: ['compact'] });
    await append(compacted.log, 9);
    expect((await compacted.log.enforceRetention()).segmentsDeleted).toBe(0);
  });

  it('leaves no hole when a file cannot be renamed, and deletes it the next time', async () => {
    const { disk, log } = await bench({ retentionBytes: 4 * BATCH_BYTES });
    await append(log, 12);
    disk.fault = ({ kind, path }) =>
      kind === 'rename' && path.includes('0003.log') ? systemError('ENOSPC', 'no room') : undefined;
    await expect(log.enforceRetention()).rejects.toMatchObject({ code: 'ENOSPC' });
    const names = ['00.log.deleted', '03.log', '06.log', '09.log'];
    expect(await logFiles(disk)).toEqual(names);
    disk.fault = undefined;
    await log.enforceRetention();
    expect(await logFiles(disk)).toEqual(['00.log.deleted', '03.log.deleted', '06.log', '09.log']);
    expect(log.logStartOffset).toBe(6);
  });

  it('deletes records before an offset, and the segments below it', async () => {
    const { log } = await bench();
    await append(log, 8);
    expect(log.deleteRecordsBefore(9).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(log.deleteRecordsBefore(4)).toEqual({ errorCode: 0, logStartOffset: 4 });
    expect(log.deleteRecordsBefore(2)).toEqual({ errorCode: 0, logStartOffset: 4 });
    expect((await log.read(3, 100, TO_END)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await log.enforceRetention()).segmentsDeleted).toBe(1);
    expect(await readAll(log)).toHaveLength(4);
    expect(log.deleteRecordsBefore(-1)).toEqual({ errorCode: 0, logStartOffset: 8 });
    await append(log, 1);
    expect(await readAll(log)).toEqual([{ offset: 8, value: 'v' }]);
  });

  it('lets a reader finish a file that is deleted under it', async () => {
    const { disk, clock, log } = await bench({ retentionBytes: 0, fileDeleteDelayMs: 0 });
    await append(log, 6);
    let release = (): void => {};
    let reading = false;
    disk.fault = async ({ kind, path }) => {
      if (kind === 'read' && path.includes('00.log')) {
        reading = true;
        await new Promise<void>((resolve) => (release = resolve));
      }
      return undefined;
    };
    const read = log.read(0, 100, TO_END);
    while (!reading) await Promise.resolve();
    disk.fault = undefined;
    await log.enforceRetention();
    await clock.advanceAsync(1);
    release();
    expect((await read).sizeBytes).toBe(BATCH_BYTES);
    expect((await log.read(0, 100, TO_END)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });
});

describe('truncating', () => {
  it('cuts records, epochs and producers, and goes on from there', async () => {
    for (const tailCacheBytesMax of [0, 100_000]) {
      const { disk, log } = await bench({ indexIntervalBytes: 1 }, tailCacheBytesMax);
      const produce = (sequence: number, leaderEpoch: number): Promise<{ errorCode: number }> => {
        const batch = batchOf(['p'], { producerId: 1, producerEpoch: 0, baseSequence: sequence });
        return log.append(batch, { leaderEpoch, origin: 'client' });
      };
      for (let i = 0; i < 10; i += 1) await produce(i, i < 5 ? 0 : 1);
      await log.truncateTo(7);
      expect(stateOf(log)).toMatchObject({ logEndOffset: 7, durableEndOffset: 7, highWatermark: 7, state: 'online' });
      expect(log.endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 7 });
      expect((await produce(8, 2)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
      expect((await produce(7, 2)).errorCode).toBe(0);
      await log.truncateTo(3);
      expect(log.latestEpoch).toBe(0);
      expect((await produce(3, 3)).errorCode).toBe(0);
      expect(await readAll(log)).toHaveLength(4);
      const again = followDurable(await openTestLog(testContext({ disk: disk.crash('none') })));
      expect(await readAll(again)).toHaveLength(4);
    }
  });

  it('starts anew at another offset', async () => {
    const { disk, log } = await bench();
    await append(log, 7);
    await log.truncateFullyAndStartAt(100);
    expect(stateOf(log)).toMatchObject({ logStartOffset: 100, logEndOffset: 100, highWatermark: 100, segmentCount: 1 });
    await append(log, 4);
    expect(await readAll(log)).toHaveLength(4);
    const again = followDurable(await openTestLog(testContext({ disk: disk.crash('none') })));
    expect(stateOf(again)).toMatchObject({ logStartOffset: 100, logEndOffset: 104 });
  });
});

describe('a disk in trouble', () => {
  it('that is full refuses what does not fit, keeps the rest, and is tried again later', async () => {
    const { disk, clock, log } = await bench({ segmentBytes: 1_000_000 });
    await append(log, 2);
    disk.capacityBytes = disk.usedBytes + BATCH_BYTES;
    const results = await Promise.all([1, 2, 3].map(() => log.append(batchOf(['v']), AS_CLIENT)));
    expect(results.map(({ errorCode }) => errorCode)).toEqual([56, 56, 56]);
    expect(results[0]!.errorMessage).toContain('ENOSPC');
    expect(stateOf(log)).toMatchObject({ state: 'online', logEndOffset: 2, durableEndOffset: 2 });
    expect(await readAll(log)).toHaveLength(2);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    expect(await log.append(batchOf(['v']), AS_CLIENT)).toMatchObject({
      errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
      errorMessage: expect.stringMatching(/takes no records until there is room again: ENOSPC/),
    });
    clock.advance(DISK_FULL_PAUSE_MS);
    expect(await log.append(batchOf(['v']), AS_CLIENT)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    const again = followDurable(await openTestLog(testContext({ disk: disk.crash('none') })));
    expect(await readAll(again)).toHaveLength(3);
  });

  it('that fails to sync takes the log offline for good', async () => {
    const { disk, log } = await bench();
    const failures: unknown[] = [];
    log.onFailed((error) => failures.push(error));
    await append(log, 2);
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('EIO', 'input/output error') : undefined);
    const lost = await log.append(batchOf(['v']), AS_CLIENT);
    expect(lost.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    disk.fault = undefined;
    expect(log.state).toBe('failed');
    expect(failures).toHaveLength(1);
    expect((await log.append(batchOf(['v']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect((await log.read(0, 100, TO_END)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    await log.close();
    const again = followDurable(await openTestLog(testContext({ disk: disk.crash('none') })));
    expect(await readAll(again)).toHaveLength(2);
  });

  it('that fails to sync for want of room fails the log when acknowledged records depend on it', async () => {
    const { disk, log } = await bench({ flushMessages: 3 });
    await append(log, 2);
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('ENOSPC', 'no space left on device') : undefined);
    await append(log, 1);
    expect(log.state).toBe('failed');
  });

  it('that has no file to give for the moment is tried again', async () => {
    const { disk, clock, log } = await bench();
    await append(log, 3);
    disk.fault = ({ kind }) => (kind === 'open' ? systemError('EMFILE', 'too many open files') : undefined);
    expect((await log.append(batchOf(['v']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(log.state).toBe('truncating');
    for (let second = 0; second < 5; second += 1) {
      await clock.advanceAsync(DISK_FULL_PAUSE_MS);
      expect(log.state).toBe('truncating');
      expect((await log.append(batchOf(['v']), AS_CLIENT)).errorMessage).toMatch(/until there is room again: EMFILE/);
    }
    disk.fault = undefined;
    await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
    expect(await log.append(batchOf(['v']), AS_CLIENT)).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });

  it('that has room again by the time of another cut is written to again', async () => {
    const { disk, clock, log } = await bench();
    await append(log, 3);
    disk.fault = ({ kind }) => (kind === 'open' ? systemError('EMFILE', 'too many open files') : undefined);
    await log.append(batchOf(['v']), AS_CLIENT);
    disk.fault = undefined;
    await log.truncateTo(2);
    expect(log.state).toBe('online');
    await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
    expect(await log.append(batchOf(['v']), AS_CLIENT)).toMatchObject({ errorCode: 0, baseOffset: 2 });
  });

  it('that fails to read takes the log offline', async () => {
    const { disk, log } = await bench();
    await append(log, 2);
    disk.fault = ({ kind }) => (kind === 'read' ? systemError('EIO', 'input/output error') : undefined);
    expect((await log.read(0, 100, TO_END)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(log.state).toBe('failed');
  });
});

describe('recovery', () => {
  it('scans no more than lies behind the recovery point', async () => {
    const { disk, log } = await bench({ segmentBytes: 1_000_000, indexIntervalBytes: 1 });
    await append(log, 50);
    await log.checkpoint();
    const { recoveryPoint } = log;
    expect(recoveryPoint).toBe(50);
    expect(log.unrecoveredBytes).toBe(0);
    await append(log, 5);
    expect(log.unrecoveredBytes).toBe(5 * BATCH_BYTES);
    const options = { recoveryPoint };
    const again = await openTestLog(testContext({ disk: disk.crash('none') }), {}, options);
    expect(again.logEndOffset).toBe(55);
    expect(again.recovery.scannedBytes).toBeLessThanOrEqual(7 * BATCH_BYTES);
  });

  it('cuts at damage behind the recovery point, drops what is behind it, and tells where', async () => {
    const { disk, log } = await bench();
    await append(log, 9);
    const next = disk.crash('none');
    next.flipBit(`${FOLDER}/00000000000000000003.log`, BATCH_BYTES + 65, 0);
    const reported: unknown[] = [];
    // What is told must have been told before anything is gone.
    const onCut = (recovery: LogRecovery): void => {
      reported.push(recovery, next.filesBelow(FOLDER).filter(({ path }) => path.endsWith('.log')).length);
    };
    const again = followDurable(await openTestLog(testContext({ disk: next }), {}, { onCut }));
    expect(again.logEndOffset).toBe(4);
    expect(reported).toEqual([again.recovery, 3]);
    expect(again.recovery).toMatchObject({
      truncatedBytes: 5 * BATCH_BYTES,
      fault: { path: `${FOLDER}/00000000000000000003.log`, position: BATCH_BYTES, fault: 'BAD_CRC' },
    });
    await append(again, 1);
    expect(await readAll(again)).toHaveLength(5);
  });

  it('does not believe a base offset beyond the segment because the next one, damaged too, is higher still', async () => {
    const { disk, log } = await bench();
    await append(log, 9);
    await log.checkpoint();
    const SECOND = BATCH_BYTES;
    const THIRD = 2 * BATCH_BYTES;
    const next = disk.crash('none');
    next.flipBit(`${FOLDER}/00000000000000000003.log`, SECOND + 6, 3);
    next.flipBit(`${FOLDER}/00000000000000000003.log`, THIRD + 3, 5);
    const again = followDurable(await openTestLog(testContext({ disk: next })));
    expect(again.logEndOffset).toBe(4);
    expect(again.recovery.fault).toEqual({
      path: `${FOLDER}/00000000000000000003.log`,
      position: SECOND,
      fault: 'OUT_OF_ORDER',
    });
    expect((await readAll(again)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
  });

  it('does not believe a gap before a damaged batch: the base offset behind the gap may be what is wrong', async () => {
    const { disk, log } = await bench();
    await append(log, 9);
    await log.checkpoint();
    const next = disk.crash('none');
    next.flipBit(`${FOLDER}/00000000000000000003.log`, BATCH_BYTES + 7, 0);
    next.flipBit(`${FOLDER}/00000000000000000003.log`, 2 * BATCH_BYTES + 65, 0);
    const again = await openTestLog(testContext({ disk: next }));
    expect([again.logEndOffset, again.recovery.fault?.position]).toEqual([4, BATCH_BYTES]);
  });

  it('does not believe the last batch after a clean stop when its CRC is wrong, for the log would go on behind it', async () => {
    const { disk, log } = await bench({ segmentBytes: 100 * BATCH_BYTES });
    await append(log, 3);
    await log.close();
    const LAST_OFFSET_DELTA_AT = 23;
    const next = disk.crash('all');
    next.flipBit(`${FOLDER}/00000000000000000000.log`, 2 * BATCH_BYTES + LAST_OFFSET_DELTA_AT + 1, 0);
    const cuts: LogRecovery[] = [];
    const options = { isClean: true, recoveryPoint: 3, onCut: (recovery: LogRecovery) => void cuts.push(recovery) };
    const again = await openTestLog(testContext({ disk: next }), {}, options);
    expect(again.logEndOffset).toBe(2);
    expect(cuts).toMatchObject([{ logEndOffset: 2, truncatedBytes: BATCH_BYTES, fault: { fault: 'BAD_CRC' } }]);
  });

  it('knows where the log ends when it has to scan anew from before an index that is wrong as well', async () => {
    const { disk, log } = await bench({ segmentBytes: 100 * BATCH_BYTES, indexIntervalBytes: 0 });
    for (let index = 0; index < 6; index += 1) await append(log, 1, START_MS + index);
    await log.checkpoint();
    const BASE_OFFSET_HIGH_BYTE = 6;
    const next = disk.crash('none');
    next.flipBit(`${FOLDER}/00000000000000000000.log`, BASE_OFFSET_HIGH_BYTE, 2);
    const timeIndex = `${FOLDER}/00000000000000000000.timeindex`;
    next.flipBit(timeIndex, next.peek(timeIndex).length - 5, 3);
    const cuts: LogRecovery[] = [];
    const options = { recoveryPoint: 6, onCut: (recovery: LogRecovery) => void cuts.push(recovery) };
    const again = followDurable(await openTestLog(testContext({ disk: next }), { indexIntervalBytes: 0 }, options));
    expect(cuts).toMatchObject([{ logEndOffset: 0, truncatedBytes: 6 * BATCH_BYTES }]);
    expect(again.logEndOffset).toBe(0);
    await append(again, 1);
    expect(await readAll(again)).toEqual([{ offset: 0, value: 'v' }]);
  });

  it('has failed when a sync that others than the writer asked for has failed, and covers acknowledged records', async () => {
    const asked: ((log: PartitionLog) => unknown)[] = [
      (log) => log.flush(),
      (log) => log.checkpoint(),
      (log) => log.roll(),
    ];
    for (const code of ['EIO', 'ENOSPC']) {
      for (const ask of asked) {
        const { disk, log } = await bench({ flushMessages: Number.MAX_SAFE_INTEGER });
        await append(log, 1);
        disk.fault = ({ kind, path }) => {
          if (kind !== 'sync' || !path.endsWith('.log')) return undefined;
          // Once: the next one would only say that there is nothing left to write.
          disk.fault = undefined;
          return systemError(code, 'a sync failed');
        };
        await Promise.resolve(ask(log)).catch(() => {});
        await log.flush().catch(() => {});
        expect(log.state).toBe('failed');
        expect((await log.append(batchOf(['v']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      }
    }
    const { disk, log } = await bench();
    await append(log, 1);
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('ENOSPC', 'a sync failed') : undefined);
    await expect(log.checkpoint()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(log.state).toBe('online');
  });

  it('keeps for good what it shows, though the sync before it has failed and the machine went on', async () => {
    const { disk, log } = await bench();
    await append(log, 2);
    disk.fault = ({ kind }) => (kind === 'sync' ? systemError('EIO', 'input/output error') : undefined);
    await append(log, 1);
    expect(log.state).toBe('failed');
    const restarted = disk.crash('all');
    const shown = followDurable(await openTestLog(testContext({ disk: restarted })));
    expect(await readAll(shown)).toHaveLength(3);
    const again = followDurable(await openTestLog(testContext({ disk: restarted.crash('none') })));
    expect(await readAll(again)).toHaveLength(3);
  });
});
