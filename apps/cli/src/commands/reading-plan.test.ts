import { expect, it } from 'vitest';
import { firstOffset, startOf } from './reading-plan.ts';

const known = { first: 10, end: 100, atTime: 42 };

it.each([
  [{ at: 'beginning' }, { offset: 10 }],
  [{ at: 'end' }, { offset: 100 }],
  [{ at: 'last', count: 3 }, { offset: 97 }],
  [{ at: 'last', count: 500 }, { offset: 10 }],
  [{ at: 'offset', offset: 50 }, { offset: 50 }],
  [{ at: 'offset', offset: 100 }, { offset: 100 }],
  [
    { at: 'offset', offset: 3 },
    { offset: 10, warning: 'has records from offset 10 on only' },
  ],
  [
    { at: 'offset', offset: 101 },
    { offset: 100, warning: 'ends at offset 100; reading begins there' },
  ],
  [{ at: 'time', timestamp: 1 }, { offset: 42 }],
] as const)('begins at %o', (start, first) => {
  expect(firstOffset(start, known)).toEqual(first);
});

it('begins at the end where no record is so late, and where nothing is said', () => {
  expect(firstOffset({ at: 'time', timestamp: 1 }, { ...known, atTime: -1 })).toEqual({ offset: 100 });
  expect(startOf({})).toEqual({ at: 'end' });
  expect(startOf({ fromBeginning: true })).toEqual({ at: 'beginning' });
});
