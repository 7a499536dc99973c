/** Files of all that a search finds, over HTTP: whole or visibly not, no more than the reader may see, and nothing that piles up. */
import { get, type IncomingMessage } from 'node:http';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { startCluster, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHANGE_HEADER, type ExportProgress } from './api/contract.ts';
import { SEARCHED_PART_BYTES_MAX } from './api/search-bounds.ts';
import { Cluster } from './clusters/cluster.ts';
import { type Console, createConsole } from './index.ts';
import { exportMessages } from './messages/export.ts';
import { readTurns } from './messages/turns.ts';
import { isElsewhere, openTriedBroker, type TriedCluster } from './testing/test-cluster.ts';

const ORDERS = 3000;
/** More than what lies between server and reader takes. */
const LARGE = 60;
const LARGE_BYTES = 900_000;
const ID = 'file-0001';
const users = [
  { name: 'ann', password: 'pw', role: 'admin' as const },
  {
    name: 'bo',
    password: 'pw',
    role: null,
    grants: [{ role: 'viewer' as const, on: 'topic' as const, pattern: 'orders' }],
  },
];

let broker: TriedCluster<TestBroker>;
let served: Console;
let port: number;

beforeAll(async () => {
  broker = await openTriedBroker([{ topic: 'orders', partitions: 3 }, 'cards', 'sold', 'large', 'longer']);
  const { bootstrapServers } = broker;
  await using producer = new Producer({ bootstrapServers });
  await producer.sendBatch(
    Array.from({ length: ORDERS }, (_, n) => ({
      topic: 'orders',
      partition: n % 3,
      key: `k${n}`,
      value: `{"id":${n}}`,
    })),
  );
  await producer.send({ topic: 'cards', key: 'c', value: '{"number":"4111","name":"eve"}' });
  for (let n = 0; n < LARGE; n += 1) await producer.send({ topic: 'large', value: 'x'.repeat(LARGE_BYTES) });
  const requestBytesMax = 4 * SEARCHED_PART_BYTES_MAX;
  await using packing = new Producer({ bootstrapServers, compression: 'gzip', requestBytesMax });
  await packing.send({ topic: 'longer', value: `${' '.repeat(SEARCHED_PART_BYTES_MAX)}{"id":7}` });
  await packing.send({ topic: 'longer', value: '{"id":7}' });
  await using seller = new Producer({ bootstrapServers, transactionalId: 'seller' });
  const aborted = await seller.begin();
  await aborted.send({ topic: 'sold', value: 'no' });
  await aborted.abort();
  const committed = await seller.begin();
  await committed.send({ topic: 'sold', value: 'yes' });
  await committed.commit();
  served = await createConsole({
    clusters: { local: { bootstrapServers } },
    users,
    masks: [{ topics: 'cards', fields: ['number'] }],
  });
  port = await served.listen({ port: 0 });
}, 60_000);
afterAll(async () => {
  await served.close();
  await broker.close();
});

const authorization = (user: string): string => `Basic ${btoa(`${user}:pw`)}`;
const pathOf = (topic: string, query: string): string => `/api/clusters/local/topics/${topic}/export?${query}`;

function answerTo(path: string, user = 'ann', at = port): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: at, path, headers: { authorization: authorization(user) } }, resolve).on(
      'error',
      reject,
    );
  });
}

/** The file, and whether its end came. */
async function fileAt(
  path: string,
  user?: string,
  at?: number,
): Promise<{ text: string; isWhole: boolean; status: number }> {
  const response = await answerTo(path, user, at).catch(() => undefined);
  if (response === undefined) return { text: '', isWhole: false, status: 0 };
  let text = '';
  response.setEncoding('utf8');
  try {
    for await (const part of response) text += part;
  } catch {
    // Broken off.
  }
  return { text, isWhole: response.complete, status: response.statusCode ?? 0 };
}

async function progress(topic: string, user = 'ann'): Promise<ExportProgress> {
  const url = `http://127.0.0.1:${port}/api/clusters/local/topics/${topic}/exports/${ID}`;
  const response = await fetch(url, { headers: { authorization: authorization(user) } });
  return (await response.json()) as ExportProgress;
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('a file of all that is found', () => {
  it('holds every message, each partition in its order, far beyond a page', async () => {
    const { text, isWhole } = await fileAt(pathOf('orders', `from=newest&format=jsonl&id=${ID}`));
    expect(isWhole).toBe(true);
    const all = lines(text);
    expect(all.map(({ value }) => value).toSorted()).toEqual(
      Array.from({ length: ORDERS }, (_, n) => `{"id":${n}}`).toSorted(),
    );
    for (const partition of [0, 1, 2]) {
      const offsets = all.filter((each) => each['partition'] === partition).map(({ offset }) => offset);
      expect(offsets).toEqual(Array.from({ length: ORDERS / 3 }, (_, n) => n));
    }
    const whole = { state: 'done', scanned: ORDERS, total: ORDERS, found: ORDERS, bytes: Buffer.byteLength(text) };
    expect(await progress('orders')).toEqual({ ...whole, inPart: 0, bound: null, unread: [] });
    // What somebody takes down is nobody else's business.
    expect(await progress('orders', 'bo')).toMatchObject({ state: 'waiting', found: 0 });
  });

  it.each([
    ['text', 'search=%22id%22%3A299&searchAs=text', 11],
    ['path', 'search=%24.id%20%3E%202989&searchAs=jsonpath', 10],
    ['partition and offset', 'partition=1&at=990', 10],
  ])('holds what is found by %s, and nothing else', async (what, query, count) => {
    const from = what === 'partition and offset' ? 'offset' : 'beginning';
    const { text } = await fileAt(pathOf('orders', `from=${from}&format=csv&${query}`));
    const [head, ...rows] = text.trimEnd().split('\r\n');
    expect(head).toBe('partition,offset,timestamp,key,value,headers,notes,transaction');
    expect(rows).toHaveLength(count);
  });

  it('says what of it an expression has seen in part', async () => {
    const plan = `from=beginning&format=jsonl&id=${ID}&searchAs=regex&search=${encodeURIComponent('"id":7')}`;
    const { text, isWhole } = await fileAt(pathOf('longer', plan));
    expect(isWhole).toBe(true);
    expect(lines(text).map(({ offset }) => offset)).toEqual([1]);
    expect(await progress('longer')).toMatchObject({ state: 'done', scanned: 2, found: 1, inPart: 1 });
  });

  it('tells what became of transactions', async () => {
    const { text } = await fileAt(pathOf('sold', 'from=beginning&format=jsonl'));
    expect(lines(text)).toMatchObject([
      { value: 'no', transaction: 'aborted' },
      { value: 'yes', transaction: 'committed' },
    ]);
  });

  it('hides what is hidden, and is nothing to who may not read the topic', async () => {
    const { text } = await fileAt(pathOf('cards', 'from=beginning&format=jsonl'));
    expect(lines(text)[0]?.['value']).toBe('{"number":"•••","name":"eve"}');
    expect((await fileAt(pathOf('cards', 'from=beginning&format=jsonl&search=4111'))).text).toBe('');
    expect(await fileAt(pathOf('cards', 'from=beginning&format=jsonl'), 'bo')).toMatchObject({ status: 403 });
    expect(await fileAt(pathOf('orders', 'from=beginning&format=jsonl&limit=3'), 'bo')).toMatchObject({ status: 200 });
  });

  it('is cut at its bound, and says so', async () => {
    const { text, isWhole } = await fileAt(pathOf('orders', `from=beginning&format=jsonl&limit=10&id=${ID}`));
    expect({ count: lines(text).length, isWhole }).toEqual({ count: 10, isWhole: true });
    expect(await progress('orders')).toMatchObject({ state: 'done', found: 10, bound: 'records' });
    const cluster = new Cluster('local', { bootstrapServers: broker.bootstrapServers });
    let written = '';
    const { signal } = new AbortController();
    const request = {
      cluster,
      topic: 'orders',
      plan: { from: 'beginning' as const },
      signal,
      who: '',
      turns: readTurns(),
    };
    const end = await exportMessages(request, {
      format: 'jsonl',
      write: (part) => {
        written += part;
        return Promise.resolve();
      },
      progress: () => undefined,
      bytesMax: 2000,
    });
    await cluster.close();
    expect(end.bound).toBe('bytes');
    expect(written.length).toBeLessThanOrEqual(2000);
    expect(written.length).toBeGreaterThan(1800);
    expect(lines(written).length).toBeGreaterThan(5);
  });

  it('waits for a reader who is slow, and is broken off when somebody ends it', async () => {
    const response = await answerTo(pathOf('large', `from=beginning&format=jsonl&id=${ID}`));
    response.on('error', () => undefined);
    let before = -1;
    await expect
      .poll(
        async () => {
          const { bytes } = await progress('large');
          const isSame = bytes === before && bytes > 0;
          before = bytes;
          return isSame;
        },
        { interval: 500, timeout: 20_000 },
      )
      .toBe(true);
    expect(await progress('large')).toMatchObject({ state: 'running' });
    expect(before).toBeLessThan((LARGE * LARGE_BYTES) / 2);
    const url = `http://127.0.0.1:${port}/api/clusters/local/topics/large/exports/${ID}/stop`;
    const headers = { authorization: authorization('ann'), [CHANGE_HEADER]: '1', 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(200);
    await expect.poll(async () => (await progress('large')).state).toBe('stopped');
    response.resume();
    await expect.poll(() => response.closed).toBe(true);
    expect(response.complete).toBe(false);
  }, 60_000);

  it.skipIf(isElsewhere)(
    'does not end as a whole one where a partition cannot be read, unless it is wanted all the same',
    async () => {
      const cluster = await startCluster();
      const { bootstrapServers } = cluster;
      const other = await createConsole({ clusters: { local: { bootstrapServers } }, users });
      try {
        await using admin = new Admin({ bootstrapServers });
        const gone = cluster.brokerIds.find((id) => id !== cluster.controllerId) ?? 0;
        await admin.createTopics([{ topic: 'lone', assignments: [[gone], [cluster.controllerId]] }]);
        await using producer = new Producer({ bootstrapServers });
        await producer.sendBatch([0, 1].map((partition) => ({ topic: 'lone', partition, value: 'x' })));
        await cluster.kill(gone);
        await expect.poll(async () => (await admin.describeTopics(['lone']))[0]?.partitions[0]?.leaderId).toBe(-1);
        const at = await other.listen({ port: 0 });
        const plan = 'from=beginning&format=jsonl';
        expect(await fileAt(pathOf('lone', plan), 'ann', at)).toMatchObject({ isWhole: false });
        const partial = await fileAt(pathOf('lone', `${plan}&partial=true`), 'ann', at);
        expect(partial.isWhole).toBe(true);
        expect(lines(partial.text)).toMatchObject([{ partition: 1, value: 'x' }]);
      } finally {
        await other.close();
        await cluster.close();
      }
    },
    60_000,
  );
});
