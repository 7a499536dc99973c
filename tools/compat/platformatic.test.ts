/** @platformatic/kafka, which speaks the newest versions of the APIs: producer, consumers of a group, admin. */
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { compatSuite, until } from './suite.ts';

const suite = compatSuite();

function producer(options: { idempotent?: boolean } = {}) {
  return new Producer<string, string, string, string>({
    clientId: 'compat',
    bootstrapBrokers: [suite.bootstrap],
    serializers: stringSerializers,
    ...options,
  });
}

/** A member of a group that keeps what it reads. */
async function join(topic: string, groupId: string) {
  const consumer = new Consumer<string, string, string, string>({
    clientId: 'compat',
    groupId,
    bootstrapBrokers: [suite.bootstrap],
    deserializers: stringDeserializers,
    sessionTimeout: 10_000,
    heartbeatInterval: 200,
    maxWaitTime: 200,
  });
  const values: number[] = [];
  const stream = await consumer.consume({
    topics: [topic],
    autocommit: true,
    mode: 'committed',
    fallbackMode: 'earliest',
  });
  stream.on('data', (message) => {
    values.push(Number(message.value));
  });
  return {
    values,
    partitions: () => consumer.assignments?.find((assignment) => assignment.topic === topic)?.partitions.length ?? 0,
    leave: () => consumer.close(true),
  };
}

function admin(): Admin {
  return new Admin({ clientId: 'compat', bootstrapBrokers: [suite.bootstrap] });
}

describe('@platformatic/kafka', () => {
  it('writes with acknowledgements and says where records went', async () => {
    const topic = await suite.createTopic('written', 2);
    const client = producer();
    const messages = [0, 1, 0].map((partition, at) => ({ topic, partition, value: String(at) }));
    const { offsets } = await client.send({ messages, acks: 1 });
    await client.close();
    const where = offsets?.map(({ partition, offset }) => `${partition}:${offset}`).sort();
    expect(where).toEqual(['0:0', '1:0']);
  });

  it('writes as an idempotent producer', async () => {
    const topic = await suite.createTopic('idempotent');
    const client = producer({ idempotent: true });
    for (let value = 0; value < 5; value += 1) {
      await client.send({ messages: [{ topic, partition: 0, value: String(value) }], acks: -1 });
    }
    await client.close();
    const member = await join(topic, `${topic}-group`);
    await until('all is read', () => member.values.length === 5);
    await member.leave();
    expect(member.values).toEqual([0, 1, 2, 3, 4]);
  });

  it('shares a topic between the members of a group', async () => {
    const topic = await suite.createTopic('shared', 4);
    const a = await join(topic, `${topic}-group`);
    await until('a has all partitions', () => a.partitions() === 4);
    const b = await join(topic, `${topic}-group`);
    await until('a and b share them', () => a.partitions() === 2 && b.partitions() === 2);
    const client = producer();
    const messages = Array.from({ length: 40 }, (_, value) => ({ topic, partition: value % 4, value: String(value) }));
    await client.send({ messages, acks: -1 });
    await until('all is read', () => new Set([...a.values, ...b.values]).size === 40);
    await b.leave();
    await until('a has all partitions again', () => a.partitions() === 4);
    await client.send({ messages: [{ topic, partition: 3, value: '40' }], acks: -1 });
    await until('a reads the partitions of b', () => a.values.includes(40));
    await a.leave();
    await client.close();
  });

  it('administers topics', async () => {
    const topic = `administered-${process.pid}`;
    const client = admin();
    try {
      const [created] = await client.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
      expect(created).toMatchObject({ name: topic, partitions: 3, replicas: 1 });
      expect(await client.listTopics()).toContain(topic);
      await client.createPartitions({ topics: [{ name: topic, count: 5 }] });
      await until('there are five partitions', async () => {
        const metadata = await client.metadata({ topics: [topic], forceUpdate: true });
        return metadata.topics.get(topic)?.partitionsCount === 5;
      });
      await client.deleteTopics({ topics: [topic] });
      await until('it is gone', async () => !(await client.listTopics()).includes(topic));
    } finally {
      await client.close();
    }
  });

  it('administers groups and their offsets', async () => {
    const topic = await suite.createTopic('offsets');
    const groupId = `${topic}-group`;
    const client = admin();
    try {
      await client.alterConsumerGroupOffsets({
        groupId,
        topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 3n }] }],
      });
      const [group] = await client.listConsumerGroupOffsets({ groups: [groupId] });
      expect(group?.topics[0]?.partitions[0]?.committedOffset).toBe(3n);
      expect([...(await client.listGroups()).keys()]).toContain(groupId);
      expect((await client.describeGroups({ groups: [groupId] })).get(groupId)).toMatchObject({ state: 'Empty' });
      await client.deleteGroups({ groups: [groupId] });
      expect([...(await client.listGroups()).keys()]).not.toContain(groupId);
    } finally {
      await client.close();
    }
  });

  it('reads and changes configurations', async () => {
    const topic = await suite.createTopic('configured');
    const resource = { resourceType: 2, resourceName: topic } as const;
    const client = admin();
    try {
      const [described] = await client.describeConfigs({ resources: [{ ...resource }] });
      expect(described?.configs.find((config) => config.name === 'cleanup.policy')?.value).toBe('delete');
      await client.incrementalAlterConfigs({
        resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '4242', configOperation: 0 }] }],
      });
      await until('the change is seen', async () => {
        const [changed] = await client.describeConfigs({ resources: [{ ...resource }] });
        return changed?.configs.find((config) => config.name === 'retention.ms')?.value === '4242';
      });
    } finally {
      await client.close();
    }
  });
});
