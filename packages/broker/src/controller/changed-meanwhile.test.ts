import type { MetadataStore, Operation } from '@millrace/metadata';
import { describe, expect, it } from 'vitest';
import { paths } from '../store/znodes.ts';
import { newTopic, TestCluster } from '../testing/test-cluster.ts';

const READS = new Set<string | symbol>(['get', 'exists', 'children']);
const RETRY_MS = 2000;

/** When a node changes: before it is read, or when it has been read and the reader has not heard of it. */
type When = 'before' | 'behind';

/** Has something change in the store around one read: the one so many behind that at which it was armed. */
class ChangedRead {
  /** The read at which it changed; undefined as long as there was none. */
  read: string | undefined;
  #left = Number.POSITIVE_INFINITY;
  #when: When = 'before';
  #change: () => Promise<unknown> = async () => {};

  arm(readsBefore: number, when: When, change: () => Promise<unknown>): void {
    this.#left = readsBefore;
    this.#when = when;
    this.#change = change;
  }

  wrap(store: MetadataStore): MetadataStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        return READS.has(name) ? (...args: unknown[]) => this.#around(String(name), call, args) : call;
      },
    });
  }

  async #around(name: string, call: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<unknown> {
    this.#left -= 1;
    if (this.#left !== -1) return call(...args);
    this.read = `${name} of ${JSON.stringify(args[0])}`;
    if (this.#when === 'before') await this.#change();
    // A failed read sets its watch too.
    const [answer] = await Promise.allSettled([call(...args)]);
    if (this.#when === 'behind') await this.#change();
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value;
  }
}

/** A store through which nobody takes office. */
function withoutOffice(store: MetadataStore): MetadataStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (operations: readonly Operation[]) => Promise<unknown>;
      if (name !== 'multi') return call;
      return (operations: readonly Operation[]) =>
        operations.some(({ type, path }) => type === 'create' && path === paths.controller)
          ? new Promise(() => {})
          : call(operations);
    },
  });
}

/** What changes, and what the controller must have made of it in the end. */
interface Change {
  readonly what: string;
  change(cluster: TestCluster): Promise<unknown>;
  expectDone(cluster: TestCluster, where: string): Promise<void>;
}

const CHANGES: readonly Change[] = [
  {
    what: 'a topic is to be deleted',
    change: ({ store }) => store.create(paths.deleteTopic('gone'), Buffer.alloc(0)),
    expectDone: async ({ store, controller }, where) => {
      expect(await store.children(paths.topics), where).not.toContain('gone');
      expect(await store.children('/admin/delete_topics'), where).toEqual([]);
      expect(controller.image.topic('gone'), where).toBeUndefined();
    },
  },
  {
    what: 'a partition is added',
    change: async (cluster) => {
      const topic = (await cluster.readJson(paths.topic('orders'))) as { partitions: object };
      const partitions = { ...topic.partitions, 2: [2, 3] };
      await cluster.store.set(paths.topic('orders'), Buffer.from(JSON.stringify({ ...topic, partitions })), 'any');
    },
    expectDone: async (cluster, where) => {
      expect(await cluster.readJson(paths.partitionState('orders', 2)), where).toMatchObject({ leader: 2 });
      expect(cluster.controller.image.partition('orders', 2), where).toMatchObject({ leader: 2 });
    },
  },
  {
    what: 'a broker dies',
    change: (cluster) => cluster.kill(3),
    expectDone: async (cluster, where) => {
      for (const partition of [0, 1]) {
        const state = await cluster.readJson(paths.partitionState('orders', partition));
        expect(state, where).toMatchObject({ leader: 2, isr: [2] });
      }
      expect([...cluster.controller.image.brokers.keys()], where).toEqual([2]);
    },
  },
];

/** Broker 2 takes over from 1, and something changes at one of its reads; that, or undefined where there are not so many. */
async function takeOver(change: Change, readsBefore: number, when: When): Promise<string | undefined> {
  const cluster = new TestCluster();
  const reads = new ChangedRead();
  await cluster.start(1);
  const successor = await cluster.start(2, {}, (store) => reads.wrap(store));
  await cluster.start(3, {}, withoutOffice);
  await cluster.controller.topics.createTopics([newTopic('orders', 2, 3), newTopic('gone', 1, 2)], {
    timeoutMs: 1000,
    validateOnly: false,
  });
  await cluster.settle();
  reads.arm(readsBefore, when, () => change.change(cluster));
  await cluster.kill(1);
  for (
    let tries = 0;
    tries < 3 && !(successor.controller.isActive && successor.controller.queueLength === 0);
    tries += 1
  ) {
    await cluster.clock.advanceAsync(RETRY_MS);
    await cluster.settle();
  }
  await cluster.settle();
  if (reads.read === undefined) return undefined;
  await change.expectDone(cluster, `${change.what} ${when} ${reads.read}, read ${readsBefore}`);
  return reads.read;
}

describe('a controller that takes office', () => {
  it.each(
    CHANGES.flatMap((change) => (['before', 'behind'] as const).map((when) => [change.what, when, change] as const)),
  )('misses nothing that changes at any of its reads: %s, %s it is answered', async (_, when, change) => {
    const reads: string[] = [];
    for (let readsBefore = 0; ; readsBefore += 1) {
      const read = await takeOver(change, readsBefore, when);
      if (read === undefined) break;
      reads.push(read);
    }
    expect(reads.length).toBeGreaterThan(10);
    expect(reads.some((read) => read.startsWith('children of "/admin/delete_topics"'))).toBe(true);
  });
});
