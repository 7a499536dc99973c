/**
 * Nodes of the metadata store into which somebody has written rubbish, and later what was there: what is hurt stands still and comes back,
 * nobody gives an office up over it, and everything else goes on.
 */
import { UNLIMITED } from '@millrace/log';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { encodeConfigChange, encodeReassignments, paths } from '../store/znodes.ts';
import { TestCluster } from '../testing/test-cluster.ts';

/** By what it is, what somebody makes of a node's content. */
const RUBBISH: readonly (readonly [string, (before: Buffer) => Buffer])[] = [
  ['the half of it', (before) => before.subarray(0, before.length / 2)],
  ['bytes that are no text', () => Buffer.from([0xff, 0, 0xc3, 0x28, 0x7b])],
  ['values of other types', (before) => otherTypes(before)],
  ['a list', () => Buffer.from('[1,2,3]')],
  ['null', () => Buffer.from('null')],
  ['a version that nobody knows', () => Buffer.from('{"version":99,"payload":"AAAA"}')],
];

function otherTypes(before: Buffer): Buffer {
  const json = JSON.parse(before.toString()) as Record<string, unknown>;
  const changed = Object.entries(json).map(([name, value]) => [name, typeof value === 'object' ? 'text' : { value }]);
  return Buffer.from(JSON.stringify(Object.fromEntries(changed)));
}

/** Three brokers; `hurt` and `sound` have one partition each, on all of them. */
async function clusterWith(leader: number): Promise<TestCluster> {
  const cluster = new TestCluster();
  for (const id of [1, 2, 3]) await cluster.start(id);
  const brokerIds = [leader, ...[1, 2, 3].filter((id) => id !== leader)];
  const assignments = [{ partitionIndex: 0, brokerIds }];
  const topics = ['hurt', 'sound'].map((name) => ({
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments,
    configs: [{ name: 'cleanup.policy', value: 'compact' }],
  }));
  await cluster.controller.topics.createTopics(topics, { timeoutMs: 1000, validateOnly: false });
  await cluster.settle();
  return cluster;
}

/** Writes rubbish over a node; what comes back mends it. */
async function damage(
  cluster: TestCluster,
  path: string,
  rubbish: (before: Buffer) => Buffer,
): Promise<() => Promise<void>> {
  const { data } = await cluster.store.get(path);
  await cluster.store.set(path, rubbish(data), 'any');
  await cluster.settle();
  return async () => {
    await cluster.store.set(path, data, 'any');
    await cluster.settle();
  };
}

async function leaderOf(cluster: TestCluster, topic: string): Promise<unknown> {
  const state = (await cluster.readJson(paths.partitionState(topic, 0))) as { leader: number };
  return state.leader;
}

describe.each(RUBBISH)('with %s in it', (_, rubbish) => {
  it('the node of a topic costs no office, and its partitions get leaders as the others', async () => {
    const cluster = await clusterWith(3);
    const { epoch } = cluster.controller.controller;
    await damage(cluster, paths.topic('hurt'), rubbish);
    await cluster.kill(3);
    expect(await leaderOf(cluster, 'sound')).not.toBe(3);
    expect(await leaderOf(cluster, 'hurt')).not.toBe(3);
    expect(cluster.controller.controller.epoch).toBe(epoch);
  });

  it('the node of a topic has it left alone by the next controller until it is mended', async () => {
    const cluster = await clusterWith(3);
    const mend = await damage(cluster, paths.topic('hurt'), rubbish);
    await cluster.kill(cluster.controller.id);
    await cluster.kill(3);
    const { epoch } = cluster.controller.controller;
    expect([await leaderOf(cluster, 'hurt'), await leaderOf(cluster, 'sound')]).toEqual([3, 2]);
    await mend();
    expect(await leaderOf(cluster, 'hurt')).toBe(2);
    expect(cluster.controller.controller.epoch).toBe(epoch);
  });

  it('the state of a partition has that stand still until it is mended', async () => {
    const cluster = await clusterWith(3);
    const { epoch } = cluster.controller.controller;
    const mend = await damage(cluster, paths.partitionState('hurt', 0), rubbish);
    await cluster.kill(3);
    expect(await leaderOf(cluster, 'sound')).not.toBe(3);
    await mend();
    expect(await leaderOf(cluster, 'hurt')).not.toBe(3);
    expect(cluster.controller.controller.epoch).toBe(epoch);
  });

  it('the state of a partition has its leader ask on, and lead in another epoch when it is mended', async () => {
    const cluster = await clusterWith(3);
    const { controller } = cluster.controller;
    const mend = await damage(cluster, paths.partitionState('hurt', 0), rubbish);
    const propose = (leaderEpoch: number): Promise<unknown> =>
      controller.inTerm(async ({ isr, context }) => {
        const partition = context.partition('hurt', 0)!;
        const change = { leaderEpoch, partitionEpoch: 0, isr: [3], leaderRecoveryState: 0 };
        return (await isr.alter([{ ...change, partition, unknownError: 3 }], 107)).outcomes;
      });
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      expect(await propose(0)).toMatchObject([{ errorCode: ErrorCode.NOT_CONTROLLER }]);
    }
    await mend();
    expect(await cluster.readJson(paths.partitionState('hurt', 0))).toMatchObject({ leader: 3, leader_epoch: 1 });
    expect(await cluster.readJson(paths.partitionState('sound', 0))).toMatchObject({ leader: 3, leader_epoch: 0 });
  });

  it('a registration counts as what it said before, or as none until it is mended', async () => {
    const cluster = await clusterWith(3);
    const mend = await damage(cluster, paths.brokerId(3), rubbish);
    await cluster.kill(2);
    expect([...cluster.controller.image.brokers.keys()]).toContain(3);
    await cluster.kill(cluster.controller.id === 3 ? 1 : cluster.controller.id);
    await mend();
    const { controller, image } = cluster.controller;
    expect([...image.brokers.keys()]).toContain(3);
    expect(controller.epoch).toBe(2);
    expect(await leaderOf(cluster, 'sound')).toBe(3);
  });

  it('the office of the controller costs nobody his office, and nobody his start', async () => {
    const cluster = await clusterWith(3);
    const { epoch } = cluster.controller.controller;
    const mend = await damage(cluster, paths.controller, rubbish);
    const late = await cluster.start(4);
    expect(cluster.controller.controller.epoch).toBe(epoch);
    expect(late.controller.controllerId).toBe(-1);
    await mend();
    expect(late.controller.controllerId).toBe(cluster.controller.id);
  });

  it('requests of older tools and notes are passed over, and what comes behind them is not', async () => {
    const cluster = await clusterWith(3);
    const { epoch } = cluster.controller.controller;
    const content = rubbish(Buffer.from('{"version":1,"partitions":[]}'));
    const sequential = { sequential: true };
    await cluster.store.create(paths.preferredElection, content);
    await cluster.store.create(`${paths.isrChanges}/isr_change_`, content, sequential);
    await cluster.store.create(paths.logDirEventPrefix, content, sequential);
    await cluster.store.create(paths.reassignPartitions, content);
    await cluster.settle();
    expect(cluster.controller.controller.epoch).toBe(epoch);
    expect(await cluster.store.exists(paths.preferredElection)).toBeUndefined();
    await cluster.store.set(
      paths.reassignPartitions,
      encodeReassignments([{ topic: 'sound', partition: 0, replicas: [2, 1, 3] }]),
      'any',
    );
    await cluster.settle();
    const { partitions } = (await cluster.readJson(paths.topic('sound'))) as { partitions: object };
    expect(partitions).toEqual({ 0: [2, 1, 3] });
    await cluster.kill(cluster.controller.id);
    expect(cluster.controller.controller.epoch).toBe(epoch + 1);
  });

  it('a topic whose replicas shall move refuses that, and its neighbour moves', async () => {
    const cluster = await clusterWith(3);
    const { controller } = cluster.controller;
    const mend = await damage(cluster, paths.topic('hurt'), rubbish);
    const move = (topic: string): Promise<readonly { errorCode: number }[] | undefined> =>
      controller.inTerm((term) => term.reassignments.alter([{ topic, partition: 0, replicas: [1, 2, 3] }]));
    expect(await move('hurt')).toMatchObject([{ errorCode: -1 }]);
    expect(await move('sound')).toMatchObject([{ errorCode: 0 }]);
    await mend();
    expect(await move('hurt')).toMatchObject([{ errorCode: 0 }]);
    expect(controller.epoch).toBe(1);
  });

  it('the configs of a topic hold as they were known, until they are mended', async () => {
    const cluster = await clusterWith(3);
    const { configs } = cluster.brokers.get(2)!;
    await configs.loadTopics(['hurt']);
    const mend = await damage(cluster, paths.topicConfig('hurt'), rubbish);
    const note = encodeConfigChange('topics/hurt');
    await cluster.store.create(paths.configChangePrefix, note, { sequential: true });
    await cluster.settle();
    expect(configs.logConfig('hurt').cleanupPolicy).toEqual(['compact']);
    const late = await cluster.start(4, { 'unclean.leader.election.enable': 'true' });
    expect(late.configs.logConfig('hurt')).toMatchObject({
      cleanupPolicy: ['delete'],
      retentionMs: UNLIMITED,
      uncleanLeaderElectionEnable: false,
    });
    expect(late.configs.logConfig('sound').uncleanLeaderElectionEnable).toBe(true);
    await mend();
    expect(late.configs.logConfig('hurt').cleanupPolicy).toEqual(['compact']);
  });

  it('a note of changed configs is passed over, and those behind it count', async () => {
    const cluster = await clusterWith(3);
    const { configs } = cluster.brokers.get(2)!;
    await configs.loadTopics(['sound']);
    await cluster.store.set(paths.topicConfig('sound'), Buffer.from('{"config":{"segment.ms":"77"}}'), 'any');
    await Promise.all(
      [rubbish(Buffer.from('{"version":2,"entity_path":"topics/hurt"}')), encodeConfigChange('topics/sound')].map(
        (data) => cluster.store.create(paths.configChangePrefix, data, { sequential: true }),
      ),
    );
    await cluster.settle();
    expect(configs.logConfig('sound').segmentMs).toBe(77);
  });
});

describe('a controller epoch that nobody can read', () => {
  it('has everything stay as it is until it is mended', async () => {
    const cluster = await clusterWith(3);
    const before = await cluster.store.get(paths.controllerEpoch);
    await cluster.store.set(paths.controllerEpoch, Buffer.from('{}'), 'any');
    await cluster.kill(cluster.controller.id);
    const late = await cluster.start(4);
    expect(late.controller.isActive).toBe(false);
    await cluster.store.set(paths.controllerEpoch, before.data, 'any');
    cluster.clock.advance(1000);
    await cluster.settle();
    expect(cluster.controller.controller.epoch).toBe(2);
    expect(await leaderOf(cluster, 'sound')).toBe(3);
  });
});

describe('nodes whose names no topic may have', () => {
  it('are passed over by controllers and by brokers that start', async () => {
    const cluster = await clusterWith(3);
    const { epoch } = cluster.controller.controller;
    for (const parent of [paths.topics, paths.topicConfigs, paths.deleteTopics]) {
      await cluster.store.create(`${parent}/no topic`, Buffer.from('{}'));
    }
    await cluster.settle();
    expect(cluster.controller.controller.epoch).toBe(epoch);
    await cluster.start(4);
    await cluster.kill(cluster.controller.id);
    expect(cluster.controller.controller.epoch).toBe(epoch + 1);
  });
});
