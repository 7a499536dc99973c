import { expect, it } from 'vitest';
import { type Offsets, rateOf } from './topic-look.ts';

const topic = { name: 'orders', partitions: [{ partition: 0 }, { partition: 1 }] };

function offsets(...ends: readonly (number | undefined)[]): Offsets {
  return new Map(
    ends.flatMap((end, partition) => (end === undefined ? [] : [[`orders/${partition}`, { start: 0, end }] as const])),
  );
}

function rate(before: Offsets, now: Offsets): number | undefined {
  return rateOf({ takenMs: 3000, offsets: now, before: { takenMs: 1000, offsets: before } }, topic);
}

it('a rate is of the partitions that were answered for both times: one that is back has not had all its records since', () => {
  expect(rate(offsets(100, 1_000_000), offsets(110, 1_000_020))).toBe(15);
  expect(rate(offsets(100, undefined), offsets(110, 1_000_020))).toBe(5);
  expect(rate(offsets(100, 1_000_000), offsets(110, undefined))).toBe(5);
  expect(rate(offsets(undefined, undefined), offsets(110, 1_000_020))).toBeUndefined();
});

it('a topic that was made anew under its name has no rate below none', () => {
  expect(rate(offsets(100, 50), offsets(10, 60))).toBe(5);
});
