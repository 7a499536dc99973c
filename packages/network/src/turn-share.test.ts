import { afterEach, describe, expect, it, vi } from 'vitest';
import { type TurnClass, TurnShare } from './turn-share.ts';

/** The event loop's next turn, whatever a test has replaced. */
const realImmediate = setImmediate;
const tick = (): Promise<void> => new Promise((resolve) => realImmediate(resolve));

afterEach(() => void vi.useRealTimers());

function shareWithClock() {
  let nowMs = 1000;
  const share = new TurnShare(() => nowMs);
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const work = (ms: number): void => {
    share.look();
    pass(ms);
    share.look();
  };
  return { share, work, pass };
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

  it('counts what is done in a turn beside the starting of requests', () => {
    const { share, work, pass } = shareWithClock();
    for (let i = 0; i < 3; i += 1) {
      work(1);
      pass(3);
    }
    expect(share.isOver).toBe(false);
    share.look();
    expect(share.isOver).toBe(true);
  });

  it('begins a new turn with the next one of the event loop', async () => {
    const { share, work } = shareWithClock();
    for (let i = 0; i < 10; i += 1) {
      work(9);
      await tick();
      expect(share.isOver).toBe(false);
    }
  });

  it('lets small requests go first, and heavy ones in turn, one turn after the other', async () => {
    const { share, work } = shareWithClock();
    const ran: string[] = [];
    work(20);
    for (const name of ['heavy 1', 'heavy 2']) {
      share.wait(() => {
        ran.push(name);
        work(20);
      }, 'heavy');
    }
    share.wait(() => ran.push('light'), 'light');
    await tick();
    expect(ran).toEqual(['light', 'heavy 1']);
    share.wait(() => ran.push('light again'), 'light');
    await tick();
    expect(ran).toEqual(['light', 'heavy 1', 'light again', 'heavy 2']);
  });

  it('has those who want more than a slice wait for those who want little, and starves nobody', async () => {
    const { share, work } = shareWithClock();
    const ran: string[] = [];
    const waitFor = (name: string, turnClass: TurnClass, ms: number): void => {
      share.wait(() => {
        ran.push(name);
        work(ms);
      }, turnClass);
    };
    work(20);
    for (const name of ['greedy 1', 'greedy 2', 'greedy 3']) waitFor(name, 'greedy', 1);
    waitFor('heavy', 'heavy', 1);
    for (const turn of [1, 2, 3, 4]) waitFor(`light ${turn}`, 'light', 10);
    for (let turn = 0; turn < 4; turn += 1) await tick();
    expect(ran).toEqual(['light 1', 'greedy 1', 'light 2', 'heavy', 'light 3', 'greedy 2', 'light 4']);
    await tick();
    expect(ran.at(-1)).toBe('greedy 3');
    expect(share.isContended).toBe(false);
  });

  it('forgets those that no longer wait', async () => {
    const { share } = shareWithClock();
    let ran = 0;
    const run = (): void => {
      ran += 1;
    };
    share.wait(run, 'light');
    share.stopWaiting(run);
    await tick();
    expect(ran).toBe(0);
  });

  it('goes on though a test in the same process has replaced the timers', async () => {
    vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout', 'queueMicrotask'] });
    const { share } = shareWithClock();
    const run = vi.fn();
    share.wait(run, 'light');
    await tick();
    expect(run).toHaveBeenCalledTimes(1);
  });
});
