import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

describe('Turns', () => {
  it('let work go on while its turn is short, however many elements it has', () => {
    const turns = new Turns(new ManualClock());
    expect(Array.from({ length: 10_000 }, () => turns.pause()).every((pause) => pause === undefined)).toBe(true);
  });

  it('end after some milliseconds, and begin anew after the pause', async () => {
    const clock = new ManualClock();
    const turns = new Turns(clock);
    let worked = 0;
    let pause: Promise<void> | undefined;
    while (pause === undefined) {
      clock.advance(0.1);
      worked += 1;
      pause = turns.pause();
    }
    expect(worked).toBeGreaterThan(30);
    expect(worked).toBeLessThan(200);
    let resumed = false;
    void pause.then(() => {
      resumed = true;
    });
    await Promise.resolve();
    expect(resumed).toBe(false);
    clock.advance(0);
    await pause;
    expect(Array.from({ length: 100 }, () => turns.pause()).every((next) => next === undefined)).toBe(true);
  });
});
