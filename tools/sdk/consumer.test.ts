import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Consumer } from '@millrace/consumer';
import type { Logger } from '@millrace/ports';
import { type CompressionName, Producer } from '@millrace/producer';
import { jsonSerde } from '@millrace/serdes';
import { startBroker } from '@millrace/testing';
import { describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { Consuming, numbers, take, until } from './consuming.ts';
import { isElsewhere, uniqueName } from './suite-cluster.ts';

const consuming = new Consuming();
const newTopic = (partitions?: number, prefix?: string) => consuming.newTopic(partitions, prefix);
const newConsumer = (options?: Parameters<Consuming['newConsumer']>[0]) => consuming.newConsumer(options);
const write = (topic: string, count: number, partition?: number, from?: number) =>
  consuming.write(topic, count, partition, from);

describe('a consumer with partitions of its own choice', () => {
  it('reads keys, values, headers and timestamps, from where it is told', async () => {
    const topic = await newTopic(2);
    await write(topic, 10, 0);
    const timestamp = 1_700_000_000_123;
    await consuming.producer.send({ topic, partition: 1, value: null, headers: { a: 'ä', none: null }, timestamp });
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
    await using writer = new Producer({ bootstrapServers: consuming.target.bootstrapServers, compression });
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
    await consuming.admin.deleteRecords([{ topic, partition: 0, before: 6 }]);
    const consumer = newConsumer({ autoOffsetReset: 'earliest' });
    consumer.assign([{ topic, partition: 0, offset: 2 }]);
    expect(await take(consumer, 4)).toEqual(numbers(4, 6));
  });

  it('seeks to offsets, the beginning, the end, and timestamps', async () => {
    const topic = await newTopic();
    const place = { topic, partition: 0 };
    for (const n of [0, 1, 2, 3])
      await consuming.producer.send({ topic, value: `${n}`, timestamp: 1_700_000_000_000 + n * 1000 });
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

  it('says nothing to its logger when it closes in order, but that partitions were given up', async () => {
    const topic = await newTopic(3);
    await write(topic, 10, 0);
    const lines: string[] = [];
    const line = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
    const logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    const consumer = newConsumer({ groupId: uniqueName('group'), logger: logger as Logger });
    consumer.subscribe(topic);
    const seen: number[] = [];
    const done = consumer.run({ eachRecord: ({ offset }) => void seen.push(offset) });
    await until('all is read', () => seen.length === 10);
    lines.length = 0;
    await consumer.close();
    await done;
    expect(lines).toEqual(['info Partitions were revoked']);
  });

  it('waits for a topic that does not exist yet', async () => {
    const topic = uniqueName('late');
    const consumer = newConsumer({ allowAutoTopicCreation: false });
    consumer.assign([{ topic, partition: 0, offset: 0 }]);
    const taken = take(consumer, 3);
    await delay(300);
    await consuming.admin.createTopics([{ topic, partitions: 1 }]);
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

describe('run', () => {
  it('tries again, sends what cannot be handled to the dead letters, and goes on', async () => {
    const topic = await newTopic();
    const deadLetterTopic = await newTopic(1, 'dead');
    await consuming.producer.send({ topic, key: 'k', value: '{"n":1}', headers: { h: 'x' } });
    await consuming.producer.send({ topic, key: 'k', value: 'not json', headers: { h: 'y' } });
    await consuming.producer.send({ topic, key: 'k', value: '{"n":3}' });
    const consumer = new Consumer({
      bootstrapServers: consuming.target.bootstrapServers,
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
      deadLetter: consuming.producer,
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
        atOnce -= 1;
      },
    });
    await until('all is handled', () => seen.flat().length === 200);
    await consumer.close();
    await run;
    for (const offsets of seen) expect(offsets).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(most).toBe(3);
  });
});

describe('with transactions, a consumer', () => {
  it('that reads what is committed sees nothing of what was aborted, and waits for what is open', async () => {
    const topic = await newTopic();
    const kafkajs = connectKafkaJs(consuming.target.bootstrapServers);
    const writer = kafkajs.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
    await writer.connect();
    const committed: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      const transaction = await writer.transaction();
      const values = numbers(3, n * 10);
      await transaction.send({ topic, messages: values.map((value) => ({ value })) });
      if (n % 3 === 0) {
        committed.push(...values);
        await transaction.commit();
      } else {
        await transaction.abort();
      }
    }
    const open = await writer.transaction();
    await open.send({ topic, messages: [{ value: 'open' }] });
    await write(topic, 1, 0, 1_000);
    const consumer = newConsumer({ isolationLevel: 'read_committed' });
    consumer.assign([{ topic, partition: 0 }]);
    const seen: string[] = [];
    const run = consumer.run({ eachRecord: ({ value }) => void seen.push(value ?? '') });
    await until('what is committed is read', () => seen.length >= committed.length && consumer.lag()[0]?.lag === 0);
    await delay(700);
    expect(seen).toEqual(committed);
    await open.commit();
    await until('the rest is read', () => seen.length === committed.length + 2);
    expect(seen.slice(-2)).toEqual(['open', '1000']);
    await writer.disconnect();
    await consumer.close();
    await run;
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
    for (let n = 0; n < 10; n += 1) {
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
    consuming.target.broker?.clearFaults();
    await until('all is committed', async () => (await consumer.committed())[0]?.offset === 300);
    await consumer.close();
    await run;
  }

  it('survives connections that are cut', () => survives(() => consuming.target.broker?.dropConnections()));
  it('survives fetches whose answers are lost', () =>
    survives(() => consuming.target.broker?.dropNext('Fetch', { when: 'after' })));
  it('survives fetches that are refused', () =>
    survives((_topic, n) =>
      consuming.target.broker?.failNext(
        'Fetch',
        n % 2 === 0 ? 'FETCH_SESSION_ID_NOT_FOUND' : 'INVALID_FETCH_SESSION_EPOCH',
      ),
    ));
  it('survives leaders that move', () => survives((topic) => consuming.target.broker?.moveLeader(topic, 0)));
  it('survives commits and heartbeats that are lost or refused', () =>
    survives((_topic, n) => {
      consuming.target.broker?.dropNext('OffsetCommit', { when: n % 2 === 0 ? 'after' : 'before' });
      consuming.target.broker?.failNext('Heartbeat', n % 2 === 0 ? 'NOT_COORDINATOR' : 'COORDINATOR_LOAD_IN_PROGRESS');
      consuming.target.broker?.failNext('OffsetCommit', 'COORDINATOR_NOT_AVAILABLE');
    }));
  it('survives being counted out of its group', () =>
    survives((_topic, n, groupId, { memberId }) => {
      // On a busy machine it may not have come back yet.
      if (n % 3 === 2 && memberId !== '') expect(consuming.target.broker?.expireMember(groupId, memberId)).toBe(true);
      if (n % 3 === 0) consuming.target.broker?.failNext('Heartbeat', 'UNKNOWN_MEMBER_ID');
      if (n % 3 === 1) consuming.target.broker?.failNext('Heartbeat', 'ILLEGAL_GENERATION');
    }));
  it('survives answers that come after the request has timed out', () =>
    survives((_topic, n) => {
      if (n % 4 === 0) consuming.target.broker?.delayNext('Fetch', 1_200);
      if (n % 4 === 2) consuming.target.broker?.delayNext('Heartbeat', 900);
    }));

  it('survives a restart of its broker, without a rebalance', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-sdk-'));
    let broker = await startBroker({ storage: { folder }, topics: ['restarted'] });
    const { port, bootstrapServers } = broker;
    const events: number[] = [];
    const consumer = newConsumer({
      bootstrapServers,
      groupId: 'group',
      autoCommitIntervalMs: 20,
      onPartitionsAssigned: (partitions) => void events.push(partitions.length),
      onPartitionsLost: () => void events.push(-1),
    });
    consumer.subscribe('restarted');
    const seen: string[] = [];
    const run = consumer.run({ eachRecord: ({ value }) => void seen.push(value ?? '') });
    await using writer = new Producer({ bootstrapServers });
    for (const first of [0, 100, 200]) {
      await writer.sendBatch(numbers(100, first).map((value) => ({ topic: 'restarted', value })));
      await until('all is read', () => seen.length >= first + 100);
      await broker.close();
      await delay(100);
      broker = await startBroker({ storage: { folder }, port });
    }
    expect(seen).toEqual(numbers(300));
    expect(events).toEqual([1]);
    await consumer.close();
    await run;
    await broker.close();
    rmSync(folder, { recursive: true });
  });
});
