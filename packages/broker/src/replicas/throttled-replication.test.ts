import { Produce } from '@millrace/protocol';
import { afterEach, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** Produces to the leader, letting time pass until it is answered. */
async function produced(leader: number, values: readonly string[]): Promise<void> {
  const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf(values) }] }];
  let errorCode: number | undefined;
  void cluster.ask(leader, Produce, 9, { acks: -1, timeoutMs: 5000, topicData }).then(({ responses }) => {
    errorCode = responses[0]?.partitionResponses[0]?.errorCode;
  });
  await cluster.until('an answer to Produce', () => errorCode !== undefined);
  expect(errorCode).toBe(0);
}

const isrOf = (): string => {
  const leader = cluster.leaderOf('t');
  return leader < 0 ? '' : cluster.partition(leader, 't').isr.toSorted().join();
};

async function bytesOf(id: number): Promise<string> {
  const { log } = cluster.partition(id, 't');
  const read = await log.read(0, 10_000_000, { isolation: 'logEnd', minOneBatch: true });
  return Buffer.concat(read.chunks).toString('hex');
}

it.each([
  ['the leader', 1, 'leader', 'a batch each', 5000],
  ['the follower', 2, 'follower', 'a batch each', 5000],
  ['the leader', 1, 'leader', 'more than the rate each', 40_000],
  ['the follower', 2, 'follower', 'more than the rate each', 40_000],
] as const)('takes its time for who is not in sync, held back by %s, and none for who is', async (...row) => {
  const [, id, side, , answerBytes] = row;
  cluster = await TestReplicas.start(3);
  await cluster.createTopic('t', [[1, 2, 3]]);
  await cluster.kill(2);
  await cluster.until('a smaller in-sync set', () => isrOf() === '1,3');
  const value = 'x'.repeat(1000);
  for (let round = 0; round < 20; round += 1) await produced(1, Array(5).fill(value));
  const { configRepository: configs } = cluster.broker(1).services;
  await configs.change({ type: 'topic', name: 't' }, () => ({
    [`${side}.replication.throttled.replicas`]: '0:1,0:2',
  }));
  // 100 kB at 20 kB a second.
  const rate = { [`${side}.replication.throttled.rate`]: '20000' };
  if (id === 1) await configs.change({ type: 'broker', level: 'broker' }, () => rate);
  else await cluster.store.create('/config/brokers/2', Buffer.from(JSON.stringify({ version: 1, config: rate })));
  const bytesMax = String(answerBytes);
  await cluster.start(2, { 'replica.fetch.max.bytes': bytesMax, 'replica.fetch.response.max.bytes': bytesMax });
  const startMs = cluster.clock.monotonic();
  await cluster.pass(1500);
  expect(isrOf()).toBe('1,3');
  // In-sync followers are not held back.
  const beforeMs = cluster.clock.monotonic();
  await produced(1, ['y']);
  expect(cluster.clock.monotonic() - beforeMs).toBeLessThan(50);
  await cluster.until('the full in-sync set', () => isrOf() === '1,2,3', 20_000);
  expect(cluster.clock.monotonic() - startMs).toBeGreaterThan(3000);
  await cluster.pass(1500);
  for (const other of [2, 3]) expect(await bytesOf(other)).toBe(await bytesOf(1));
});

it('counts what is given to those in sync, which wait for it before they are given it', async () => {
  cluster = await TestReplicas.start(2);
  await cluster.createTopic('t', [[1, 2]]);
  const { configRepository: configs, replicas } = cluster.broker(1).services;
  await configs.change({ type: 'topic', name: 't' }, () => ({ 'leader.replication.throttled.replicas': '*' }));
  await configs.change({ type: 'broker', level: 'broker' }, () => ({ 'leader.replication.throttled.rate': '1000' }));
  await cluster.pass(100);
  await produced(1, ['x'.repeat(5000)]);
  expect(replicas.throttle.leader.isExceeded).toBe(true);
});
