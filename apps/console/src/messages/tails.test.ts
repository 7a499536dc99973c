/** Several who follow one topic: one reader for all of them, nobody waits for another, and nobody misses anything. */
import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message, TailGap } from '../api/contract.ts';
import { Cluster } from '../clusters/cluster.ts';
import { openTriedBroker, type TriedCluster } from '../testing/test-cluster.ts';
import { tailMessages } from './read.ts';
import { RESUMED_RECORDS_MAX, TailPlaces, tailBeginning } from './tail-places.ts';
import { tailsOf } from './tails.ts';
import { readTurns } from './turns.ts';

const RECORDS = 600;

describe('live tails of one topic', () => {
  let broker: TriedCluster<TestBroker>;
  let cluster: Cluster;
  let producer: Producer;
  const turns = readTurns();

  beforeAll(async () => {
    broker = await openTriedBroker([
      { topic: 'orders', partitions: 2 },
      { topic: 'slow', partitions: 2 },
      { topic: 'cut', partitions: 2 },
    ]);
    const { bootstrapServers } = broker;
    cluster = new Cluster('local', { bootstrapServers });
    producer = new Producer({ bootstrapServers });
  });
  afterAll(async () => {
    await producer.close();
    await cluster.close();
    await broker.close();
  });

  /** Follows; `may` is asked before anything more is taken. */
  async function follow(topic: string, search?: string, may: () => Promise<void> = async () => undefined) {
    const lists: (readonly Message[])[] = [];
    const stop = new AbortController();
    let begun: (() => void) | undefined;
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const request = { cluster, topic, plan: { from: 'newest', search } as const, signal: stop.signal, who: '', turns };
    const over = tailMessages(request, {
      messages: async (some) => {
        await may();
        lists.push(some);
      },
      marks: () => undefined,
      unread: () => begun?.(),
    });
    await isBegun;
    const values = (): string[] => lists.flat().map(({ value }) => value.text);
    return { lists, values, over, stop };
  }

  /** Follows from a place on; all that is told, in its order. */
  async function resume(topic: string, from?: string) {
    const heard: unknown[] = [];
    const places: string[] = [];
    const stop = new AbortController();
    const request = { cluster, topic, plan: { from: 'newest' } as const, signal: stop.signal, who: '', turns };
    const listener = {
      messages: (some: readonly Message[]) => void heard.push(...some.map(({ value }) => value.text)),
      marks: () => undefined,
      unread: () => undefined,
      gap: (gap: TailGap) => void heard.push(gap),
      place: (place: string) => void places.push(place),
    };
    const over = tailMessages(request, listener, from);
    await expect.poll(() => places.length).toBeGreaterThan(0);
    const leave = async (): Promise<string> => {
      stop.abort();
      await over;
      return places.at(-1) ?? '';
    };
    return { heard, leave };
  }

  const send = (topic: string, count: number, from = 0): Promise<unknown> =>
    producer.sendBatch(
      Array.from({ length: count }, (_, n) => ({ topic, partition: n % 2, value: `record ${from + n}` })),
    );
  const all = (count: number): string[] => Array.from({ length: count }, (_, n) => `record ${n}`).toSorted();

  it('have one reader, and are given the same, each what he searches for; the last one closes it', async () => {
    const [one, two, searching] = [await follow('orders'), await follow('orders'), await follow('orders', '7')];
    expect(tailsOf(cluster).size).toBe(1);
    await send('orders', RECORDS);
    for (const { values } of [one, two]) await expect.poll(() => values().toSorted()).toEqual(all(RECORDS));
    expect(one.lists.every((list) => two.lists.includes(list))).toBe(true);
    await expect.poll(() => searching.values().toSorted()).toEqual(all(RECORDS).filter((text) => text.includes('7')));
    one.stop.abort();
    await one.over;
    await send('orders', 2, RECORDS);
    await expect.poll(() => two.values().length).toBe(RECORDS + 2);
    expect(one.values()).toHaveLength(RECORDS);
    for (const { stop, over } of [two, searching]) {
      stop.abort();
      await over;
    }
    expect(tailsOf(cluster).size).toBe(0);
  });

  it('go on where they were cut off, with what has come meanwhile and partitions that were added', async () => {
    const first = await resume('cut');
    await send('cut', 4);
    await expect.poll(() => first.heard.length).toBe(4);
    const place = await first.leave();
    await send('cut', RECORDS, 4);
    await cluster.admin.createPartitions([{ topic: 'cut', count: 3 }]);
    await expect
      .poll(() => producer.send({ topic: 'cut', partition: 2, value: `record ${RECORDS + 4}` }).catch(() => undefined))
      .toBeDefined();
    const second = await resume('cut', place);
    await expect
      .poll(() => [...first.heard, ...second.heard].toSorted(), { timeout: 20_000 })
      .toEqual(all(RECORDS + 5));
    await second.leave();
    // Cut off before anything has come: it goes on where it began.
    const idle = await resume('cut');
    const begun = await idle.leave();
    await send('cut', 2, RECORDS + 5);
    const third = await resume('cut', begun);
    await expect.poll(() => third.heard.length).toBe(2);
    await third.leave();
  });

  it('say what they do not tell: more than is sent again, a topic that was made anew, a place that nobody could keep', () => {
    const readable = { ranges: [{ partition: 0, from: 0, to: 1000 }], unread: [] };
    const at = (offset: number) => [{ topic: 't', partition: 0, offset }];
    expect(tailBeginning('t', readable)).toEqual({ starts: at(1000), gap: undefined });
    expect(tailBeginning('t', readable, '0-990')).toEqual({ starts: at(990), gap: undefined });
    const [deleted] = [{ ...readable, ranges: [{ partition: 0, from: 995, to: 1000 }] }];
    expect(tailBeginning('t', deleted, '0-990')).toEqual({ starts: at(995), gap: { records: 5 } });
    const long = { ...readable, ranges: [{ partition: 0, from: 0, to: 5 + RESUMED_RECORDS_MAX }] };
    expect(tailBeginning('t', long, '0-1')).toEqual({ starts: at(5), gap: { records: 4 } });
    expect(tailBeginning('t', readable, '0-1001')).toEqual({ starts: at(1000), gap: { records: null } });
    const many = Array.from({ length: 10_000 }, (_, partition) => ({ topic: 't', partition, offset: 1_000_000 }));
    const place = String(new TailPlaces(many));
    expect(tailBeginning('t', readable, place)).toEqual({ starts: at(1000), gap: { records: null } });
    const leaderless = { ranges: [], unread: [{ partition: 0, why: 'noLeader' as const }] };
    expect(tailBeginning('t', leaderless, '0-7').starts).toEqual(at(7));
    const unknown = String(new TailPlaces([{ topic: 't', partition: 0 }]));
    expect(tailBeginning('t', readable, unknown)).toEqual({ starts: at(1000), gap: { records: null } });
    expect(() => tailBeginning('t', readable, 'nonsense')).toThrow(
      expect.objectContaining({ code: 'CONSOLE_BAD_REQUEST' }),
    );
  });

  it('do not wait for one who is slow, who gets everything all the same', async () => {
    const gate = Promise.withResolvers<void>();
    const [slow, quick] = [await follow('slow', undefined, () => gate.promise), await follow('slow')];
    for (let n = 0; n < 5; n += 1) await send('slow', RECORDS / 5, (n * RECORDS) / 5);
    await expect.poll(() => quick.values().toSorted()).toEqual(all(RECORDS));
    expect(slow.values()).toEqual([]);
    gate.resolve();
    await expect.poll(() => slow.values().toSorted()).toEqual(all(RECORDS));
    await send('slow', 2, RECORDS);
    for (const { values } of [slow, quick]) await expect.poll(() => values().toSorted()).toEqual(all(RECORDS + 2));
    for (const { stop, over } of [slow, quick]) {
      stop.abort();
      await over;
    }
  });
});
