import { silentLogger } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { encodeLogDirEvent, paths } from '../store/znodes.ts';
import { TestCluster } from '../testing/test-cluster.ts';

type Line = [fields: object, message: string];

/** Brokers, and what their logs say that begins with one of these words. */
async function clusterOf(ids: readonly number[], ...words: string[]): Promise<{ cluster: TestCluster; lines: Line[] }> {
  const lines: Line[] = [];
  const note = (fields: object, message: string): void => {
    if (words.some((word) => message.startsWith(word))) lines.push([fields, message]);
  };
  const cluster = new TestCluster(undefined, { ...silentLogger, info: note, warn: note });
  for (const id of ids) await cluster.start(id);
  return { cluster, lines };
}

async function assign(cluster: TestCluster, name: string, replicas: readonly number[][]): Promise<void> {
  const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  const patiently = { timeoutMs: 1000, validateOnly: false };
  const [created] = await cluster.controller.topics.createTopics([topic], patiently);
  expect(created).toMatchObject({ errorCode: 0 });
  await cluster.settle();
}

const many = (...replicas: number[]): number[][] => Array.from({ length: 20 }, () => replicas);
const FIRST_TEN = Array.from({ length: 10 }, (_, index) => `many-${index}`);

describe('the log of elections', () => {
  it('has a line for each while they are few, and one for all when a broker takes over many', async () => {
    const { cluster, lines } = await clusterOf([1, 2], 'Elected');
    await assign(cluster, 'few', [[2, 1]]);
    await cluster.kill(2);
    const few = { partition: 'few-0', strategy: 'offline', leader: 1, leaderEpoch: 1 };
    expect(lines).toEqual([[few, 'Elected a leader']]);
    await cluster.start(2);
    await assign(cluster, 'many', many(2, 1));
    lines.length = 0;
    await cluster.kill(2);
    const all = { strategy: 'offline', partitions: 20, byLeader: { 1: 20 } };
    expect(lines).toEqual([[all, 'Elected leaders of many partitions']]);
  });

  it('says in one line that many have no leader, and once until they had one', async () => {
    const { cluster, lines } = await clusterOf([1, 2, 3], 'Nobody could be elected');
    await assign(cluster, 'many', many(3));
    const line = [
      { strategy: 'offline', partitions: 20, some: FIRST_TEN },
      'Nobody could be elected leader of many partitions',
    ];
    await cluster.kill(3);
    // Whenever a broker comes or goes, they are tried once more.
    await cluster.kill(2);
    await cluster.start(2);
    expect(lines).toEqual([line]);
    await cluster.start(3);
    await cluster.kill(3);
    expect(lines).toEqual([line, line]);
  });

  it('names what few have no leader', async () => {
    const { cluster, lines } = await clusterOf([1, 2], 'Nobody could be elected');
    await assign(cluster, 'few', [[2], [1]]);
    await cluster.kill(2);
    const fields = { partition: 'few-0', strategy: 'offline', isr: [2], replicas: [2] };
    expect(lines).toEqual([[fields, 'Nobody could be elected leader']]);
  });
});

describe('replicas whose broker cannot use their logs', () => {
  it('are told of once, without a guess why', async () => {
    const { cluster, lines } = await clusterOf([1, 2], 'Replicas are offline');
    const { channel } = cluster.brokers.get(2)!;
    const errorCode = ErrorCode.KAFKA_STORAGE_ERROR;
    channel.answerLeaderAndIsr = ({ partitions }) => {
      const outcomes = partitions.map(({ topic, topicId, partition }) => ({ topic, topicId, partition, errorCode }));
      return Promise.resolve({ errorCode: 0, partitions: outcomes });
    };
    await assign(cluster, 'many', many(1, 2));
    for (let asked = 0; asked < 2; asked += 1) {
      await cluster.store.create(paths.logDirEventPrefix, encodeLogDirEvent(2), { sequential: true });
      await cluster.settle();
    }
    const fields = { broker: 2, partitions: 20, some: FIRST_TEN };
    expect(lines).toEqual([[fields, 'Replicas are offline: their broker cannot use their logs; its own log says why']]);
  });
});
