import { ManualClock, silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { LogDirNotifier } from './log-dir-notifier.ts';
import { paths } from './znodes.ts';

const RETRY_MS = 1000;

/** A store whose creations are settled by hand, in their order. */
function storeByHand() {
  const asked: { path: string; content: unknown; settle: (error?: Error) => Promise<void> }[] = [];
  const create = (path: string, data: Buffer): Promise<string> =>
    new Promise((resolve, reject) => {
      const settle = async (error?: Error): Promise<void> => {
        if (error === undefined) resolve(path);
        else reject(error);
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      };
      asked.push({ path, content: JSON.parse(data.toString()), settle });
    });
  return { asked, create };
}

function newNotifier() {
  const store = storeByHand();
  const clock = new ManualClock();
  return { ...store, clock, notifier: new LogDirNotifier({ store, brokerId: 7, clock, logger: silentLogger }) };
}

describe('the controller is told of failed log folders', () => {
  it('by a node as Kafka writes it', () => {
    const { notifier, asked } = newNotifier();
    notifier.notify();
    expect(asked).toMatchObject([{ path: paths.logDirEventPrefix, content: { version: 1, broker: 7, event: 1 } }]);
  });

  it('once more when another folder fails while the node is under way, for the controller may have asked by then', async () => {
    const { notifier, asked } = newNotifier();
    notifier.notify();
    notifier.notify();
    notifier.notify();
    expect(asked).toHaveLength(1);
    await asked[0]!.settle();
    expect(asked).toHaveLength(2);
    await asked[1]!.settle();
    expect(asked).toHaveLength(2);
    notifier.notify();
    expect(asked).toHaveLength(3);
  });

  it('again after a while when telling threw', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const create = (path: string): Promise<string> => {
      asked += 1;
      if (asked === 1) throw new TypeError('a mistake');
      return Promise.resolve(path);
    };
    const notifier = new LogDirNotifier({ store: { create }, brokerId: 7, clock, logger: silentLogger });
    notifier.notify();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    clock.advance(RETRY_MS);
    expect([asked, clock.pendingCount]).toEqual([2, 0]);
  });

  it('again after a while when the store could not be reached', async () => {
    const { notifier, asked, clock } = newNotifier();
    notifier.notify();
    await asked[0]!.settle(new Error('the connection was lost'));
    clock.advance(RETRY_MS - 1);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    expect(asked).toHaveLength(2);
    await asked[1]!.settle();
    clock.advance(RETRY_MS);
    expect([asked.length, clock.pendingCount]).toEqual([2, 0]);
  });

  it('at once when another folder fails before that, and then not a second time', async () => {
    const { notifier, asked, clock } = newNotifier();
    notifier.notify();
    await asked[0]!.settle(new Error('the connection was lost'));
    notifier.notify();
    await asked[1]!.settle();
    clock.advance(RETRY_MS);
    expect([asked.length, clock.pendingCount]).toEqual([2, 0]);
  });

  it('no more once the broker stops: neither of what fails then nor of what could not be told before', async () => {
    const { notifier, asked, clock } = newNotifier();
    notifier.notify();
    await asked[0]!.settle(new Error('the connection was lost'));
    notifier.stop();
    expect(clock.pendingCount).toBe(0);
    notifier.notify();
    clock.advance(RETRY_MS);
    expect(asked).toHaveLength(1);
  });

  it('no more when the broker stops while a node is under way', async () => {
    for (const error of [undefined, new Error('the session has expired')]) {
      const { notifier, asked, clock } = newNotifier();
      notifier.notify();
      notifier.notify();
      notifier.stop();
      await asked[0]!.settle(error);
      expect([asked.length, clock.pendingCount]).toEqual([1, 0]);
    }
  });
});
