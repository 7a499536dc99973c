import { describe, expect, it } from 'vitest';
import { RequestMemory } from './request-memory.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('RequestMemory', () => {
  it('lets requests in until the bound is reached, and again when one is done', async () => {
    const memory = new RequestMemory(100);
    expect(memory.takeHandling(60)).toBe(true);
    expect(memory.takeHandling(60)).toBe(true);
    expect(memory.takeHandling(1)).toBe(false);
    let woken = 0;
    memory.wait('handle', () => {
      woken++;
    });
    await tick();
    expect(woken).toBe(0);
    memory.releaseHandling(60);
    await tick();
    expect(woken).toBe(1);
    expect(memory.stats()).toEqual({
      assemblingBytes: 0,
      handlingBytes: 60,
      handlingRequests: 1,
      waitingConnections: 0,
    });
  });

  it('lets no more requests into handlers than it may, however small they are', async () => {
    const memory = new RequestMemory(100, 2);
    expect([memory.takeHandling(1), memory.takeHandling(1), memory.takeHandling(1)]).toEqual([true, true, false]);
    let woken = 0;
    memory.wait('handle', () => {
      woken += memory.takeHandling(1) ? 1 : 0;
    });
    memory.releaseHandling(1);
    await tick();
    expect(woken).toBe(1);
    expect(memory.stats()).toMatchObject({ handlingRequests: 2, waitingConnections: 0 });
  });

  it('lets one unfinished frame at a time go over the bound, so that none blocks the others for good', async () => {
    const memory = new RequestMemory(100);
    const [first, second] = [{}, {}];
    expect(memory.takeAssembling(90, first)).toBe(true);
    expect(memory.takeAssembling(20, second)).toBe(true);
    expect(memory.takeAssembling(1, first)).toBe(false);
    expect(memory.takeAssembling(20, second)).toBe(true);
    let woken = false;
    memory.wait('assemble', () => {
      woken = memory.takeAssembling(10, first);
    });
    memory.releaseAssembling(40, second);
    await tick();
    expect(woken).toBe(true);
  });

  it('keeps unfinished frames from holding up whole requests', () => {
    const memory = new RequestMemory(100);
    memory.takeAssembling(100, {});
    expect(memory.takeHandling(50)).toBe(true);
  });

  it('forgets those that no longer wait', async () => {
    const memory = new RequestMemory(1);
    memory.takeHandling(1);
    let woken = false;
    const retry = (): void => {
      woken = true;
    };
    memory.wait('handle', retry);
    memory.stopWaiting(retry);
    memory.releaseHandling(1);
    await tick();
    expect(woken).toBe(false);
  });
});
