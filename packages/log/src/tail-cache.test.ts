import { setBatchBaseOffset } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailCache, TailCacheBudget } from './tail-cache.ts';
import { batchOf, recordsOf } from './testing/test-logs.ts';

function placed(baseOffset: number, count: number, valueBytes = 1): Buffer {
  const batch = batchOf(Array.from({ length: count }, () => 'x'.repeat(valueBytes)));
  setBatchBaseOffset(batch, 0, baseOffset);
  return batch;
}

/** Appends batches of these sizes; gives what a cache without bounds would hold. */
function fill(cache: TailCache, sizes: readonly { count: number; valueBytes: number }[]): Buffer[] {
  let offset = 0;
  return sizes.map(({ count, valueBytes }) => {
    const batch = placed(offset, count, valueBytes);
    const bytes = cache.add(batch, offset, offset + count);
    expect(bytes.equals(batch)).toBe(true);
    offset += count;
    return batch;
  });
}

const sizes = fc.array(
  fc.record({ count: fc.integer({ min: 1, max: 4 }), valueBytes: fc.constantFrom(1, 100, 3000, 20_000) }),
  { minLength: 1, maxLength: 40 },
);

describe('TailCache', () => {
  it('gives what the log would give, or nothing when it does not have the beginning', () => {
    fc.assert(
      fc.property(
        sizes,
        fc.nat(200),
        fc.nat(200),
        fc.nat(60_000),
        fc.boolean(),
        (sizes, from, upper, bytesMax, one) => {
          const cache = new TailCache(new TailCacheBudget(150_000), 100_000);
          const batches = fill(cache, sizes);
          const read = cache.read(from, upper, bytesMax, one);
          if (read === undefined) return;
          const expected: Buffer[] = [];
          let offset = 0;
          let sizeBytes = 0;
          for (const [index, batch] of batches.entries()) {
            offset += sizes[index]!.count;
            if (offset <= from) continue;
            const isFirst = expected.length === 0;
            if (offset > upper || (sizeBytes + batch.length > bytesMax && !(isFirst && one))) break;
            expected.push(batch);
            sizeBytes += batch.length;
          }
          expect(Buffer.concat(read.chunks).equals(Buffer.concat(expected))).toBe(true);
          expect(read.sizeBytes).toBe(sizeBytes);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has the newest batches', () => {
    const cache = new TailCache(new TailCacheBudget(100_000), 100_000);
    fill(
      cache,
      Array.from({ length: 5000 }, () => ({ count: 1, valueBytes: 10 })),
    );
    expect(recordsOf(cache.read(4999, 5000, 1, true)!)).toHaveLength(1);
    expect(cache.read(0, 5000, 1, true)).toBeUndefined();
    expect(cache.read(5000, 5000, 1, true)).toBeUndefined();
  });

  it('gives many small appends as few chunks', () => {
    const cache = new TailCache(new TailCacheBudget(1_000_000), 1_000_000);
    fill(
      cache,
      Array.from({ length: 1000 }, () => ({ count: 1, valueBytes: 10 })),
    );
    const read = cache.read(0, 1000, 1_000_000, true)!;
    expect(recordsOf(read)).toHaveLength(1000);
    expect(read.chunks.length).toBeLessThan(10);
  });

  it('counts what a view keeps alive, and copies what is a small part of its frame', () => {
    const cache = new TailCache(new TailCacheBudget(10_000_000), 10_000_000);
    const batch = placed(0, 1, 100_000);
    const frame = Buffer.alloc(1_000_000);
    batch.copy(frame, 500);
    const copied = cache.add(frame.subarray(500, 500 + batch.length), 0, 1);
    expect(copied.buffer).not.toBe(frame.buffer);
    expect(cache.heldBytes).toBeLessThan(200_000);
    const wholeFrame = Buffer.alloc(batch.length + 100);
    setBatchBaseOffset(batch, 0, 1);
    batch.copy(wholeFrame, 100);
    expect(cache.add(wholeFrame.subarray(100), 1, 2).buffer).toBe(wholeFrame.buffer);
    expect(cache.heldBytes).toBeGreaterThanOrEqual(copied.length + wholeFrame.length);
  });

  it('stays within the budget that all caches share, the oldest going first', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), sizes), { maxLength: 10 }), (rounds) => {
        const budget = new TailCacheBudget(120_000);
        const caches = Array.from({ length: 5 }, () => new TailCache(budget, 80_000));
        const ends = [0, 0, 0, 0, 0];
        for (const [which, sizes] of rounds) {
          for (const { count, valueBytes } of sizes) {
            const offset = ends[which]!;
            caches[which]!.add(placed(offset, count, valueBytes), offset, offset + count);
            ends[which] = offset + count;
          }
        }
        expect(budget.usedBytes).toBeLessThanOrEqual(120_000);
        expect(caches.reduce((sum, cache) => sum + cache.heldBytes, 0)).toBe(budget.usedBytes);
        for (const cache of caches) cache.clear();
        expect(budget.usedBytes).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('never gives out something across a hole', () => {
    const cache = new TailCache(new TailCacheBudget(100_000), 100_000);
    cache.add(placed(0, 1), 0, 1);
    cache.add(placed(5, 1), 5, 6);
    expect(cache.read(0, 6, 1000, true)).toBeUndefined();
    expect(recordsOf(cache.read(5, 6, 1000, true)!)).toEqual([{ offset: 5, value: 'x' }]);
  });
});
