import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { Throttle } from './throttle.ts';

describe('a throttle', () => {
  it('has what is done paid for at its rate', async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(clock, () => 100);
    let done = 0;
    const work = (async () => {
      for (; done < 5; done += 1) await throttle.spend(100);
    })();
    await clock.advanceAsync(2500);
    expect(done).toBe(2);
    await clock.advanceAsync(2500);
    await work;
    expect(done).toBe(5);
  });

  it('waits for no debt that is less than the clock can tell, as at the highest rate there is', async () => {
    const clock = new ManualClock();
    await clock.advanceAsync(252.825);
    const throttle = new Throttle(clock, () => Number.MAX_VALUE);
    await throttle.spend(1_000_000_000);
  });

  it('has small debts paid for together', async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(clock, () => 1_000_000);
    let done = 0;
    const work = (async () => {
      for (; done < 100; done += 1) await throttle.spend(100);
    })();
    await clock.advanceAsync(4);
    expect(done).toBeLessThanOrEqual(50);
    await clock.advanceAsync(10);
    await work;
  });

  it('forgets what was done at a rate that holds no longer', async () => {
    const clock = new ManualClock();
    let rate = 1;
    const throttle = new Throttle(clock, () => rate);
    let isOver = false;
    // As a move that is called back: nobody waits for its bytes any more.
    const calledBack = throttle.spend(1_000_000, () => isOver);
    isOver = true;
    await clock.advanceAsync(1000);
    await calledBack;
    rate = 1_000_000;
    let isThrough = false;
    const next = throttle.spend(1000).then(() => {
      isThrough = true;
    });
    await clock.advanceAsync(2000);
    await next;
    expect(isThrough).toBe(true);
    rate = Number.POSITIVE_INFINITY;
    await throttle.spend(1_000_000_000);
  });
});
