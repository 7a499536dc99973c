import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { NO_LEADER } from '../cluster/broker-channel.ts';
import { encodeLogDirEvent, paths } from '../store/znodes.ts';
import { newTopic, TestCluster } from '../testing/test-cluster.ts';

const patiently = { timeoutMs: 1000, validateOnly: false };

async function clusterOf(...ids: number[]): Promise<TestCluster> {
  const cluster = new TestCluster();
  for (const id of ids) await cluster.start(id);
  return cluster;
}

/** Creates a topic whose partition N has these replicas, and waits for its leaders. */
async function assign(cluster: TestCluster, name: string, replicas: readonly number[][]): Promise<string> {
  const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  const [created] = await cluster.controller.topics.createTopics([topic], patiently);
  expect(created).toMatchObject({ errorCode: 0 });
  await cluster.settle();
  return created?.topicId as string;
}

const stateOf = (cluster: TestCluster, topic: string, partition: number): Promise<unknown> =>
  cluster.readJson(paths.partitionState(topic, partition));

describe('a controller whose own broker is slow to carry out what it is told', () => {
  it('elects leaders in the place of brokers that go meanwhile', async () => {
    const cluster = await clusterOf(1, 2, 3);
    await assign(cluster, 'orders', [
      [1, 2, 3],
      [2, 3, 1],
      [3, 2, 1],
    ]);
    for (const id of [2, 3]) cluster.brokers.get(id)!.channel.answerLeaderAndIsr = () => new Promise(() => {});
    await cluster.kill(1);
    const left = cluster.controller.id;
    await cluster.kill(left === 2 ? 3 : 2);
    for (const partition of [0, 1, 2]) {
      expect(await stateOf(cluster, 'orders', partition)).toMatchObject({ leader: left, isr: [left] });
    }
  });
});

describe('a cluster of one', () => {
  it('writes the nodes that Kafka writes', async () => {
    const cluster = await clusterOf(1);
    const id = await assign(cluster, 'orders', [[1], [1]]);
    const timestamp = String(cluster.clock.now());
    expect(await cluster.readJson('/controller')).toEqual({
      version: 2,
      brokerid: 1,
      timestamp,
      kraftControllerEpoch: -1,
    });
    expect(await cluster.read('/controller_epoch')).toBe('1');
    expect(await cluster.readJson('/brokers/ids/1')).toEqual({
      version: 5,
      host: 'host1',
      port: 9092,
      endpoints: ['PLAINTEXT://host1:9092'],
      jmx_port: -1,
      timestamp,
      listener_security_protocol_map: { PLAINTEXT: 'PLAINTEXT' },
      features: {},
    });
    expect(await cluster.readJson('/brokers/topics/orders')).toEqual({
      version: 3,
      topic_id: id,
      partitions: { 0: [1], 1: [1] },
      adding_replicas: {},
      removing_replicas: {},
    });
    expect(await stateOf(cluster, 'orders', 1)).toEqual({
      version: 1,
      leader: 1,
      leader_epoch: 0,
      controller_epoch: 1,
      isr: [1],
    });
    expect(await cluster.readJson('/config/topics/orders')).toEqual({ version: 1, config: {} });
  });

  it('is told to lead before clients are told that it does', async () => {
    const cluster = await clusterOf(1);
    const id = await assign(cluster, 'orders', [[1]]);
    const { channel, image } = cluster.controller;
    expect(channel.leaderAndIsrCommands.at(-1)?.partitions).toEqual([
      {
        topic: 'orders',
        topicId: id,
        partition: 0,
        controllerEpoch: 1,
        leader: 1,
        leaderEpoch: 0,
        isr: [1],
        partitionEpoch: 0,
        replicas: [1],
        addingReplicas: [],
        removingReplicas: [],
        leaderRecoveryState: 0,
        isNew: true,
      },
    ]);
    expect(image.controllerId).toBe(1);
    expect(image.endpoint(1, 'PLAINTEXT')).toMatchObject({ host: 'host1', port: 9092 });
  });

  it('leads its partitions with a higher epoch after a restart', async () => {
    const cluster = await clusterOf(1);
    await assign(cluster, 'orders', [[1], [1]]);
    await cluster.kill(1);
    const broker = await cluster.start(1);
    expect(broker.controller.epoch).toBe(2);
    const [command, ...others] = broker.channel.leaderAndIsrCommands;
    expect(others).toEqual([]);
    expect(command?.partitions).toEqual([
      expect.objectContaining({ partition: 0, leader: 1, leaderEpoch: 1, partitionEpoch: 1, isNew: false }),
      expect.objectContaining({ partition: 1, leader: 1, leaderEpoch: 1, partitionEpoch: 1, isNew: false }),
    ]);
    expect(broker.image.topic('orders')?.partitions.length).toBe(2);
    expect(await stateOf(cluster, 'orders', 0)).toMatchObject({ leader_epoch: 1, controller_epoch: 2 });
  });

  it('finishes on start what a crash cut off: topics without states, deletions without an end', async () => {
    const cluster = await clusterOf(1);
    await assign(cluster, 'half-made', [[1]]);
    await assign(cluster, 'half-gone', [[1], [1]]);
    await cluster.kill(1);
    const { store } = cluster;
    await store.delete(paths.partitionState('half-made', 0), 'any');
    await store.delete(paths.partition('half-made', 0), 'any');
    await store.delete(paths.partitions('half-made'), 'any');
    await store.create(paths.deleteTopic('half-gone'), Buffer.alloc(0));
    await store.delete(paths.partitionState('half-gone', 1), 'any');
    await store.delete(paths.partition('half-gone', 1), 'any');
    await store.create(paths.deleteTopic('all-gone'), Buffer.alloc(0));
    const broker = await cluster.start(1);
    expect([...broker.image.topics.keys()]).toEqual(['half-made']);
    expect(await stateOf(cluster, 'half-made', 0)).toMatchObject({ leader: 1, leader_epoch: 0 });
    expect(await store.children('/brokers/topics')).toEqual(['half-made']);
    expect(await store.children('/config/topics')).toEqual(['half-made']);
    expect(await store.children('/admin/delete_topics')).toEqual([]);
    const stops = broker.channel.stopReplicaCommands.flatMap((command) => command.partitions);
    expect(stops.filter(({ deletePartition }) => deletePartition)).toEqual([
      { topic: 'half-gone', partition: 0, leaderEpoch: -2, deletePartition: true },
      { topic: 'half-gone', partition: 1, leaderEpoch: -2, deletePartition: true },
    ]);
  });

  it.each([
    ['is written as the brokers write it now', '{"features":{},"version":1,"status":1}', 2],
    ['is enabled', '{"features":{},"version":2,"status":0}', 2],
    ['keeps features that somebody has agreed on', '{"features":{"f":1},"version":1,"status":1}', undefined],
    ['is left alone when nobody can read it', 'torn', undefined],
  ])('finds the node of features, which %s', async (_, found, version) => {
    const cluster = await clusterOf(1);
    await cluster.kill(1);
    await cluster.store.set(paths.feature, Buffer.from(found), 'any');
    const { controller } = await cluster.start(1);
    expect(controller.isActive).toBe(true);
    const expected = version === undefined ? found : `{"features":{},"version":${version},"status":1}`;
    expect(await cluster.read(paths.feature)).toBe(expected);
  });

  it('gives topics that were made before Kafka 2.8 an id', async () => {
    const cluster = new TestCluster();
    await (await cluster.start(1)).controller.stop();
    await cluster.kill(1);
    await cluster.store.create('/brokers/topics/old', Buffer.from('{"version":1,"partitions":{"0":[1]}}'));
    const { image } = await cluster.start(1);
    const id = image.topic('old')?.id;
    expect(id).toMatch(/^[\w-]{22}$/);
    expect(await cluster.readJson('/brokers/topics/old')).toMatchObject({ version: 3, topic_id: id });
  });

  it('makes ten thousand partitions, in one topic or in many', async () => {
    const cluster = await clusterOf(1);
    const { topics, image, channel } = cluster.controller;
    const [big] = await topics.createTopics([newTopic('big', 10_000)], patiently);
    expect(big).toMatchObject({ errorCode: 0 });
    const many = Array.from({ length: 1000 }, (_, index) => newTopic(`t-${index}`, 10));
    const created = await topics.createTopics(many, patiently);
    expect(created.filter((topic) => topic.errorCode !== 0)).toEqual([]);
    expect(image.partitionCount).toBe(20_000);
    expect(channel.leaderAndIsrCommands.length).toBeLessThan(10);
  });
});

describe('the election of the controller', () => {
  it('has one winner, and another when that one stops', async () => {
    const cluster = await clusterOf(1, 2, 3);
    expect(cluster.controller.id).toBe(1);
    expect(cluster.brokers.get(3)?.controller.controllerId).toBe(1);
    await cluster.stop(1);
    const second = cluster.controller;
    expect(second.id).not.toBe(1);
    expect(second.controller.epoch).toBe(2);
    for (const id of [2, 3]) expect(cluster.brokers.get(id)?.image.controllerId).toBe(second.id);
  });

  it('is held again when the controller dies, and the next one knows all', async () => {
    const cluster = await clusterOf(1, 2);
    await assign(cluster, 'orders', [[1, 2]]);
    await cluster.kill(1);
    expect(cluster.controller.id).toBe(2);
    // One epoch in which nobody leads, then one for the next leader, as with Kafka's controllers.
    expect(await stateOf(cluster, 'orders', 0)).toMatchObject({ leader: 2, isr: [2], leader_epoch: 2 });
    const partition = cluster.controller.image.partition('orders', 0);
    expect(partition).toMatchObject({ leader: 2, offlineReplicas: [1] });
  });

  it('leaves a controller that was replaced without power', async () => {
    const cluster = await clusterOf(1);
    const { controller, store } = cluster.controller;
    // Somebody else is elected, and this broker has not heard of it yet.
    await cluster.store.multi([
      { type: 'set', path: '/controller_epoch', data: Buffer.from('7'), expected: 'any' },
      { type: 'set', path: '/controller', data: Buffer.from('{"version":2,"brokerid":9}'), expected: 'any' },
      { type: 'delete', path: '/controller', expected: 'any' },
      { type: 'create', path: '/controller', data: Buffer.from('{"version":2,"brokerid":9}') },
    ]);
    await store.create(
      '/brokers/topics/t',
      Buffer.from('{"version":3,"topic_id":"AAAAAAAAAAAAAAAAAAAAAQ","partitions":{"0":[1]}}'),
    );
    await cluster.settle();
    expect(controller.isActive).toBe(false);
    expect(await cluster.read(paths.partitionState('t', 0))).toBeUndefined();
  });

  it('leaves nobody waiting whose request was in the queue when the session ended (KAFKA-10193)', async () => {
    const cluster = await clusterOf(1);
    const { controller, store } = cluster.controller;
    const held = Promise.withResolvers<void>();
    const running = controller.inTerm(() => held.promise);
    const waiting = Array.from({ length: 100 }, () => controller.inTerm(async () => 'done'));
    await store.expireSession();
    held.resolve();
    await running;
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => undefined));
    expect(await controller.inTerm(async () => 'done')).toBeUndefined();
  });

  it('can be won again after the session expired and was renewed', async () => {
    const cluster = await clusterOf(1);
    const { controller, store } = cluster.controller;
    await store.expireSession();
    await cluster.settle();
    expect(controller.isActive).toBe(false);
    await store.renewSession();
    await controller.sessionRenewed();
    expect([controller.isActive, controller.epoch]).toEqual([true, 2]);
  });
});

describe('a controller that is elected again in the same session', () => {
  it('hears of what happens, though the watches of its term before tell of the same', async () => {
    const cluster = await clusterOf(1);
    for (const topic of ['a', 'b', 'c']) {
      await cluster.store.delete(paths.controller, 'any');
      await cluster.settle();
      expect(cluster.controller.id).toBe(1);
      await assign(cluster, topic, [[1]]);
      expect(await stateOf(cluster, topic, 0)).toMatchObject({ leader: 1 });
    }
    expect(cluster.controller.controller.epoch).toBe(4);
  });
});

describe('leaders', () => {
  it('are replaced by a replica in sync when they die, and replicas leave the in-sync set when they do', async () => {
    const cluster = await clusterOf(1, 2, 3);
    await assign(cluster, 'orders', [
      [3, 2, 1],
      [2, 3, 1],
    ]);
    await cluster.kill(3);
    expect(await stateOf(cluster, 'orders', 0)).toMatchObject({ leader: 2, isr: [2, 1], leader_epoch: 1 });
    expect(await stateOf(cluster, 'orders', 1)).toMatchObject({ leader: 2, isr: [2, 1], leader_epoch: 1 });
    const [elections, removals] = cluster.brokers.get(2)?.channel.leaderAndIsrCommands.slice(-2) ?? [];
    expect(elections?.partitions).toEqual([
      expect.objectContaining({ partition: 0, leader: 2, partitionEpoch: 1, isr: [2, 1] }),
    ]);
    expect(removals?.partitions).toEqual([
      expect.objectContaining({ partition: 1, leader: 2, partitionEpoch: 1, isr: [2, 1] }),
    ]);
  });

  it('do not exist while no replica in sync lives, and are elected when one comes back', async () => {
    const cluster = await clusterOf(1, 2);
    await assign(cluster, 'orders', [[2]]);
    await cluster.kill(2);
    expect(await stateOf(cluster, 'orders', 0)).toMatchObject({ leader: -1, isr: [2], leader_epoch: 1 });
    expect(cluster.controller.controller.counts).toEqual({ topics: 1, partitions: 1, offlinePartitions: 1 });
    const { channel, image } = await cluster.start(2);
    expect(await stateOf(cluster, 'orders', 0)).toMatchObject({ leader: 2, isr: [2], leader_epoch: 2 });
    // What is, as it is, comes first; the election after it.
    expect(channel.leaderAndIsrCommands.flatMap((command) => command.partitions)).toEqual([
      expect.objectContaining({ leader: -1, leaderEpoch: 1, isNew: false }),
      expect.objectContaining({ leader: 2, leaderEpoch: 2, isNew: false }),
    ]);
    expect(image.partition('orders', 0)?.leader).toBe(2);
  });

  it('are elected out of sync only where the topic allows it', async () => {
    const cluster = await clusterOf(1, 2);
    await assign(cluster, 'strict', [[2, 1]]);
    await assign(cluster, 'lax', [[2, 1]]);
    await cluster.controller.configs.change({ type: 'topic', name: 'lax' }, () => ({
      'unclean.leader.election.enable': 'true',
    }));
    for (const topic of ['strict', 'lax']) {
      // As the leader writes it when its follower falls behind.
      const state = '{"version":1,"leader":2,"leader_epoch":0,"controller_epoch":1,"isr":[2]}';
      await cluster.store.set(paths.partitionState(topic, 0), Buffer.from(state), 'any');
    }
    await cluster.controller.controller.stop();
    await cluster.kill(1);
    await cluster.start(1);
    await cluster.kill(2);
    expect(await stateOf(cluster, 'strict', 0)).toMatchObject({ leader: -1, isr: [2] });
    expect(await stateOf(cluster, 'lax', 0)).toMatchObject({ leader: 1, isr: [1] });
  });

  it.each([
    ['3.2', 1],
    ['3.1', undefined],
  ])(
    'are said to recover after an election out of sync where brokers can tell one another (%s)',
    async (version, told) => {
      const old = { 'inter.broker.protocol.version': version };
      const cluster = new TestCluster();
      await cluster.start(1, old);
      await cluster.start(2, old);
      await assign(cluster, 'lax', [[2, 1]]);
      await cluster.controller.configs.change({ type: 'topic', name: 'lax' }, () => ({
        'unclean.leader.election.enable': 'true',
      }));
      const state = '{"version":1,"leader":2,"leader_epoch":0,"controller_epoch":1,"isr":[2]}';
      await cluster.store.set(paths.partitionState('lax', 0), Buffer.from(state), 'any');
      await cluster.kill(1);
      await cluster.start(1, old);
      await cluster.kill(2);
      const elected = (await stateOf(cluster, 'lax', 0)) as Record<string, unknown>;
      expect(elected).toMatchObject({ leader: 1, isr: [1] });
      expect(elected['leader_recovery_state']).toBe(told);
      expect(cluster.elections.at(-1)).toBe('unclean');
    },
  );

  it('of new topics wait for a replica to live', async () => {
    const cluster = await clusterOf(1);
    const node = '{"version":3,"topic_id":"AAAAAAAAAAAAAAAAAAAAAQ","partitions":{"0":[5]}}';
    await cluster.store.create('/brokers/topics/t', Buffer.from(node));
    await cluster.settle();
    expect(await cluster.read(paths.partitionState('t', 0))).toBeUndefined();
    await cluster.start(5);
    expect(await stateOf(cluster, 't', 0)).toMatchObject({ leader: 5, leader_epoch: 0 });
  });
});

describe('a replica that could not be opened for a time', () => {
  it('is told once more to act, since it may have stopped behind what it answered, and all hear that it is back', async () => {
    const cluster = await clusterOf(1, 2);
    const { channel } = cluster.brokers.get(2)!;
    const answers = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
    let asked = 0;
    channel.answerLeaderAndIsr = async ({ partitions }) => {
      const errorCode = (await answers[asked++]?.promise) ?? 85;
      const outcomes = partitions.map(({ topic, topicId, partition }) => ({ topic, topicId, partition, errorCode }));
      return { errorCode: 0, partitions: outcomes };
    };
    await assign(cluster, 'orders', [[1, 2]]);
    // The second LeaderAndIsr is under way when the answer to the first comes.
    await cluster.store.create(paths.logDirEventPrefix, encodeLogDirEvent(2), { sequential: true });
    await cluster.settle();
    expect([channel.leaderAndIsrCommands.length, channel.stopReplicaCommands.length]).toEqual([2, 0]);
    answers[0]!.resolve(ErrorCode.KAFKA_STORAGE_ERROR);
    await cluster.settle();
    expect([channel.leaderAndIsrCommands.length, channel.stopReplicaCommands.length]).toEqual([2, 1]);
    expect(channel.updateMetadataCommands.at(-1)?.partitions).toMatchObject([{ offlineReplicas: [2] }]);
    answers[1]!.resolve(ErrorCode.NONE);
    await cluster.settle();
    expect([channel.leaderAndIsrCommands.length, channel.stopReplicaCommands.length]).toEqual([3, 1]);
    expect(channel.updateMetadataCommands.at(-1)?.partitions).toMatchObject([{ offlineReplicas: [] }]);
  });
});

describe('a replica that answers that it works while its failure has yet to be acted on', () => {
  it('is told once more to act, and all hear that it is back', async () => {
    const cluster = await clusterOf(1, 2);
    const { channel } = cluster.brokers.get(2)!;
    const codes = [ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE];
    const answer = Promise.withResolvers<void>();
    channel.answerLeaderAndIsr = async ({ partitions }) => {
      const errorCode = codes.shift() ?? ErrorCode.STALE_CONTROLLER_EPOCH;
      await answer.promise;
      const outcomes = partitions.map(({ topic, topicId, partition }) => ({ topic, topicId, partition, errorCode }));
      return { errorCode: 0, partitions: outcomes };
    };
    await assign(cluster, 'orders', [[1, 2]]);
    await cluster.store.create(paths.logDirEventPrefix, encodeLogDirEvent(2), { sequential: true });
    await cluster.settle();
    expect(channel.leaderAndIsrCommands).toHaveLength(2);
    // Both answers are there before the controller gets to the first.
    answer.resolve();
    await cluster.settle();
    expect(channel.leaderAndIsrCommands).toHaveLength(3);
    expect(channel.updateMetadataCommands.at(-1)?.partitions).toMatchObject([{ offlineReplicas: [] }]);
  });
});

describe('a controller that takes office', () => {
  it('tells nobody that a broker leads before that has been told, though other replicas have gone', async () => {
    const cluster = await clusterOf(1, 2, 3);
    await assign(cluster, 'orders', [[3, 1, 2]]);
    for (const broker of [1, 2, 3]) await cluster.kill(broker);
    const { channel } = await cluster.start(3);
    const led = ({ leader, leaderEpoch }: { leader: number; leaderEpoch: number }): [number, number] => [
      leader,
      leaderEpoch,
    ];
    const ordered = channel.leaderAndIsrCommands.flatMap(({ partitions }) => partitions.map(led));
    const told = channel.updateMetadataCommands.flatMap(({ partitions }) => partitions.map(led));
    expect(told.filter(([leader]) => leader !== NO_LEADER)).toEqual(ordered);
    expect(ordered).toHaveLength(1);
  });

  it('tells a broker of all partitions of a topic at once, also of those whose leaders it has yet to elect', async () => {
    const cluster = await clusterOf(1, 2, 3);
    await assign(cluster, 'orders', [
      [3, 1],
      [2, 1],
    ]);
    for (const broker of [2, 1, 3]) await cluster.kill(broker);
    const { channel } = await cluster.start(3);
    const first = channel.updateMetadataCommands.find(({ partitions }) => partitions.length > 0);
    expect(first?.partitions.map(({ partition }) => partition).toSorted()).toEqual([0, 1]);
  });

  it('does so where one leader has served all along and another registered anew while nobody saw it', async () => {
    const cluster = await clusterOf(1, 2, 3);
    await assign(cluster, 'orders', [[2], [3], [2]]);
    const { store } = cluster.brokers.get(3)!;
    const { channel } = cluster.brokers.get(2)!;
    const before = channel.updateMetadataCommands.length;
    const path = paths.brokerId(3);
    const { data } = await store.get(path);
    await store.multi([
      { type: 'delete', path: paths.controller, expected: 'any' },
      { type: 'delete', path, expected: 'any' },
      { type: 'create', path, data, options: { ephemeral: true } },
    ]);
    await cluster.settle();
    const told = channel.updateMetadataCommands.slice(before).map(({ partitions }) => partitions);
    const first = told.find((partitions) => partitions.length > 0) ?? [];
    const leaders = first.map(({ partition, leader }) => [partition, leader]).toSorted();
    expect(leaders).toEqual([
      [0, 2],
      [1, NO_LEADER],
      [2, 2],
    ]);
    expect(cluster.brokers.get(2)!.image.partition('orders', 1)).toMatchObject({ leader: 3, leaderEpoch: 1 });
  });
});

describe('the deletion of topics', () => {
  it('leaves nothing behind, and the name can be taken again at once', async () => {
    const cluster = await clusterOf(1);
    const { topics, image, channel } = cluster.controller;
    const id = await assign(cluster, 'orders', [[1]]);
    expect(await topics.deleteTopics(['orders'], { timeoutMs: 1000 })).toEqual([{ errorCode: 0, errorMessage: null }]);
    expect(image.topic('orders')).toBeUndefined();
    expect(channel.updateMetadataCommands.at(-1)?.partitions).toMatchObject([
      { topic: 'orders', partition: 0, leader: -2, leaderEpoch: 0 },
    ]);
    expect(await cluster.read('/brokers/topics/orders')).toBeUndefined();
    expect(await cluster.read('/config/topics/orders')).toBeUndefined();
    expect(await assign(cluster, 'orders', [[1]])).not.toBe(id);
  });

  it('waits for a broker that is down, and goes on when it is back', async () => {
    const cluster = await clusterOf(1, 2);
    await assign(cluster, 'orders', [[2]]);
    await cluster.kill(2);
    const deleting = cluster.controller.topics.deleteTopics(['orders'], { timeoutMs: 1000 });
    await cluster.settle();
    cluster.clock.advance(1000);
    expect(await deleting).toEqual([{ errorCode: 7, errorMessage: null }]);
    expect(cluster.controller.image.topic('orders')).toBeUndefined();
    expect(await cluster.read('/brokers/topics/orders')).toBeDefined();
    await cluster.start(2);
    expect(await cluster.read('/brokers/topics/orders')).toBeUndefined();
  });

  it('is tried again where files could not go, less and less often, and when they can it is done', async () => {
    const cluster = await clusterOf(1, 2);
    await assign(cluster, 'orders', [[1, 2]]);
    const { channel } = cluster.brokers.get(2)!;
    channel.stopReplicaErrorCode = 56;
    const deleting = cluster.controller.topics.deleteTopics(['orders'], { timeoutMs: 1000 });
    await cluster.settle();
    const deletions = (): number =>
      channel.stopReplicaCommands.filter(({ partitions }) => partitions.some((each) => each.deletePartition)).length;
    expect(deletions()).toBe(1);
    for (const [ms, tried] of [
      [1000, 2],
      [1000, 2],
      [1000, 3],
      [3000, 3],
      [1000, 4],
    ] as const) {
      cluster.clock.advance(ms);
      await cluster.settle();
      expect(deletions()).toBe(tried);
    }
    expect(await deleting).toEqual([{ errorCode: 7, errorMessage: null }]);
    channel.stopReplicaErrorCode = 0;
    cluster.clock.advance(60_000);
    await cluster.settle();
    expect(await cluster.read('/brokers/topics/orders')).toBeUndefined();
  });

  it('ends where a replica could not be opened, as its broker says when the deletion has begun, and its files can go', async () => {
    const cluster = await clusterOf(1, 2);
    const opening = Promise.withResolvers<void>();
    cluster.brokers.get(2)!.channel.answerLeaderAndIsr = async ({ partitions }) => {
      await opening.promise;
      const outcomes = partitions.map(({ topic, topicId, partition }) => ({
        topic,
        topicId,
        partition,
        errorCode: 56,
      }));
      return { errorCode: 0, partitions: outcomes };
    };
    await assign(cluster, 'orders', [[1, 2]]);
    const deleting = cluster.controller.topics.deleteTopics(['orders'], { timeoutMs: 1000 });
    await cluster.settle();
    expect(await cluster.read('/brokers/topics/orders')).toBeDefined();
    opening.resolve();
    await cluster.settle();
    expect(await cluster.read('/brokers/topics/orders')).toBeUndefined();
    expect(await deleting).toEqual([{ errorCode: 0, errorMessage: null }]);
  });

  it('is not begun where it is switched off', async () => {
    const cluster = new TestCluster();
    await cluster.start(1, { 'delete.topic.enable': 'false' });
    await assign(cluster, 'orders', [[1]]);
    await cluster.store.create(paths.deleteTopic('orders'), Buffer.alloc(0));
    await cluster.settle();
    expect(await cluster.store.children(paths.deleteTopics)).toEqual([]);
    expect(cluster.controller.image.topic('orders')).toBeDefined();
  });
});
