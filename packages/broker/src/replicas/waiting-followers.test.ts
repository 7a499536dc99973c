import { Fetch } from '@millrace/protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

beforeEach(async () => {
  cluster = await TestReplicas.start(3);
  await cluster.createTopic('t', [[1, 2, 3]]);
});

afterEach(() => cluster.stopAll());

/** A follower's fetch of the leader, which waits for a minute; tells whether it was answered. */
function waiting(): () => boolean {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const body = { replicaId: 2, maxWaitMs: 60_000, minBytes: 1, topics: [{ topic: 't', partitions }] };
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
