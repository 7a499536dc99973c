import { describe, expect, it } from 'vitest';
import { planOffset } from './reset-offsets.ts';

const known = { topic: 't', partition: 0, current: 50, start: 10, end: 100, atTime: 42 };

describe('a group that is to go on elsewhere', () => {
  it.each([
    [{ to: 'earliest' }, 10, false],
    [{ to: 'latest' }, 100, false],
    [{ to: 'current' }, 50, false],
    [{ to: 'offset', offset: 60 }, 60, false],
    [{ to: 'offset', offset: 5 }, 10, true],
    [{ to: 'offset', offset: 500 }, 100, true],
    [{ to: 'shift', by: -20 }, 30, false],
    [{ to: 'shift', by: 70 }, 100, true],
    [{ to: 'time', timestamp: 1 }, 42, false],
  ] as const)('goes to %o', (target, next, clamped) => {
    expect(planOffset(known, target)).toEqual({ topic: 't', partition: 0, current: 50, next, clamped });
  });

  it('goes to the end where no record is so late', () => {
    expect(planOffset({ ...known, atTime: -1 }, { to: 'time', timestamp: 1 })).toMatchObject({
      next: 100,
      clamped: false,
    });
  });

  it('cannot be shifted from where it has never been', () => {
    const fresh = { ...known, current: undefined };
    expect(planOffset(fresh, { to: 'shift', by: 1 })).toBeUndefined();
    expect(planOffset(fresh, { to: 'current' })).toBeUndefined();
    expect(planOffset(fresh, { to: 'latest' })).toMatchObject({ current: null, next: 100 });
  });
});
