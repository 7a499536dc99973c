/** The SDKs on a cluster whose brokers come, go, and change their parts. */
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startCluster, type TestCluster } from '@millrace/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

let cluster: TestCluster;

afterEach(() => cluster?.close());

const FAST = { retryBackoffMs: 5, requestTimeoutMs: 3000 };

/** Sends numbered values to one partition while something happens, and gives those that were acknowledged. */
async function sendWhile(topic: string, count: number, happens: (sent: number) => Promise<void>): Promise<string[]> {
  await using producer = new Producer({ bootstrapServers: cluster.bootstrapServers, ...FAST });
  const acknowledged: string[] = [];
  for (let index = 0; index < count; index += 1) {
    await happens(index);
    const value = `v${index}`;
    await producer.send({ topic, partition: 0, value });
    acknowledged.push(value);
  }
  return acknowledged;
}

async function readAll(topic: string, count: number, groupId = 'g'): Promise<string[]> {
  await using consumer = new Consumer({
    bootstrapServers: cluster.bootstrapServers,
    groupId,
    autoOffsetReset: 'earliest',
    ...FAST,
  });
  const values: string[] = [];
  consumer.subscribe([topic]);
  for await (const record of consumer) {
    values.push(String(record.value));
    if (values.length === count) break;
  }
  return values;
}

describe.runIf(!isElsewhere)('the SDKs on a cluster', () => {
  it('lose nothing and write nothing twice when leaders are killed in between', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: ['t'] });
    const sent = await sendWhile('t', 60, async (index) => {
      if (index % 20 !== 10) return;
      const leader = await cluster.leaderOf('t');
      await cluster.kill(leader);
      void cluster.start(leader);
    });
    expect(sent.length).toBe(60);
    await cluster.settled();
    expect(await cluster.inSync('t')).toEqual([1, 2, 3]);
    expect(await readAll('t', 60)).toEqual(sent);
  });

  it('notice nothing of a rolling restart but a retry', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: ['t'] });
    const sent = await sendWhile('t', 45, async (index) => {
      if (index % 15 === 5) await cluster.restart((index - 5) / 15 + 1);
    });
    await cluster.settled();
    expect(await readAll('t', 45)).toEqual(sent);
  });

  it('follow leaders and the controller wherever these are moved', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: ['t'] });
    await using admin = new Admin({ bootstrapServers: cluster.bootstrapServers, ...FAST });
    const sent = await sendWhile('t', 30, async (index) => {
      if (index % 10 !== 5) return;
      const to = ((await cluster.leaderOf('t')) % 3) + 1;
      await cluster.moveLeader('t', 0, to);
      expect(await cluster.leaderOf('t')).toBe(to);
      const former = cluster.controllerId;
      // Where its office alone is taken from it, it is the first to hear of that, and wins again.
      await cluster.expireSession(former);
      await expect.poll(() => cluster.controllerId).not.toBe(former);
      // Only the controller makes topics.
      await admin.createTopics([{ topic: `made-${index}` }]);
      await expect.poll(async () => (await admin.describeCluster()).controllerId).toBe(cluster.controllerId);
    });
    expect(await readAll('t', 30)).toEqual(sent);
  });

  it('go on by those that they have learnt of when the only broker that they knew is dead', {
    timeout: 60_000,
  }, async () => {
    cluster = await startCluster({ topics: [{ topic: 't', partitions: 3 }] });
    const known = cluster.controllerId;
    const bootstrapServers = cluster.bootstrapServers.split(',')[known - 1]!;
    await using producer = new Producer({ bootstrapServers, ...FAST });
    await using admin = new Admin({ bootstrapServers, ...FAST });
    await using consumer = new Consumer({ bootstrapServers, groupId: 'g', autoOffsetReset: 'earliest', ...FAST });
    consumer.subscribe(['t']);
    const sendTo = (value: string): Promise<unknown> =>
      Promise.all([0, 1, 2].map((partition) => producer.send({ topic: 't', partition, value })));
    const records = consumer[Symbol.asyncIterator]();
    const read: string[] = [];
    const readUntil = async (count: number): Promise<void> => {
      while (read.length < count) {
        const next = await records.next();
        if (next.done !== true) read.push(`${next.value.partition} ${next.value.value}`);
      }
    };
    expect((await admin.describeCluster()).controllerId).toBe(known);
    await sendTo('a');
    await readUntil(3);
    await cluster.kill(known);
    await sendTo('b');
    await readUntil(6);
    await records.return?.();
    expect(read.toSorted()).toEqual(['0 a', '0 b', '1 a', '1 b', '2 a', '2 b']);
    await admin.createTopics([{ topic: 'made', replicationFactor: 2 }]);
    const { controllerId, brokers } = await admin.describeCluster();
    expect(controllerId).toBe(cluster.controllerId);
    expect(brokers.map(({ nodeId }) => nodeId)).toEqual(cluster.brokerIds.filter((id) => id !== known));
  });

  it('go on when a broker falls silent or is cut off from the others', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: ['t'], config: { 'replica.lag.time.max.ms': 500 } });
    const sent = await sendWhile('t', 20, async (index) => {
      if (index === 5) {
        const leader = await cluster.leaderOf('t');
        cluster.pause(leader);
        await cluster.expireSession(leader);
      }
      if (index === 10) for (const id of cluster.brokerIds) cluster.resume(id);
      if (index === 12) {
        // Without the controller nobody could go on without a follower.
        const needed = [await cluster.leaderOf('t'), cluster.controllerId];
        cluster.isolate(cluster.brokerIds.find((id) => !needed.includes(id))!);
      }
      if (index === 18) cluster.heal();
    });
    await cluster.settled();
    expect(await readAll('t', 20)).toEqual(sent);
  });

  it('read from the replica in their rack while the leader is silent, and from the leader when that replica is gone', {
    timeout: 60_000,
  }, async () => {
    const config = { 'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector' };
    cluster = await startCluster({ racks: ['a', 'b', 'c'], config, topics: ['t'] });
    await cluster.moveLeader('t', 0, 1);
    const sent = await sendWhile('t', 20, async () => {});
    await using consumer = new Consumer({ bootstrapServers: cluster.bootstrapServers, rackId: 'b', ...FAST });
    consumer.assign([{ topic: 't', partition: 0 }]);
    const values: string[] = [];
    /** Reads so many records from the beginning. */
    const read = async (count: number): Promise<string[]> => {
      values.length = 0;
      consumer.seek({ topic: 't', partition: 0, offset: 0 });
      for await (const record of consumer) {
        values.push(String(record.value));
        if (values.length === count) break;
      }
      return values;
    };
    expect(await read(20)).toEqual(sent);
    // It has been told whom to ask, and asks the leader no more.
    cluster.pause(1);
    expect(await read(20)).toEqual(sent);
    cluster.resume(1);
    await cluster.kill(2);
    const more = await sendWhile('t', 5, async () => {});
    expect(await read(25)).toEqual([...sent, ...more]);
  });

  it('keep a group’s offsets when its coordinator is killed', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: ['t'] });
    const sent = await sendWhile('t', 20, async () => {});
    expect(await readAll('t', 10)).toEqual(sent.slice(0, 10));
    // Whichever it is: each of them may have been the coordinator.
    for (const id of [1, 2, 3]) {
      await cluster.kill(id);
      await cluster.start(id);
      await cluster.settled();
    }
    // The record at which somebody stops reading counts as not processed.
    expect(await readAll('t', 11)).toEqual(sent.slice(9));
  });
});
