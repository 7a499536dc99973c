import { describe, expect, it } from 'vitest';
import { sortedBy, sortingOf } from '../../apps/console/page/src/lib/sort.ts';

describe('the order of a table', () => {
  it('takes numbers within names for numbers', () => {
    expect(sortedBy(['t-10', 't-9', 's-2'], (name) => name, false)).toEqual(['s-2', 't-9', 't-10']);
    expect(sortedBy(['t-10', 't-9', 's-2'], (name) => name, true)).toEqual(['t-10', 't-9', 's-2']);
  });

  it.each([true, false])('puts what is unknown last, and zero is known (down: %s)', (isDown) => {
    const sorted = sortedBy([undefined, 5, null, 0], (each) => each, isDown);
    expect(sorted).toEqual([...(isDown ? [5, 0] : [0, 5]), undefined, null]);
  });

  it('keeps rows that are equal in the order in which they came, and leaves what it was given as it is', () => {
    const rows = [
      { name: 'b', size: 1 },
      { name: 'a', size: 1 },
      { name: 'c', size: 0 },
    ];
    expect(sortedBy(rows, ({ size }) => size, true).map(({ name }) => name)).toEqual(['b', 'a', 'c']);
    expect(rows.map(({ name }) => name)).toEqual(['b', 'a', 'c']);
  });
});

it('what an address says of the order is a column, and whether the largest comes first', () => {
  expect(sortingOf('-lag')).toEqual({ id: 'lag', isDown: true });
  expect(sortingOf('topic')).toEqual({ id: 'topic', isDown: false });
  for (const nothing of [undefined, '', 7]) expect(sortingOf(nothing)).toBeUndefined();
});
