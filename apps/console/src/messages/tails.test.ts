/** Several who follow one topic: one reader for all of them, nobody waits for another, and nobody misses anything. */
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../api/contract.ts';
import { Cluster } from '../clusters/cluster.ts';
import { tailMessages } from './read.ts';
import { tailsOf } from './tails.ts';
import { readTurns } from './turns.ts';

const RECORDS = 600;

describe('live tails of one topic', () => {
  let broker: TestBroker;
  let cluster: Cluster;
  let producer: Producer;
  const turns = readTurns();

  beforeAll(async () => {
    broker = await startBroker({
      topics: [
        { topic: 'orders', partitions: 2 },
        { topic: 'slow', partitions: 2 },
      ],
    });
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
