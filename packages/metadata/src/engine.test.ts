import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { TreeEngine, type TreePersistence } from './engine.ts';
import { TreeMetadataStore } from './tree-store.ts';

/** A disk that finishes writes when the test says so. */
class SlowPersistence implements TreePersistence {
  readonly #waiting: PromiseWithResolvers<void>[] = [];

  commit(): Promise<void> {
    const write = Promise.withResolvers<void>();
    this.#waiting.push(write);
    return write.promise;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  async finishOne(error?: Error): Promise<void> {
    const write = this.#waiting.shift();
    if (error === undefined) write?.resolve();
    else write?.reject(error);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {}
}

function openSlow(): { store: TreeMetadataStore; other: TreeMetadataStore; disk: SlowPersistence; log: string[] } {
  const disk = new SlowPersistence();
  const store = new TreeMetadataStore(new TreeEngine(new ManualClock(), disk));
  return { store, other: store.openSession(), disk, log: [] };
}

const empty = Buffer.alloc(0);

describe('the order of operations', () => {
  it('shows nobody a write before it is durable', async () => {
    const { store, other, disk, log } = openSlow();
    void other.exists('/a', { watch: () => log.push('event') }).then((stat) => log.push(`before: ${stat?.version}`));
    void store.create('/a', empty).then(() => log.push('created'));
    void other.exists('/a').then((stat) => log.push(`after: ${stat?.version}`));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['before: undefined']);
    await disk.finishOne();
    expect(log.slice(0, 2)).toEqual(['before: undefined', 'event']);
    expect(log.slice(2).sort()).toEqual(['after: 0', 'created']);
  });

  it('hands out results in order though a later write is durable first', async () => {
    const { store, log } = openSlow();
    const writes: PromiseWithResolvers<void>[] = [];
    const disk: TreePersistence = {
      commit: () => {
        const write = Promise.withResolvers<void>();
        writes.push(write);
        return write.promise;
      },
      close: async () => {},
    };
    const unordered = new TreeMetadataStore(new TreeEngine(new ManualClock(), disk));
    void unordered.create('/a', empty).then(() => log.push('a'));
    void unordered.create('/b', empty).then(() => log.push('b'));
    writes[1]?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual([]);
    writes[0]?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['a', 'b']);
    await store.close();
  });

  it('lets an error wait for the writes that it speaks of', async () => {
    const { store, other, disk, log } = openSlow();
    void store.create('/a', empty);
    void other.create('/a', empty).catch((error: { code: string }) => log.push(error.code));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual([]);
    await disk.finishOne();
    expect(log).toEqual(['NODE_EXISTS']);
  });
});

describe('a write that cannot be made durable', () => {
  it('fails, and so does all that comes after it, because the tree is ahead of the disk', async () => {
    const { store, other, disk } = openSlow();
    const events: unknown[] = [];
    await other.exists('/a', { watch: (event) => events.push(event) });
    const failed = store.create('/a', empty);
    const read = other.exists('/a');
    const outcomes = Promise.allSettled([failed, read]);
    await disk.finishOne(new Error('no space'));
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_FAILED', cause: { message: 'no space' } },
      });
    }
    await expect(store.create('/b', empty)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(other.get('/')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(disk.waitingCount).toBe(0);
    expect(events).toEqual([]);
  });
});
