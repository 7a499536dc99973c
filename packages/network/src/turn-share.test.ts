import { afterEach, describe, expect, it, vi } from 'vitest';
import { TurnShare } from './turn-share.ts';

/** The event loop's next turn, whatever a test has replaced. */
const realImmediate = setImmediate;
const tick = (): Promise<void> => new Promise((resolve) => realImmediate(resolve));

afterEach(() => void vi.useRealTimers());

function shareWithClock() {
  let nowMs = 1000;
  const share = new TurnShare(() => nowMs);
  const work = (ms: number): void => {
    const began = share.begin();
    nowMs += ms;
    share.end(began);
  };
  return { share, work, pass: (ms: number) => (nowMs += ms) };
}

describe('TurnShare', () => {
  it('lets a turn last some milliseconds and no longer', async () => {
    const { share, work } = shareWithClock();
    for (let i = 0; i < 9; i += 1) work(1);
    expect(share.isOver).toBe(false);
    work(1);
    expect(share.isOver).toBe(true);
    await tick();
    expect(share.isOver).toBe(false);
  });

  it('takes a pause for the begin of a new turn', () => {
    const { share, work, pass } = shareWithClock();
    for (let i = 0; i < 100; i += 1) {
      work(5);
      pass(2);
    }
    expect(share.isOver).toBe(false);
  });

  it('lets small requests go first, and heavy ones in turn, one turn after the other', async () => {
    const { share, work } = shareWithClock();
    const ran: string[] = [];
    work(20);
    for (const name of ['heavy 1', 'heavy 2']) {
      share.wait(() => {
        ran.push(name);
        work(20);
      }, true);
    }
    share.wait(() => ran.push('light'), false);
    await tick();
    expect(ran).toEqual(['light', 'heavy 1']);
    share.wait(() => ran.push('light again'), false);
    await tick();
    expect(ran).toEqual(['light', 'heavy 1', 'light again', 'heavy 2']);
  });

  it('forgets those that no longer wait', async () => {
    const { share } = shareWithClock();
    let ran = 0;
    const run = (): void => {
      ran += 1;
    };
    share.wait(run, false);
    share.stopWaiting(run);
    await tick();
    expect(ran).toBe(0);
  });

  it('goes on though a test in the same process has replaced the timers', async () => {
    vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout', 'queueMicrotask'] });
    const { share } = shareWithClock();
    const run = vi.fn();
    share.wait(run, false);
    await tick();
    expect(run).toHaveBeenCalledTimes(1);
  });
});
