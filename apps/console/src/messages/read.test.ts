import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Message, MessageMark, ReadEnd, ReadPlan, ReadProgress } from '../api/contract.ts';
import { SEARCHED_PART_BYTES_MAX } from '../api/search-bounds.ts';
import { Cluster } from '../clusters/cluster.ts';
import { openTriedBroker, type TriedCluster } from '../testing/test-cluster.ts';
import { type ReadListener, readMessages, tailMessages } from './read.ts';
import { readTurns } from './turns.ts';

/** More than one fetch brings, and than a search from the newest on looks at before it looks further back. */
const RECORDS = 25_000;
const VALUE_CHARS = 150;
/** Longer than a path sees. */
const LONG = JSON.stringify({ filling: 'x'.repeat(SEARCHED_PART_BYTES_MAX), id: 7 });

describe('a read', () => {
  let broker: TriedCluster<TestBroker>;
  let cluster: Cluster;
  const turns = readTurns();

  beforeAll(async () => {
    broker = await openTriedBroker(['timed', 'many', 'tailed', 'long']);
    const { bootstrapServers } = broker;
    cluster = new Cluster('local', { bootstrapServers });
    await using producer = new Producer({ bootstrapServers });
    const timed = Array.from({ length: 10 }, (_, n) => ({
      topic: 'timed',
      value: String(n),
      timestamp: 1000 * (n + 1),
    }));
    const many = Array.from({ length: RECORDS }, (_, n) => ({
      topic: 'many',
      value: `hay ${n}`.padEnd(VALUE_CHARS, '.'),
    }));
    await producer.sendBatch([...timed, ...many]);
    // The broker takes what is small enough when it is compressed.
    await using packing = new Producer({ bootstrapServers, compression: 'gzip', requestBytesMax: 4 * LONG.length });
    for (let n = 0; n < 4; n += 1) await packing.send({ topic: 'long', value: n % 2 === 0 ? LONG : '{"id":7}' });
  });
  afterAll(async () => {
    await cluster.close();
    await broker.close();
  });

  function read(topic: string, plan: ReadPlan, listener: ReadListener, stop = new AbortController()) {
    return readMessages({ cluster, topic, plan, signal: stop.signal, who: 'somebody', turns }, listener);
  }

  it.each([
    [0, 0],
    [1000, 0],
    [4999, 4],
    [5000, 4],
    [5001, 5],
    [10_000, 9],
    [10_001, undefined],
  ])('from the time %d on begins with the very record, in the middle of a batch', async (at, first) => {
    const seen: number[] = [];
    const plan: ReadPlan = { from: 'time', at };
    await read('timed', plan, { messages: (some) => void seen.push(...some.map(({ offset }) => offset)) });
    expect(seen[0]).toBe(first);
    expect(seen).toHaveLength(first === undefined ? 0 : 10 - first);
  });

  it.each(['beginning', 'newest'] as const)('tells how far a search has come, from the %s', async (from) => {
    const told: ReadProgress[] = [];
    const plan: ReadPlan = { from, search: 'needle', searchAs: 'text' };
    const end = await read('many', plan, { progress: (progress) => void told.push(progress) });
    expect(end).toMatchObject({ scanned: RECORDS, total: RECORDS, cursor: null });
    expect(told[0]).toEqual({ scanned: 0, total: RECORDS, inPart: 0 });
    expect(told.length).toBeGreaterThan(2);
    expect(told.map(({ scanned }) => scanned)).toEqual(told.map(({ scanned }) => scanned).toSorted((a, b) => a - b));
    expect(told.every(({ total }) => total === RECORDS)).toBe(true);
  });

  it.each(['beginning', 'newest'] as const)(
    'ends where it is when nobody waits for it any more, from the %s',
    async (from) => {
      const stop = new AbortController();
      const plan: ReadPlan = { from, search: 'needle', searchAs: 'text' };
      const { scanned } = await read(
        'many',
        plan,
        { progress: ({ scanned: sofar }) => sofar > 0 && stop.abort() },
        stop,
      );
      expect(scanned).toBeGreaterThan(0);
      expect(scanned).toBeLessThan(RECORDS);
    },
  );

  it('finds page by page all that a text is in, whatever its case, and counts what it has passed over', async () => {
    const wanted = Array.from({ length: RECORDS }, (_, n) => n).filter((n) => `hay ${n}.`.includes('hay 24'));
    const limit = 400;
    const found: number[] = [];
    const ends: ReadEnd[] = [];
    let cursor: string | undefined;
    do {
      const plan: ReadPlan = { from: 'beginning', search: 'HAY 24', searchAs: 'text', limit, cursor };
      ends.push(await read('many', plan, { messages: (some) => void found.push(...some.map(({ offset }) => offset)) }));
      cursor = ends.at(-1)?.cursor ?? undefined;
    } while (cursor !== undefined);
    expect(found).toEqual(wanted);
    const lasts = [wanted[limit - 1] ?? 0, wanted[2 * limit - 1] ?? 0];
    expect(ends.map(({ scanned }) => scanned)).toEqual([
      (lasts[0] ?? 0) + 1,
      (lasts[1] ?? 0) - (lasts[0] ?? 0),
      RECORDS - (lasts[1] ?? 0) - 1,
    ]);
    expect(ends[0]?.cursor).toBe(`0-${(lasts[0] ?? 0) + 1}`);
  });

  it('finds the newest that a text is in, and goes on before them', async () => {
    const wanted = Array.from({ length: RECORDS }, (_, n) => RECORDS - 1 - n).filter((n) => String(n).includes('77'));
    const found: number[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < 2; pages += 1) {
      const plan: ReadPlan = { from: 'newest', search: '77', searchAs: 'text', limit: 100, cursor };
      const listener = { messages: (some: readonly Message[]) => void found.push(...some.map(({ offset }) => offset)) };
      cursor = (await read('many', plan, listener)).cursor ?? undefined;
    }
    expect(found).toEqual(wanted.slice(0, 200));
  });

  it.each(['beginning', 'newest'] as const)('says what a path has seen in part, from the %s', async (from) => {
    const found: number[] = [];
    const listener = { messages: (some: readonly Message[]) => void found.push(...some.map(({ offset }) => offset)) };
    const plan = { from, search: '$.id = 7', searchAs: 'jsonpath' } as const;
    expect(await read('long', plan, listener)).toMatchObject({ scanned: 4, inPart: 2 });
    expect(found.toSorted()).toEqual([1, 3]);
    // What lies behind a page belongs to the next.
    const page = await read('long', { ...plan, limit: 1 }, {});
    if (from === 'beginning') expect(page).toMatchObject({ scanned: 2, inPart: 1 });
    // Text is looked for in all of it.
    const text = await read('long', { from, search: '"id":7' }, {});
    expect(text).toMatchObject({ scanned: 4, inPart: 0 });
  });

  it('that goes on says what its search has seen in part', async () => {
    const stop = new AbortController();
    const plan = { from: 'newest', search: '$.id = 7', searchAs: 'jsonpath' } as const;
    const parts: number[] = [];
    const request = { cluster, topic: 'long', plan, signal: stop.signal, who: 'somebody', turns };
    const listener = { messages: () => undefined, marks: () => undefined, unread: () => undefined };
    const tail = tailMessages(request, { ...listener, inPart: (records) => void parts.push(records) });
    await using packing = new Producer({
      bootstrapServers: broker.bootstrapServers,
      compression: 'gzip',
      requestBytesMax: 4 * LONG.length,
    });
    await expect
      .poll(async () => {
        await packing.send({ topic: 'long', value: LONG });
        return parts[0];
      })
      .toBe(1);
    stop.abort();
    await tail;
  });

  it('that goes on tells a burst in parts, and asks for the outcome of what was sent in a transaction alone', async () => {
    const { bootstrapServers } = broker;
    const client = vi.spyOn(cluster, 'client', 'get');
    const parts: (readonly Message[])[] = [];
    const marks: MessageMark[] = [];
    const stop = new AbortController();
    const request = { cluster, topic: 'tailed', plan: { from: 'newest' } as const, who: 'somebody', turns };
    const tail = tailMessages(
      { ...request, signal: stop.signal },
      { messages: (some) => void parts.push(some), marks: (some) => void marks.push(...some), unread: () => undefined },
    );
    await using plain = new Producer({ bootstrapServers });
    // The tail begins at the end as it is when it is asked for.
    await expect
      .poll(async () => {
        await plain.send({ topic: 'tailed', value: 'first' });
        return parts.length;
      })
      .toBeGreaterThan(0);
    const burst = (): number => parts.flat().filter(({ value }) => value.text !== 'first').length;
    await plain.sendBatch(Array.from({ length: 450 }, (_, n) => ({ topic: 'tailed', value: String(n) })));
    await expect.poll(burst).toBe(450);
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(client).not.toHaveBeenCalled();
    await using transactional = new Producer({ bootstrapServers, transactionalId: 'tailed' });
    await transactional.transaction((transaction) => transaction.send({ topic: 'tailed', value: 'sold' }));
    await expect.poll(() => marks.map(({ transaction }) => transaction).at(-1)).toBe('committed');
    stop.abort();
    await tail;
    client.mockRestore();
  });
});
