import { MemoryDisk } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexCache } from './index-cache.ts';
import { OffsetIndex } from './offset-index.ts';
import { OpenFiles } from './open-files.ts';
import { TimeIndex } from './time-index.ts';
import { type AbortedEntry, TransactionIndex } from './transaction-index.ts';

const LOG_BYTES = 2 ** 31 - 1;

async function files(): Promise<{ disk: MemoryDisk; pool: OpenFiles; cache: IndexCache }> {
  const disk = new MemoryDisk();
  await disk.makeFolder('/d');
  return { disk, pool: new OpenFiles(disk, 2), cache: new IndexCache(1000) };
}

describe('OffsetIndex', () => {
  it('writes entries of a relative offset and a position, big-endian, four bytes each', async () => {
    const { disk, pool, cache } = await files();
    const index = new OffsetIndex(pool.file('/d/0.index'), cache, 0);
    index.append(41, 4200);
    index.append(258, 65536);
    await index.entries.flush({ sync: true });
    expect((await disk.readFile('/d/0.index')).toString('hex')).toBe('0000002900001068' + '0000010200010000');
  });

  it('finds what a search from the start finds, wherever the entries lie', async () => {
    const entries = fc.uniqueArray(fc.nat(5000), { minLength: 0, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(entries, fc.array(fc.nat(60)), fc.array(fc.nat(5100)), async (offsets, flushes, targets) => {
        const { pool, cache } = await files();
        const index = new OffsetIndex(pool.file('/d/0.index'), cache, 0);
        const sorted = offsets.toSorted((a, b) => a - b);
        for (const [place, offset] of sorted.entries()) {
          index.append(offset, place * 10 + 1);
          if (flushes.includes(place)) await index.entries.flush({ sync: false });
        }
        const reopened = new OffsetIndex(pool.file('/d/0.index'), cache);
        for (const target of targets) {
          const place = sorted.findLastIndex((offset) => offset <= target);
          const expected = place < 0 ? 0 : place * 10 + 1;
          expect((await index.entryBefore(target, LOG_BYTES)).position).toBe(expected);
          if (flushes.includes(sorted.length - 1)) {
            expect((await reopened.entryBefore(target, LOG_BYTES)).position).toBe(expected);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('refuses a file that is no index: cut, out of order, or pointing behind the log', async () => {
    const { disk, pool, cache } = await files();
    const damages: [string, Buffer][] = [
      ['cut', Buffer.from('00000029000010', 'hex')],
      ['offset repeated', Buffer.from('00000029000010680000002900002000', 'hex')],
      ['position repeated', Buffer.from('00000029000010680000003000001068', 'hex')],
      ['zeros at the end', Buffer.from('00000029000010680000000000000000', 'hex')],
      ['behind the log', Buffer.from('0000002900010000', 'hex')],
    ];
    for (const [name, bytes] of damages) {
      await disk.replaceFile(`/d/${name}`, bytes);
      const index = new OffsetIndex(pool.file(`/d/${name}`), cache);
      const search = (async () => index.entryBefore(100, 65536))();
      await expect(search, name).rejects.toMatchObject({ code: 'LOG_CHECKPOINT_MALFORMED' });
    }
  });

  it('keeps no more of the files in memory than the cache may', async () => {
    const { pool, cache } = await files();
    const indexes = Array.from({ length: 5 }, (_, number) => new OffsetIndex(pool.file(`/d/${number}`), cache, 0));
    for (const index of indexes) {
      for (let i = 1; i <= 50; i += 1) index.append(i, i);
      await index.entries.flush({ sync: false });
    }
    for (let round = 0; round < 2; round += 1) {
      for (const index of indexes) expect((await index.entryBefore(25, LOG_BYTES)).position).toBe(25);
      expect(cache.usedBytes).toBeLessThanOrEqual(1000);
      expect(cache.usedBytes).toBeGreaterThan(0);
    }
    expect(pool.openCount).toBeLessThanOrEqual(2);
  });
});

describe('TimeIndex', () => {
  it('writes entries of a timestamp and a relative offset, big-endian, eight and four bytes', async () => {
    const { disk, pool, cache } = await files();
    const index = new TimeIndex(pool.file('/d/0.timeindex'), cache, { count: 0, lastTimestamp: -1 });
    index.append(1_700_000_000_000, 9);
    index.append(1_700_000_000_000, 12);
    index.append(1_700_000_000_001, 15);
    await index.entries.flush({ sync: true });
    const bytes = await disk.readFile('/d/0.timeindex');
    expect(bytes.toString('hex')).toBe('0000018bcfe5680000000009' + '0000018bcfe568010000000f');
    const reopened = new TimeIndex(pool.file('/d/0.timeindex'), cache);
    expect(await reopened.last(LOG_BYTES)).toEqual({ timestamp: 1_700_000_000_001, relativeOffset: 15 });
    expect((await reopened.entryBefore(1_700_000_000_001, LOG_BYTES)).relativeOffset).toBe(9);
    expect((await reopened.entryBefore(1_700_000_000_002, LOG_BYTES)).relativeOffset).toBe(15);
    expect((await reopened.entryBefore(1_700_000_000_000, LOG_BYTES)).relativeOffset).toBe(-1);
  });
});

describe('TransactionIndex', () => {
  it('writes entries of 34 bytes and reads them back', async () => {
    const { disk, pool } = await files();
    const index = new TransactionIndex(pool.file('/d/0.txnindex'), false);
    expect(index.isEmpty).toBe(true);
    const entry = { producerId: 4000, firstOffset: 10, lastOffset: 19, lastStableOffset: 20 };
    index.append(entry);
    await index.flush({ sync: true });
    expect((await disk.readFile('/d/0.txnindex')).toString('hex')).toBe(
      '0000' + '0000000000000fa0' + '000000000000000a' + '0000000000000013' + '0000000000000014',
    );
    const reopened = new TransactionIndex(pool.file('/d/0.txnindex'), true);
    reopened.append({ ...entry, lastOffset: 30 });
    expect(await reopened.entries()).toHaveLength(2);
    await reopened.truncateFrom(30);
    expect(await reopened.entries()).toEqual([entry]);
  });

  it('has what was appended and not cut, in memory and in its file, however cuts and writes fall together', async () => {
    const step = fc.oneof(
      fc.constant({ kind: 'append' as const }),
      fc.constant({ kind: 'flush' as const }),
      fc.record({ kind: fc.constant('cut' as const), back: fc.nat(4) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { pool } = await files();
        const index = new TransactionIndex(pool.file('/d/0.txnindex'), false);
        let expected: AbortedEntry[] = [];
        for (const each of steps) {
          const next = (expected.at(-1)?.lastOffset ?? 0) + 3;
          if (each.kind === 'append') {
            const entry = { producerId: 7, firstOffset: next - 2, lastOffset: next, lastStableOffset: next + 1 };
            index.append(entry);
            expected = [...expected, entry];
          } else if (each.kind === 'flush') {
            await index.flush({ sync: true });
          } else {
            const kept = expected.slice(0, Math.max(expected.length - each.back, 0));
            await index.truncateFrom(expected[kept.length]?.lastOffset ?? next);
            expected = kept;
          }
          expect(await index.entries()).toEqual(expected);
        }
        await index.flush({ sync: true });
        expect(await new TransactionIndex(pool.file('/d/0.txnindex'), true).entries()).toEqual(expected);
      }),
    );
  });
});
