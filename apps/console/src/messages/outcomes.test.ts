import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message, MessageMark } from '../api/contract.ts';
import { type Console, createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';
import { openTriedBroker, type TriedCluster } from '../testing/test-cluster.ts';
import { Marks, OPEN_MAX, TailMarks } from './outcomes.ts';

const LOOK = { timeout: 10_000 };

describe('the transactions of messages in a list', () => {
  let broker: TriedCluster<TestBroker>;
  let served: Console;
  let port: number;

  beforeAll(async () => {
    broker = await openTriedBroker([
      { topic: 'mixed', partitions: 2 },
      'undecided',
      'plain',
      { topic: 'live', partitions: 1 },
    ]);
    served = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } } });
    port = await served.listen({ port: 0 });
  });
  afterAll(async () => {
    await served.close();
    await broker.close();
  });

  async function list(topic: string, from: 'newest' | 'beginning', limit = 500): Promise<readonly Message[]> {
    const route = 'GET /api/clusters/:cluster/topics/:topic/messages';
    return (await askConsole({ port }, route, { cluster: 'local', topic, from, limit })).messages;
  }

  it('are told of each, however those of several producers lie among one another, and of large ones too', async () => {
    const { bootstrapServers } = broker;
    const producers = ['a', 'b', 'c'].map((id) => new Producer({ bootstrapServers, transactionalId: `mixed-${id}` }));
    const plain = new Producer({ bootstrapServers });
    // 60 records of up to 40 KB: one look holds a few of them, so that most begin in the middle of transactions.
    const large = 'x'.repeat(40_000);
    for (let round = 0; round < 6; round += 1) {
      const open = await Promise.all(producers.map((producer) => producer.begin()));
      for (let n = 0; n < 9; n += 1) {
        const [partition, which] = [n % 2, (n + round) % 3];
        const value = `${(round + which) % 2 === 0 ? 'committed' : 'aborted'} ${n % 4 === 0 ? large : ''}`;
        await open[which]?.send({ topic: 'mixed', partition, value });
      }
      await plain.send({ topic: 'mixed', partition: round % 2, value: 'none' });
      await Promise.all(open.map((each, which) => ((round + which) % 2 === 0 ? each.commit() : each.abort())));
    }
    await Promise.all([plain, ...producers].map((producer) => producer.close()));
    for (const from of ['newest', 'beginning'] as const) {
      const messages = await list('mixed', from);
      expect(messages).toHaveLength(60);
      for (const { value, transaction } of messages) expect(transaction ?? 'none').toBe(value.text.split(' ')[0]);
    }
    // A page that begins in the midst of it.
    for (const { value, transaction } of await list('mixed', 'newest', 7)) {
      expect(transaction ?? 'none').toBe(value.text.split(' ')[0]);
    }
  });

  it('are open until nothing before them is undecided', async () => {
    const { bootstrapServers } = broker;
    await using one = new Producer({ bootstrapServers, transactionalId: 'one' });
    await using other = new Producer({ bootstrapServers, transactionalId: 'other' });
    const before = await other.begin();
    await before.send({ topic: 'undecided', value: 'before' });
    await before.commit();
    const open = await one.begin();
    await open.send({ topic: 'undecided', value: 'open' });
    const aborted = await other.begin();
    await aborted.send({ topic: 'undecided', value: 'aborted' });
    await aborted.abort();
    const outcomes = async () => (await list('undecided', 'beginning')).map(({ transaction }) => transaction);
    expect(await outcomes()).toEqual(['committed', 'open', 'open']);
    await open.commit();
    expect(await outcomes()).toEqual(['committed', 'committed', 'aborted']);
  });

  it('are none of what was sent in none', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.sendBatch(['a', 'b'].map((value) => ({ topic: 'plain', value })));
    expect((await list('plain', 'newest')).map(({ transaction }) => transaction)).toEqual([undefined, undefined]);
  });

  it('are told to a live tail when they are decided, which is after it has shown them', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers, transactionalId: 'live' });
    const stop = new AbortController();
    const url = `http://localhost:${port}/api/clusters/local/topics/live/stream?from=newest&live=true`;
    const response = await fetch(url, { signal: stop.signal });
    const told = new Set<string>();
    const transaction = await producer.begin();
    let isSeen = false;
    const heard = (async () => {
      let text = '';
      for await (const part of response.body ?? []) {
        text += Buffer.from(part).toString();
        isSeen ||= text.includes('event: messages');
        for (const [, outcome = ''] of text.matchAll(/"transaction":"(\w+)"/g)) told.add(outcome);
        if (told.has('aborted')) return;
      }
    })();
    // The tail begins at the end as it is when it is asked for: something is sent until it is seen.
    await expect
      .poll(async () => {
        if (!isSeen) await transaction.send({ topic: 'live', value: 'never mind' });
        return told.has('open');
      }, LOOK)
      .toBe(true);
    await transaction.abort();
    await heard;
    stop.abort();
    expect([...told]).toEqual(['open', 'aborted']);
  });
});

describe('what is looked at while a read goes on', () => {
  const places = (...offsets: number[]) => offsets.map((offset) => ({ partition: 0, offset }));
  const marked = (some: readonly { partition: number; offset: number }[], transaction: MessageMark['transaction']) =>
    some.map((place) => ({ ...place, transaction }));

  it('is gathered while another look goes on, and told before the read ends', async () => {
    const looks: number[] = [];
    const told: MessageMark[] = [];
    const marks = new Marks(
      (some) => {
        looks.push(some.length);
        return Promise.resolve(marked(some, 'aborted'));
      },
      (some) => void told.push(...some),
    );
    for (let offset = 0; offset < 10; offset += 1) marks.add(places(offset));
    await marks.settled();
    expect(looks).toEqual([1, 9]);
    expect(told).toHaveLength(10);
    marks.add(places(10));
    await marks.settled();
    expect(told).toHaveLength(11);
  });

  it('ends no read when the cluster does not tell', async () => {
    const marks = new Marks(
      () => Promise.reject(new Error('gone')),
      () => undefined,
    );
    marks.add(places(1));
    await expect(marks.settled()).resolves.toBeUndefined();
  });

  it('of a live tail is no more than the newest that are open', async () => {
    const looks: number[] = [];
    const look = (some: readonly { partition: number; offset: number }[]) => {
      looks.push(some.length);
      return Promise.resolve(marked(some, 'open'));
    };
    const tail = new TailMarks(look, () => undefined, 5);
    try {
      tail.add(places(...Array.from({ length: OPEN_MAX * 2 }, (_, n) => n)));
      tail.add(places(...Array.from({ length: OPEN_MAX }, (_, n) => n + OPEN_MAX * 2)));
      await expect.poll(() => looks.length).toBeGreaterThan(3);
      expect(Math.max(...looks)).toBe(OPEN_MAX);
    } finally {
      tail.close();
    }
  });
});
