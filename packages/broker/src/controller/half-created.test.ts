/**
 * Partitions of whose nodes some are there already: Kafka's controller creates `partitions`, each partition's node and each state one by
 * one, and may die in between.
 */
import type { Operation } from '@millrace/metadata';
import { describe, expect, it } from 'vitest';
import { encodePartitionState, encodeTopic, paths, settledAssignment } from '../store/znodes.ts';
import { TestCluster } from '../testing/test-cluster.ts';

const EMPTY = Buffer.alloc(0);
const PARTITIONS = [0, 1, 2];
const STATE = encodePartitionState({
  leader: 2,
  leaderEpoch: 3,
  isr: [2, 1],
  controllerEpoch: 1,
  leaderRecoveryState: 0,
});

const all = paths.partitions('t');
const each = PARTITIONS.map((index) => paths.partition('t', index));
const first = paths.partitionState('t', 0);

/** What of the topic's nodes there is when the controller dies. */
const CUTS: readonly (readonly [string, readonly (readonly [string, Buffer])[]])[] = [
  ['the node above all partitions', [[all, EMPTY]]],
  ['the nodes of some partitions', [all, ...each.slice(0, 2)].map((path) => [path, EMPTY] as const)],
  ['the nodes of all partitions', [all, ...each].map((path) => [path, EMPTY] as const)],
  ['some states', [...[all, ...each].map((path) => [path, EMPTY] as const), [first, STATE]]],
];

/** Two brokers; the nodes come at once, as a controller finds them that takes office. */
async function clusterWith(nodes: readonly (readonly [string, Buffer])[]): Promise<TestCluster> {
  const cluster = new TestCluster();
  for (const id of [1, 2]) await cluster.start(id);
  const topic = encodeTopic(
    'topicAAAAAAAAAAAAAAAAA',
    PARTITIONS.map(() => settledAssignment([1, 2])),
  );
  const operations = [[paths.topic('t'), topic] as const, ...nodes].map(
    ([path, data]): Operation => ({ type: 'create', path, data }),
  );
  await cluster.store.multi(operations);
  await cluster.settle();
  return cluster;
}

async function leaders(cluster: TestCluster): Promise<unknown[]> {
  const states = PARTITIONS.map((index) => cluster.read(paths.partitionState('t', index)));
  return (await Promise.all(states)).map((text) => /"leader":(-?\d+)/.exec(text ?? '')?.[1]);
}

/** What a broker has been told of the topic's leaders. */
function told(cluster: TestCluster): unknown[] {
  const image = cluster.controller.image.topic('t');
  return PARTITIONS.map((index) => image?.partitions[index]?.leader);
}

describe('a topic that a controller has begun to create', () => {
  it.each(CUTS)('gets its leaders where there is nothing but %s', async (_, nodes) => {
    const cluster = await clusterWith(nodes);
    const wanted = nodes.some(([path]) => path === first) ? [2, 1, 1] : [1, 1, 1];
    expect(await leaders(cluster)).toEqual(wanted.map(String));
    expect(told(cluster)).toEqual(wanted);
  });

  it('gets the leaders of its other partitions while the state of one cannot be read, and that one when it is mended', async () => {
    const cluster = await clusterWith([
      [all, EMPTY],
      [each[0] as string, EMPTY],
      [first, Buffer.from('{')],
    ]);
    expect(await leaders(cluster)).toEqual([undefined, '1', '1']);
    await cluster.store.set(first, STATE, 'any');
    await cluster.settle();
    expect(told(cluster)).toEqual([2, 1, 1]);
  });

  it('is taken up by the next controller', async () => {
    const cluster = await clusterWith([]);
    for (const index of PARTITIONS) {
      await cluster.store.delete(paths.partitionState('t', index), 'any');
      await cluster.store.delete(paths.partition('t', index), 'any');
    }
    await cluster.kill(cluster.controller.id);
    const [left] = cluster.brokers.keys();
    expect(await leaders(cluster)).toEqual(PARTITIONS.map(() => String(left)));
  });
});
