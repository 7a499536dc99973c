/**
 * Transactions of confluent-kafka-javascript in its promisified API: `node confluent-transactions.mjs CASE BOOTSTRAP TOPIC FOLDER`. A program of
 * its own, and without types, since it runs in the Node that the library's native part was built for, which may be an older one. Ends
 * with 0 and a word about what it saw, or throws.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [name, bootstrap, topic, folder] = process.argv.slice(2);
const { KafkaJS } = createRequire(join(folder, 'package.json'))('@confluentinc/kafka-javascript');
const { ErrorCodes, logLevel } = KafkaJS;
const kafka = new KafkaJS.Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: logLevel.NOTHING } });

const READ_MS_MAX = 60_000;
const END = 'the end';
const COPIED_RECORDS = 200;
const RECORDS_PER_COPY = 20;
const PRODUCERS = 5;
const TRANSACTIONS = 20;

async function createTopic(topicName, numPartitions) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: topicName, numPartitions, replicationFactor: 1 }] });
  await admin.disconnect();
}

async function newProducer(transactionalId, more = {}) {
  const producer = kafka.producer({ kafkaJS: { transactionalId, ...more } });
  await producer.connect();
  return producer;
}

function messages(values, partition = 0) {
  return values.map((value) => ({ partition, value }));
}

/** What a transaction of its own writes last. */
async function writeEnd(producer) {
  const last = await producer.transaction();
  await last.send({ topic, messages: messages([END]) });
  await last.commit();
}

/** All values of partition 0 before the last. */
async function valuesOf({ readUncommitted }) {
  const groupId = `${topic}-${readUncommitted ? 'all' : 'committed'}`;
  const consumer = kafka.consumer({ kafkaJS: { groupId, fromBeginning: true, readUncommitted } });
  await consumer.connect();
  await consumer.subscribe({ topic });
  const values = [];
  const { promise, resolve } = withResolvers();
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      if (String(message.value) === END) resolve();
      else if (partition === 0) values.push(String(message.value));
    },
  });
  await Promise.race([promise, tooLate(`${values.length} values are read, and not the last`)]);
  await consumer.disconnect();
  return values;
}

/** Older Nodes have no `Promise.withResolvers`. */
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

async function tooLate(what) {
  await sleep(READ_MS_MAX, undefined, { ref: false });
  throw new Error(`after ${READ_MS_MAX} ms: ${what}`);
}

const cases = {
  async transactions() {
    await createTopic(topic, 2);
    const producer = await newProducer(`${topic}-id`);
    const first = await producer.transaction();
    assert.equal(first.isActive(), true);
    await assert.rejects(producer.transaction(), { code: ErrorCodes.ERR__STATE });
    await first.send({ topic, messages: [...messages(['one', 'two']), ...messages(['other'], 1)] });
    await first.commit();
    assert.equal(producer.isActive(), false);
    const second = await producer.transaction();
    await second.send({ topic, messages: messages(['aborted']) });
    await second.abort();
    await (await producer.transaction()).abort();
    await (await producer.transaction()).commit();
    const third = await producer.transaction();
    await third.sendBatch({ topicMessages: [{ topic, messages: messages(['three']) }] });
    await third.commit();
    await writeEnd(producer);
    await producer.disconnect();
    assert.deepEqual(await valuesOf({ readUncommitted: false }), ['one', 'two', 'three']);
    assert.deepEqual(await valuesOf({ readUncommitted: true }), ['one', 'two', 'aborted', 'three']);
    return '';
  },

  /** Consume, transform, produce: every third transaction is aborted, and what it had read is read again. */
  async offsets() {
    const source = `${topic}-source`;
    for (const each of [source, topic]) await createTopic(each, 1);
    const producer = await newProducer(`${topic}-id`);
    const expected = Array.from({ length: COPIED_RECORDS }, (_, index) => String(index));
    const filling = await producer.transaction();
    await filling.send({ topic: source, messages: messages(expected) });
    await filling.commit();
    const groupId = `${topic}-copiers`;
    const consumer = kafka.consumer({
      kafkaJS: { groupId, fromBeginning: true, autoCommit: false, readUncommitted: false },
      'js.consumer.max.batch.size': RECORDS_PER_COPY,
    });
    await consumer.connect();
    await consumer.subscribe({ topic: source });
    const { promise, resolve } = withResolvers();
    let [copied, transactions] = [0, 0];
    await consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset }) => {
        transactions += 1;
        const transaction = await producer.transaction();
        const values = batch.messages.map(({ value }) => String(value));
        await transaction.send({ topic, messages: messages(values) });
        const offset = String(Number(batch.lastOffset()) + 1);
        await transaction.sendOffsets({
          consumer,
          topics: [{ topic: source, partitions: [{ partition: 0, offset }] }],
        });
        if (transactions % 3 === 0) {
          await transaction.abort();
          consumer.seek({ topic: source, partition: 0, offset: batch.firstOffset() });
          return;
        }
        await transaction.commit();
        resolveOffset(batch.lastOffset());
        copied += values.length;
        if (copied === COPIED_RECORDS) resolve();
      },
    });
    await Promise.race([promise, tooLate(`${copied} of ${COPIED_RECORDS} are copied`)]);
    const [{ offset }] = await consumer.committed([{ topic: source, partition: 0 }]);
    await consumer.disconnect();
    await writeEnd(producer);
    await producer.disconnect();
    assert.equal(Number(offset), COPIED_RECORDS);
    assert.deepEqual(await valuesOf({ readUncommitted: false }), expected);
    return `${transactions} transactions`;
  },

  async fencing() {
    await createTopic(topic, 1);
    const zombie = await newProducer(topic);
    const open = await zombie.transaction();
    await open.send({ topic, messages: messages(['of the zombie']) });
    const successor = await newProducer(topic);
    const own = await successor.transaction();
    await own.send({ topic, messages: messages(['of the successor']) });
    await own.commit();
    await assert.rejects(open.commit(), { code: ErrorCodes.ERR__FENCED });
    await assert.rejects(zombie.send({ topic, messages: messages(['late']) }));
    await writeEnd(successor);
    await Promise.all([zombie.disconnect().catch(() => undefined), successor.disconnect()]);
    assert.deepEqual(await valuesOf({ readUncommitted: false }), ['of the successor']);
    return '';
  },

  async concurrent() {
    await createTopic(topic, 1);
    const expected = await Promise.all(
      Array.from({ length: PRODUCERS }, async (_, number) => {
        const producer = await newProducer(`${topic}-${number}`);
        const committed = [];
        for (let count = 0; count < TRANSACTIONS; count += 1) {
          const values = [`${number} ${count} a`, `${number} ${count} b`];
          const transaction = await producer.transaction();
          await transaction.send({ topic, messages: messages(values) });
          if ((number + count) % 4 === 0) {
            await transaction.abort();
            continue;
          }
          await transaction.commit();
          committed.push(...values);
        }
        await producer.disconnect();
        return committed;
      }),
    );
    const last = await newProducer(`${topic}-last`);
    await writeEnd(last);
    await last.disconnect();
    const found = await valuesOf({ readUncommitted: false });
    for (const [number, values] of expected.entries()) {
      assert.deepEqual(
        found.filter((value) => value.startsWith(`${number} `)),
        values,
      );
    }
    assert.equal(found.length, expected.flat().length);
    return `${found.length} records`;
  },

  /** One that is left open for too long is aborted, and its producer told so; the next of its id goes on. */
  async timeout() {
    await createTopic(topic, 1);
    const slow = await newProducer(topic, { transactionTimeout: 1000 });
    const open = await slow.transaction();
    await open.send({ topic, messages: messages(['late']) });
    const admin = kafka.admin();
    await admin.connect();
    for (;;) {
      const [place] = await admin.fetchTopicOffsets(topic, { isolationLevel: 1 });
      if (Number(place.high) > 1) break;
      await sleep(100);
    }
    await admin.disconnect();
    let code;
    await assert.rejects(open.commit(), (error) => {
      code = error.code;
      return true;
    });
    await slow.disconnect().catch(() => undefined);
    const next = await newProducer(topic);
    await writeEnd(next);
    await next.disconnect();
    assert.deepEqual(await valuesOf({ readUncommitted: false }), []);
    return `commit refused with ${code}`;
  },
};

console.log(await cases[name]());
// The library keeps threads of its own for a while.
process.exit(0);
