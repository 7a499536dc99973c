import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { RestartPauses } from './restart-pauses.ts';

describe('pauses before a broker is started again', () => {
  it('grow while it ends before it has served, up to a bound', () => {
    const pauses = new RestartPauses(new ManualClock());
    expect(Array.from({ length: 9 }, () => pauses.ended())).toEqual([
      100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000,
    ]);
    expect(pauses.failures).toBe(9);
  });

  it('grow when it serves and ends at once, too', () => {
    const clock = new ManualClock();
    const pauses = new RestartPauses(clock);
    const endSoon = (): number => {
      pauses.served();
      clock.advance(1000);
      return pauses.ended();
    };
    expect([endSoon(), endSoon(), endSoon()]).toEqual([100, 200, 400]);
  });

  it('stay short for one that is killed again and again after it has served for a while', () => {
    const clock = new ManualClock();
    const pauses = new RestartPauses(clock);
    for (let kill = 0; kill < 20; kill += 1) {
      clock.advance(700);
      pauses.served();
      clock.advance(6000);
      expect(pauses.ended()).toBe(100);
    }
  });

  it('do not take a long start for service', () => {
    const clock = new ManualClock();
    const pauses = new RestartPauses(clock);
    pauses.served();
    clock.advance(60_000);
    expect(pauses.ended()).toBe(100);
    clock.advance(60_000);
    expect(pauses.ended()).toBe(200);
  });
});
