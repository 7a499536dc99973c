import { Admin, AdminItemsError } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

let target: SuiteCluster;
let admin: Admin;
beforeAll(async () => {
  target = await openSuiteCluster();
  admin = new Admin({ bootstrapServers: target.bootstrapServers, apiTimeoutMs: 20_000 });
});
afterAll(async () => {
  await admin.close();
  await target.close();
});

async function newTopic(partitions = 2): Promise<string> {
  const topic = uniqueName('administered');
  await admin.createTopics([{ topic, partitions }]);
  return topic;
}

async function fill(topic: string, counts: readonly number[]): Promise<void> {
  await using producer = new Producer({ bootstrapServers: target.bootstrapServers });
  const records = counts.flatMap((count, partition) =>
    Array.from({ length: count }, (_, n) => ({
      topic,
      partition,
      value: `${n}`,
      timestamp: 1_700_000_000_000 + n * 1000,
    })),
  );
  await producer.sendBatch(records);
}

describe('topics', () => {
  it('are made, described, extended, listed and deleted', async () => {
    const topic = uniqueName('administered');
    const [created] = await admin.createTopics([{ topic, partitions: 2, configs: { 'retention.ms': 5000 } }]);
    expect(created).toMatchObject({ topic, partitions: 2, replicationFactor: 1 });
    await admin.createPartitions([{ topic, count: 5 }]);
    // The controller has answered; brokers of a KRaft cluster come to know of it a moment later.
    const describe = async () => (await admin.describeTopics([topic]))[0];
    await expect
      .poll(async () => (await describe())?.partitions.map(({ partition }) => partition))
      .toEqual([0, 1, 2, 3, 4]);
    expect(await describe()).toMatchObject({ name: topic, internal: false, topicId: created!.topicId });
    expect(await admin.listTopics()).toContain(topic);
    expect((await admin.describeTopics('all')).find(({ name }) => name === topic)).toEqual(await describe());
    await admin.deleteTopics([topic]);
    await expect.poll(() => admin.listTopics()).not.toContain(topic);
  });

  it('tell of each failure by itself, and do the rest', async () => {
    const taken = await newTopic();
    const free = uniqueName('administered');
    const failure: unknown = await admin
      .createTopics([{ topic: taken }, { topic: free }, { topic: 'not a name' }])
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AdminItemsError);
    const { failures } = failure as AdminItemsError;
    expect([...failures].map(([name, { code }]) => [name, code]).sort()).toEqual(
      [
        [taken, 'KAFKA_TOPIC_ALREADY_EXISTS'],
        ['not a name', 'KAFKA_INVALID_TOPIC_EXCEPTION'],
      ].sort(),
    );
    await expect.poll(() => admin.listTopics()).toContain(free);
  });

  it('are only checked when that is what was asked for', async () => {
    const topic = uniqueName('administered');
    await admin.createTopics([{ topic, partitions: 3 }], { validateOnly: true });
    expect(await admin.listTopics()).not.toContain(topic);
  });

  it('that do not exist are an error, not made', async () => {
    await expect(admin.describeTopics(['never-made'])).rejects.toMatchObject({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    });
    await expect(admin.deleteTopics(['never-made'])).rejects.toMatchObject({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    });
    expect(await admin.listTopics()).not.toContain('never-made');
  });
});

describe('configs', () => {
  it('are set, appended to, unset, and tell their source', async () => {
    const topic = await newTopic();
    const entry = async (name: string) => {
      const [described] = await admin.describeConfigs([{ type: 'topic', name: topic }], {
        names: [name],
        documentation: true,
      });
      return described!.entries[0]!;
    };
    expect(await entry('retention.ms')).toMatchObject({
      value: '604800000',
      source: 'default',
      valueType: 'long',
      sensitive: false,
    });
    await admin.alterConfigs([
      { type: 'topic', name: topic, set: { 'retention.ms': 60_000 }, append: { 'cleanup.policy': 'compact' } },
    ]);
    // What the controller has changed comes to a KRaft broker a moment later.
    await expect.poll(() => entry('retention.ms')).toMatchObject({ value: '60000', source: 'topic' });
    expect((await entry('retention.ms')).documentation).toMatch(/\w+/);
    expect((await entry('cleanup.policy')).value!.split(',').sort()).toEqual(['compact', 'delete']);
    await admin.alterConfigs([
      { type: 'topic', name: topic, unset: ['retention.ms'], subtract: { 'cleanup.policy': 'compact' } },
    ]);
    await expect.poll(() => entry('retention.ms')).toMatchObject({ value: '604800000', source: 'default' });
    expect(await entry('cleanup.policy')).toMatchObject({ value: 'delete' });
  });

  it('that make no sense are refused with the reason', async () => {
    const name = await newTopic();
    await expect(admin.alterConfigs([{ type: 'topic', name, set: { 'retention.ms': 'soon' } }])).rejects.toMatchObject({
      code: 'KAFKA_INVALID_CONFIG',
    });
    await expect(admin.alterConfigs([{ type: 'topic', name, set: { 'no.such': 1 } }])).rejects.toMatchObject({
      code: 'KAFKA_INVALID_CONFIG',
    });
    await expect(admin.describeConfigs([{ type: 'broker', name: 'one' }])).rejects.toMatchObject({
      code: 'KAFKA_INVALID_REQUEST',
    });
  });

  it('of a broker are told by that broker', async () => {
    const { brokers } = await admin.describeCluster();
    const [described] = await admin.describeConfigs([{ type: 'broker', name: String(brokers[0]!.nodeId) }]);
    expect(described!.entries.find(({ name }) => name === 'log.retention.hours')).toMatchObject({ readOnly: true });
  });
});

describe('records', () => {
  it('are found by time and deleted by offset', async () => {
    const topic = await newTopic();
    await fill(topic, [10, 4]);
    const at = (partition: number, spec: number | 'earliest' | 'latest' | 'max-timestamp') => ({
      topic,
      partition,
      at: spec,
    });
    const found = await admin.listOffsets([at(0, 'earliest'), at(1, 'latest')]);
    expect(found.map(({ partition, offset }) => [partition, offset]).sort()).toEqual([
      [0, 0],
      [1, 4],
    ]);
    expect((await admin.listOffsets([at(0, 'max-timestamp')]))[0]).toMatchObject({
      offset: 9,
      timestamp: 1_700_000_009_000,
    });
    expect((await admin.listOffsets([at(0, 1_700_000_003_500)]))[0]).toMatchObject({
      offset: 4,
      timestamp: 1_700_000_004_000,
    });
    expect((await admin.listOffsets([at(0, 1_800_000_000_000)]))[0]).toMatchObject({ offset: -1 });
    const deleted = await admin.deleteRecords([
      { topic, partition: 0, before: 7 },
      { topic, partition: 1, before: 'all' },
    ]);
    expect(deleted.map(({ partition, logStartOffset }) => [partition, logStartOffset]).sort()).toEqual([
      [0, 7],
      [1, 4],
    ]);
    expect((await admin.listOffsets([at(0, 'earliest')]))[0]).toMatchObject({ offset: 7 });
  });

  it('of partitions that do not exist are an error for those alone', async () => {
    const topic = await newTopic();
    const asked = admin.listOffsets([
      { topic, partition: 0, at: 'latest' },
      { topic, partition: 9, at: 'latest' },
    ]);
    await expect(asked).rejects.toMatchObject({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
      failures: new Map([[`${topic}-9`, expect.anything()]]),
    });
    await expect(admin.deleteRecords([{ topic, partition: 0, before: 99 }])).rejects.toMatchObject({
      code: 'KAFKA_OFFSET_OUT_OF_RANGE',
    });
  });
});

describe('groups', () => {
  it('have offsets that can be set, listed and deleted', async () => {
    const topic = await newTopic();
    await fill(topic, [10, 10]);
    const groupId = uniqueName('group');
    await admin.alterGroupOffsets(groupId, [
      { topic, partition: 0, offset: 3 },
      { topic, partition: 1, offset: 5, metadata: 'why' },
    ]);
    expect(await admin.listGroups()).toContainEqual(expect.objectContaining({ groupId, state: 'Empty' }));
    const offsets = await admin.listGroupOffsets(groupId);
    expect(offsets.map(({ partition, offset, metadata }) => [partition, offset, metadata]).sort()).toEqual([
      [0, 3, ''],
      [1, 5, 'why'],
    ]);
    await admin.deleteGroupOffsets(groupId, [{ topic, partition: 0 }]);
    expect(
      await admin.listGroupOffsets(groupId, [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ]),
    ).toHaveLength(1);
    expect(await admin.describeGroups([groupId])).toMatchObject([{ groupId, state: 'Empty', members: [] }]);
    await admin.deleteGroups([groupId]);
    await expect(admin.deleteGroups([groupId])).rejects.toMatchObject({ code: 'KAFKA_GROUP_ID_NOT_FOUND' });
    expect(await admin.describeGroups([groupId])).toMatchObject([{ state: 'Dead' }]);
  });
});

describe('the cluster', () => {
  it('is described with its brokers and log directories', async () => {
    const cluster = await admin.describeCluster();
    expect(cluster.clusterId).toMatch(/^[\w-]{22}$/);
    expect(cluster.brokers.map(({ nodeId }) => nodeId)).toContain(cluster.controllerId);
    const topic = await newTopic();
    await fill(topic, [10, 0]);
    const dirs = await admin.describeLogDirs({ partitions: [{ topic, partition: 0 }] });
    expect(dirs.flatMap(({ replicas }) => replicas)).toMatchObject([
      { topic, partition: 0, sizeBytes: expect.any(Number) },
    ]);
    expect(dirs.flatMap(({ replicas }) => replicas)[0]!.sizeBytes).toBeGreaterThan(60);
  });

  it.runIf(!isElsewhere)('that moves its coordinator or loses connections is asked again', async () => {
    const groupId = uniqueName('group');
    const topic = await newTopic();
    await admin.alterGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]);
    target.broker!.failNext('OffsetFetch', 'NOT_COORDINATOR', { times: 2 });
    expect(await admin.listGroupOffsets(groupId)).toHaveLength(1);
    for (const error of ['REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE'] as const) {
      target.broker!.failNext('OffsetCommit', error);
      await admin.alterGroupOffsets(groupId, [{ topic, partition: 0, offset: 2 }]);
    }
    expect(await admin.listGroupOffsets(groupId)).toMatchObject([{ offset: 2 }]);
    target.broker!.dropConnections();
    expect(await admin.listGroupOffsets(groupId)).toHaveLength(1);
    target.broker!.failNext('CreateTopics', 'NOT_CONTROLLER');
    await newTopic();
  });
});

describe('moves of partitions', () => {
  const brokerId = async () => (await admin.describeCluster()).brokers[0]!.nodeId;

  it('to where they are already are taken on and done', async () => {
    const topic = await newTopic();
    const place = { topic, partition: 0 };
    await admin.alterPartitionReassignments([{ ...place, replicas: [await brokerId()] }]);
    await expect.poll(() => admin.listPartitionReassignments([place])).toEqual([]);
    expect(await admin.listPartitionReassignments()).toEqual([]);
  });

  it('tell of each failure by itself', async () => {
    const topic = await newTopic();
    const failure: unknown = await admin
      .alterPartitionReassignments([
        { topic, partition: 0, replicas: null },
        { topic, partition: 1, replicas: [4711] },
      ])
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AdminItemsError);
    expect([...(failure as AdminItemsError).failures].map(([name, { code }]) => [name, code])).toEqual([
      [`${topic}-0`, 'KAFKA_NO_REASSIGNMENT_IN_PROGRESS'],
      [`${topic}-1`, 'KAFKA_INVALID_REPLICA_ASSIGNMENT'],
    ]);
  });
});

describe('elections of leaders', () => {
  it('are not needed where the preferred one leads', async () => {
    const topic = await newTopic();
    expect(await admin.electLeaders([{ topic, partition: 1 }])).toEqual([{ topic, partition: 1, elected: false }]);
    expect((await admin.electLeaders('all')).filter((election) => election.elected)).toEqual([]);
  });

  it('tell of partitions that there are not', async () => {
    const topic = uniqueName('never-made');
    await expect(admin.electLeaders([{ topic, partition: 0 }], { type: 'unclean' })).rejects.toMatchObject({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    });
  });
});

describe('what a broker tells', () => {
  it('of the producers of a partition', async () => {
    const topic = await newTopic();
    await fill(topic, [3]);
    const [described] = await admin.describeProducers([{ topic, partition: 0 }]);
    expect(described).toMatchObject({
      topic,
      partition: 0,
      producers: [{ producerEpoch: 0, lastSequence: 2, transactionStartOffset: undefined }],
    });
    await expect(admin.describeProducers([{ topic, partition: 9 }])).rejects.toMatchObject({
      code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('of quotas', async () => {
    expect(await admin.describeClientQuotas()).toEqual([]);
    expect(await admin.describeClientQuotas([{ type: 'user' }, { type: 'client-id', name: 'c' }])).toEqual([]);
    expect(await admin.describeClientQuotas([{ type: 'user', name: null }], { strict: true })).toEqual([]);
    const entity = [{ type: 'user', name: 'quota-user' }] as const;
    await admin.alterClientQuotas([{ entity, set: { producer_byte_rate: 1000, request_percentage: 12.5 } }]);
    await expect
      .poll(() => admin.describeClientQuotas([{ type: 'user', name: 'quota-user' }]))
      .toEqual([{ entity, values: { producer_byte_rate: 1000, request_percentage: 12.5 } }]);
    await expect(admin.alterClientQuotas([{ entity, set: { producer_byte_rate: 1.5 } }])).rejects.toMatchObject({
      code: 'KAFKA_INVALID_REQUEST',
    });
    await admin.alterClientQuotas([{ entity, unset: ['producer_byte_rate', 'request_percentage'] }]);
    await expect.poll(() => admin.describeClientQuotas()).toEqual([]);
  });

  it('of access rules, where there is no authorizer', async () => {
    await expect(admin.describeAcls()).rejects.toMatchObject({ code: 'KAFKA_SECURITY_DISABLED' });
  });
});
