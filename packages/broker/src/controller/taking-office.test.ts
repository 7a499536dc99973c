import { MetadataError, type MetadataStore } from '@millrace/metadata';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { paths } from '../store/znodes.ts';
import { newTopic, TestCluster } from '../testing/test-cluster.ts';

const READS = new Set<string | symbol>(['get', 'exists', 'children']);
const WRITES = new Set<string | symbol>(['create', 'set', 'delete', 'multi']);
/** Longer than a controller that could not take office waits until it tries again. */
const RETRY_MS = 2000;

/** How a call fails: it is refused, or a write was applied and its answer is lost. */
type Failure = 'refused' | 'answer lost';

/** Lets one call of a store fail, the one so many behind that at which it was armed. */
class FailingCall {
  /** The call that has failed; undefined as long as none has. */
  failed: string | undefined;
  #left = Number.POSITIVE_INFINITY;
  #failure: Failure = 'refused';

  arm(callsBefore: number, failure: Failure): void {
    this.#left = callsBefore;
    this.#failure = failure;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  wrap(store: MetadataStore): MetadataStore {
    return new Proxy(store, {
      get: (target, name) => {
        // a method, or a field that is handed on as it is
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        const counts = WRITES.has(name) || (READS.has(name) && this.#failure === 'refused');
        return counts ? (...args: unknown[]) => this.#meddle(String(name), call, args) : call;
      },
    });
  }

  async #meddle(name: string, call: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<unknown> {
    this.#left -= 1;
    if (this.#left !== -1) return call(...args);
    this.failed = `${name} of ${JSON.stringify(args[0])}`;
    if (this.#failure === 'refused') throw new MetadataError('STORE_FAILED', 'The login at the store has failed');
    await call(...args);
    throw new MetadataError('CONNECTION_LOSS', 'The connection was lost before the answer came');
  }
}

/** Broker 2 takes over from 1, and one call fails meanwhile; the call, or undefined where there are not so many. */
async function takeOver(callsBefore: number, failure: Failure): Promise<string | undefined> {
  const cluster = new TestCluster();
  const failing = new FailingCall();
  await cluster.start(1);
  const successor = await cluster.start(2, {}, (store) => failing.wrap(store));
  // So that a deletion is under way when the office changes hands.
  successor.channel.stopReplicaErrorCode = ErrorCode.KAFKA_STORAGE_ERROR;
  await cluster.controller.topics.createTopics([newTopic('orders', 2, 2), newTopic('gone', 1, 2)], {
    timeoutMs: 1000,
    validateOnly: false,
  });
  await cluster.store.create(paths.deleteTopic('gone'), Buffer.alloc(0));
  await cluster.settle();
  const epoch = Number(await cluster.read(paths.controllerEpoch));
  failing.arm(callsBefore, failure);
  await cluster.kill(1);
  for (
    let tries = 0;
    tries < 3 && !(successor.controller.isActive && successor.controller.queueLength === 0);
    tries += 1
  ) {
    await cluster.clock.advanceAsync(RETRY_MS);
    await cluster.settle();
  }
  failing.disarm();
  const where = `${failing.failed}, call ${callsBefore} (${failure})`;
  const { controller } = cluster;
  expect([controller.id, await cluster.read(paths.controller)], where).toEqual([
    2,
    expect.stringContaining('"brokerid":2'),
  ]);
  expect(Number(await cluster.read(paths.controllerEpoch)), where).toBeGreaterThan(epoch);
  for (const partition of [0, 1]) {
    expect(await cluster.readJson(paths.partitionState('orders', partition)), where).toMatchObject({
      leader: 2,
      isr: [2],
    });
    expect(controller.image.partition('orders', partition), where).toMatchObject({ leader: 2 });
  }
  // It hears of what happens: its watches are not spent.
  const [created] = await controller.topics.createTopics([newTopic('after', 1, 1)], {
    timeoutMs: 0,
    validateOnly: false,
  });
  await cluster.settle();
  expect([created?.topicId !== undefined, controller.image.partition('after', 0)?.leader], where).toEqual([true, 2]);
  await cluster.start(1);
  expect(controller.image.brokers.has(1), where).toBe(true);
  return failing.failed;
}

describe('a controller that takes office', () => {
  it.each<[Failure, string]>([
    ['refused', 'the store refuses one of its reads or writes'],
    ['answer lost', 'a write was done and its answer is lost'],
  ])('acts in the end, whichever call fails: %s, %s', async (failure) => {
    const failed: string[] = [];
    for (let callsBefore = 0; ; callsBefore += 1) {
      const call = await takeOver(callsBefore, failure);
      if (call === undefined) break;
      failed.push(call);
    }
    expect(failed.some((call) => call.startsWith('multi'))).toBe(true);
    expect(failed.length).toBeGreaterThan(failure === 'refused' ? 10 : 2);
  });
});
