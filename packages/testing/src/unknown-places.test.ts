/** What is not there, and where nobody runs, is refused instead of waited for. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCluster, type TestCluster } from './index.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ brokers: 1, topics: ['t'] });
});
afterAll(() => cluster.close());

it('a cluster tells no leader and no replicas of what is not there', async () => {
  const [topic, partition, inSync] = await Promise.all(
    [cluster.leaderOf('never'), cluster.leaderOf('t', 7), cluster.inSync('t', 7)].map((asked) =>
      asked.catch((error: unknown) => error),
    ),
  );
  expect(topic).toMatchObject({
    code: 'TESTING_UNKNOWN_PARTITION',
    message: "There is no partition never-0: there is no topic 'never'",
  });
  for (const error of [partition, inSync]) {
    expect(error).toMatchObject({
      code: 'TESTING_UNKNOWN_PARTITION',
      message: "There is no partition t-7: the partitions of 't' are 1",
    });
  }
});

it('a cluster of which no broker runs is waited for by no call', async () => {
  const [id] = cluster.brokerIds;
  await cluster.kill(id!);
  for (const call of [
    () => cluster.leaderOf('t'),
    () => cluster.inSync('t'),
    () => cluster.moveController(),
    () => cluster.createTopic('u'),
  ]) {
    await expect(call()).rejects.toMatchObject({
      code: 'TESTING_NOT_RUNNING',
      message: expect.stringMatching(/^Cannot .*: no broker runs; start one first$/),
    });
  }
  await cluster.start(id!);
  expect(await cluster.leaderOf('t')).toBe(id);
});
