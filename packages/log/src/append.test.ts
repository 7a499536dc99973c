import { ManualClock, MemoryDisk, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import {
  batchCompression,
  batchLeaderEpoch,
  batchMaxTimestamp,
  Compression,
  checkBatch,
  setBatchBaseOffset,
  setBatchMaxTimestamp,
} from '@millrace/records';
import { describe, expect, it } from 'vitest';
import { type BatchWork, batchWorkInline } from './batch-work.ts';
import type { LogConfig } from './log-config.ts';
import type { AppendResult } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';
import { DISK_FULL_PAUSE_MS } from './shortage.ts';
import {
  AS_CLIENT,
  batchOf,
  commitMarker,
  FOLDER,
  followDurable,
  openTestLog,
  readAll,
  recordsOf,
  testContext,
} from './testing/test-logs.ts';

const NOW_MS = 1_700_000_000_000;

async function openLog(config: Partial<LogConfig> = {}): Promise<PartitionLog> {
  return followDurable(await openTestLog(testContext({ clock: new ManualClock(NOW_MS) }), config));
}

async function errorOf(batches: Buffer, config: Partial<LogConfig> = {}): Promise<AppendResult> {
  const log = await openLog(config);
  const result = await log.append(batches, AS_CLIENT);
  expect(log.logEndOffset).toBe(result.errorCode === ErrorCode.NONE ? 1 : 0);
  return result;
}

describe('an append is refused', () => {
  it('with a wrong CRC, a torn batch, an unknown magic, an old one without its CRC, or none at all', async () => {
    const flipped = batchOf(['a']);
    flipped[flipped.length - 1]! ^= 1;
    const oldMagic = batchOf(['a']);
    oldMagic[16] = 1;
    const newMagic = batchOf(['a']);
    newMagic[16] = 3;
    expect((await errorOf(flipped)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect((await errorOf(batchOf(['a']).subarray(0, 65))).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect((await errorOf(newMagic)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect((await errorOf(oldMagic)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect((await errorOf(Buffer.alloc(0))).errorCode).toBe(ErrorCode.INVALID_RECORD);
  });

  it('when a batch is larger than max.message.bytes, or all of them than a segment', async () => {
    const batch = batchOf(['a'.repeat(1000)]);
    expect((await errorOf(batch, { maxMessageBytes: batch.length })).errorCode).toBe(ErrorCode.NONE);
    const tooLarge = await errorOf(batchOf(['a'.repeat(1000)]), { maxMessageBytes: batch.length - 1 });
    expect(tooLarge.errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    expect(tooLarge.errorMessage).toContain('max.message.bytes');
    const list = await errorOf(batchOf(['a'.repeat(1000)]), { segmentBytes: 500 });
    expect(list.errorCode).toBe(ErrorCode.RECORD_LIST_TOO_LARGE);
  });

  it('when a producer writes control records, its own offsets, or a gap in the offsets', async () => {
    expect((await errorOf(commitMarker(1, 0))).errorCode).toBe(ErrorCode.INVALID_RECORD);
    const placed = batchOf(['a']);
    setBatchBaseOffset(placed, 0, 5);
    expect((await errorOf(placed)).errorCode).toBe(ErrorCode.INVALID_RECORD);
    const noSequence = batchOf(['a'], { producerId: 5, producerEpoch: 0, baseSequence: -1 });
    expect((await errorOf(noSequence)).errorCode).toBe(ErrorCode.INVALID_RECORD);
  });

  it('when a compacted topic gets a record without a key, and says which', async () => {
    const records = [{ key: 'k' }, { key: null }, { key: 'k' }, { key: null }];
    for (const compression of [Compression.NONE, Compression.GZIP]) {
      const result = await errorOf(batchOf(records, { compression }), { cleanupPolicy: ['compact'] });
      expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
      expect(result.recordErrors?.map(({ batchIndex }) => batchIndex)).toEqual([1, 3]);
    }
  });

  it('when a timestamp is too old or too far ahead, and says which record', async () => {
    const bounds = { messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 500 };
    const at = (...offsets: number[]): Buffer => batchOf(offsets.map((ms) => ({ timestamp: NOW_MS + ms })));
    expect((await errorOf(at(-1000), bounds)).errorCode).toBe(0);
    expect((await errorOf(at(500), bounds)).errorCode).toBe(0);
    expect(await errorOf(at(0, -1001), bounds)).toMatchObject({
      errorCode: ErrorCode.INVALID_TIMESTAMP,
      recordErrors: [{ batchIndex: 1 }],
    });
    expect(await errorOf(at(0, 501, 0), bounds)).toMatchObject({
      errorCode: ErrorCode.INVALID_TIMESTAMP,
      recordErrors: [{ batchIndex: 1 }],
    });
    const stamped = batchOf(['a'], { logAppendTimeMs: NOW_MS });
    expect((await errorOf(stamped)).errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
  });
});

describe('an append', () => {
  it('puts offsets and leader epoch into the batch, and with LogAppendTime the time', async () => {
    const log = await openLog({ messageTimestampType: 'LogAppendTime' });
    await log.append(batchOf(['a']), AS_CLIENT);
    const batch = batchOf([{ value: 'b', timestamp: 5 }]);
    const result = await log.append(batch, { leaderEpoch: 9, origin: 'client' });
    expect(result).toMatchObject({ baseOffset: 1, logAppendTimeMs: NOW_MS });
    const read = await log.read(1, 1000, { isolation: 'highWatermark', minOneBatch: true });
    const [stored] = read.chunks;
    expect(batchLeaderEpoch(stored!, 0)).toBe(9);
    expect(batchMaxTimestamp(stored!, 0)).toBe(NOW_MS);
    expect(checkBatch(stored!, 0)).toBeUndefined();
    expect(log.endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 1 });
  });

  it('says of records without timestamps that they have none, whatever their producer says: retention goes by that', async () => {
    const log = await openLog({ retentionMs: 1000 });
    const batch = batchOf([{ value: 'a', timestamp: -1 }]);
    setBatchMaxTimestamp(batch, 0, 0);
    await log.append(batch, AS_CLIENT);
    expect((await log.enforceRetention()).segmentsDeleted).toBe(0);
    const { chunks } = await log.read(0, 1000, { isolation: 'highWatermark', minOneBatch: true });
    expect(batchMaxTimestamp(chunks[0]!, 0)).toBe(-1);
    expect(checkBatch(chunks[0]!, 0)).toBeUndefined();
  });

  it('of an idempotent producer is answered as the first time when it comes again', async () => {
    const log = await openLog();
    const produce = (sequence: number, count: number): Promise<AppendResult> => {
      const records = Array.from({ length: count }, () => 'v');
      return log.append(batchOf(records, { producerId: 5, producerEpoch: 0, baseSequence: sequence }), AS_CLIENT);
    };
    await log.append(batchOf(['x']), AS_CLIENT);
    expect(await produce(0, 3)).toMatchObject({ errorCode: 0, baseOffset: 1, lastOffset: 3 });
    expect(await produce(0, 3)).toMatchObject({ errorCode: 0, baseOffset: 1, lastOffset: 3 });
    expect(log.logEndOffset).toBe(4);
    expect((await produce(4, 1)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await produce(3, 1)).toMatchObject({ errorCode: 0, baseOffset: 4 });
  });

  it('of several batches leaves no trace when one of them is refused', async () => {
    const log = await openLog();
    const batch = (sequence: number): Buffer =>
      batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: sequence });
    const result = await log.append(Buffer.concat([batch(0), batch(1), batch(7)]), AS_CLIENT);
    expect(result.errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(log.logEndOffset).toBe(0);
    expect(log.producerCount).toBe(0);
    const good = await log.append(Buffer.concat([batch(0), batch(1)]), AS_CLIENT);
    expect(good).toMatchObject({ errorCode: 0, baseOffset: 0, lastOffset: 1 });
  });

  it("of a follower keeps the leader's offsets and epochs, and refuses what it has", async () => {
    const log = await openLog();
    const from = (baseOffset: number): Buffer => {
      const batch = batchOf(['a', 'b']);
      setBatchBaseOffset(batch, 0, baseOffset);
      batch.writeInt32BE(4, 12);
      return batch;
    };
    const asReplica = { leaderEpoch: 9, origin: 'replica' } as const;
    expect(await log.append(Buffer.concat([from(0), from(2)]), asReplica)).toMatchObject({ lastOffset: 3 });
    expect((await log.append(from(3), asReplica)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(await log.append(from(10), asReplica)).toMatchObject({ errorCode: 0, baseOffset: 10, lastOffset: 11 });
    expect(log.latestEpoch).toBe(4);
    expect(recordsOf(await log.read(5, 1000, { isolation: 'logEnd', minOneBatch: true }))[0]).toMatchObject({
      offset: 10,
    });
  });

  it("is stored in the topic's codec, whatever the producer chose", async () => {
    for (const compressionType of ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'] as const) {
      const log = await openLog({ compressionType });
      const records = ['a'.repeat(500), 'b'.repeat(500)];
      await log.append(batchOf(records, { compression: Compression.ZSTD }), AS_CLIENT);
      await log.append(batchOf(records), AS_CLIENT);
      const { chunks } = await log.read(0, 10_000, { isolation: 'highWatermark', minOneBatch: true });
      const wanted = compressionType === 'uncompressed' ? Compression.NONE : Compression[upper(compressionType)];
      expect(batchCompression(chunks[0]!, 0)).toBe(wanted);
      expect((await readAll(log, 10_000)).map(({ value }) => value)).toEqual([...records, ...records]);
    }
  });

  it('refuses what a leadership has left that ended while the records were recompressed', async () => {
    const started = Promise.withResolvers<void>();
    const recompress: BatchWork['recompress'] = async (batch, target) => {
      await started.promise;
      return batchWorkInline.recompress(batch, target);
    };
    const context = { ...testContext(), batchWork: { ...batchWorkInline, recompress } };
    const log = await openTestLog(context, { compressionType: 'gzip' });
    const late = log.append(batchOf(['a']), AS_CLIENT);
    log.fenceEpochsBelow(AS_CLIENT.leaderEpoch + 1);
    started.resolve();
    expect(await late).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, baseOffset: -1 });
    expect(log.logEndOffset).toBe(0);
  });

  it('keeps the order when recompression takes its time', async () => {
    let finish: (() => void)[] = [];
    const recompress: BatchWork['recompress'] = async (batch, target) => {
      await new Promise<void>((resolve) => finish.push(resolve));
      return batchWorkInline.recompress(batch, target);
    };
    const context = { ...testContext(), batchWork: { ...batchWorkInline, recompress } };
    const log = followDurable(await openTestLog(context, { compressionType: 'gzip' }));
    const results = [
      log.append(batchOf(['a']), AS_CLIENT),
      log.append(batchOf(['b']), AS_CLIENT),
      log.append(batchOf(['c'], { compression: Compression.GZIP }), AS_CLIENT),
    ];
    while (finish.length < 2) await Promise.resolve();
    for (const run of finish.reverse()) run();
    finish = [];
    expect((await Promise.all(results)).map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2]);
    expect((await readAll(log)).map(({ value }) => value)).toEqual(['a', 'b', 'c']);
  });
});

describe('group commit', () => {
  it('writes what arrives during a write as one group with one sync', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }));
    await log.append(batchOf(['first']), AS_CLIENT);
    const calls: string[] = [];
    let release = (): void => {};
    disk.fault = async ({ kind, path }) => {
      if (path.endsWith('.log')) calls.push(kind);
      if (calls.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return undefined;
    };
    const appends = [log.append(batchOf(['a']), AS_CLIENT)];
    while (calls.length === 0) await Promise.resolve();
    for (let i = 0; i < 50; i += 1) appends.push(log.append(batchOf(['b']), AS_CLIENT));
    expect(log.logEndOffset).toBe(52);
    expect(log.durableEndOffset).toBe(1);
    release();
    await Promise.all(appends);
    expect(calls).toEqual(['write', 'sync', 'write', 'sync']);
    expect(log.durableEndOffset).toBe(52);
  });

  it('never shows a reader what is not durable', async () => {
    const disk = new MemoryDisk();
    const log = followDurable(await openTestLog(testContext({ disk })));
    await log.append(batchOf(['a']), AS_CLIENT);
    const append = log.append(batchOf(['b']), AS_CLIENT);
    for (const isolation of ['logEnd', 'highWatermark', 'committed'] as const) {
      expect(recordsOf(await log.read(0, 1000, { isolation, minOneBatch: true }))).toHaveLength(1);
      expect((await log.read(1, 1000, { isolation, minOneBatch: true })).errorCode).toBe(0);
    }
    await append;
    expect(recordsOf(await log.read(0, 1000, { isolation: 'highWatermark', minOneBatch: true }))).toHaveLength(2);
  });

  it('knows the last five batches of a producer again after a restart, clean or not, and after going back', async () => {
    const config = { segmentBytes: 250 };
    for (const restart of ['clean', 'unclean', 'full disk'] as const) {
      const disk = new MemoryDisk();
      const context = testContext({ disk });
      let log = await openTestLog(context, config);
      const produce = (to: PartitionLog, sequence: number): Promise<AppendResult> =>
        to.append(batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: sequence }), AS_CLIENT);
      for (let sequence = 0; sequence < 8; sequence += 1) await produce(log, sequence);
      expect(log.segmentCount).toBeGreaterThan(2);
      if (restart === 'full disk') {
        disk.capacityBytes = disk.usedBytes;
        expect((await produce(log, 8)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
        disk.capacityBytes = Number.POSITIVE_INFINITY;
        await (context.clock as ManualClock).advanceAsync(2 * DISK_FULL_PAUSE_MS);
      } else {
        if (restart === 'clean') await log.close();
        log = await openTestLog(testContext({ disk: disk.crash('none') }), config, { isClean: restart === 'clean' });
      }
      for (let sequence = 3; sequence < 8; sequence += 1) {
        expect(await produce(log, sequence)).toMatchObject({ errorCode: 0, baseOffset: sequence });
      }
      expect((await produce(log, 2)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
      expect(await produce(log, 8)).toMatchObject({ errorCode: 0, baseOffset: 8 });
    }
  });

  it('finds producers in the log when the snapshot is damaged, behind a batch whose base offset is damaged too', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }), { indexIntervalBytes: 0 });
    const produce = (to: PartitionLog, sequence: number): Promise<AppendResult> =>
      to.append(
        batchOf([{ timestamp: 1_700_000_000_000 + sequence }], {
          producerId: 5,
          producerEpoch: 0,
          baseSequence: sequence,
        }),
        AS_CLIENT,
      );
    for (let sequence = 0; sequence < 3; sequence += 1) await produce(log, sequence);
    await log.close();
    const next = disk.crash('all');
    next.flipBit(`${FOLDER}/00000000000000000000.log`, 5, 0);
    next.flipBit(`${FOLDER}/00000000000000000003.snapshot`, 20, 0);
    const again = await openTestLog(
      testContext({ disk: next }),
      { indexIntervalBytes: 0 },
      { isClean: true, recoveryPoint: 3 },
    );
    expect(await produce(again, 2)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect(await produce(again, 3)).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });

  it('remembers a producer whose batches retention has taken when it has to go back', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock(1_700_000_000_000);
    const log = followDurable(await openTestLog(testContext({ disk, clock }), { retentionMs: 100 }));
    const produce = (sequence: number): Promise<AppendResult> =>
      log.append(batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: sequence }), AS_CLIENT);
    await produce(0);
    await produce(1);
    await clock.advanceAsync(1000);
    await log.enforceRetention();
    disk.capacityBytes = disk.usedBytes;
    expect((await produce(2)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
    expect([log.logStartOffset, log.logEndOffset, log.state]).toEqual([2, 2, 'online']);
    // The snapshot tells of the second batch alone.
    expect(await produce(0)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await produce(1)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    const again = await openTestLog(testContext({ disk: disk.crash('none') }));
    expect(again.logEndOffset).toBe(2);
  });

  describe('a producer whose batches retention takes', () => {
    const START_MS = 1_700_000_000_000;

    async function produce(log: PartitionLog, sequence: number): Promise<AppendResult> {
      const result = await log.append(
        batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: sequence }),
        AS_CLIENT,
      );
      log.advanceHighWatermark(log.durableEndOffset);
      return result;
    }

    async function removeSnapshots(disk: MemoryDisk): Promise<void> {
      for (const name of await disk.list(FOLDER)) {
        if (name.endsWith('.snapshot')) await disk.remove(`${FOLDER}/${name}`);
      }
      await disk.syncFolder(FOLDER);
    }

    it('is known to the next start: what it wrote stays for as long as there is no room to say so', async () => {
      const disk = new MemoryDisk();
      const clock = new ManualClock(START_MS);
      const log = await openTestLog(testContext({ disk, clock }), { retentionMs: 100 });
      await produce(log, 0);
      await produce(log, 1);
      await clock.advanceAsync(1000);
      disk.fault = ({ path }) => (path.includes('.snapshot') ? systemError('ENOSPC', 'no room') : undefined);
      await expect(log.enforceRetention()).rejects.toMatchObject({ code: 'ENOSPC' });
      disk.fault = undefined;
      await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
      expect([log.logStartOffset, log.logEndOffset, log.state]).toEqual([0, 2, 'online']);
      expect((await log.enforceRetention()).segmentsDeleted).toBe(1);
      const next = disk.crash('none');
      const again = await openTestLog(testContext({ disk: next, clock }));
      expect([again.logStartOffset, again.logEndOffset]).toEqual([2, 2]);
      expect(await produce(again, 1)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    });

    it('gets a snapshot before its segments go where none holds it', async () => {
      const config = { segmentBytes: 200, retentionBytes: 1 };
      const disk = new MemoryDisk();
      const clock = new ManualClock(START_MS);
      const log = await openTestLog(testContext({ disk, clock }), { ...config, retentionBytes: -1 });
      for (let sequence = 0; sequence < 5; sequence += 1) await produce(log, sequence);
      await log.append(batchOf(['of somebody else', 'so that none of it is in the last segment']), AS_CLIENT);
      expect(log.segmentCount).toBeGreaterThan(2);
      await log.checkpoint();
      await removeSnapshots(disk);
      const next = disk.crash('none');
      const found = followDurable(await openTestLog(testContext({ disk: next, clock }), config));
      expect((await found.enforceRetention()).segmentsDeleted).toBeGreaterThan(1);
      expect([found.logStartOffset, found.segmentCount]).toEqual([5, 1]);
      const again = await openTestLog(testContext({ disk: next.crash('none'), clock }), config);
      expect(await produce(again, 4)).toMatchObject({ errorCode: 0, baseOffset: 4 });
    });

    it('is known after a stop in order too, though the log is empty and its snapshot was damaged', async () => {
      const disk = new MemoryDisk();
      const clock = new ManualClock(START_MS);
      const log = await openTestLog(testContext({ disk, clock }), { retentionMs: 100 });
      await produce(log, 0);
      await clock.advanceAsync(1000);
      await log.enforceRetention();
      disk.flipBit(`${FOLDER}/00000000000000000001.snapshot`, 20, 0);
      disk.capacityBytes = disk.usedBytes;
      expect((await produce(log, 1)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      disk.capacityBytes = Number.POSITIVE_INFINITY;
      await clock.advanceAsync(2 * DISK_FULL_PAUSE_MS);
      await log.close();
      const again = await openTestLog(testContext({ disk: disk.crash('none'), clock }), {}, { isClean: true });
      expect(await produce(again, 0)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    });
  });

  it('keeps what stands behind a damaged batch, and remembers who wrote it, when it has to go back', async () => {
    const MAGIC_AT = 16;
    const disk = new MemoryDisk();
    const context = testContext({ disk, tailCacheBytesMax: 0 });
    const log = followDurable(await openTestLog(context));
    const produce = (sequence: number): Promise<AppendResult> =>
      log.append(batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: sequence }), AS_CLIENT);
    await produce(0);
    await log.append(batchOf(['of somebody else']), AS_CLIENT);
    await produce(1);
    await produce(2);
    disk.flipBit(`${FOLDER}/00000000000000000000.log`, batchOf(['v']).length + MAGIC_AT, 5);
    disk.capacityBytes = disk.usedBytes;
    expect((await produce(3)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await (context.clock as ManualClock).advanceAsync(2 * DISK_FULL_PAUSE_MS);
    expect(await produce(2)).toMatchObject({ errorCode: 0, baseOffset: 3 });
    expect(await produce(3)).toMatchObject({ errorCode: 0, baseOffset: 4 });
    const behind = await log.read(2, 1000, { isolation: 'highWatermark', minOneBatch: true });
    expect(recordsOf(behind).map(({ offset }) => offset)).toEqual([2, 3, 4]);
  });

  it('does not count as synced what a duplicate waited for', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }), { flushMessages: 2 });
    const produce = (): Promise<AppendResult> =>
      log.append(batchOf(['v'], { producerId: 5, producerEpoch: 0, baseSequence: 0 }), AS_CLIENT);
    await Promise.all([log.append(batchOf(['x']), AS_CLIENT), produce(), produce()]);
    await log.append(batchOf(['y']), AS_CLIENT);
    const [first, second] = await Promise.all([
      log.append(batchOf(['z'], { producerId: 6, producerEpoch: 0, baseSequence: 0 }), AS_CLIENT),
      log.append(batchOf(['z'], { producerId: 6, producerEpoch: 0, baseSequence: 0 }), AS_CLIENT),
    ]);
    expect(second.baseOffset).toBe(first.baseOffset);
    const again = await openTestLog(testContext({ disk: disk.crash('none') }));
    expect(again.logEndOffset).toBe(4);
  });

  it('syncs after as many records as flush.messages says, and on a flush', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const log = await openTestLog(testContext({ disk, clock }), { flushMessages: 3, flushMs: 1000 });
    let syncs = 0;
    disk.fault = ({ kind, path }) => {
      if (kind === 'sync' && path === `${FOLDER}/00000000000000000000.log`) syncs += 1;
      return undefined;
    };
    await log.append(batchOf(['a']), AS_CLIENT);
    await log.append(batchOf(['b']), AS_CLIENT);
    expect(syncs).toBe(0);
    await log.append(batchOf(['c']), AS_CLIENT);
    expect(syncs).toBe(1);
    await log.append(batchOf(['d']), AS_CLIENT);
    expect(log.isFlushDue(clock.now())).toBe(false);
    clock.advance(1000);
    expect(log.isFlushDue(clock.now())).toBe(true);
    await log.flush();
    expect(syncs).toBe(2);
    expect(log.isFlushDue(clock.now() + 5000)).toBe(false);
  });
});

function upper(name: 'gzip' | 'snappy' | 'lz4' | 'zstd'): 'GZIP' | 'SNAPPY' | 'LZ4' | 'ZSTD' {
  return name.toUpperCase() as 'GZIP' | 'SNAPPY' | 'LZ4' | 'ZSTD';
}
