import { type Clock, ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { andThen, TurnLine, type Turns } from './turns.ts';

/** Time passes while somebody works, and timers fire between turns. */
class WorkClock implements Clock {
  readonly timers: ManualClock = new ManualClock();
  workedMs = 0;
  now(): number {
    return this.timers.now() + this.workedMs;
  }
  monotonic(): number {
    return this.timers.monotonic() + this.workedMs;
  }
  schedule(...timer: Parameters<Clock['schedule']>): ReturnType<Clock['schedule']> {
    return this.timers.schedule(...timer);
  }
}

/** Works until the turn is over, a tenth of a millisecond an element; gives what is to be awaited. */
function workTurn(turns: Turns, clock: WorkClock): Promise<void> {
  for (let elements = 0; elements < 1000; elements += 1) {
    clock.workedMs += 0.1;
    const pause = turns.pause();
    if (pause !== undefined) return pause;
  }
  throw new Error('the turn never ends');
}

describe('long work', () => {
  it('goes on while its turn is short, however many elements it has', () => {
    const turns = new TurnLine(new WorkClock()).begin();
    expect(Array.from({ length: 10_000 }, () => turns.pause()).every((pause) => pause === undefined)).toBe(true);
  });

  it('looks at the clock for a heavy element as for many light ones', () => {
    const clock = new WorkClock();
    const turns = new TurnLine(clock).begin();
    clock.workedMs += 10;
    expect(turns.pause()).toBeUndefined();
    expect(turns.pause(1000)).toBeInstanceOf(Promise);
  });

  it('pauses after some milliseconds, and begins anew after the pause', async () => {
    const clock = new WorkClock();
    const turns = new TurnLine(clock).begin();
    const startMs = clock.monotonic();
    const pause = workTurn(turns, clock);
    expect(clock.monotonic() - startMs).toBeGreaterThanOrEqual(5);
    expect(clock.monotonic() - startMs).toBeLessThan(20);
    await clock.timers.advanceAsync(0);
    await pause;
    expect(Array.from({ length: 100 }, () => turns.pause()).every((next) => next === undefined)).toBe(true);
  });

  it('counts how long it has worked in all turns but the first, and none of the waits between and within them', async () => {
    const clock = new WorkClock();
    const turns = new TurnLine(clock, { restMs: 100 }).begin();
    let pause = workTurn(turns, clock);
    expect(turns.laterMs).toBe(0);
    for (const expectedMs of [6.4, 12.8]) {
      await clock.timers.advanceAsync(100);
      await pause;
      pause = workTurn(turns, clock);
      expect(turns.laterMs).toBeCloseTo(expectedMs, 5);
    }
    await clock.timers.advanceAsync(100);
    await pause;
    // It waits for something else here, which is no work.
    await clock.timers.advanceAsync(10_000);
    void workTurn(turns, clock);
    expect(turns.laterMs).toBeCloseTo(12.8 + 5, 5);
  });

  it('rests between turns where it is told to, and has them as short as it is told', async () => {
    const clock = new WorkClock();
    const turns = new TurnLine(clock, { turnMsMax: 2, restMs: 3 }).begin();
    let isOn = false;
    const rest = workTurn(turns, clock).then(() => {
      isOn = true;
    });
    expect(clock.workedMs).toBeLessThan(5.3);
    await clock.timers.advanceAsync(2);
    expect(isOn).toBe(false);
    await clock.timers.advanceAsync(1);
    await rest;
    expect(isOn).toBe(true);
  });

  it('has one turn after the other, whoever it is for', async () => {
    const clock = new WorkClock();
    const line = new TurnLine(clock);
    const order: string[] = [];
    const work = async (name: string): Promise<void> => {
      const turns = line.begin();
      for (let turn = 1; turn <= 2; turn += 1) {
        order.push(`${name}${turn}`);
        await workTurn(turns, clock);
      }
    };
    const all = Promise.all(['a', 'b', 'c'].map(work));
    expect(line.size).toBe(3);
    while (line.size > 0) await clock.timers.advanceAsync(0);
    await all;
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });
});

describe('what may have to be waited for', () => {
  it('goes on at once, without a promise, where it is there', async () => {
    expect(andThen(20, (value) => value + 1)).toBe(21);
    await expect(andThen(Promise.resolve(20), (value) => value + 1)).resolves.toBe(21);
  });
});
