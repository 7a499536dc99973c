import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { LEADER_OF_DELETED } from '../cluster/broker-channel.ts';
import { BrokerIdInUseError } from '../store/registration.ts';
import { newTopic, TestCluster } from '../testing/test-cluster.ts';
import { ProducerIdManager } from './producer-ids.ts';
import type { NewTopic } from './topic-plan.ts';

const patiently = { timeoutMs: 1000, validateOnly: false };

async function single(properties: Record<string, string> = {}): Promise<TestCluster> {
  const cluster = new TestCluster();
  await cluster.start(1, properties);
  return cluster;
}

async function create(cluster: TestCluster, topic: NewTopic): Promise<[number, string | null]> {
  const [created] = await cluster.controller.topics.createTopics([topic], patiently);
  return [created?.errorCode ?? -1, created?.errorMessage ?? null];
}

const assigned = (...replicas: [number, number[]][]): NewTopic => ({
  ...newTopic('t', -1, -1),
  assignments: replicas.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
});

describe('the creation of a topic', () => {
  it.each<[string, NewTopic, number, string]>([
    ['a name with other characters', newTopic('a b', 1), ErrorCode.INVALID_TOPIC_EXCEPTION, 'Topic name is invalid'],
    [
      'a name that is too long',
      newTopic('x'.repeat(250), 1),
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      'Topic name is invalid',
    ],
    ['the name ..', newTopic('..', 1), ErrorCode.INVALID_TOPIC_EXCEPTION, 'Topic name is invalid'],
    ['no partitions', newTopic('t', 0), ErrorCode.INVALID_PARTITIONS, 'must be larger than 0'],
    ['too many partitions', newTopic('t', 10_001), ErrorCode.POLICY_VIOLATION, 'Excessively large number'],
    ['no replicas', newTopic('t', 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR, 'must be larger than 0'],
    [
      'more replicas than brokers',
      newTopic('t', 1, 2),
      ErrorCode.INVALID_REPLICATION_FACTOR,
      'larger than available brokers: 1',
    ],
    [
      'an unknown config',
      newTopic('t', 1, 1, { nope: '1' }),
      ErrorCode.INVALID_CONFIG,
      'Unknown topic config name: nope',
    ],
    [
      'a bad config',
      newTopic('t', 1, 1, { 'segment.bytes': '1' }),
      ErrorCode.INVALID_CONFIG,
      'Value must be at least 14',
    ],
    [
      'a config without value',
      { ...newTopic('t', 1), configs: [{ name: 'retention.ms', value: null }] },
      ErrorCode.INVALID_CONFIG,
      'Null value not supported for topic configs: retention.ms',
    ],
    [
      'more configs than there could be',
      newTopic('t', 1, 1, Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`key.${n}`, '1']))),
      ErrorCode.INVALID_REQUEST,
      'At most 1000 configs of a resource can be set at once, and these are 1001.',
    ],
    [
      'more configs without values than a message lists',
      { ...newTopic('t', 1), configs: Array.from({ length: 22 }, (_, n) => ({ name: `k${n}`, value: null })) },
      ErrorCode.INVALID_CONFIG,
      'k18,k19,... (22)',
    ],
    [
      'more unknown brokers than a message lists',
      assigned([0, Array.from({ length: 22 }, (_, n) => n + 100)]),
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'Unknown broker(s) in replica assignment: 100, 101,',
    ],
    [
      'partitions and assignments',
      { ...assigned([0, [1]]), numPartitions: 1 },
      ErrorCode.INVALID_REQUEST,
      'Both numPartitions or replicationFactor',
    ],
    ['a gap in the assignments', assigned([0, [1]], [2, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'consecutive'],
    ['a partition assigned twice', assigned([0, [1]], [0, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'consecutive'],
    ['a negative partition', assigned([-1, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'consecutive'],
    [
      'an unknown broker',
      assigned([0, [9]]),
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'Unknown broker(s) in replica assignment: 9.',
    ],
    ['a broker twice', assigned([0, [1, 1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'more than once'],
    ['an empty replica list', assigned([0, []]), ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'empty replica list'],
  ])('refuses %s', async (_, topic, code, message) => {
    const cluster = await single();
    const outcome = await create(cluster, topic);
    expect(outcome).toEqual([code, expect.stringContaining(message)]);
    expect(await cluster.store.children('/brokers/topics')).toEqual([]);
  });

  it('refuses a name that differs only in dots and underscores from one that is being made, in whatever request', async () => {
    const cluster = await single();
    const { topics } = cluster.controller;
    const codesOf = (created: readonly { errorCode: number }[]) => created.map(({ errorCode }) => errorCode);
    const refused = ErrorCode.INVALID_TOPIC_EXCEPTION;
    const several = ['a.b', 'a_b', 'ab', 'a_c.d', 'a.c_d'].map((name) => newTopic(name, 1));
    for (const validateOnly of [true, false]) {
      const created = await topics.createTopics(several, { timeoutMs: 1000, validateOnly });
      expect(codesOf(created)).toEqual([0, refused, 0, 0, refused]);
      expect(created[1]?.errorMessage).toBe("Topic 'a_b' collides with existing topics: a.b");
    }
    const atOnce = ['x_y', 'x.y'].map((name) => topics.createTopics([newTopic(name, 1)], patiently));
    expect(codesOf((await Promise.all(atOnce)).flat())).toEqual([0, refused]);
    expect((await cluster.store.children('/brokers/topics')).toSorted()).toEqual(['a.b', 'a_c.d', 'ab', 'x_y']);
  });

  it('refuses a name that exists, or differs from one that does only in dots and underscores', async () => {
    const cluster = await single();
    expect(await create(cluster, newTopic('a.b', 1))).toEqual([0, null]);
    expect(await create(cluster, newTopic('a.b', 1))).toEqual([
      ErrorCode.TOPIC_ALREADY_EXISTS,
      "Topic 'a.b' already exists.",
    ]);
    expect(await create(cluster, newTopic('a_b', 1))).toEqual([
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      "Topic 'a_b' collides with existing topics: a.b",
    ]);
  });

  it('lets one of two that ask at once have it', async () => {
    const cluster = await single();
    const outcomes = await Promise.all([create(cluster, newTopic('t', 1)), create(cluster, newTopic('t', 1))]);
    expect(outcomes.map(([code]) => code).sort()).toEqual([ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS]);
  });

  it('takes the broker’s defaults for -1, and only checks where it is told to', async () => {
    const cluster = await single({ 'num.partitions': '4' });
    const checked = await cluster.controller.topics.createTopics([newTopic('t', -1, -1)], {
      ...patiently,
      validateOnly: true,
    });
    expect(checked).toEqual([expect.objectContaining({ errorCode: 0, topicId: undefined })]);
    expect(await cluster.store.children('/brokers/topics')).toEqual([]);
    await create(cluster, newTopic('t', -1, -1));
    expect(cluster.controller.image.topic('t')?.partitions.length).toBe(4);
  });

  it('goes on when its time is up', async () => {
    const cluster = await single();
    const [created] = await cluster.controller.topics.createTopics([newTopic('t', 1)], {
      timeoutMs: 0,
      validateOnly: false,
    });
    expect(created?.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT);
    await cluster.settle();
    expect(cluster.controller.image.topic('t')).toBeDefined();
  });

  it('is answered when its time is up though the store waits for room on its disk, and comes about when there is some', async () => {
    const cluster = await single();
    const { store } = cluster.controller;
    const multi = store.multi.bind(store);
    let room!: () => void;
    const hasRoom = new Promise<void>((resolve) => {
      room = resolve;
    });
    store.multi = (operations) => hasRoom.then(() => multi(operations));
    const creating = cluster.controller.topics.createTopics([newTopic('t', 1)], patiently);
    await cluster.clock.advanceAsync(patiently.timeoutMs);
    expect((await creating)[0]?.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT);
    expect(cluster.controller.image.topic('t')).toBeUndefined();
    room();
    await cluster.settle();
    expect(cluster.controller.image.topic('t')).toBeDefined();
  });

  it('happens by itself, once however many ask, with the settings of internal topics', async () => {
    const cluster = await single({ 'offsets.topic.num.partitions': '3', 'offsets.topic.replication.factor': '1' });
    const { topics, image, configs } = cluster.controller;
    const names = ['t', '__consumer_offsets', 'no good'];
    const answers = await Promise.all([topics.autoCreate(names), topics.autoCreate(['t'])]);
    expect(answers.map((answer) => Object.fromEntries(answer))).toEqual([
      { t: ErrorCode.NONE, __consumer_offsets: ErrorCode.NONE, 'no good': ErrorCode.INVALID_TOPIC_EXCEPTION },
      { t: ErrorCode.NONE },
    ]);
    expect(image.topic('__consumer_offsets')?.partitions.length).toBe(3);
    expect(configs.logConfig('__consumer_offsets')).toMatchObject({
      cleanupPolicy: ['compact'],
      segmentBytes: 104_857_600,
    });
    expect(Object.fromEntries(await topics.autoCreate(['t']))).toEqual({ t: ErrorCode.NONE });
  });

  it('does not refuse a topic that is there, of which this broker has not heard yet, for want of brokers of which it has not either', async () => {
    const cluster = new TestCluster();
    const properties = { 'default.replication.factor': '2' };
    for (const id of [1, 2]) await cluster.start(id, properties);
    const { topics } = cluster.controller;
    expect(Object.fromEntries(await topics.autoCreate(['t']))).toEqual({ t: ErrorCode.NONE });
    const late = await cluster.start(3, properties);
    const nothing = { controllerId: -1, controllerEpoch: 0, brokerEpoch: -1, liveBrokers: [] };
    const gone = late.image.topic('t')!.partitions.map((state) => ({ ...state, leader: LEADER_OF_DELETED }));
    late.image.apply({ ...nothing, partitions: gone });
    expect([late.image.topic('t'), late.image.brokers.size]).toEqual([undefined, 0]);
    const asked = late.topics.autoCreate(['t']);
    await cluster.clock.advanceAsync(10_000);
    expect(Object.fromEntries(await asked)).toEqual({ t: ErrorCode.LEADER_NOT_AVAILABLE });
  });

  it('waits for as many brokers as an internal topic is to have replicas: the first one would keep all of it for good', async () => {
    const cluster = new TestCluster();
    const { topics, image } = await cluster.start(1);
    const create = async (): Promise<number | undefined> =>
      (await topics.autoCreate(['__consumer_offsets'])).get('__consumer_offsets');
    expect(await create()).toBe(ErrorCode.INVALID_REPLICATION_FACTOR);
    await cluster.start(2);
    expect(await create()).toBe(ErrorCode.INVALID_REPLICATION_FACTOR);
    await cluster.start(3);
    expect(await create()).toBe(ErrorCode.NONE);
    expect(image.topic('__consumer_offsets')?.partitions[0]?.replicas.length).toBe(3);
  });
});

describe('partitions', () => {
  it('are added and led', async () => {
    const cluster = await single();
    await create(cluster, newTopic('t', 1));
    const { topics, image, channel } = cluster.controller;
    expect(await topics.createPartitions([{ name: 't', count: 3, assignments: null }], patiently)).toEqual([
      { errorCode: 0, errorMessage: null },
    ]);
    expect(image.topic('t')?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1]);
    expect(channel.leaderAndIsrCommands.at(-1)?.partitions.map(({ partition }) => partition)).toEqual([1, 2]);
  });

  it.each<[string, number, number[][] | null, number, string]>([
    [
      'fewer',
      1,
      null,
      ErrorCode.INVALID_PARTITIONS,
      'Topic currently has 2 partitions, which is higher than the requested 1.',
    ],
    ['as many', 2, null, ErrorCode.INVALID_PARTITIONS, 'Topic already has 2 partitions.'],
    [
      'too few assignments',
      4,
      [[1]],
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'Increasing the number of partitions by 2 but 1 assignments provided.',
    ],
    ['unknown brokers', 3, [[8]], ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'Unknown broker(s) in replica assignment: 8.'],
  ])('are refused: %s', async (_, count, replicas, errorCode, errorMessage) => {
    const cluster = await single();
    await create(cluster, newTopic('t', 2));
    const assignments = replicas?.map((brokerIds) => ({ brokerIds })) ?? null;
    const outcomes = await cluster.controller.topics.createPartitions([{ name: 't', count, assignments }], patiently);
    expect(outcomes).toEqual([{ errorCode, errorMessage }]);
  });

  it('need a topic that stays', async () => {
    const cluster = await single();
    const { topics } = cluster.controller;
    const [unknown] = await topics.createPartitions([{ name: 'no', count: 2, assignments: null }], patiently);
    expect(unknown?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const [gone] = await topics.deleteTopics(['no'], patiently);
    expect(gone?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });
});

describe('producer ids', () => {
  it('come once, from blocks of a thousand', async () => {
    const cluster = await single();
    const [first, second] = [1, 2].map((id) => new ProducerIdManager(cluster.store.openSession(), id));
    const ids = await Promise.all(Array.from({ length: 1500 }, () => first?.next()));
    const others = await Promise.all(Array.from({ length: 10 }, () => second?.next()));
    expect(ids[0]).toBe(0);
    expect(others[0]).toBe(2000);
    expect(new Set([...ids, ...others]).size).toBe(1510);
    expect(await cluster.readJson('/latest_producer_id_block')).toEqual({
      version: 1,
      broker: 2,
      block_start: '2000',
      block_end: '2999',
    });
  });
});

describe('the registration of a broker', () => {
  it('is refused while another broker has its id', async () => {
    const cluster = await single();
    await expect(cluster.start(1)).rejects.toThrow(BrokerIdInUseError);
  });
});
