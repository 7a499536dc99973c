import { describe, expect, it } from 'vitest';
import { type FrameHolder, RequestMemory } from './request-memory.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function holder(stalledMs = 0, evict: () => void = () => {}): FrameHolder {
  return { stalledMs: () => stalledMs, evict };
}

describe('RequestMemory', () => {
  it('lets requests in until the bound is reached, and again when one is done', async () => {
    const memory = new RequestMemory(100);
    expect(memory.takeHandling(60)).toBe(true);
    expect(memory.takeHandling(60)).toBe(true);
    expect(memory.takeHandling(1)).toBe(false);
    let woken = 0;
    memory.wait('handle', () => {
      woken += 1;
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
      parkedBytes: 0,
      waitingConnections: 0,
      evictedConnections: 0,
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
    const [first, second] = [holder(), holder()];
    expect(memory.takeAssembling(90, first)).toBe(true);
    expect(memory.takeAssembling(60, second)).toBe(true);
    expect(memory.takeAssembling(1, first)).toBe(false);
    expect(memory.takeAssembling(20, second)).toBe(true);
    let woken = false;
    memory.wait('assemble', () => {
      woken = memory.takeAssembling(10, first);
    });
    memory.releaseAssembling(80, second);
    await tick();
    expect(woken).toBe(true);
  });

  it('leaves everybody a fair share beyond the bound, up to twice the bound', () => {
    const memory = new RequestMemory(100);
    const overrunner = holder();
    expect(memory.takeAssembling(90, holder())).toBe(true);
    expect(memory.takeAssembling(60, overrunner)).toBe(true);
    const others = Array.from({ length: 10 }, () => memory.takeAssembling(20, holder()));
    expect(others.filter(Boolean)).toHaveLength(2);
    expect(memory.stats().assemblingBytes).toBe(190);
  });

  it('takes their place from frames that stand still, the largest first, and from no others', () => {
    const memory = new RequestMemory(100);
    const evicted: string[] = [];
    const take = (name: string, bytes: number, stalledMs: number): boolean => {
      const one = holder(stalledMs, () => {
        evicted.push(name);
        memory.releaseAssembling(bytes, one);
      });
      return memory.takeAssembling(bytes, one);
    };
    take('small', 10, 5000);
    take('moving', 30, 100);
    take('large', 60, 5000);
    expect(take('over', 90, 0)).toBe(true);
    expect(take('next', 90, 0)).toBe(false);
    expect(evicted).toEqual(['large', 'small']);
  });

  it('keeps unfinished frames from holding up whole requests', () => {
    const memory = new RequestMemory(100);
    memory.takeAssembling(100, holder());
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
