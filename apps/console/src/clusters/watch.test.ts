import { describe, expect, it } from 'vitest';
import { WATCHED_MAX, Watch } from './watch.ts';

const EVERY_MS = 5000;
const HALF_AN_HOUR_MS = 30 * 60_000;

/** Time that goes by when it is told to. */
function handClock() {
  let nowMs = 0;
  let call: (() => void) | undefined;
  return {
    now: () => nowMs,
    every(_: number, given: () => void) {
      call = given;
      return () => {
        call = undefined;
      };
    },
    pass(ms: number) {
      nowMs += ms;
      call?.();
    },
    get isRunning() {
      return call !== undefined;
    },
  };
}

describe('a watch', () => {
  it('looks again and again for half an hour after the last time that somebody asked, and then has no timer', async () => {
    const clock = handClock();
    const watch = new Watch(clock);
    expect(clock.isRunning).toBe(false);
    let looks = 0;
    const look = () => Promise.resolve(++looks);
    watch.add('billing', look);
    clock.pass(EVERY_MS);
    await Promise.resolve();
    await Promise.resolve();
    watch.add('billing', look);
    clock.pass(HALF_AN_HOUR_MS - 1);
    expect(looks).toBe(2);
    clock.pass(1);
    expect([looks, watch.names, clock.isRunning]).toEqual([2, [], false]);
  });

  it('does not look again while a look has no answer, and goes on after one that failed', async () => {
    const clock = handClock();
    const watch = new Watch(clock);
    const waiting: PromiseWithResolvers<void>[] = [];
    watch.add('billing', () => {
      const next = Promise.withResolvers<void>();
      waiting.push(next);
      return next.promise;
    });
    clock.pass(EVERY_MS);
    clock.pass(EVERY_MS);
    expect(waiting).toHaveLength(1);
    waiting[0]?.reject(new Error('no broker'));
    await Promise.allSettled([waiting[0]?.promise]);
    await Promise.resolve();
    clock.pass(EVERY_MS);
    expect(waiting).toHaveLength(2);
    watch.close();
    expect(clock.isRunning).toBe(false);
  });

  it('leaves what was asked for the longest time ago when there is too much', () => {
    const watch = new Watch(handClock());
    for (let n = 0; n <= WATCHED_MAX; n += 1) watch.add(`group-${n}`, () => Promise.resolve());
    expect(watch.names).toHaveLength(WATCHED_MAX);
    expect(watch.names).not.toContain('group-0');
    watch.close();
  });
});
