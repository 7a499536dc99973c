/** Each client reads what the others wrote, our own included, in every codec: what the broker keeps and serves is theirs. */
import { Consumer, kafkajsRoundRobinAssignor } from '@millrace/consumer';
import { stringSerde } from '@millrace/serdes';
import { describe, expect, it } from 'vitest';
import { CODECS, connectKafkaJs, kafkajs, kcat, millrace, platformatic, sampleRecords } from '../clients/index.ts';
import { has } from '../needs/index.ts';
import { compatSuite, until } from './suite.ts';

const suite = compatSuite();
const clients = [...(has('kcat', import.meta.url) ? [kcat] : []), kafkajs, platformatic, millrace];

describe.each(CODECS)('records written with %s', (codec) => {
  it('reach every client as each of them wrote them, in order', async () => {
    const topic = await suite.createTopic(`interop-${codec}`);
    const written = clients.flatMap((client) => sampleRecords(client.name, codec));
    for (const client of clients) {
      await client.produce(suite.bootstrap, topic, codec, sampleRecords(client.name, codec));
    }
    for (const client of clients) {
      const read = await client.consume(suite.bootstrap, topic, written.length);
      expect(read, `${client.name} reading`).toEqual(written);
    }
  });
});

describe('offsets of a group', () => {
  it('are kept for whichever client carries on: kcat, kafkajs, @platformatic/kafka, ours', async () => {
    const topic = await suite.createTopic('relay');
    const records = clients.flatMap((client) => sampleRecords(client.name, 'none'));
    await kafkajs.produce(suite.bootstrap, topic, 'none', records);
    const read = [];
    for (const client of clients) {
      read.push(...(await client.consumeInGroup(suite.bootstrap, topic, `${topic}-group`, 5)));
    }
    expect(read).toEqual(records);
  });
});

describe('a group with a member of ours and one of kafkajs', () => {
  it('shares the partitions, and reads everything once', async () => {
    const topic = await suite.createTopic('mixed', 4);
    const groupId = `${topic}-group`;
    const read: string[] = [];
    const ours = new Consumer({
      bootstrapServers: suite.bootstrap,
      groupId,
      autoOffsetReset: 'earliest',
      assignors: [kafkajsRoundRobinAssignor],
      heartbeatIntervalMs: 200,
      valueDeserializer: stringSerde,
    });
    ours.subscribe(topic);
    const running = ours.run({
      eachRecord: ({ value }) => {
        read.push(value ?? '');
      },
    });
    const theirs = connectKafkaJs(suite.bootstrap).consumer({ groupId, heartbeatInterval: 200, maxWaitTimeInMs: 200 });
    let theirPartitions: readonly number[] = [];
    theirs.on(theirs.events.GROUP_JOIN, ({ payload }) => {
      theirPartitions = payload.memberAssignment[topic] ?? [];
    });
    try {
      await theirs.connect();
      await theirs.subscribe({ topics: [topic], fromBeginning: true });
      await theirs.run({
        eachMessage: async ({ message }) => {
          read.push(String(message.value));
        },
      });
      await until('each has two partitions', () => theirPartitions.length === 2 && ours.assignment.length === 2);
      const both = [...theirPartitions, ...ours.assignment.map(({ partition }) => partition)];
      expect(both.sort()).toEqual([0, 1, 2, 3]);
      const producer = connectKafkaJs(suite.bootstrap).producer();
      await producer.connect();
      const values = Array.from({ length: 40 }, (_, value) => String(value));
      const messages = values.map((value, at) => ({ value, partition: at % 4 }));
      await producer.send({ topic, messages });
      await producer.disconnect();
      await until('all is read', () => read.length >= values.length);
      expect(read.map(Number).sort((a, b) => a - b)).toEqual(values.map(Number));
    } finally {
      await theirs.disconnect();
      await ours.close();
      await running;
    }
  });
});
