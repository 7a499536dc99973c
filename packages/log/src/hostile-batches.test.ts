import { ManualClock, MemoryDisk } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { BatchOffsets, batchBaseOffset, Compression, refreshBatchCrc, setBatchBaseOffset } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchWork, batchWorkInline } from './batch-work.ts';
import { UnloadableLogError } from './errors.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { defaultLogConfig } from './log-config.ts';
import { LogManager } from './log-manager.ts';
import type { AppendResult } from './log-types.ts';
import { LogWriter } from './log-writer.ts';
import type { PartitionLog } from './partition-log.ts';
import { ProducerStates } from './producer-states.ts';
import { Segment } from './segment.ts';
import { TailCache } from './tail-cache.ts';
import { compact } from './testing/test-compaction.ts';
import { AS_CLIENT, batchOf, followDurable, openTestLog, readAll, testContext } from './testing/test-logs.ts';

const NOW_MS = 1_700_000_000_000;
const COUNT_MAX = 2 ** 31 - 1;

/** A batch with a right CRC that claims what it likes about its records. */
function lying(batch: Buffer, count: number, producer?: { id: number; sequence: number }): Buffer {
  batch.writeInt32BE(count, BatchOffsets.RECORD_COUNT);
  batch.writeInt32BE(count - 1, BatchOffsets.LAST_OFFSET_DELTA);
  if (producer !== undefined) {
    batch.writeBigInt64BE(BigInt(producer.id), BatchOffsets.PRODUCER_ID);
    batch.writeInt16BE(0, BatchOffsets.PRODUCER_EPOCH);
    batch.writeInt32BE(producer.sequence, BatchOffsets.BASE_SEQUENCE);
  }
  refreshBatchCrc(batch, 0);
  return batch;
}

/** A batch whose header and beginning are right, and whose records nobody can read. */
function garbage(records: readonly string[] = ['g', 'g', 'g']): Buffer {
  const batch = batchOf(records, { compression: Compression.GZIP });
  batch.fill(0xff, 61 + 10);
  refreshBatchCrc(batch, 0);
  return batch;
}

const append = (log: PartitionLog, ...batches: Buffer[]): Promise<AppendResult> =>
  log.append(Buffer.concat(batches), AS_CLIENT);

async function open(config: object = {}): Promise<PartitionLog> {
  return followDurable(await openTestLog(testContext({ tailCacheBytesMax: 0 }), config));
}

describe('a batch that lies about its records', () => {
  const codecs = [Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD];

  it('is refused where its bytes could never hold so many, and counted where they would not with usual data', async () => {
    for (const compression of codecs) {
      const log = await open();
      for (const count of [COUNT_MAX, 200_000, 2]) {
        const batch = lying(batchOf(['v'], { compression }), count);
        const result = await append(log, batch);
        // Two records are nothing to doubt, and a header alone cannot tell.
        expect([compression, count, result.errorCode]).toEqual([compression, count, count === 2 ? 0 : 87]);
      }
      const many = Array.from({ length: 20_000 }, () => ({ key: null, value: null }));
      expect((await append(log, batchOf(many, { compression }))).errorCode).toBe(0);
    }
  });

  it('is refused with one record too many where all records are looked at', async () => {
    const context = testContext({ checksRecords: true });
    const log = followDurable(await openTestLog(context));
    for (const compression of [Compression.NONE, ...codecs]) {
      expect((await append(log, lying(batchOf(['v'], { compression }), 2))).errorCode).toBe(ErrorCode.INVALID_RECORD);
      expect((await append(log, batchOf(['v'], { compression }))).errorCode).toBe(0);
    }
  });

  it('is refused whose bytes do not begin as those of its codec', async () => {
    const log = await open();
    for (const compression of [Compression.GZIP, Compression.LZ4, Compression.ZSTD]) {
      const batch = batchOf(['v'], { compression });
      batch.write('not that', 61);
      refreshBatchCrc(batch, 0);
      expect((await append(log, batch)).errorCode).toBe(ErrorCode.INVALID_RECORD);
    }
  });

  it('never makes an append of more offsets than a segment can hold', async () => {
    const log = await open({ maxMessageBytes: 10_000_000, segmentBytes: 100_000_000 });
    // What zstd could hold in theory, counted by somebody who agrees with everything.
    const work: BatchWork = { ...batchWorkInline, check: () => [] };
    const credulous = followDurable(await openTestLog({ ...testContext(), batchWork: work }, log.config));
    const huge = (): Buffer => {
      const batch = Buffer.concat([batchOf(['v'], { compression: Compression.ZSTD }), Buffer.alloc(500_000)]);
      batch.writeInt32BE(batch.length - 12, BatchOffsets.LENGTH);
      return lying(batch, COUNT_MAX);
    };
    expect((await append(credulous, huge())).errorCode).toBe(0);
    expect((await append(credulous, huge(), huge())).errorCode).toBe(ErrorCode.INVALID_RECORD);
    for (let i = 0; i < 3; i += 1) expect((await append(credulous, huge())).errorCode).toBe(0);
    expect(credulous.segmentCount).toBe(4);
    expect((await append(credulous, batchOf(['honest']))).errorCode).toBe(0);
    await credulous.close();
  });

  it('whatever any field of its header says: the append is refused or kept, and the log goes on', async () => {
    const log = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.values(Compression)),
        fc.array(fc.record({ at: fc.integer({ min: 16, max: 90 }), byte: fc.nat(255) }), { maxLength: 4 }),
        async (compression, changes) => {
          const batch = batchOf(['some', 'records'], { compression });
          for (const { at, byte } of changes) if (at < batch.length) batch[at] = byte;
          refreshBatchCrc(batch, 0);
          const before = log.logEndOffset;
          const result = await append(log, batch);
          expect(log.logEndOffset).toBe(result.errorCode === 0 ? result.lastOffset + 1 : before);
          expect((await append(log, batchOf(['honest']))).errorCode).toBe(0);
        },
      ),
    );
  });
});

describe('what nobody can read', () => {
  it('harms no lookup of a time: the log goes by its header', async () => {
    const log = await open();
    await append(log, batchOf([{ timestamp: NOW_MS }, { timestamp: NOW_MS + 10 }]));
    const bad = garbage();
    bad.writeBigInt64BE(BigInt(NOW_MS + 50), BatchOffsets.MAX_TIMESTAMP);
    refreshBatchCrc(bad, 0);
    expect((await append(log, bad)).errorCode).toBe(0);
    await append(log, batchOf([{ timestamp: NOW_MS + 40 }, { timestamp: NOW_MS + 100 }]));
    const at = async (ms: number): Promise<number | undefined> => (await log.offsetForTimestamp(NOW_MS + ms))?.offset;
    expect([await at(0), await at(5), await at(30), await at(60), await at(200)]).toEqual([0, 1, 2, 6, undefined]);
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 6, timestamp: NOW_MS + 100 });
  });

  it('stays through a compaction of all that is around it, and replaces nothing', async () => {
    const clock = new ManualClock();
    const context = testContext({ clock, tailCacheBytesMax: 0 });
    const log = followDurable(await openTestLog(context, { cleanupPolicy: ['delete'], segmentBytes: 1_000_000 }));
    await append(
      log,
      batchOf([
        { key: 'a', value: '1' },
        { key: 'b', value: '1' },
      ]),
    );
    await append(log, garbage());
    // It reads well, and claims to be of far later: it would take away all that comes.
    const late = batchOf([
      { key: 'a', value: 'late' },
      { key: 'b', value: 'late' },
    ]);
    late.writeUInt8(100, 61 + 3);
    refreshBatchCrc(late, 0);
    expect((await append(log, late)).errorCode).toBe(0);
    await append(log, batchOf([{ key: 'a', value: '2' }]));
    log.updateConfig({ ...log.config, cleanupPolicy: ['compact'] });
    log.roll();
    await append(log, batchOf([{ key: 'z', value: 'end' }]));
    await log.checkpoint();
    const result = await compact(log, clock);
    expect(result).toMatchObject({ batchesUnread: 2, recordsKept: 7 });
    expect(log.state).toBe('online');
    expect((await readAllOf(log, 7)).map(({ value }) => value)).toEqual(['2', 'end']);
  });
});

/** Has a method throw at its call after so many; gives what takes that back. */
function failAfter(prototype: object, method: string, calls: number): () => void {
  let left = calls;
  // a method of any class, whatever it takes
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[method]!;
  methods[method] = function (this: unknown, ...args: unknown[]): unknown {
    if (left === 0) throw new RangeError(`${method} fails`);
    left -= 1;
    return original.apply(this, args);
  };
  return () => {
    methods[method] = original;
  };
}

async function readAllOf(log: PartitionLog, from: number): Promise<{ offset: number; value: string }[]> {
  log.deleteRecordsBefore(from);
  return readAll(log);
}

describe('the largest timestamp', () => {
  it('is that of a record which the log still has', async () => {
    const log = await open({ segmentBytes: 1_000_000 });
    await append(log, batchOf([{ timestamp: NOW_MS + 500 }, { timestamp: NOW_MS + 20 }, { timestamp: NOW_MS + 30 }]));
    await append(log, batchOf([{ timestamp: NOW_MS + 25 }]));
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 0, timestamp: NOW_MS + 500 });
    log.deleteRecordsBefore(1);
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 2, timestamp: NOW_MS + 30 });
    log.roll();
    await append(log, batchOf([{ timestamp: NOW_MS + 28 }]));
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 2, timestamp: NOW_MS + 30 });
    log.deleteRecordsBefore(3);
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 4, timestamp: NOW_MS + 28 });
    log.deleteRecordsBefore(5);
    expect(await log.maxTimestampOffset()).toBeUndefined();
  });
});

describe('looking into batches elsewhere', () => {
  it('takes few of one log at a time, in their order, and refuses those alone that are wrong', async () => {
    const running: (() => void)[] = [];
    let most = 0;
    const check: BatchWork['check'] = async (batch, limits) => {
      await new Promise<void>((resolve) => {
        running.push(resolve);
        most = Math.max(most, running.length);
      });
      return batchWorkInline.check(batch, limits);
    };
    const context = { ...testContext(), batchWork: { ...batchWorkInline, check } };
    const log = followDurable(await openTestLog(context, { cleanupPolicy: ['compact'] }));
    const results = Array.from({ length: 100 }, (_, i) =>
      append(log, batchOf([{ key: i % 10 === 0 ? null : `${i}`, value: `${i}` }])),
    );
    const done = Promise.all(results);
    let isDone = false;
    void done.then(() => (isDone = true));
    while (!isDone) {
      running.splice(running.length >> 1, 1)[0]?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThan(10);
    expect((await done).map(({ errorCode }) => errorCode)).toEqual(
      Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 87 : 0)),
    );
    const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 10 !== 0);
    expect((await readAll(log)).map(({ value }) => Number(value))).toEqual(kept);
  });
});

describe('an append that throws half way', () => {
  it('leaves nothing: what its producer sends again is written, and not taken for written', async () => {
    const steps: [object, string, number][] = [
      [Segment.prototype, 'mustRollFor', 0],
      [Segment.prototype, 'addBatch', 0],
      [Segment.prototype, 'addBatch', 1],
      [TailCache.prototype, 'add', 0],
      [LeaderEpochs.prototype, 'assign', 1],
      [ProducerStates.prototype, 'noteBatch', 0],
      [ProducerStates.prototype, 'noteBatch', 1],
      [LogWriter.prototype, 'write', 0],
    ];
    for (const origin of ['client', 'replica'] as const) {
      const disk = new MemoryDisk();
      const log = followDurable(await openTestLog(testContext({ disk }), { segmentBytes: 600, indexIntervalBytes: 1 }));
      const options = { leaderEpoch: 3, origin };
      const batch = (sequence: number): Buffer => {
        const built = batchOf(['p'], { producerId: 7, producerEpoch: 0, baseSequence: sequence });
        if (origin === 'replica') setBatchBaseOffset(built, 0, sequence);
        return built;
      };
      const send = (from: number): Promise<AppendResult> =>
        log.append(Buffer.concat([batch(from), batch(from + 1)]), options);
      await send(0);
      for (const [prototype, method, calls] of steps) {
        const end = log.logEndOffset;
        const ahead = send(end);
        const restore = failAfter(prototype, method, calls);
        const result = await send(end + 2);
        restore();
        expect([origin, method, result.errorCode]).toEqual([origin, method, ErrorCode.UNKNOWN_SERVER_ERROR]);
        expect((await ahead).errorCode).toBe(0);
        await log.flush();
        expect([log.state, log.logEndOffset, log.producerCount]).toEqual(['online', end + 2, 1]);
        expect(await send(end + 2)).toMatchObject({ errorCode: 0, baseOffset: end + 2 });
      }
      expect((await readAll(log)).map(({ offset }) => offset)).toEqual([...Array(log.logEndOffset).keys()]);
      const again = await openTestLog(testContext({ disk: disk.crash('none') }));
      expect(again.logEndOffset).toBe(log.logEndOffset);
    }
  });

  it('and a refusal of its second batch: the first is not noted', async () => {
    const log = await open();
    const batch = (sequence: number): Buffer =>
      batchOf(['p'], { producerId: 7, producerEpoch: 0, baseSequence: sequence });
    expect((await append(log, batch(0), batch(5))).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(log.producerCount).toBe(0);
    expect(await append(log, batch(0), batch(1))).toMatchObject({ errorCode: 0, baseOffset: 0, lastOffset: 1 });
    expect(await append(log, batch(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });
});

describe('a segment of more offsets than its indexes can hold', () => {
  it('as earlier builds wrote it keeps no other partition from being served', async () => {
    const disk = new MemoryDisk();
    const batches = [0, 1, 2].map((n) => {
      const batch = lying(batchOf([{ timestamp: NOW_MS + n * 1000 }], { compression: Compression.ZSTD }), COUNT_MAX);
      setBatchBaseOffset(batch, 0, n * COUNT_MAX);
      return batch;
    });
    for (const topic of ['bad', 'good']) {
      await disk.makeFolder(`/data/${topic}-0`);
      const bytes = topic === 'bad' ? Buffer.concat(batches) : batchOf(['v']);
      await disk.replaceFile(`/data/${topic}-0/00000000000000000000.log`, bytes);
    }
    const told: string[] = [];
    const manager = new LogManager({
      disk,
      clock: new ManualClock(),
      random: testContext().random,
      logDirs: ['/data'],
      brokerId: 1,
      clusterId: 'c',
      configOf: () => defaultLogConfig,
      onUnloadable: (topic) => void told.push(topic),
    });
    await manager.open();
    expect(told).toEqual([]);
    expect(manager.get('good', 0)?.logEndOffset).toBe(1);
    // Nothing of it is lost either, and it goes on in a segment of its own.
    const bad = followDurable(manager.get('bad', 0)!);
    expect(bad.logEndOffset).toBe(3 * COUNT_MAX);
    expect(await append(bad, batchOf(['after']))).toMatchObject({ errorCode: 0, baseOffset: 3 * COUNT_MAX });
    const { chunks } = await bad.read(2 * COUNT_MAX, 10_000, { isolation: 'highWatermark', minOneBatch: true });
    expect(batchBaseOffset(chunks[0]!, 0)).toBe(2 * COUNT_MAX);
    await manager.close();
  });
});

describe('a partition that cannot be loaded', () => {
  it('costs itself alone, keeps its checkpoints and its folder, and can be deleted', async () => {
    const disk = new MemoryDisk();
    const told: string[] = [];
    const manager = (on: MemoryDisk): LogManager =>
      new LogManager({
        disk: on,
        clock: new ManualClock(),
        random: testContext().random,
        logDirs: ['/data'],
        brokerId: 1,
        clusterId: 'c',
        configOf: () => defaultLogConfig,
        onUnloadable: (topic, partition, error) => void told.push(`${topic}-${partition} ${error.code}`),
      });
    const first = manager(disk);
    await first.open();
    for (const topic of ['bad', 'good']) {
      const log = followDurable(await first.getOrCreate(topic, 0, { isNew: true }));
      for (let i = 0; i < 4; i += 1) await append(log, batchOf(['v']));
      log.deleteRecordsBefore(2);
    }
    await first.close();
    const path = '/data/bad-0/leader-epoch-checkpoint';
    const right = await disk.readFile(path);
    await disk.replaceFile(path, Buffer.from('nonsense'));
    const second = manager(disk);
    await second.open();
    expect(told).toEqual(['bad-0 LOG_UNLOADABLE']);
    expect(second.get('good', 0)?.logEndOffset).toBe(4);
    await expect(second.getOrCreate('bad', 0, { isNew: true })).rejects.toThrow(UnloadableLogError);
    await second.close();
    // Mended: all is as it was.
    await disk.replaceFile(path, right);
    const third = manager(disk);
    await third.open();
    expect(third.get('bad', 0)).toMatchObject({ logStartOffset: 2, logEndOffset: 4, highWatermark: 4 });
    await third.close();
    await disk.replaceFile(path, Buffer.from('nonsense'));
    const fourth = manager(disk);
    await fourth.open();
    await fourth.delete('bad', 0);
    expect((await disk.list('/data')).filter((name) => /^bad/.test(name) && name.endsWith('-delete'))).toHaveLength(1);
    expect((await fourth.getOrCreate('bad', 0, { isNew: true })).logEndOffset).toBe(0);
    await fourth.close();
  });
});
