/** Reads while leaders are slow or gone: what could not be read is told, and read when it can be. */
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { startBroker, startCluster, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message, ReadPlan } from '../api/contract.ts';
import { Cluster } from '../clusters/cluster.ts';
import { resetOffsets } from '../clusters/resets.ts';
import { holdsNothingFrom } from './batch-look.ts';
import { readMessages, readRecord, tailMessages } from './read.ts';
import { readTurns } from './turns.ts';

/** More than a search from the newest on looks at before it looks further back. */
const RECORDS = 12_000;
const NEEDLES = [3, RECORDS - 5];
/** Longer than nothing may come before a leader is asked whether there is anything. */
const SLOW_MS = 2500;
const turns = readTurns();

async function read(cluster: Cluster, topic: string, plan: ReadPlan, patienceMs?: number) {
  const seen: Message[] = [];
  const { signal } = new AbortController();
  const request = { cluster, topic, plan, signal, who: 'somebody', turns, patienceMs };
  const end = await readMessages(request, { messages: (some) => void seen.push(...some) });
  return { ...end, places: seen.map(({ partition, offset }) => `${partition}:${offset}`) };
}

describe('a read whose leader is slow', () => {
  let broker: TestBroker;
  let cluster: Cluster;

  beforeAll(async () => {
    broker = await startBroker({ topics: ['slow', 'sold', { topic: 'two', partitions: 2 }] });
    const { bootstrapServers } = broker;
    cluster = new Cluster('local', { bootstrapServers });
    await using producer = new Producer({ bootstrapServers });
    await producer.sendBatch(
      Array.from({ length: RECORDS }, (_, n) => ({
        topic: 'slow',
        value: `${NEEDLES.includes(n) ? 'needle' : 'hay'} ${n}`.padEnd(100, '.'),
      })),
    );
    await producer.sendBatch([0, 1].map((partition) => ({ topic: 'two', partition, value: 'x' })));
  });
  afterAll(async () => {
    await cluster.close();
    await broker.close();
  });

  it.each(['beginning', 'newest'] as const)(
    'waits for it, from the %s, and does not tell that there is nothing',
    async (from) => {
      using _ = { [Symbol.dispose]: () => broker.clearFaults() };
      broker.delayNext('Fetch', SLOW_MS);
      const found = await read(cluster, 'slow', { from, search: 'needle', searchAs: 'text' });
      expect(found).toMatchObject({ scanned: RECORDS, total: RECORDS, cursor: null, unread: [] });
      expect(found.places.toSorted()).toEqual(NEEDLES.map((offset) => `0:${offset}`).toSorted());
    },
  );

  it.each(['beginning', 'newest'] as const)(
    'says after a while that it could not be read, from the %s, and goes on from there',
    async (from) => {
      const plan = { from, search: 'needle', searchAs: 'text' } as const;
      const hold = broker.holdNext('Fetch', { times: 1000 });
      const stopped = await read(cluster, 'slow', plan, 500);
      expect(stopped).toMatchObject({ scanned: 0, unread: [{ partition: 0, why: 'noAnswer' }], places: [] });
      hold.remove();
      const rest = await read(cluster, 'slow', { ...plan, cursor: stopped.cursor ?? '' });
      expect(rest).toMatchObject({ cursor: null, unread: [] });
      expect(rest.places).toHaveLength(NEEDLES.length);
    },
  );

  it('says of one record that it could not be read, which is not that there is none', async () => {
    const place = { topic: 'slow', partition: 0, offset: 3 };
    broker.delayNext('Fetch', SLOW_MS);
    expect(String((await readRecord(cluster, place)).rawValue)).toContain('needle');
    broker.clearFaults();
    const hold = broker.holdNext('Fetch', { times: 1000 });
    await expect(readRecord(cluster, place, { patienceMs: 500 })).rejects.toMatchObject({ code: 'CONSOLE_NOT_READ' });
    hold.remove();
    await expect(readRecord(cluster, { ...place, offset: RECORDS })).rejects.toMatchObject({
      code: 'CONSOLE_NOT_FOUND',
    });
  });

  it('names the partitions that nobody could ask where they end', async () => {
    const hold = broker.holdNext('ListOffsets', { times: 1000 });
    const found = await read(cluster, 'two', { from: 'beginning' });
    hold.remove();
    const unread = [0, 1].map((partition) => ({ partition, why: 'noAnswer' }));
    expect(found).toMatchObject({ total: 0, cursor: null, unread, places: [] });
    expect((await read(cluster, 'two', { from: 'beginning' })).places).toEqual(['0:0', '1:0']);
  });

  it('and so does a reset, which moves nothing of a topic of which it would leave some out', async () => {
    await cluster.admin.alterGroupOffsets('billing', [{ topic: 'two', partition: 0, offset: 1 }]);
    const move = { group: 'billing', topic: 'two', dryRun: false };
    broker.failNext('ListOffsets', 'NOT_LEADER_OR_FOLLOWER', { times: 1000 });
    await expect(resetOffsets(cluster, { ...move, to: 'earliest' })).rejects.toMatchObject({
      code: 'CONSOLE_NOT_READ',
    });
    const byHand = [{ partition: 1, offset: 0 }];
    await expect(resetOffsets(cluster, { ...move, to: 'each', offsets: byHand })).rejects.toThrow('partition 1 of two');
    broker.clearFaults();
    expect(await cluster.admin.listGroupOffsets('billing')).toMatchObject([{ partition: 0, offset: 1 }]);
    expect(await resetOffsets(cluster, { ...move, to: 'earliest' })).toHaveLength(2);
  });

  it('does not wait where the last offsets hold no record that anybody sees', async () => {
    const { bootstrapServers } = broker;
    await using producer = new Producer({ bootstrapServers, transactionalId: 'sold' });
    await producer.transaction((transaction) => transaction.send({ topic: 'sold', value: 'x' }));
    const beganMs = performance.now();
    expect(await read(cluster, 'sold', { from: 'beginning' })).toMatchObject({
      total: 2,
      cursor: null,
      unread: [],
      places: ['0:0'],
    });
    expect(performance.now() - beganMs).toBeLessThan(1500);
  });

  it('is over where its leader says that there is nothing up to the end, and not where it has not come so far', async () => {
    const at = (offset: number, end: number) => holdsNothingFrom(cluster, { topic: 'slow', partition: 0, offset }, end);
    expect(await at(RECORDS, RECORDS)).toBe(true);
    expect(await at(RECORDS, RECORDS + 1)).toBe(false);
    expect(await at(RECORDS - 1, RECORDS)).toBe(false);
    broker.failNext('Fetch', 'NOT_LEADER_OR_FOLLOWER', { times: 1000 });
    expect(await at(RECORDS, RECORDS)).toBe(false);
    broker.clearFaults();
  });
});

it('a read says which partitions have no leader, and reads them when they have one', async () => {
  const brokers = await startCluster({ config: { 'min.insync.replicas': 1 } });
  const { bootstrapServers } = brokers;
  const cluster = new Cluster('local', { bootstrapServers });
  const stop = new AbortController();
  try {
    await using admin = new Admin({ bootstrapServers });
    await admin.createTopics([{ topic: 'single', assignments: [[1], [2]] }]);
    await using producer = new Producer({ bootstrapServers });
    await producer.sendBatch([0, 0, 1].map((partition) => ({ topic: 'single', partition, value: 'x' })));
    await brokers.kill(2);
    await expect
      .poll(async () => (await admin.describeTopics(['single']))[0]?.partitions.map(({ leaderId }) => leaderId))
      .toEqual([1, -1]);
    const unread = [{ partition: 1, why: 'noLeader' }];
    const ways = await Promise.all(
      (['beginning', 'newest'] as const).map(async (from) => ({ from, page: await read(cluster, 'single', { from }) })),
    );
    for (const { page } of ways) expect(page).toMatchObject({ total: 2, unread });
    await expect(readRecord(cluster, { topic: 'single', partition: 1, offset: 0 })).rejects.toMatchObject({
      code: 'CONSOLE_NOT_READ',
    });
    const told: unknown[] = [];
    const heard: string[] = [];
    const plan = { from: 'newest' } as const;
    const tail = tailMessages(
      { cluster, topic: 'single', plan, signal: stop.signal, who: 'somebody', turns },
      {
        messages: (some) => void heard.push(...some.map(({ partition }) => String(partition))),
        marks: () => undefined,
        unread: (some) => void told.push(...some),
      },
    );
    await expect.poll(() => told).toEqual(unread);
    await brokers.start(2);
    await expect
      .poll(async () => {
        await producer.send({ topic: 'single', partition: 1, value: 'y' }).catch(() => undefined);
        return heard;
      })
      .toContain('1');
    for (const { from, page } of ways) {
      const rest = await read(cluster, 'single', { from, cursor: page.cursor ?? '' });
      expect(rest).toMatchObject({ cursor: null, unread: [] });
      expect(rest.places).toContain('1:0');
      expect(rest.places.filter((place) => place.startsWith('0'))).toEqual([]);
    }
    stop.abort();
    await tail;
  } finally {
    stop.abort();
    await cluster.close();
    await brokers.close();
  }
}, 60_000);
