import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { ReplicationThrottle } from './replication-throttle.ts';

function throttle(bytesPerSecond: number, ...given: (string | undefined)[]) {
  const [replicas] = given.length === 0 ? ['*'] : given;
  const clock = new ManualClock();
  const settings = { bytesPerSecond, replicas };
  const made = new ReplicationThrottle({
    clock,
    brokerId: 2,
    windows: 11,
    windowMs: 1000,
    bytesPerSecond: () => settings.bytesPerSecond,
    replicasOf: () => settings.replicas,
  });
  return { clock, settings, made };
}

describe('the throttle of replication', () => {
  it('is off without a rate, whatever is counted', () => {
    const { made } = throttle(Number.POSITIVE_INFINITY);
    made.record(1e12);
    expect([made.isOn, made.isExceeded]).toEqual([false, false]);
  });

  it('lets through no more than the rate over its windows, and takes a change of the rate up at once', () => {
    const { clock, settings, made } = throttle(1000);
    let sent = 0;
    for (let ms = 0; ms < 20_000; ms += 10) {
      if (!made.isExceeded) {
        made.record(100);
        sent += 100;
      }
      clock.advance(10);
    }
    expect(sent).toBeGreaterThan(19_000);
    expect(sent).toBeLessThan(22_500);
    settings.bytesPerSecond = 10;
    expect(made.isExceeded).toBe(true);
    clock.advance(12_000);
    expect(made.isExceeded).toBe(false);
  });

  it.each([
    [undefined, [false, false]],
    ['', [false, false]],
    ['*', [true, true]],
    ['0:2,1:3', [true, false]],
    ['0:3, 1:2', [false, true]],
    ['1:1', [false, false]],
  ])('holds back the replicas of this broker that %j names', (replicas, expected) => {
    const { made } = throttle(1, replicas);
    expect([made.isThrottled('t', 0), made.isThrottled('t', 1)]).toEqual(expected);
  });

  it('takes up what a topic says anew', () => {
    const { settings, made } = throttle(1, '0:2');
    expect(made.isThrottled('t', 0)).toBe(true);
    settings.replicas = '';
    expect(made.isThrottled('t', 0)).toBe(false);
  });
});
