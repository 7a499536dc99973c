import { MemoryDisk } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import {
  AS_CLIENT,
  batchOf,
  followDurable,
  openTestLog,
  readAll,
  recordsOf,
  testContext,
} from './testing/test-logs.ts';

const TO_END = { isolation: 'highWatermark', minOneBatch: true } as const;

describe('PartitionLog', () => {
  it('gives out offsets in the order of the calls and reads back what was appended', async () => {
    const log = followDurable(await openTestLog(testContext()));
    const results = await Promise.all([
      log.append(batchOf(['a', 'b']), AS_CLIENT),
      log.append(batchOf(['c']), AS_CLIENT),
      log.append(batchOf(['d', 'e', 'f']), AS_CLIENT),
    ]);
    expect(results.map(({ errorCode, baseOffset, lastOffset }) => ({ errorCode, baseOffset, lastOffset }))).toEqual([
      { errorCode: 0, baseOffset: 0, lastOffset: 1 },
      { errorCode: 0, baseOffset: 2, lastOffset: 2 },
      { errorCode: 0, baseOffset: 3, lastOffset: 5 },
    ]);
    expect(log.highWatermark).toBe(6);
    expect((await readAll(log)).map(({ value }) => value).join('')).toBe('abcdef');
  });

  it('reads the same from the files when nothing is cached', async () => {
    const context = testContext({ tailCacheBytesMax: 0 });
    const log = followDurable(await openTestLog(context, { segmentBytes: 1000, indexIntervalBytes: 100 }));
    for (let i = 0; i < 200; i += 1) await log.append(batchOf([`${i}`]), AS_CLIENT);
    expect(log.segmentCount).toBeGreaterThan(5);
    const all = await readAll(log);
    expect(all).toEqual(Array.from({ length: 200 }, (_, i) => ({ offset: i, value: `${i}` })));
    for (const offset of [0, 1, 57, 58, 198, 199]) {
      const result = await log.read(offset, 1, TO_END);
      expect(recordsOf(result)).toEqual([{ offset, value: `${offset}` }]);
    }
    expect((await log.read(201, 1, TO_END)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await log.read(200, 1, TO_END)).chunks).toEqual([]);
  });

  it('is there again after a close, without a scan', async () => {
    const disk = new MemoryDisk();
    const log = followDurable(
      await openTestLog(testContext({ disk }), { segmentBytes: 1000, indexIntervalBytes: 100 }),
    );
    for (let i = 0; i < 50; i += 1) await log.append(batchOf([`${i}`]), AS_CLIENT);
    await log.close();
    const next = disk.crash('none');
    const again = followDurable(await openTestLog(testContext({ disk: next }), {}, { isClean: true }));
    expect(again.recovery).toMatchObject({ scannedBytes: 0, truncatedBytes: 0 });
    expect(again.logEndOffset).toBe(50);
    expect(await readAll(again)).toHaveLength(50);
  });

  it('is there again after a crash, up to what was acknowledged', async () => {
    const disk = new MemoryDisk();
    const log = await openTestLog(testContext({ disk }), { segmentBytes: 1000, indexIntervalBytes: 100 });
    for (let i = 0; i < 50; i += 1) await log.append(batchOf([`${i}`]), AS_CLIENT);
    const next = disk.crash('none');
    const again = followDurable(await openTestLog(testContext({ disk: next })));
    expect(await readAll(again)).toHaveLength(50);
  });
});
