import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Assignor,
  cooperativeStickyAssignor,
  kafkajsRoundRobinAssignor,
  type RebalanceEvent,
  rangeAssignor,
  roundRobinAssignor,
  stickyAssignor,
} from '@millrace/consumer';
import { describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { Consuming, numbers, partitionsOf, take, until } from './consuming.ts';
import { uniqueName } from './suite-cluster.ts';

const consuming = new Consuming();
const newTopic = (partitions?: number, prefix?: string) => consuming.newTopic(partitions, prefix);
const newConsumer = (options?: Parameters<Consuming['newConsumer']>[0]) => consuming.newConsumer(options);
const write = (topic: string, count: number, partition?: number, from?: number) =>
  consuming.write(topic, count, partition, from);

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
    await consuming.admin.createPartitions([{ topic, count: 3 }]);
    await write(topic, 2, 2);
    expect(await take(consumer, 2)).toEqual(['0', '1']);
    expect(partitionsOf(consumer.assignment)).toEqual([0, 1, 2]);
  });

  it('comes back as a static member without a rebalance for the others', async () => {
    const topic = await newTopic(2);
    const groupId = uniqueName('group');
    const generations: number[] = [];
    const listen = (event: unknown): void => {
      const { groupId: group, generationId } = event as RebalanceEvent;
      if (group === groupId) generations.push(generationId);
    };
    subscribe('millrace:consumer:rebalance', listen);
    try {
      const other = newConsumer({ groupId, groupInstanceId: 'other' });
      other.subscribe(topic);
      await other.joined;
      const first = newConsumer({ groupId, groupInstanceId: 'one' });
      first.subscribe(topic);
      await until('both have one', () => other.assignment.length === 1 && first.assignment.length === 1);
      // The first has got its partition in the rebalance that was the last.
      const before = { generation: Math.max(...generations), assignment: first.assignment };
      await first.close();
      const second = newConsumer({ groupId, groupInstanceId: 'one' });
      second.subscribe(topic);
      expect((await second.joined).partitions).toEqual(before.assignment);
      await delay(300);
      expect(Math.max(...generations)).toBe(before.generation);
      expect(other.assignment).toHaveLength(1);
    } finally {
      unsubscribe('millrace:consumer:rebalance', listen);
    }
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
    const commits: unknown[] = [];
    const { promise: stuck, resolve: free } = Promise.withResolvers<void>();
    const slow = newConsumer({
      groupId,
      maxPollIntervalMs: 400,
      onPartitionsLost: (partitions) => void lost.push(...partitionsOf(partitions)),
    });
    slow.subscribe(topic);
    const run = slow.run({
      eachRecord: async (record) => {
        await stuck;
        // Its partition is another's by now: the group goes by what that one commits.
        await slow.commit(record).catch(({ code }: { code: string }) => commits.push(code));
      },
    });
    await slow.joined;
    const quick = newConsumer({ groupId, maxPollIntervalMs: 60_000 });
    quick.subscribe(topic);
    expect(await take(quick, 2)).toEqual(['0', '0']);
    expect(lost.length).toBeGreaterThan(0);
    free();
    await until('its commit is refused', () => commits.length > 0);
    expect(commits[0]).toBe('CONSUMER_COMMIT_FAILED');
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
    const theirs = connectKafkaJs(consuming.target.bootstrapServers).consumer({
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
