import { setTimeout as delay } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import {
  type Assignor,
  Consumer,
  type ConsumerOptions,
  cooperativeStickyAssignor,
  kafkajsRoundRobinAssignor,
  rangeAssignor,
  roundRobinAssignor,
  stickyAssignor,
  type TopicPartition,
} from '@millrace/consumer';
import { type CompressionName, Producer } from '@millrace/producer';
import { jsonSerde, stringSerde } from '@millrace/serdes';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { isElsewhere, openTarget, type Target, uniqueName } from './target.ts';

let target: Target;
let admin: Admin;
let producer: Producer;
const consumers: Consumer<string, string>[] = [];

beforeAll(async () => {
  target = await openTarget();
  admin = new Admin({ bootstrapServers: target.bootstrapServers });
  producer = new Producer({ bootstrapServers: target.bootstrapServers });
});
afterEach(async () => {
  target.broker?.clearFaults();
  await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
});
afterAll(async () => {
  await producer.close();
  await admin.close();
  await target.close();
});

async function newTopic(partitions = 1, prefix = 'consumed'): Promise<string> {
  const topic = uniqueName(prefix);
  await admin.createTopics([{ topic, partitions }]);
  return topic;
}

/** A consumer that the test need not close. */
function newConsumer(options: Partial<ConsumerOptions<string, string>> = {}): Consumer<string, string> {
  const consumer = new Consumer<string, string>({
    bootstrapServers: target.bootstrapServers,
    autoOffsetReset: 'earliest',
    heartbeatIntervalMs: 100,
    keyDeserializer: stringSerde,
    valueDeserializer: stringSerde,
    ...options,
  });
  consumers.push(consumer);
  return consumer;
}

async function write(topic: string, count: number, partition?: number, from = 0): Promise<void> {
  const records = Array.from({ length: count }, (_, n) => ({ topic, partition, key: `k${n}`, value: `${from + n}` }));
  await producer.sendBatch(records);
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${from + n}`);

/** Reads values until there are `count`; the last one counts as processed. */
async function take(consumer: Consumer<string, string>, count: number): Promise<string[]> {
  const values: string[] = [];
  for await (const record of consumer) {
    values.push(record.value ?? 'null');
    if (values.length < count) continue;
    if (consumer.memberId !== '') await consumer.commit(record);
    break;
  }
  return values;
}

async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const endMs = performance.now() + timeoutMs; !(await holds()); await delay(10)) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
  }
}

const partitionsOf = (partitions: readonly TopicPartition[]) => partitions.map(({ partition }) => partition).sort();

describe('a consumer with partitions of its own choice', () => {
  it('reads keys, values, headers and timestamps, from where it is told', async () => {
    const topic = await newTopic(2);
    await write(topic, 10, 0);
    const timestamp = 1_700_000_000_123;
    await producer.send({ topic, partition: 1, value: null, headers: { a: 'ä', none: null }, timestamp });
    const consumer = newConsumer();
    consumer.assign([
      { topic, partition: 0, offset: 7 },
      { topic, partition: 1 },
    ]);
    const seen: unknown[] = [];
    for await (const { partition, offset, key, value, headers, timestamp } of consumer) {
      seen.push([partition, offset, key, value, headers.map((h) => [h.key, h.value?.toString()]), timestamp > 0]);
      if (seen.length === 4) break;
    }
    expect(seen.sort()).toEqual([
      [0, 7, 'k7', '7', [], true],
      [0, 8, 'k8', '8', [], true],
      [0, 9, 'k9', '9', [], true],
      [
        1,
        0,
        null,
        null,
        [
          ['a', 'ä'],
          ['none', undefined],
        ],
        true,
      ],
    ]);
  });

  it.each<CompressionName>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('reads %s batches', async (compression) => {
    const topic = await newTopic();
    await using writer = new Producer({ bootstrapServers: target.bootstrapServers, compression });
    const records = numbers(500).map((n) => ({ topic, value: n.repeat(50) }));
    await writer.sendBatch(records);
    const consumer = newConsumer();
    consumer.assign([{ topic, partition: 0 }]);
    expect(await take(consumer, 500)).toEqual(records.map(({ value }) => value));
  });

  it('starts by its reset policy', async () => {
    const topic = await newTopic();
    await write(topic, 5);
    const latest = newConsumer({ autoOffsetReset: 'latest' });
    latest.assign([{ topic, partition: 0 }]);
    const fromLatest = take(latest, 2);
    await until('the end is known', () => latest.position({ topic, partition: 0 }) === 5);
    await write(topic, 2, 0, 5);
    expect(await fromLatest).toEqual(['5', '6']);

    const recent = newConsumer({ autoOffsetReset: { durationMs: 3_600_000 } });
    recent.assign([{ topic, partition: 0 }]);
    expect(await take(recent, 7)).toEqual(numbers(7));

    const none = newConsumer({ autoOffsetReset: 'none' });
    none.assign([{ topic, partition: 0 }]);
    await expect(take(none, 1)).rejects.toMatchObject({ code: 'CONSUMER_NO_OFFSET', topic, partition: 0 });
    none.seek({ topic, partition: 0, offset: 3 });
    expect(await take(none, 2)).toEqual(['3', '4']);
    none.seek({ topic, partition: 0, offset: 999 });
    await expect(take(none, 1)).rejects.toMatchObject({ code: 'CONSUMER_NO_OFFSET', offset: 999 });
  });

  it('goes on by its reset policy where the offset is not in the log any more', async () => {
    const topic = await newTopic();
    await write(topic, 10);
    const consumer = newConsumer({ autoOffsetReset: 'earliest' });
    consumer.assign([{ topic, partition: 0, offset: 2 }]);
    await admin.deleteRecords([{ topic, partition: 0, before: 6 }]);
    expect(await take(consumer, 4)).toEqual(numbers(4, 6));
  });

  it('seeks to offsets, the beginning, the end, and timestamps', async () => {
    const topic = await newTopic();
    const place = { topic, partition: 0 };
    for (const n of [0, 1, 2, 3])
      await producer.send({ topic, value: `${n}`, timestamp: 1_700_000_000_000 + n * 1000 });
    const consumer = newConsumer();
    consumer.assign([place]);
    expect(await take(consumer, 4)).toEqual(numbers(4));
    consumer.seek({ ...place, offset: 2 });
    expect(consumer.position(place)).toBe(2);
    expect(await take(consumer, 2)).toEqual(['2', '3']);
    consumer.seekToBeginning();
    expect(await take(consumer, 2)).toEqual(['0', '1']);
    consumer.seekToTimestamp(new Date(1_700_000_000_500));
    expect(await take(consumer, 3)).toEqual(['1', '2', '3']);
    consumer.seekToTimestamp(1_800_000_000_000, [place]);
    await until('the end is found', () => consumer.position(place) === 4);
    consumer.seekToBeginning();
    consumer.seekToEnd([place]);
    await until('the end is found', () => consumer.position(place) === 4);
    await write(topic, 1, 0, 4);
    expect(await take(consumer, 1)).toEqual(['4']);
  });

  it('hands out nothing of a paused partition, and all of it once it is resumed', async () => {
    const topic = await newTopic(2);
    await write(topic, 20, 0);
    await write(topic, 20, 1, 100);
    const consumer = newConsumer();
    consumer.assign([
      { topic, partition: 0 },
      { topic, partition: 1 },
    ]);
    consumer.pause([{ topic, partition: 0 }]);
    expect(await take(consumer, 20)).toEqual(numbers(20, 100));
    expect(consumer.paused).toEqual([{ topic, partition: 0 }]);
    consumer.resume();
    const rest = new Set(await take(consumer, 21));
    for (const n of numbers(20)) expect(rest).toContain(n);
  });

  it('waits for a topic that does not exist yet', async () => {
    const topic = uniqueName('late');
    const consumer = newConsumer({ allowAutoTopicCreation: false });
    consumer.assign([{ topic, partition: 0, offset: 0 }]);
    const taken = take(consumer, 3);
    await delay(300);
    await admin.createTopics([{ topic, partitions: 1 }]);
    await write(topic, 3, 0);
    expect(await taken).toEqual(numbers(3));
  });

  it('keeps reading while a handler of another partition is stuck', async () => {
    const topic = await newTopic(3);
    for (const partition of [0, 1, 2]) await write(topic, 50, partition, partition * 100);
    const consumer = newConsumer({ partitionBytesMax: 500, prefetchBytesMax: 20_000 });
    consumer.assign([0, 1, 2].map((partition) => ({ topic, partition })));
    const { promise: stuck, resolve: free } = Promise.withResolvers<void>();
    const seen: string[] = [];
    const run = consumer.run({
      eachRecord: async ({ partition, value }) => {
        if (partition === 1) await stuck;
        seen.push(value ?? '');
      },
    });
    await until('the other partitions are read', () => seen.length === 100);
    free();
    await until('all is read', () => seen.length === 150);
    await consumer.close();
    await run;
    for (const first of [0, 100, 200]) {
      expect(seen.filter((n) => Number(n) >= first && Number(n) < first + 100)).toEqual(numbers(50, first));
    }
  });

  it('says how far it is behind', async () => {
    const topic = await newTopic();
    await write(topic, 10);
    const consumer = newConsumer();
    consumer.assign([{ topic, partition: 0 }]);
    expect(consumer.lag()).toEqual([
      { topic, partition: 0, position: undefined, endOffset: undefined, lag: undefined },
    ]);
    for await (const { offset } of consumer) if (offset === 3) break;
    expect(consumer.lag()).toMatchObject([{ endOffset: 10 }]);
    expect(consumer.metrics()).toMatchObject({ assignedPartitions: 1, fetches: 1 });
  });
});

describe('a member of a group', () => {
  it('says when it has joined, and goes on where the group has committed', async () => {
    const topic = await newTopic();
    const groupId = uniqueName('group');
    await write(topic, 10);
    const first = newConsumer({ groupId });
    first.subscribe(topic);
    const joined = await first.joined;
    expect(joined).toMatchObject({ groupId, memberId: first.memberId, partitions: [{ topic, partition: 0 }] });
    expect(await take(first, 4)).toEqual(numbers(4));
    await first.close();
    const second = newConsumer({ groupId });
    second.subscribe(topic);
    expect(await take(second, 6)).toEqual(numbers(6, 4));
    expect(await second.committed()).toEqual([{ topic, partition: 0, offset: 10, metadata: '' }]);
  });

  it.each<[string, Assignor]>(
    [rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor].map((one) => [one.name, one]),
  )('shares partitions and loses no record when members come and go (%s)', async (_name, assignor) => {
    const topic = await newTopic(6);
    const groupId = uniqueName('group');
    const seen = new Map<string, number>();
    const start = () => {
      const consumer = newConsumer({ groupId, assignors: [assignor], autoCommitIntervalMs: 50 });
      consumer.subscribe(topic);
      const done = consumer.run({
        eachRecord: async ({ value }) => {
          await delay(1);
          seen.set(value ?? '', (seen.get(value ?? '') ?? 0) + 1);
        },
      });
      return { consumer, done };
    };
    const a = start();
    await a.consumer.joined;
    let written = 0;
    const writeSome = async () => {
      for (let partition = 0; partition < 6; partition++, written += 20) await write(topic, 20, partition, written);
    };
    await writeSome();
    const b = start();
    await b.consumer.joined;
    await until('both have three', () => a.consumer.assignment.length === 3 && b.consumer.assignment.length === 3);
    expect(partitionsOf([...a.consumer.assignment, ...b.consumer.assignment])).toEqual([0, 1, 2, 3, 4, 5]);
    await writeSome();
    const c = start();
    await until('all have two', () => [a, b, c].every(({ consumer }) => consumer.assignment.length === 2));
    await writeSome();
    await b.consumer.close();
    await b.done;
    await writeSome();
    await until('all is processed', () => seen.size === written);
    // Nobody crashed and nothing was cut: what was processed was committed before it went to another.
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
    await Promise.all([a.consumer.close(), c.consumer.close()]);
    await Promise.all([a.done, c.done]);
  });

  it('keeps reading what it keeps during a cooperative rebalance', async () => {
    const topic = await newTopic(4);
    const groupId = uniqueName('group');
    const revoked: number[] = [];
    const a = newConsumer({
      groupId,
      onPartitionsRevoked: (partitions) => void revoked.push(...partitionsOf(partitions)),
    });
    a.subscribe(topic);
    await a.joined;
    const b = newConsumer({ groupId });
    b.subscribe(topic);
    await until('both have two', () => a.assignment.length === 2 && b.assignment.length === 2);
    expect(revoked).toHaveLength(2);
    expect(revoked.filter((partition) => partitionsOf(a.assignment).includes(partition))).toEqual([]);
  });

  it('finds topics by regular expression, new ones too', async () => {
    const prefix = uniqueName('many');
    const one = await newTopic(1, `${prefix}-a`);
    await newTopic(1, 'other');
    const consumer = newConsumer({ groupId: uniqueName('group'), metadataMaxAgeMs: 200 });
    consumer.subscribe(new RegExp(`^${prefix}-`));
    await consumer.joined;
    expect(consumer.subscription).toEqual([one]);
    await write(one, 1);
    expect(await take(consumer, 1)).toEqual(['0']);
    const two = await newTopic(1, `${prefix}-b`);
    await write(two, 2, 0, 50);
    expect(await take(consumer, 2)).toEqual(['50', '51']);
    expect([...consumer.subscription].sort()).toEqual([one, two].sort());
  });

  it('changes what it reads when it subscribes again', async () => {
    const one = await newTopic();
    const two = await newTopic();
    await write(one, 2);
    await write(two, 2, 0, 10);
    const consumer = newConsumer({ groupId: uniqueName('group') });
    consumer.subscribe([one]);
    expect(await take(consumer, 2)).toEqual(['0', '1']);
    consumer.subscribe([two]);
    expect(await take(consumer, 2)).toEqual(['10', '11']);
    expect(consumer.assignment).toEqual([{ topic: two, partition: 0 }]);
  });

  it('reads new partitions of its topics', async () => {
    const topic = await newTopic(1);
    const consumer = newConsumer({ groupId: uniqueName('group'), metadataMaxAgeMs: 200 });
    consumer.subscribe(topic);
    await consumer.joined;
    await admin.createPartitions([{ topic, count: 3 }]);
    await write(topic, 2, 2);
    expect(await take(consumer, 2)).toEqual(['0', '1']);
    expect(partitionsOf(consumer.assignment)).toEqual([0, 1, 2]);
  });

  it('comes back as a static member without a rebalance for the others', async () => {
    const topic = await newTopic(2);
    const groupId = uniqueName('group');
    let rebalances = 0;
    const other = newConsumer({ groupId, groupInstanceId: 'other', onPartitionsAssigned: () => void rebalances++ });
    other.subscribe(topic);
    await other.joined;
    const first = newConsumer({ groupId, groupInstanceId: 'one' });
    first.subscribe(topic);
    await until('both have one', () => other.assignment.length === 1 && first.assignment.length === 1);
    const before = { rebalances, assignment: first.assignment };
    await first.close();
    const second = newConsumer({ groupId, groupInstanceId: 'one' });
    second.subscribe(topic);
    expect((await second.joined).partitions).toEqual(before.assignment);
    await delay(300);
    expect(rebalances).toBe(before.rebalances);
  });

  it('is told for good when another has taken its static place', async () => {
    const topic = await newTopic(1);
    const groupId = uniqueName('group');
    const first = newConsumer({ groupId, groupInstanceId: 'one' });
    first.subscribe(topic);
    await first.joined;
    const reading = take(first, 1);
    const second = newConsumer({ groupId, groupInstanceId: 'one' });
    second.subscribe(topic);
    await expect(reading).rejects.toMatchObject({ code: 'KAFKA_FENCED_INSTANCE_ID', retriable: false });
  });

  it('leaves the group when its handler is stuck, and comes back when it goes on', async () => {
    const topic = await newTopic(2);
    const groupId = uniqueName('group');
    await write(topic, 1, 0);
    await write(topic, 1, 1);
    const lost: number[] = [];
    const { promise: stuck, resolve: free } = Promise.withResolvers<void>();
    const slow = newConsumer({
      groupId,
      maxPollIntervalMs: 400,
      onPartitionsLost: (partitions) => void lost.push(...partitionsOf(partitions)),
    });
    slow.subscribe(topic);
    const run = slow.run({ eachRecord: () => stuck });
    await slow.joined;
    const quick = newConsumer({ groupId, maxPollIntervalMs: 10_000 });
    quick.subscribe(topic);
    expect(await take(quick, 2)).toEqual(['0', '0']);
    expect(lost.length).toBeGreaterThan(0);
    free();
    await until('the slow one is back', () => slow.assignment.length === 1 && quick.assignment.length === 1);
    await slow.close();
    await run;
  });

  it('shares its group with kafkajs', async () => {
    const topic = await newTopic(4);
    const groupId = uniqueName('group');
    const ours = newConsumer({ groupId, assignors: [cooperativeStickyAssignor, kafkajsRoundRobinAssignor] });
    const seen = { ours: new Set<string>(), theirs: new Set<string>() };
    ours.subscribe(topic);
    const run = ours.run({ eachRecord: ({ value }) => seen.ours.add(value ?? '') });
    await ours.joined;
    const theirs = connectKafkaJs(target.bootstrapServers).consumer({
      groupId,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 100,
    });
    try {
      await theirs.connect();
      await theirs.subscribe({ topics: [topic], fromBeginning: true });
      await theirs.run({ eachMessage: async ({ message }) => void seen.theirs.add(message.value?.toString() ?? '') });
      await until('ours has two', () => ours.assignment.length === 2);
      for (const partition of [0, 1, 2, 3]) await write(topic, 5, partition, partition * 5);
      await until('all is read', () => seen.ours.size + seen.theirs.size === 20);
      expect([seen.ours.size, seen.theirs.size]).toEqual([10, 10]);
    } finally {
      await theirs.disconnect();
    }
    await until('ours has all again', () => ours.assignment.length === 4);
    await write(topic, 1, 3, 1000);
    await until('what was theirs is ours', () => seen.ours.has('1000'));
    await ours.close();
    await run;
  });
});

describe('committing', () => {
  it('commits what is processed, and not what is in hand', async () => {
    const topic = await newTopic();
    await write(topic, 10);
    const groupId = uniqueName('group');
    const consumer = newConsumer({ groupId, autoCommit: false });
    consumer.subscribe(topic);
    const committed = async () => (await consumer.committed())[0]?.offset;
    for await (const record of consumer) {
      if (record.offset === 3) {
        expect(await committed()).toBeUndefined();
        await consumer.commit();
        expect(await committed()).toBe(3);
        await consumer.commit(record);
        expect(await committed()).toBe(4);
        await consumer.commit([{ topic, partition: 0, offset: 1, metadata: 'a note' }]);
        expect(await consumer.committed()).toEqual([{ topic, partition: 0, offset: 1, metadata: 'a note' }]);
      }
      if (record.offset === 5) break;
    }
    await consumer.close();
    const next = newConsumer({ groupId });
    expect(await next.committed([{ topic, partition: 0 }])).toMatchObject([{ offset: 1 }]);
  });

  it('commits by and by, and on close, without being asked', async () => {
    const topic = await newTopic();
    await write(topic, 10);
    const groupId = uniqueName('group');
    const consumer = newConsumer({ groupId, autoCommitIntervalMs: 50 });
    consumer.subscribe(topic);
    const seen: number[] = [];
    const { promise: stuck, resolve: free } = Promise.withResolvers<void>();
    const run = consumer.run({
      eachRecord: async ({ offset }) => {
        if (offset === 6) await stuck;
        seen.push(offset);
      },
    });
    await until('what is processed is committed', async () => (await consumer.committed())[0]?.offset === 6);
    const closed = consumer.close();
    free();
    await closed;
    await run;
    expect(seen.at(-1)).toBe(6);
    const next = newConsumer({ groupId });
    expect(await next.committed([{ topic, partition: 0 }])).toMatchObject([{ offset: 7 }]);
  });

  it('marks a part of a batch as processed', async () => {
    const topic = await newTopic();
    await write(topic, 10);
    const groupId = uniqueName('group');
    const consumer = newConsumer({ groupId });
    consumer.subscribe(topic);
    const run = consumer.run({
      eachBatch: (batch) => {
        for (const record of batch) {
          if (record.offset === 4) throw new Error('no fours');
          batch.markProcessed(record);
        }
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'CONSUMER_HANDLER_FAILED', topic, cause: new Error('no fours') });
    await consumer.close();
    expect(await newConsumer({ groupId }).committed([{ topic, partition: 0 }])).toMatchObject([{ offset: 4 }]);
  });

  it('hands out again what a loop was left with', async () => {
    const topic = await newTopic();
    await write(topic, 5);
    const consumer = newConsumer();
    consumer.assign([{ topic, partition: 0 }]);
    await expect(
      (async () => {
        for await (const record of consumer) if (record.offset === 2) throw new Error('stop');
      })(),
    ).rejects.toThrow('stop');
    expect(await take(consumer, 3)).toEqual(['2', '3', '4']);
  });

  it('closes from within a loop', async () => {
    const topic = await newTopic();
    await write(topic, 5);
    const consumer = newConsumer({ groupId: uniqueName('group') });
    consumer.subscribe(topic);
    const seen: number[] = [];
    for await (const { offset } of consumer) {
      seen.push(offset);
      if (offset === 2) await consumer.close();
    }
    expect(seen).toEqual([0, 1, 2]);
    await expect(consumer.commit()).rejects.toMatchObject({ code: 'CONSUMER_CLOSED' });
  });
});

describe('run', () => {
  it('tries again, sends what cannot be handled to the dead letters, and goes on', async () => {
    const topic = await newTopic();
    const deadLetterTopic = await newTopic(1, 'dead');
    await producer.send({ topic, key: 'k', value: '{"n":1}', headers: { h: 'x' } });
    await producer.send({ topic, key: 'k', value: 'not json', headers: { h: 'y' } });
    await producer.send({ topic, key: 'k', value: '{"n":3}' });
    const consumer = new Consumer({
      bootstrapServers: target.bootstrapServers,
      groupId: uniqueName('group'),
      autoOffsetReset: 'earliest',
      valueDeserializer: jsonSerde<{ n: number }>(),
    });
    const calls: number[] = [];
    const handled: number[] = [];
    consumer.subscribe(topic);
    const run = consumer.run({
      retry: { retries: 2, backoffMs: 1 },
      deadLetterTopic,
      deadLetter: producer,
      eachRecord: async ({ offset, value }) => {
        calls.push(offset);
        if (value?.n === 3 && calls.filter((n) => n === offset).length < 3) throw new Error('not yet');
        handled.push(value?.n ?? 0);
      },
    });
    await until('all is handled', () => handled.length === 2);
    await consumer.close();
    await run;
    expect(handled).toEqual([1, 3]);
    expect(calls).toEqual([0, 2, 2, 2]);
    const dead = newConsumer();
    dead.assign([{ topic: deadLetterTopic, partition: 0 }]);
    for await (const letter of dead) {
      expect([letter.key, letter.value]).toEqual(['k', 'not json']);
      const headers = Object.fromEntries(letter.headers.map(({ key, value }) => [key, value?.toString()]));
      expect(headers).toMatchObject({
        h: 'y',
        'dead-letter-topic': topic,
        'dead-letter-partition': '0',
        'dead-letter-offset': '1',
        'dead-letter-attempts': '1',
        'dead-letter-error-code': 'CONSUMER_DESERIALIZER_FAILED',
      });
      break;
    }
  });

  it('keeps the order of a partition whatever the handlers take', async () => {
    const topic = await newTopic(4);
    for (const partition of [0, 1, 2, 3]) await write(topic, 50, partition);
    const consumer = newConsumer();
    consumer.assign([0, 1, 2, 3].map((partition) => ({ topic, partition })));
    const seen: number[][] = [[], [], [], []];
    let atOnce = 0;
    let most = 0;
    const run = consumer.run({
      concurrency: 3,
      eachRecord: async ({ partition, offset }) => {
        most = Math.max(most, ++atOnce);
        if (offset % 7 === 0) await delay(offset % 3);
        seen[partition]?.push(offset);
        atOnce--;
      },
    });
    await until('all is handled', () => seen.flat().length === 200);
    await consumer.close();
    await run;
    for (const offsets of seen) expect(offsets).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(most).toBe(3);
  });
});

describe.skipIf(isElsewhere)('in trouble, a consumer', () => {
  /** Reads 300 records in a group while there is trouble, and must get each of them, in order. */
  async function survives(
    trouble: (topic: string, n: number, groupId: string, consumer: Consumer<string, string>) => unknown,
  ): Promise<void> {
    const topic = await newTopic();
    const groupId = uniqueName('group');
    const consumer = newConsumer({
      groupId,
      autoCommitIntervalMs: 20,
      requestTimeoutMs: 500,
      retryBackoffMsMax: 100,
      sessionTimeoutMs: 2_000,
      partitionBytesMax: 400,
    });
    consumer.subscribe(topic);
    await consumer.joined;
    const seen: string[] = [];
    const run = consumer.run({ eachRecord: async ({ value }) => void seen.push(value ?? '') });
    for (let n = 0; n < 10; n++) {
      await trouble(topic, n, groupId, consumer);
      await write(topic, 30, 0, n * 30);
      await delay(20);
    }
    await until('all is read', () => new Set(seen).size === 300);
    // What is read again is what was not committed when the member was counted out: it goes back, and never skips.
    let next = 0;
    for (const value of seen.map(Number)) {
      expect(value).toBeLessThanOrEqual(next);
      next = value + 1;
    }
    target.broker?.clearFaults();
    await until('all is committed', async () => (await consumer.committed())[0]?.offset === 300);
    await consumer.close();
    await run;
  }

  it('survives connections that are cut', () => survives(() => target.broker?.dropConnections()));
  it('survives fetches whose answers are lost', () =>
    survives(() => target.broker?.dropNext('Fetch', { when: 'after' })));
  it('survives fetches that are refused', () =>
    survives((_topic, n) =>
      target.broker?.failNext('Fetch', n % 2 === 0 ? 'FETCH_SESSION_ID_NOT_FOUND' : 'INVALID_FETCH_SESSION_EPOCH'),
    ));
  it('survives leaders that move', () => survives((topic) => target.broker?.moveLeader(topic, 0)));
  it('survives commits and heartbeats that are lost or refused', () =>
    survives((_topic, n) => {
      target.broker?.dropNext('OffsetCommit', { when: n % 2 === 0 ? 'after' : 'before' });
      target.broker?.failNext('Heartbeat', n % 2 === 0 ? 'NOT_COORDINATOR' : 'COORDINATOR_LOAD_IN_PROGRESS');
      target.broker?.failNext('OffsetCommit', 'COORDINATOR_NOT_AVAILABLE');
    }));
  it('survives being counted out of its group', () =>
    survives((_topic, n, groupId, { memberId }) => {
      if (n % 3 === 2) expect(target.broker?.expireMember(groupId, memberId)).toBe(memberId !== '');
      if (n % 3 === 0) target.broker?.failNext('Heartbeat', 'UNKNOWN_MEMBER_ID');
      if (n % 3 === 1) target.broker?.failNext('Heartbeat', 'ILLEGAL_GENERATION');
    }));
  it('survives answers that come after the request has timed out', () =>
    survives((_topic, n) => {
      if (n % 4 === 0) target.broker?.delayNext('Fetch', 1_200);
      if (n % 4 === 2) target.broker?.delayNext('Heartbeat', 900);
    }));
});
