import { MemoryDisk, type Random, seededRandom } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { Compression } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionLog } from './partition-log.ts';
import {
  AS_CLIENT,
  abortMarker,
  batchOf,
  commitMarker,
  FOLDER,
  followDurable,
  openTestLog,
  readAll,
  recordsOf,
  testContext,
} from './testing/test-logs.ts';

const TO_END = { isolation: 'highWatermark', minOneBatch: true } as const;
const COMMITTED = { isolation: 'committed', minOneBatch: true } as const;

interface Written {
  readonly offset: number;
  readonly timestamp: number;
}

/** Fills a log with records of random sizes, timestamps and codecs over several segments. */
async function fill(log: PartitionLog, random: Random, batchCount: number): Promise<Written[]> {
  const written: Written[] = [];
  for (let i = 0; i < batchCount; i += 1) {
    const records = Array.from({ length: 1 + random.nextInt(4) }, () => ({
      value: 'x'.repeat(random.nextInt(60)),
      timestamp: 1000 + i * 5 + random.nextInt(40),
    }));
    const compression = random.nextInt(3) === 0 ? Compression.LZ4 : Compression.NONE;
    const { baseOffset } = await log.append(batchOf(records, { compression }), AS_CLIENT);
    written.push(...records.map(({ timestamp }, index) => ({ offset: baseOffset + index, timestamp })));
  }
  return written;
}

/** Another disk with the same files. */
async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  await copy.makeFolder(FOLDER);
  for (const { path } of disk.filesBelow(FOLDER)) await copy.replaceFile(path, await disk.readFile(path));
  return copy;
}

describe('reading', () => {
  it('gives nothing rather than the next segment when a batch does not fit', async () => {
    const context = testContext({ tailCacheBytesMax: 0 });
    const log = followDurable(await openTestLog(context, { segmentBytes: 700 }));
    await log.append(batchOf(['x'.repeat(500)]), AS_CLIENT);
    await log.append(batchOf(['y'.repeat(300)]), AS_CLIENT);
    await log.append(batchOf(['z']), AS_CLIENT);
    expect(log.segmentCount).toBe(2);
    const read = await log.read(0, 200, { isolation: 'highWatermark', minOneBatch: false });
    expect({ errorCode: read.errorCode, records: recordsOf(read) }).toEqual({ errorCode: 0, records: [] });
    expect(recordsOf(await log.read(0, 200, TO_END))).toHaveLength(1);
  });

  it('finds offsets and timestamps as a search from the start does, from memory and from files', async () => {
    const property = fc.asyncProperty(fc.integer(), fc.constantFrom(0, 3000), async (seed, tailCacheBytesMax) => {
      const random = seededRandom(seed);
      const context = testContext({ tailCacheBytesMax });
      const log = followDurable(await openTestLog(context, { segmentBytes: 900, indexIntervalBytes: 200 }));
      const written = await fill(log, random, 60);
      for (let i = 0; i < 30; i += 1) {
        const offset = random.nextInt(written.length);
        const [first] = recordsOf(await log.read(offset, 1 + random.nextInt(500), TO_END)).filter(
          (record) => record.offset >= offset,
        );
        expect(first?.offset).toBe(offset);
        const timestamp = 990 + random.nextInt(360);
        const expected = written.find((record) => record.timestamp >= timestamp);
        expect(await log.offsetForTimestamp(timestamp)).toEqual(expected && { ...expected, leaderEpoch: 0 });
      }
      const largest = Math.max(...written.map(({ timestamp }) => timestamp));
      const holder = written.find(({ timestamp }) => timestamp === largest)!;
      expect(await log.maxTimestampOffset()).toEqual({ ...holder, leaderEpoch: 0 });
    });
    await fc.assert(property, { numRuns: 25 });
  });

  it('goes on where it stopped, through other readers, appends and truncations in between', async () => {
    const property = fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const log = followDurable(
        await openTestLog(testContext({ tailCacheBytesMax: 0 }), { segmentBytes: 900, indexIntervalBytes: 200 }),
      );
      let written = await fill(log, random, 40);
      const positions = [0, 0, 0];
      for (let step = 0; step < 60; step += 1) {
        if (random.nextInt(8) === 0) {
          const [first] = recordsOf(await log.read(random.nextInt(written.length), 1, TO_END));
          await log.truncateTo(first!.offset);
          written = written.filter(({ offset }) => offset < log.logEndOffset);
          written.push(...(await fill(log, random, 1 + random.nextInt(10))));
          expect(log.logEndOffset).toBe(written.length);
        }
        const reader = random.nextInt(positions.length);
        const from = Math.min(positions[reader]!, log.logEndOffset);
        const records = recordsOf(await log.read(from, 100 + random.nextInt(400), TO_END)).filter(
          ({ offset }) => offset >= from,
        );
        expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => from + index));
        expect(records.length > 0).toBe(from < log.logEndOffset);
        positions[reader] = from + records.length;
      }
    });
    await fc.assert(property, { numRuns: 30 });
  });

  it('finds timestamps after a restart, clean or not, and with indexes that are gone or damaged', async () => {
    for (const damage of ['none', 'gone', 'zeros', 'noise', 'empty', 'short', 'flipped', 'unclean'] as const) {
      const disk = new MemoryDisk();
      const config = { segmentBytes: 900, indexIntervalBytes: 200 };
      const log = followDurable(await openTestLog(testContext({ disk }), config));
      const written = await fill(log, seededRandom(5), 60);
      if (damage !== 'unclean') await log.close();
      const next = disk.crash('none');
      for (const name of await next.list(FOLDER)) {
        if (!name.endsWith('index')) continue;
        if (damage === 'zeros') await next.replaceFile(`${FOLDER}/${name}`, Buffer.alloc(24));
        const stored = await next.readFile(`${FOLDER}/${name}`);
        const entryBytes = name.endsWith('.timeindex') ? 12 : 8;
        if (damage === 'empty') await next.replaceFile(`${FOLDER}/${name}`, Buffer.alloc(0));
        if (damage === 'short') await next.replaceFile(`${FOLDER}/${name}`, stored.subarray(0, entryBytes));
        if (damage === 'flipped' && stored.length > 0) next.flipBit(`${FOLDER}/${name}`, stored.length - entryBytes, 4);
        if (damage === 'gone') await next.remove(`${FOLDER}/${name}`);
        if (damage === 'noise') await next.replaceFile(`${FOLDER}/${name}`, Buffer.from('not an index at all'));
      }
      const options = { isClean: damage !== 'unclean', highWatermark: written.length };
      const again = await openTestLog(testContext({ disk: next }), config, options);
      expect(await readAll(again), damage).toHaveLength(written.length);
      for (const timestamp of [0, 1000, 1100, 1203, 1299, 1320]) {
        const expected = written.find((record) => record.timestamp >= timestamp);
        const found = await again.offsetForTimestamp(timestamp);
        expect(found, `${damage} ${timestamp}`).toEqual(expected && { ...expected, leaderEpoch: 0 });
      }
      const largest = Math.max(...written.map(({ timestamp }) => timestamp));
      expect((await again.maxTimestampOffset())?.timestamp, damage).toBe(largest);
    }
  });

  it('gives whole batches within the bytes asked for, one at least when told to', async () => {
    for (const tailCacheBytesMax of [0, 100_000]) {
      const log = followDurable(await openTestLog(testContext({ tailCacheBytesMax })));
      const sizeBytes = batchOf(['x'.repeat(100)]).length;
      for (let i = 0; i < 10; i += 1) await log.append(batchOf(['x'.repeat(100)]), AS_CLIENT);
      const read = async (bytesMax: number, minOneBatch: boolean): Promise<number> =>
        (await log.read(3, bytesMax, { isolation: 'highWatermark', minOneBatch })).sizeBytes;
      expect(await read(1, false)).toBe(0);
      expect(await read(1, true)).toBe(sizeBytes);
      expect(await read(sizeBytes, false)).toBe(sizeBytes);
      expect(await read(3 * sizeBytes - 1, true)).toBe(2 * sizeBytes);
      expect(await read(100_000, true)).toBe(7 * sizeBytes);
    }
  });

  it('reads a batch that is larger than what is read at a time', async () => {
    const log = followDurable(await openTestLog(testContext({ tailCacheBytesMax: 0 })));
    await log.append(batchOf(['small']), AS_CLIENT);
    const batch = batchOf(['x'.repeat(100_000)]);
    await log.append(batch, AS_CLIENT);
    await log.append(batchOf(['small']), AS_CLIENT);
    expect((await log.read(1, 10, TO_END)).sizeBytes).toBe(batch.length);
    expect(await readAll(log, 10)).toHaveLength(3);
  });

  it('answers damage in a file with an error and a report, after the good batches before it', async () => {
    const disk = new MemoryDisk();
    const log = followDurable(await openTestLog(testContext({ disk, tailCacheBytesMax: 0 })));
    const reports: string[] = [];
    log.onDamaged((error) => reports.push(`${error.path} ${error.position}`));
    const sizeBytes = batchOf(['x']).length;
    for (let i = 0; i < 5; i += 1) await log.append(batchOf(['x']), AS_CLIENT);
    const path = `${FOLDER}/00000000000000000000.log`;
    disk.flipBit(path, 2 * sizeBytes + 65, 3);
    expect((await log.read(0, 10_000, TO_END)).sizeBytes).toBe(2 * sizeBytes);
    expect(reports).toEqual([]);
    const damaged = await log.read(2, 10_000, TO_END);
    expect(damaged).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE, sizeBytes: 0 });
    expect(reports).toEqual([`${path} ${2 * sizeBytes}`]);
    expect((await log.read(3, 10_000, TO_END)).sizeBytes).toBe(2 * sizeBytes);
    expect(log.state).toBe('online');
  });

  it('gives read_committed readers what is stable, with the transactions that were aborted', async () => {
    for (const tailCacheBytesMax of [0, 100_000]) {
      const disk = new MemoryDisk();
      const config = { segmentBytes: 250 };
      const log = followDurable(await openTestLog(testContext({ disk, tailCacheBytesMax }), config));
      const produce = (producerId: number, sequence: number): Promise<unknown> =>
        log.append(
          batchOf(['t'], { producerId, producerEpoch: 0, baseSequence: sequence, isTransactional: true }),
          AS_CLIENT,
        );
      const end = (marker: Buffer): Promise<unknown> => log.append(marker, { leaderEpoch: 0, origin: 'coordinator' });
      await produce(1, 0);
      await produce(2, 0);
      await log.append(batchOf(['plain']), AS_CLIENT);
      await end(abortMarker(2, 0));
      expect(log.lastStableOffset).toBe(0);
      expect((await log.read(0, 10_000, COMMITTED)).sizeBytes).toBe(0);
      await end(commitMarker(1, 0));
      expect(log.lastStableOffset).toBe(5);
      await produce(1, 1);
      await end(abortMarker(1, 0));
      await produce(1, 2);
      expect(log.lastStableOffset).toBe(7);
      expect(log.segmentCount).toBeGreaterThan(1);

      const check = async (reader: PartitionLog): Promise<void> => {
        const aborted = new Set<string>();
        const seen: number[] = [];
        for (let offset = 0; offset < 7; offset = seen.at(-1)! + 1) {
          const read = await reader.read(offset, 10_000, COMMITTED);
          for (const { producerId, firstOffset } of read.abortedTransactions)
            aborted.add(`${producerId}@${firstOffset}`);
          seen.push(...recordsOf(read).map((record) => record.offset));
        }
        expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
        expect([...aborted].sort()).toEqual(['1@5', '2@1']);
        expect((await reader.read(5, 10_000, COMMITTED)).abortedTransactions).toEqual([
          { producerId: 1, firstOffset: 5 },
        ]);
        expect((await reader.read(0, 10_000, TO_END)).abortedTransactions).toEqual([]);
      };
      await check(log);
      const crashed = disk.crash('none');
      const again = followDurable(await openTestLog(testContext({ disk: crashed, tailCacheBytesMax }), config));
      expect(again.lastStableOffset).toBe(7);
      await check(again);
      await again.close();
      const clean = await openTestLog(testContext({ disk: crashed }), config, { isClean: true, highWatermark: 8 });
      expect(clean.lastStableOffset).toBe(7);
      await check(clean);
    }
  });

  it('gives what was written or an error, whatever bit of a file is flipped', async () => {
    const random = seededRandom(7);
    const config = { segmentBytes: 700, indexIntervalBytes: 100, retentionMs: -1 };
    const disk = new MemoryDisk();
    const log = followDurable(await openTestLog(testContext({ disk }), config));
    await fill(log, random, 24);
    const written = await readAll(log);
    await log.close();
    const files = disk.filesBelow(FOLDER).filter(({ path }) => /\.(log|index|timeindex)$/.test(path));
    const clean = disk.crash('all');
    let found = 0;
    for (const { path, sizeBytes } of files) {
      for (let position = 0; position < sizeBytes; position += 1 + random.nextInt(12)) {
        const bit = random.nextInt(8);
        clean.flipBit(path, position, bit);
        const context = testContext({ disk: await copyOf(clean), tailCacheBytesMax: 0 });
        const again = followDurable(
          await openTestLog(context, config, { isClean: true, recoveryPoint: written.length }),
        );
        for (let offset = 0; offset < again.logEndOffset; offset += 1) {
          const read = await again.read(offset, 300, TO_END);
          if (read.errorCode !== ErrorCode.NONE) found += 1;
          else
            expect(
              recordsOf(read).find((record) => record.offset >= offset),
              `${path} ${position} ${bit}`,
            ).toEqual({
              offset,
              value: written[offset]?.value,
            });
        }
        clean.flipBit(path, position, bit);
      }
    }
    expect(found).toBeGreaterThan(100);
  });
});
