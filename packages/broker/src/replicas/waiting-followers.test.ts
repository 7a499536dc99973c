import { Fetch } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';
import { AWAITED_MS, AWAITED_WAIT_MS } from './awaited-followers.ts';

let cluster: TestReplicas;

beforeEach(async () => {
  cluster = await TestReplicas.start(3);
  await cluster.createTopic('t', [[1, 2, 3]]);
});

afterEach(() => cluster.stopAll());

/** A follower's fetch of the leader, which waits for a minute; tells whether it was answered. */
function waiting(...topics: readonly string[]): () => boolean {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const asked = ['t', ...topics].map((topic) => ({ topic, partitions }));
  const body = { replicaId: 2, maxWaitMs: 60_000, minBytes: 1, topics: asked };
  let isAnswered = false;
  void cluster.ask(1, Fetch, 12, body).then(() => {
    isAnswered = true;
  });
  return () => isAnswered;
}

it('a leader answers followers that wait when it hears of another partition, so that they can ask for it on the same connection', async () => {
  const isAnswered = waiting();
  await cluster.pass(1000);
  expect(isAnswered()).toBe(false);
  await cluster.createTopic('u', [[1, 2, 3]]);
  expect(isAnswered()).toBe(true);
});

it('a leader does not let a follower wait that has missed that it heard of another partition, while the disk was read', async () => {
  const { log } = cluster.partition(1, 't');
  const read = log.read.bind(log);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  vi.spyOn(log, 'read').mockImplementationOnce((...args) => held.then(() => read(...args)));
  const isAnswered = waiting();
  await cluster.createTopic('u', [[1, 2, 3]]);
  expect(isAnswered()).toBe(false);
  goOn();
  await cluster.settle();
  expect(isAnswered()).toBe(true);
});

describe('a leader that has not heard yet of a follower who is in sync', () => {
  beforeEach(async () => {
    // The broker itself asks for nothing, but what is asked for in its name.
    cluster.cutFetches(2, 1);
    await cluster.createTopic('u', [[1, 2, 3]]);
  });

  it('lets it wait for other partitions for moments only, until it has asked', async () => {
    const isAnswered = waiting();
    await cluster.settle();
    expect(isAnswered()).toBe(false);
    await cluster.pass(AWAITED_WAIT_MS + 1);
    expect(isAnswered()).toBe(true);
    const isAskedFor = waiting('u');
    const isAnsweredThen = waiting();
    await cluster.pass(10 * AWAITED_WAIT_MS);
    expect([isAskedFor(), isAnsweredThen()]).toEqual([false, false]);
  });

  it('lets it wait as long as it wants when it has not asked for a while', async () => {
    await cluster.pass(AWAITED_MS + 1);
    const isAnswered = waiting();
    await cluster.pass(10 * AWAITED_WAIT_MS);
    expect(isAnswered()).toBe(false);
  });
});
