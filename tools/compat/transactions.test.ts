/** Transactions of kafkajs 2.2.4 and of our SDK, read by kafkajs, librdkafka and our SDK: all see what is committed, and nothing else. */
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import type { Producer as KafkaJsProducer } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { runProgram } from '../clients/program.ts';
import { has } from '../needs/index.ts';
import { compatSuite } from './suite.ts';

const suite = compatSuite();
const END = 'the end';

async function newKafkaJs(transactionalId: string): Promise<KafkaJsProducer> {
  const producer = connectKafkaJs(suite.bootstrap).producer({
    transactionalId,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  return producer;
}

/** A transaction of kafkajs with one record. */
async function transact(producer: KafkaJsProducer, topic: string, value: string, isCommit: boolean): Promise<void> {
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ partition: 0, value }] });
  await (isCommit ? transaction.commit() : transaction.abort());
}

async function readByKafkaJs(topic: string): Promise<string[]> {
  const consumer = connectKafkaJs(suite.bootstrap).consumer({ groupId: `${topic}-kafkajs`, readUncommitted: false });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await new Promise<void>((resolve) => {
      void consumer.run({
        eachMessage: async ({ message }) => {
          values.push(String(message.value));
          if (values.includes(END)) resolve();
        },
      });
    });
  } finally {
    await consumer.disconnect();
  }
  return values;
}

async function readBySdk(topic: string): Promise<string[]> {
  await using consumer = new Consumer({
    bootstrapServers: suite.bootstrap,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  consumer.assign([{ topic, partition: 0 }]);
  const values: string[] = [];
  for await (const { value } of consumer) {
    values.push(String(value));
    if (values.includes(END)) break;
  }
  return values;
}

async function readByKcat(topic: string): Promise<string[]> {
  const args = [
    '-C',
    '-b',
    suite.bootstrap,
    '-t',
    topic,
    '-o',
    'beginning',
    '-e',
    '-q',
    '-X',
    'isolation.level=read_committed',
  ];
  return (await runProgram('kcat', args)).trim().split('\n');
}

describe('transactions of kafkajs and of our SDK in one partition', () => {
  it('are read alike by all: what is committed, in order, and nothing of what is aborted', async () => {
    const topic = await suite.createTopic('transacted');
    const foreign = await newKafkaJs(`${topic}-foreign`);
    await using own = new Producer({ bootstrapServers: suite.bootstrap, transactionalId: `${topic}-own` });
    // One that stays open for a while hides what others commit behind it.
    const open = await own.begin();
    await open.send({ topic, partition: 0, value: 'own 1' });
    await transact(foreign, topic, 'foreign 1', true);
    await transact(foreign, topic, 'aborted', false);
    await open.commit();
    const failed = await own.begin();
    await failed.send({ topic, partition: 0, value: 'aborted, too' });
    await transact(foreign, topic, 'foreign 2', true);
    await failed.abort();
    await own.transaction((tx) => void tx.send({ topic, partition: 0, value: END }));
    await foreign.disconnect();
    const expected = ['own 1', 'foreign 1', 'foreign 2', END];
    expect(await readBySdk(topic)).toEqual(expected);
    expect(await readByKafkaJs(topic)).toEqual(expected);
    if (has('kcat', import.meta.url)) expect(await readByKcat(topic)).toEqual(expected);
  }, 60_000);

  it('fence one another by their transactional id', async () => {
    const topic = await suite.createTopic('fenced');
    const zombie = await newKafkaJs(topic);
    const open = await zombie.transaction();
    await open.send({ topic, messages: [{ partition: 0, value: 'of the zombie' }] });
    await using own = new Producer({ bootstrapServers: suite.bootstrap, transactionalId: topic });
    await own.transaction((tx) => void tx.send({ topic, partition: 0, value: 'own' }));
    await expect(open.commit()).rejects.toThrow();
    await zombie.disconnect();
    const next = await newKafkaJs(topic);
    await transact(next, topic, END, true);
    await next.disconnect();
    expect(await readBySdk(topic)).toEqual(['own', END]);
  }, 60_000);

  it('commit offsets of a group with kafkajs, which count when it commits and not when it aborts', async () => {
    const topic = await suite.createTopic('offsets');
    const groupId = `${topic}-group`;
    const producer = await newKafkaJs(topic);
    const send = async (offset: string, isCommit: boolean): Promise<void> => {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ partition: 0, value: offset }] });
      const topics = [{ topic, partitions: [{ partition: 0, offset }] }];
      await transaction.sendOffsets({ consumerGroupId: groupId, topics });
      await (isCommit ? transaction.commit() : transaction.abort());
    };
    await send('5', true);
    await send('9', false);
    const admin = connectKafkaJs(suite.bootstrap).admin();
    await admin.connect();
    const [fetched] = await admin.fetchOffsets({ groupId, topics: [topic] });
    expect(fetched?.partitions[0]?.offset).toBe('5');
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }, 60_000);
});
