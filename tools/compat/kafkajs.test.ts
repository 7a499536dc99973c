/** kafkajs 2.2.4: producer, groups whose members come and go, admin. */
import kafkajsModule, { type Admin, type Consumer } from 'kafkajs';
import { afterAll, describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { compatSuite, until } from './suite.ts';

const { ConfigResourceTypes } = kafkajsModule;
const suite = compatSuite();

/** Writes values `from` to `to` round the partitions. */
async function write(topic: string, from: number, to: number): Promise<void> {
  const producer = connectKafkaJs(suite.bootstrap).producer();
  await producer.connect();
  const messages = [];
  for (let value = from; value <= to; value += 1) {
    messages.push({ value: String(value) });
  }
  // In several requests, so that keyless batches stick to several partitions.
  for (let at = 0; at < messages.length; at += 10) {
    await producer.send({ topic, messages: messages.slice(at, at + 10) });
  }
  await producer.disconnect();
}

/** A member of a group that keeps what it reads and what it is assigned. */
async function join(topic: string, group: string) {
  const consumer: Consumer = connectKafkaJs(suite.bootstrap).consumer({
    groupId: group,
    sessionTimeout: 10_000,
    heartbeatInterval: 200,
    // A member notices that the group rebalances between two fetches.
    maxWaitTimeInMs: 200,
  });
  const member = { consumer, values: [] as number[], partitions: [] as readonly number[], joins: 0 };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.partitions = payload.memberAssignment[topic] ?? [];
    member.joins += 1;
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommitThreshold: 1,
    eachMessage: async ({ message }) => {
      member.values.push(Number(message.value));
    },
  });
  return member;
}

type Member = Awaited<ReturnType<typeof join>>;

function shares(members: readonly Member[]): number[] {
  return members.map((member) => member.partitions.length);
}

function read(members: readonly Member[]): number[] {
  return [...new Set(members.flatMap((member) => member.values))].sort((a, b) => a - b);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** The name of Kafka's error, which kafkajs wraps when it has given up retrying, or when it is about one topic of several. */
function kafkaError(error: unknown): string | undefined {
  const { type, cause, errors } = error as { type?: string; cause?: { type?: string }; errors?: { type?: string }[] };
  return errors?.[0]?.type ?? cause?.type ?? type;
}

describe('a group of kafkajs consumers', () => {
  it('shares the partitions as members join and leave, and goes on where it was', async () => {
    const topic = await suite.createTopic('members', 6);
    const group = `${topic}-group`;
    await write(topic, 1, 100);

    const a = await join(topic, group);
    await until('a has all six partitions', () => a.partitions.length === 6);
    await until('a has read the first hundred', () => read([a]).length === 100);

    const b = await join(topic, group);
    await until('a and b share the partitions', () => shares([a, b]).join() === '3,3');
    const c = await join(topic, group);
    await until('a, b and c share the partitions', () => shares([a, b, c]).join() === '2,2,2');
    expect(new Set([a, b, c].flatMap((member) => member.partitions)).size).toBe(6);

    await write(topic, 101, 200);
    await until('the second hundred is read', () => read([a, b, c]).length === 200);

    await c.consumer.disconnect();
    await until('a and b have the partitions of c', () => shares([a, b]).join() === '3,3');
    await write(topic, 201, 300);
    await until('the third hundred is read', () => read([a, b, c]).length === 300);

    await a.consumer.disconnect();
    await b.consumer.disconnect();
    await write(topic, 301, 340);
    const d = await join(topic, group);
    await until('the rest is read', () => read([d]).length >= 40);
    await d.consumer.disconnect();
    // Offsets were committed for all that came before, so the new member begins exactly behind it.
    expect(read([d])).toEqual(range(301, 340));
    expect(read([a, b, c, d])).toEqual(range(1, 340));
  });

  it('is described with its members', async () => {
    const topic = await suite.createTopic('described', 2);
    const groupId = `${topic}-group`;
    const members = [await join(topic, groupId), await join(topic, groupId)];
    await until('both have a partition', () => shares(members).join() === '1,1');
    const admin = connectKafkaJs(suite.bootstrap).admin();
    await admin.connect();
    const { groups } = await admin.describeGroups([groupId]);
    expect(groups).toEqual([
      expect.objectContaining({ groupId, state: 'Stable', protocolType: 'consumer', errorCode: 0 }),
    ]);
    expect(groups[0]?.members.map((member) => member.clientId)).toEqual(['kafkajs', 'kafkajs']);
    const NON_EMPTY_GROUP = 68;
    await expect(admin.deleteGroups([groupId])).rejects.toMatchObject({ groups: [{ errorCode: NON_EMPTY_GROUP }] });
    for (const member of members) {
      await member.consumer.disconnect();
    }
    expect((await admin.describeGroups([groupId])).groups[0]).toMatchObject({ state: 'Empty', members: [] });
    await admin.disconnect();
  });

  it('starts over where seek says', async () => {
    const topic = await suite.createTopic('seek');
    await write(topic, 1, 20);
    const member = await join(topic, `${topic}-group`);
    await until('all is read', () => member.values.length === 20);
    member.consumer.seek({ topic, partition: 0, offset: '15' });
    await until('the last five are read again', () => member.values.length === 25);
    await member.consumer.disconnect();
    expect(member.values.slice(20)).toEqual(range(16, 20));
  });
});

describe('the kafkajs producer', () => {
  it('spreads keys as the Java client does, and says where records went', async () => {
    const topic = await suite.createTopic('keys', 6);
    const producer = connectKafkaJs(suite.bootstrap).producer();
    await producer.connect();
    const messages = range(1, 60).map((value) => ({ key: `key-${value}`, value: String(value) }));
    const results = await producer.send({ topic, messages });
    const again = await producer.send({ topic, messages });
    await producer.disconnect();
    expect(results.every((result) => result.errorCode === 0 && result.baseOffset === '0')).toBe(true);
    const partitions = (list: typeof results): number[] => list.map((result) => result.partition).sort();
    expect(partitions(again)).toEqual(partitions(results));
    expect(partitions(results)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('writes as an idempotent producer', async () => {
    const topic = await suite.createTopic('idempotent');
    const producer = connectKafkaJs(suite.bootstrap).producer({ idempotent: true });
    await producer.connect();
    await producer.send({ topic, messages: [{ value: '1' }, { value: '2' }] });
    await producer.send({ topic, messages: [{ value: '3' }] });
    await producer.disconnect();
    const member = await join(topic, `${topic}-group`);
    await until('all is read', () => member.values.length === 3);
    await member.consumer.disconnect();
    expect(member.values).toEqual([1, 2, 3]);
  });

  it('is told that a topic does not exist', async () => {
    const producer = connectKafkaJs(suite.bootstrap).producer({ allowAutoTopicCreation: false, retry: { retries: 0 } });
    await producer.connect();
    const sent = producer.send({ topic: 'no-such-topic', messages: [{ value: 'x' }] });
    await expect(sent.catch(kafkaError)).resolves.toBe('UNKNOWN_TOPIC_OR_PARTITION');
    await producer.disconnect();
  });
});

// Side by side, because kafkajs spends seconds waiting in some of them.
describe.concurrent('the kafkajs admin', () => {
  const clients: Admin[] = [];
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.disconnect()));
  });
  /** An admin for one test: one client's calls get in each other's way. */
  async function connectAdmin(): Promise<Admin> {
    const client = connectKafkaJs(suite.bootstrap).admin();
    clients.push(client);
    await client.connect();
    return client;
  }

  it('creates, lists, describes, extends and deletes topics', async () => {
    const admin = await connectAdmin();
    const topic = `administered-${process.pid}`;
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })).toBe(true);
    // kafkajs answers false for a topic that exists already.
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })).toBe(false);
    expect(await admin.listTopics()).toContain(topic);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    const partitions = async (): Promise<number[]> => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.map((partition) => partition.partitionId).sort() ?? [];
    };
    await until('there are four partitions', async () => (await partitions()).join() === '0,1,2,3');
    await admin.deleteTopics({ topics: [topic] });
    await until('it is gone', async () => !(await admin.listTopics()).includes(topic));
  });

  it('refuses what Kafka refuses, with its errors', async () => {
    const admin = await connectAdmin();
    const topic = await suite.createTopic('refused', 3);
    const refused = (promise: Promise<unknown>, type: string) => expect(promise.catch(kafkaError)).resolves.toBe(type);
    await refused(admin.createTopics({ topics: [{ topic: 'bad name' }] }), 'INVALID_TOPIC_EXCEPTION');
    await refused(admin.createTopics({ topics: [{ topic: 'none', numPartitions: 0 }] }), 'INVALID_PARTITIONS');
    await refused(
      admin.createTopics({ topics: [{ topic: 'many-replicas', replicationFactor: 9 }] }),
      'INVALID_REPLICATION_FACTOR',
    );
    await refused(
      admin.createTopics({ topics: [{ topic: 'bad-config', configEntries: [{ name: 'no.such', value: '1' }] }] }),
      'INVALID_CONFIG',
    );
    await refused(admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }), 'INVALID_PARTITIONS');
    await refused(admin.deleteTopics({ topics: ['never-there'] }), 'UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('reads and changes configurations', async () => {
    const admin = await connectAdmin();
    const topic = await suite.createTopic('configured');
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    const value = async (name: string): Promise<string | undefined> => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
      return resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue;
    };
    expect(await value('cleanup.policy')).toBe('delete');
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '123456' }] }],
    });
    await until('the change is seen', async () => (await value('retention.ms')) === '123456');
  });

  it('describes the cluster and its broker', async () => {
    const admin = await connectAdmin();
    const { brokers, controller, clusterId } = await admin.describeCluster();
    expect(brokers).toHaveLength(1);
    expect(controller).toBe(brokers[0]?.nodeId);
    expect(clusterId).toMatch(/^[\w-]{22}$/);
    const resource = { type: ConfigResourceTypes.BROKER, name: String(controller) };
    const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [resource] });
    expect(resources[0]?.configEntries.map((entry) => entry.configName)).toContain('log.retention.ms');
  });

  it('finds offsets by time, and deletes records before one', async () => {
    const admin = await connectAdmin();
    const topic = await suite.createTopic('records');
    await write(topic, 1, 30);
    expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: '30', high: '30', low: '0' }]);
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 1)).toEqual([{ partition: 0, offset: '0' }]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] });
    expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: '30', high: '30', low: '12' }]);
  });

  it('lists groups, sets and reads their offsets, and deletes them', async () => {
    const admin = await connectAdmin();
    const topic = await suite.createTopic('group-offsets');
    const groupId = `${topic}-group`;
    await write(topic, 1, 20);
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] });
    const offset = async (): Promise<string | undefined> => {
      const [fetched] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return fetched?.partitions[0]?.offset;
    };
    expect(await offset()).toBe('7');
    const { groups } = await admin.listGroups();
    expect(groups.map((group) => group.groupId)).toContain(groupId);
    expect(await admin.deleteGroups([groupId])).toEqual([{ groupId, errorCode: 0 }]);
    expect((await admin.listGroups()).groups.map((group) => group.groupId)).not.toContain(groupId);
  });
});
