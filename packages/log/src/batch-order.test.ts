import { batchBaseOffset } from '@millrace/records';
import { describe, expect, it } from 'vitest';
import { BatchOrder, CertainBatches } from './batch-order.ts';
import { batchOf } from './testing/test-logs.ts';

/** A batch of three records at an offset. */
function batchAt(baseOffset: number): Buffer {
  return batchOf(['a', 'b', 'c'], { baseOffset });
}

/** Takes batches that begin at these offsets and at the positions 0, 100, 200 ...; gives where one is found to be wrong. */
function take(order: BatchOrder, ...baseOffsets: number[]): (number | undefined)[] {
  return baseOffsets.map((baseOffset, index) => order.take(batchAt(baseOffset), 0, index * 100));
}

describe('BatchOrder', () => {
  it('lets batches follow one another, and gaps as compaction leaves them', () => {
    const order = new BatchOrder(10);
    expect(take(order, 10, 13, 20, 23)).toEqual([undefined, undefined, undefined, undefined]);
    expect(order.isCertain).toBe(true);
  });

  it('finds a batch that begins before the one before it ends', () => {
    expect(take(new BatchOrder(10), 10, 12)).toEqual([undefined, 100]);
    expect(take(new BatchOrder(10), 9)).toEqual([0]);
  });

  it('finds a batch that begins too late by the one behind it, or by where the log goes on', () => {
    const order = new BatchOrder(10);
    expect(take(order, 10, 1037)).toEqual([undefined, undefined]);
    expect(order.isCertain).toBe(false);
    expect(order.take(batchAt(16), 0, 200)).toBe(100);
    const atEnd = new BatchOrder(10);
    take(atEnd, 10, 1037);
    expect(atEnd.goOnAt(16)).toBe(100);
    expect(atEnd.goOnAt(1040)).toBeUndefined();
  });

  it('finds a batch behind a gap that reaches to where the log goes on, whatever the next one says', () => {
    const order = new BatchOrder(10, undefined, () => 30);
    expect(take(order, 10, 20, 28)).toEqual([undefined, undefined, 200]);
    expect(take(new BatchOrder(10, undefined, () => 30), 10, 27)).toEqual([undefined, undefined]);
  });

  it('holds the first batch against what an index says of it', () => {
    expect(take(new BatchOrder(0, 12), 10)).toEqual([undefined]);
    expect(take(new BatchOrder(0, 11), 10)).toEqual([0]);
    const several = new BatchOrder(0, 15);
    expect(take(several, 10)).toEqual([undefined]);
    expect(several.isCertain).toBe(false);
    expect(several.take(batchAt(13), 0, 100)).toBeUndefined();
    expect(several.isCertain).toBe(true);
    expect(take(new BatchOrder(0, 15), 10, 14)).toEqual([undefined, 0]);
    const missing = new BatchOrder(0, 12);
    expect(take(missing, 2)).toEqual([undefined]);
    expect(missing.goOnAt(12)).toBeUndefined();
    expect(missing.goOnAt(13)).toBe(0);
  });
});

describe('CertainBatches', () => {
  function show(
    baseOffsets: number[],
    endOffset: number,
    knownEnd = Number.POSITIVE_INFINITY,
  ): { shown: number[]; wrongAt: number | undefined } {
    const shown: number[] = [];
    const certain = new CertainBatches(new BatchOrder(10, undefined, () => knownEnd), (buffer, at) => {
      shown.push(batchBaseOffset(buffer, at));
      return true;
    });
    const isGood = baseOffsets.every(
      (baseOffset, index) => certain.take(batchAt(baseOffset), 0, index * 100) !== false,
    );
    if (isGood) certain.finish(endOffset);
    return { shown, wrongAt: certain.wrongAt };
  }

  it('shows a batch behind a gap when the next one, or the end, lets it be right', () => {
    expect(show([10, 20, 23], 26)).toEqual({ shown: [10, 20, 23], wrongAt: undefined });
    expect(show([10, 13, 20], 30)).toEqual({ shown: [10, 13, 20], wrongAt: undefined });
  });

  it('shows what stands before a batch that cannot be there', () => {
    expect(show([10, 20, 28], 30, 30)).toEqual({ shown: [10, 20], wrongAt: 200 });
  });

  it('shows nothing of a batch that turns out to be wrong', () => {
    expect(show([10, 20, 16], 19)).toEqual({ shown: [10], wrongAt: 100 });
    expect(show([10, 20], 16)).toEqual({ shown: [10], wrongAt: 100 });
  });
});
