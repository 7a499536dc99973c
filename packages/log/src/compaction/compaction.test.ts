import { ManualClock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import {
  batchBaseOffset,
  batchRecordCount,
  batchSizeBytes,
  Compression,
  RecordBatchBuilder,
  readRecords,
  splitBatches,
} from '@millrace/records';
import { describe, expect, it } from 'vitest';
import type { PartitionLog } from '../partition-log.ts';
import {
  append,
  brief,
  COMPACTED,
  compact,
  compactionBench,
  START_MS,
  seal,
  seeAll,
} from '../testing/test-compaction.ts';
import {
  AS_CLIENT,
  abortMarker,
  batchOf,
  commitMarker,
  FOLDER,
  followDurable,
  openTestLog,
  testContext,
} from '../testing/test-logs.ts';
import { Throttle } from '../throttle.ts';
import { CleaningStopped } from './clean-log.ts';

async function filesOf(disk: { list(folder: string): Promise<string[]> }): Promise<string[]> {
  return (await disk.list(FOLDER)).map((name) => name.replace(/^0{18}/, ''));
}

function batchesOf(chunks: readonly Buffer[]): Buffer[] {
  return chunks.flatMap((chunk) =>
    [...splitBatches(chunk)].map((at) => chunk.subarray(at, at + batchSizeBytes(chunk, at))),
  );
}

async function readBatches(log: PartitionLog): Promise<Buffer[]> {
  const batches: Buffer[] = [];
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const { chunks } = await log.read(offset, 10_000, { isolation: 'logEnd', minOneBatch: true });
    if (chunks.length === 0) break;
    batches.push(...batchesOf(chunks));
    offset = batchBaseOffset(batches.at(-1)!, 0) + batches.at(-1)!.readInt32BE(23) + 1;
  }
  return batches;
}

describe('a compacted log', () => {
  it('keeps the newest record of each key, at its offset, in fewer segments', async () => {
    const { log, clock, disk } = await compactionBench();
    for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i % 3}`, value: `v${i}` });
    await seal(log);
    expect(log.segmentCount).toBe(5);
    const result = await compact(log, clock);
    expect(brief(await seeAll(log))).toEqual(['17 k2=v17', '18 k0=v18', '19 k1=v19', '20 active=a']);
    expect(result).toMatchObject({ cleanedOffset: 20, recordsRead: 20, recordsKept: 3 });
    expect(await compact(log, clock)).toBeUndefined();
    // Neighbours are joined by the size that they have when they are next compacted.
    await seal(log);
    expect(await compact(log, clock)).toMatchObject({ segmentsBefore: 5, segmentsAfter: 2 });
    expect(brief(await seeAll(log))).toEqual(['17 k2=v17', '18 k0=v18', '19 k1=v19', '20 active=a', '21 active=a']);
    await clock.advanceAsync(60_000);
    const logs = (await filesOf(disk)).filter((name) => name.includes('.log'));
    expect(logs).toEqual(['00.log', '15.log', '21.log']);
  });

  it('leaves the active segment, unstable records, and what is below its age alone', async () => {
    const { log, clock } = await compactionBench({ minCompactionLagMs: 1000, segmentBytes: 10_000 });
    await append(log, { key: 'a', value: '1' }, { key: 'a', value: '2' });
    expect((await log.findCleanable(clock.now())).dirtyBytes).toBe(0);
    await seal(log);
    expect((await log.findCleanable(clock.now())).dirtyBytes).toBe(0);
    clock.advance(1001);
    expect(await log.findCleanable(clock.now())).toMatchObject({ firstUncleanableOffset: 2, dirtyRatio: 1 });
    await log.append(
      batchOf(['t'], { producerId: 5, producerEpoch: 0, baseSequence: 0, isTransactional: true }),
      AS_CLIENT,
    );
    log.roll();
    await append(log, { key: 'b', value: '1', timestamp: START_MS - 5000 });
    expect(await log.findCleanable(clock.now())).toMatchObject({ firstUncleanableOffset: 2 });
    await compact(log, clock);
    expect(brief(await seeAll(log)).slice(0, 2)).toEqual(['1 a=2', '2 active=a']);
  });

  it('is overdue when a record has waited longer than max.compaction.lag.ms, and rolls for that', async () => {
    const { log, clock } = await compactionBench({ maxCompactionLagMs: 5000, segmentBytes: 10_000 });
    await append(log, { key: 'a', value: '1' });
    await seal(log);
    expect((await log.findCleanable(clock.now())).isOverdue).toBe(false);
    clock.advance(5001);
    expect((await log.findCleanable(clock.now())).isOverdue).toBe(true);
    await append(log, { key: 'a', value: '2', timestamp: clock.now() });
    expect(log.segmentCount).toBe(3);
  });

  it('keeps a tombstone for delete.retention.ms after it was first compacted', async () => {
    const { log, clock } = await compactionBench({ deleteRetentionMs: 10_000 });
    await append(log, { key: 'a', value: '1' }, { key: 'b', value: '1' }, { key: 'a', value: null });
    await seal(log);
    clock.advance(60_000);
    await compact(log, clock);
    expect(brief(await seeAll(log))).toEqual(['1 b=1', '2 a=-', '3 active=a']);
    clock.advance(9_999);
    await seal(log);
    await compact(log, clock);
    expect(brief(await seeAll(log))).toEqual(['1 b=1', '2 a=-', '3 active=a', '4 active=a']);
    clock.advance(1);
    await seal(log);
    await compact(log, clock);
    expect(brief(await seeAll(log))).toEqual(['1 b=1', '4 active=a', '5 active=a']);
    expect((await seeAll(log)).map(({ timestamp }) => timestamp)).toEqual([START_MS, START_MS, START_MS]);
  });

  it('takes several goes when the memory for keys is small', async () => {
    const { log, clock } = await compactionBench();
    for (let i = 0; i < 60; i += 1) await append(log, { key: `k${i % 30}`, value: `v${i}` });
    await seal(log);
    const small = { dedupeBufferBytes: 16 * 24, dedupeBufferLoadFactor: 0.5 };
    const ends: number[] = [];
    for (
      let result = await compact(log, clock, small);
      result !== undefined;
      result = await compact(log, clock, small)
    ) {
      ends.push(result.cleanedOffset);
    }
    expect(ends.length).toBeGreaterThan(5);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(brief(await seeAll(log))).toEqual([
      ...Array.from({ length: 30 }, (_, i) => `${30 + i} k${i}=v${30 + i}`),
      '60 active=a',
    ]);
  });

  it('keeps codec and headers of what it rewrites, and the bytes of what it does not', async () => {
    for (const compression of Object.values(Compression)) {
      const { log, clock } = await compactionBench({ segmentBytes: 10_000 });
      const build = (keys: string[]): Buffer => {
        const builder = new RecordBatchBuilder();
        for (const key of keys) builder.append(START_MS, key, 'v'.repeat(50), [{ key: 'h', value: key }]);
        return builder.build({ compression });
      };
      await log.append(build(['a', 'b', 'c']), AS_CLIENT);
      await log.append(build(['d', 'b']), AS_CLIENT);
      const untouched = (await readBatches(log))[1]!;
      await seal(log);
      await compact(log, clock);
      const [rewritten, kept] = await readBatches(log);
      expect(kept!.equals(untouched)).toBe(true);
      expect(rewritten!.readInt16BE(21) & 7).toBe(compression);
      const records = readRecords(rewritten!);
      expect(records.map(({ offset, headers }) => [offset, `${headers[0]!.value}`])).toEqual([
        [0, 'a'],
        [2, 'c'],
      ]);
    }
  });

  it('still knows its idempotent producers when nothing of their records is left', async () => {
    const { log, clock, disk } = await compactionBench();
    const produce = (to: PartitionLog, sequence: number): Promise<{ errorCode: number; baseOffset: number }> =>
      to.append(batchOf(['p'], { producerId: 1, producerEpoch: 0, baseSequence: sequence }), AS_CLIENT);
    for (let i = 0; i < 5; i += 1) await produce(log, i);
    for (let i = 0; i < 5; i += 1) await append(log, { key: 'k', value: 'later' });
    await seal(log);
    await compact(log, clock);
    expect(brief(await seeAll(log))).toEqual(['9 k=later', '10 active=a']);
    expect((await readBatches(log)).map((batch) => batchRecordCount(batch, 0))).toEqual([0, 1, 1]);
    const next = disk.crash('none');
    // Without snapshots, the log itself is all that tells of producers.
    for (const name of await next.list(FOLDER)) if (name.endsWith('.snapshot')) await next.remove(`${FOLDER}/${name}`);
    const again = followDurable(await openTestLog(testContext({ disk: next, clock }), COMPACTED));
    expect(await produce(again, 4)).toMatchObject({ errorCode: 0, baseOffset: 4 });
    expect((await produce(again, 7)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect((await produce(again, 5)).errorCode).toBe(0);
  });

  it('drops aborted records at once, and markers when nothing of their transaction is left and their time has come', async () => {
    const { log, clock, disk } = await compactionBench({ deleteRetentionMs: 1000 });
    let sequence = 0;
    const inTransaction = (key: string, value: string): Promise<unknown> =>
      log.append(
        batchOf([{ key, value, timestamp: START_MS }], {
          producerId: 9,
          producerEpoch: 0,
          baseSequence: sequence++,
          isTransactional: true,
        }),
        AS_CLIENT,
      );
    await append(log, { key: 'a', value: 'first' });
    await inTransaction('a', 'aborted');
    await inTransaction('b', 'aborted');
    await log.append(abortMarker(9, 0), { leaderEpoch: 0, origin: 'coordinator' });
    await inTransaction('c', 'committed');
    await log.append(commitMarker(9, 0), { leaderEpoch: 0, origin: 'coordinator' });
    await append(log, { key: 'c', value: 'newer' });
    await seal(log);
    const aborted = async (): Promise<number> =>
      (await log.read(0, 10_000, { isolation: 'committed', minOneBatch: true })).abortedTransactions.length;
    expect(await aborted()).toBe(1);
    await compact(log, clock);
    const counts = async (): Promise<string[]> =>
      (await readBatches(log)).map((batch) => `${batchBaseOffset(batch, 0)}:${batchRecordCount(batch, 0)}`);
    // 4 is the last batch of the producer.
    expect(await counts()).toEqual(['0:1', '3:1', '4:0', '5:1', '6:1', '7:1']);
    for (const round of [0, 1, 2]) {
      clock.advance(1000);
      await append(log, { key: 'a', value: `round ${round}` });
      await seal(log);
      await compact(log, clock);
    }
    expect((await counts()).slice(0, 3)).toEqual(['4:0', '5:1', '6:1']);
    expect(await aborted()).toBe(0);
    const again = followDurable(await openTestLog(testContext({ disk: disk.crash('none'), clock }), COMPACTED));
    expect(brief(await seeAll(again)).at(-1)).toContain('active=a');
    expect(again.describeProducers()).toMatchObject([{ producerId: 9, lastSequence: 2, currentTxnStartOffset: -1 }]);
  });

  it('finds timestamps in what is left', async () => {
    const { log, clock, disk } = await compactionBench();
    for (let i = 0; i < 30; i += 1) {
      await append(log, { key: i === 3 ? 'only' : `k${i % 2}`, value: `${i}`, timestamp: START_MS + i * 10 });
    }
    await seal(log);
    await compact(log, clock);
    const finds = async (seen: PartitionLog): Promise<void> => {
      expect((await seen.offsetForTimestamp(START_MS + 1))?.offset).toBe(3);
      expect((await seen.offsetForTimestamp(START_MS + 40))?.offset).toBe(28);
      expect((await seen.maxTimestampOffset())?.offset).toBe(29);
    };
    await finds(log);
    await finds(followDurable(await openTestLog(testContext({ disk: disk.crash('none') }), COMPACTED)));
  });

  it('lets readers go on, whatever offset they stand at and whatever is replaced under them', async () => {
    const { log, clock } = await compactionBench({ fileDeleteDelayMs: 0 });
    for (let i = 0; i < 40; i += 1) await append(log, { key: `k${i % 5}`, value: `v${i}` });
    await seal(log);
    const reading = Promise.all(Array.from({ length: 41 }, (_, offset) => seeAll(log, offset)));
    const cleaning = compact(log, clock).then(() => clock.advanceAsync(1));
    const results = await reading;
    await cleaning;
    for (const [offset, records] of results.entries()) {
      const keys = new Set(records.map(({ key }) => key));
      expect(records.every((record) => record.offset >= offset)).toBe(true);
      expect(keys.size).toBe(Math.min(6, 41 - offset));
    }
    for (let offset = 0; offset < 36; offset += 1) expect(await seeAll(log, offset)).toHaveLength(6);
  });

  it('is left as it is when the cleaning is stopped or the log is cut meanwhile', async () => {
    const { log, clock, disk } = await compactionBench();
    for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i % 3}`, value: `v${i}` });
    await seal(log);
    const before = await seeAll(log);
    let slices = 0;
    await expect(compact(log, clock, { isStopped: () => slices++ > 9 })).rejects.toBeInstanceOf(CleaningStopped);
    expect(await seeAll(log)).toEqual(before);
    expect((await filesOf(disk)).filter((name) => /cleaned|swap/.test(name))).toEqual([]);
    const cleaning = compact(log, clock);
    await log.truncateTo(10);
    await append(log, { key: 'new', value: 'n' });
    await expect(cleaning).rejects.toBeInstanceOf(CleaningStopped);
    expect(brief(await seeAll(log)).slice(-2)).toEqual(['9 k0=v9', '10 new=n']);
  });

  it('never launders damage: a damaged batch ends the cleaning, and is still there', async () => {
    const { log, clock, disk } = await compactionBench();
    for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i % 3}`, value: `v${i}` });
    await seal(log);
    disk.flipBit(`${FOLDER}/00000000000000000000.log`, 70, 3);
    await expect(compact(log, clock)).rejects.toMatchObject({ code: 'LOG_CORRUPT', position: 0 });
    const read = await log.read(0, 100, { isolation: 'highWatermark', minOneBatch: true });
    expect(read.errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
  });

  it('goes on when the disk is full, and later compacts what it could not', async () => {
    const { log, clock, disk } = await compactionBench();
    for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i}`, value: `v${i}` });
    await append(log, { key: `k0`, value: `newer` });
    await seal(log);
    disk.capacityBytes = disk.usedBytes + 100;
    await expect(compact(log, clock)).rejects.toMatchObject({ code: 'ENOSPC' });
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    expect(log.state).toBe('online');
    expect((await compact(log, clock))?.recordsKept).toBe(20);
  });

  it('with compact,delete drops old segments too', async () => {
    const { log, clock } = await compactionBench({ cleanupPolicy: ['compact', 'delete'], retentionMs: 1000 });
    for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i % 3}`, value: `v${i}` });
    await seal(log);
    await compact(log, clock);
    clock.advance(500);
    await append(log, { key: 'young', value: 'y', timestamp: clock.now() });
    clock.advance(600);
    await log.enforceRetention();
    expect(brief(await seeAll(log))).toEqual(['20 active=a', '21 young=y']);
  });
});

describe('the throttle', () => {
  it('waits as long as what was done has to be paid for', async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(clock, () => 1000);
    let isDone = false;
    const spent = throttle.spend(2500).then(() => (isDone = true));
    await clock.advanceAsync(2499);
    expect(isDone).toBe(false);
    await clock.advanceAsync(1);
    expect(isDone).toBe(true);
    await spent;
    const waiting = throttle.spend(1_000_000);
    throttle.stop();
    await waiting;
  });
});
