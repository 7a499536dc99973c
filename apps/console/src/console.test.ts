import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { messagePackSerde } from '@millrace/serdes';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, CHANGE_HEADER, type MessagePage, type ResetRow, type Route } from './api/contract.ts';
import { type Console, type ConsoleOptions, createConsole } from './index.ts';
import { openTriedBroker, type TriedCluster } from './testing/test-cluster.ts';

let broker: TriedCluster<TestBroker>;
let console: Console;
let port: number;

beforeAll(async () => {
  broker = await openTriedBroker([{ topic: 'orders', partitions: 3 }, 'hostile', 'binary', 'numbered', 'copies']);
  console = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } } });
  port = await console.listen({ port: 0 });
});
afterAll(async () => {
  await console.close();
  await broker.close();
});

/** Whoever looks within the same moment is given the same look. */
const LOOK = { timeout: 20_000 };

interface Asked {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

function ask(
  path: string,
  given: { method?: string; headers?: Record<string, string>; body?: unknown; at?: number } = {},
): Promise<Asked> {
  const { method = 'GET', headers = {}, body, at = port } = given;
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port: at, host: '127.0.0.1', path, method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() }),
      );
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function get<R extends Route>(_route: R, path: string): Promise<Api[R]['answer']> {
  const { status, text } = await ask(`/api/clusters/local${path}`);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

function change(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Asked> {
  return ask(`/api/clusters/local${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1', ...headers },
    body,
  });
}

async function messages(topic: string, query: string): Promise<MessagePage> {
  return get('GET /api/clusters/:cluster/topics/:topic/messages', `/topics/${topic}/messages?${query}`);
}

async function withConsole(options: Partial<ConsoleOptions>, work: (at: number) => Promise<void>): Promise<void> {
  const other = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } }, ...options });
  try {
    await work(await other.listen({ port: 0 }));
  } finally {
    await other.close();
  }
}

async function produce(
  records: readonly { topic: string; value: string | Buffer | null; partition?: number; key?: string }[],
) {
  await using producer = new Producer({ bootstrapServers: broker.bootstrapServers, requestBytesMax: 12 * 1024 * 1024 });
  await producer.sendBatch([...records]);
}

describe('what it shows', () => {
  it('tells brokers, topics and the map of partitions', async () => {
    const overview = await get('GET /api/clusters/:cluster/overview', '/overview');
    expect(overview.brokers).toHaveLength(1);
    expect(overview.brokers[0]).toMatchObject({ isUp: true, isController: true });
    expect(overview.map.find(({ topic }) => topic === 'orders')?.partitions).toHaveLength(3);
  });

  it('lists topics with their records, and groups with their lag beside them', async () => {
    await produce(Array.from({ length: 12 }, (_, n) => ({ topic: 'orders', value: `order ${n}`, partition: n % 3 })));
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await admin.alterGroupOffsets('billing', [{ topic: 'orders', partition: 0, offset: 1 }]);
    await expect
      .poll(async () => {
        const figures = await get('GET /api/clusters/:cluster/topic-figures', '/topic-figures');
        return figures.find(({ topic }) => topic === 'orders');
      }, LOOK)
      .toMatchObject({ records: { known: 12, unknown: 0 }, cleanup: 'delete', groups: [{ group: 'billing', lag: 3 }] });
    const topics = await get('GET /api/clusters/:cluster/topics', '/topics');
    expect(topics.find(({ topic }) => topic === 'orders')).toMatchObject({ partitions: 3, replication: 1, offline: 0 });
    const readers = await get('GET /api/clusters/:cluster/topics/:topic/readers', '/topics/orders/readers');
    expect(readers).toEqual([{ group: 'billing', lag: 3 }]);
    const { partitions } = await get('GET /api/clusters/:cluster/topics/:topic', '/topics/orders');
    expect(partitions[0]).toMatchObject({ leader: 1, start: 0, end: 4 });
    expect(partitions[0]?.dirs).toMatchObject([{ broker: 1, bytes: partitions[0]?.bytes, behind: 0, isFuture: false }]);
    expect(partitions[0]?.bytes).toBeGreaterThan(0);
  });

  it('tells a group without commits from one without lag', async () => {
    await using consumer = new Consumer({
      bootstrapServers: broker.bootstrapServers,
      groupId: 'idle',
      autoCommit: false,
    });
    consumer.subscribe('numbered');
    const reading = consumer[Symbol.asyncIterator]().next();
    await consumer.joined;
    await expect
      .poll(async () => {
        const { groups } = await get('GET /api/clusters/:cluster/groups', '/groups');
        return groups.find(({ group }) => group === 'idle');
      }, LOOK)
      .toMatchObject({ state: 'Stable', members: 1, lag: null });
    const group = await get('GET /api/clusters/:cluster/groups/:group', '/groups/idle');
    expect(group.offsets).toMatchObject([{ topic: 'numbered', partition: 0, committed: null, lag: null }]);
    await consumer.close();
    await reading.catch(() => undefined);
  });

  it('tells configs with where they come from', async () => {
    const configs = await get('GET /api/clusters/:cluster/topics/:topic/configs', '/topics/orders/configs');
    expect(configs.find(({ name }) => name === 'cleanup.policy')).toMatchObject({ value: 'delete', source: 'default' });
  });

  it('says in words that there is no such topic, cluster or route', async () => {
    expect(await ask('/api/clusters/local/topics/none')).toMatchObject({ status: 404 });
    expect(await ask('/api/clusters/elsewhere/overview')).toMatchObject({ status: 404 });
    expect((await ask('/api/what')).text).toContain('CONSOLE_NOT_FOUND');
    const broker = await ask('/api/clusters/local/brokers/9/configs');
    expect(broker).toMatchObject({ status: 404, text: expect.stringContaining('Broker 9 is not in local') });
  });

  it('refuses an address that cannot be read in its own words', async () => {
    const { status, text, headers } = await ask('/api/clusters/%zz/topics');
    expect({ status, ...JSON.parse(text) }).toEqual({
      status: 400,
      code: 'CONSOLE_BAD_REQUEST',
      said: { word: 'badAddress', values: {} },
      message: expect.stringContaining('%'),
    });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
  });
});

describe('messages', () => {
  it('are read page by page to the last one, in both directions, each once', async () => {
    await produce(Array.from({ length: 25 }, (_, n) => ({ topic: 'numbered', value: String(n).padStart(4, 'n') })));
    for (const from of ['beginning', 'newest']) {
      const seen: number[] = [];
      let cursor: string | null = null;
      do {
        const page: MessagePage = await messages(
          'numbered',
          `from=${from}&limit=10${cursor === null ? '' : `&cursor=${cursor}`}`,
        );
        seen.push(...page.messages.map(({ offset }) => offset));
        cursor = page.cursor;
      } while (cursor !== null);
      const expected = Array.from({ length: 25 }, (_, n) => (from === 'newest' ? 24 - n : n));
      expect(seen).toEqual(expected);
    }
  });

  it('of several partitions come newest first, and no page leaves one out', async () => {
    const seen = new Set<string>();
    let cursor: string | null = null;
    do {
      const page: MessagePage = await messages(
        'orders',
        `from=newest&limit=5${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      for (const { partition, offset } of page.messages) seen.add(`${partition}-${offset}`);
      cursor = page.cursor;
    } while (cursor !== null);
    expect(seen.size).toBe(12);
  });

  it('are found by text, expression and script', async () => {
    const found = async (query: string) =>
      (await messages('numbered', `from=beginning&${query}`)).messages.map(({ offset }) => offset);
    expect(await found('search=NN17')).toEqual([17]);
    expect(await found('search=n2%5B0-1%5D%24&searchAs=regex')).toEqual([20, 21]);
    expect(await found('search=value.endsWith("5")&searchAs=javascript')).toEqual([5, 15]);
  });

  it('are found by a path into their JSON, and one that is none is refused in words', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await admin.createTopics([{ topic: 'documents' }]);
    const packed = messagePackSerde().serialize({ total: 30 }, 'documents', 'value');
    await produce([
      { topic: 'documents', value: '{"total":5}' },
      { topic: 'documents', value: '{"total":20}' },
      { topic: 'documents', value: 'total: 40' },
      { topic: 'documents', value: Buffer.from(packed ?? []) },
    ]);
    const search = (path: string): string => `from=beginning&searchAs=jsonpath&search=${encodeURIComponent(path)}`;
    const page = await messages('documents', search('$.total > 10'));
    expect(page.messages.map(({ offset }) => offset)).toEqual([1, 3]);
    expect(page.messages[1]?.value).toMatchObject({ shape: 'msgpack', text: '{"total":30}' });
    const refused = await ask(`/api/clusters/local/topics/documents/messages?${search('total > 10')}`);
    expect(refused).toMatchObject({ status: 400 });
    expect(refused.text).toContain('a path begins with $');
  });

  it('that are scripts, bytes or numbers come as what they are', async () => {
    await produce([
      { topic: 'binary', value: '<script>alert(1)</script>' },
      { topic: 'binary', value: Buffer.from([255, 254, 0, 1, 2]) },
      { topic: 'binary', value: '{"a":1}' },
      { topic: 'binary', value: null },
      { topic: 'binary', value: Buffer.from([0, 0, 0, 0, 0, 0, 1, 0]) },
    ]);
    const { messages: read } = await messages('binary', 'from=beginning');
    expect(read.map(({ value }) => value.shape)).toEqual(['text', 'hex', 'json', 'null', 'number']);
    expect(read[4]?.value.text).toBe('256');
  });

  it('of 10 MB are cut in lists, and come whole as a file', async () => {
    const bytes = 10 * 1024 * 1024;
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await admin.alterConfigs([{ type: 'topic', name: 'hostile', set: { 'max.message.bytes': bytes + 1000 } }]);
    await expect
      .poll(async () => {
        const [described] = await admin.describeConfigs([{ type: 'topic', name: 'hostile' }]);
        return described?.entries.find(({ name }) => name === 'max.message.bytes')?.value;
      }, LOOK)
      .toBe(String(bytes + 1000));
    await produce([{ topic: 'hostile', value: Buffer.alloc(bytes, 'x') }]);
    const page = await messages('hostile', 'from=beginning');
    expect(page.messages[0]?.value).toMatchObject({ bytes, isCut: true });
    expect(JSON.stringify(page).length).toBeLessThan(10_000);
    const raw = await ask('/api/clusters/local/topics/hostile/messages/0/0/raw/value');
    expect(raw.text.length).toBe(bytes);
    expect(raw.headers['content-disposition']).toContain('attachment');
  });
});

describe('filters that mean harm', () => {
  it.each([
    ['never end', 'while (true) {} return true'],
    ['take all memory', '(() => { const a = []; for (;;) a.push(new Array(100000).fill(1)) })()'],
  ])('that %s are ended, and say so', async (_what, script) => {
    const path = `/topics/numbered/messages?from=beginning&searchAs=javascript&search=${encodeURIComponent(script)}`;
    const answer = await ask(`/api/clusters/local${path}`);
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.text).toContain('CONSOLE_FILTER_FAILED');
  });

  it('that catastrophically backtrack are ended', async () => {
    await produce([{ topic: 'copies', value: `${'a'.repeat(60)}!` }]);
    const search = encodeURIComponent('^(a+)+$');
    const answer = await ask(
      `/api/clusters/local/topics/copies/messages?from=beginning&searchAs=regex&search=${search}`,
    );
    expect(answer.text).toContain('CONSOLE_FILTER_FAILED');
  });

  it('see nothing of the process', async () => {
    const script = encodeURIComponent(
      'return typeof process === "undefined" && typeof require === "undefined" && ' +
        'this.constructor.constructor("return typeof process")() === "undefined"',
    );
    const page = await messages('numbered', `from=beginning&limit=1&searchAs=javascript&search=${script}`);
    expect(page.messages).toHaveLength(1);
  });
});

describe('changes', () => {
  it('makes a topic, expands it, sets a config, empties and deletes it, and the cluster knows', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    const made = await change('/topics', { topic: 'made', partitions: 2, configs: { 'retention.ms': '1000' } });
    expect(made.text).toBe('{"topic":"made"}');
    await change('/topics/made/partitions', { count: 4 });
    await change('/topics/made/configs', { set: { 'segment.bytes': '2000000' }, unset: ['retention.ms'] });
    // A broker of Apache Kafka hears of a change a moment after its controller has made it.
    const count = async () => (await admin.describeTopics(['made']))[0]?.partitions.length;
    await expect.poll(count, LOOK).toBe(4);
    const own = async () => {
      const [configs] = await admin.describeConfigs([{ type: 'topic', name: 'made' }]);
      return configs?.entries.filter(({ source }) => source === 'topic').map(({ name, value }) => [name, value]);
    };
    await expect.poll(own, LOOK).toEqual([['segment.bytes', '2000000']]);
    await produce([{ topic: 'made', value: 'x', partition: 0 }]);
    expect((await change('/topics/made/empty', { confirm: 'made' })).status).toBe(200);
    const [start] = await admin.listOffsets([{ topic: 'made', partition: 0, at: 'earliest' }]);
    expect(start?.offset).toBe(1);
    expect((await change('/topics/made/delete', { confirm: 'mad' })).text).toContain('CONSOLE_NOT_CONFIRMED');
    expect(await admin.listTopics()).toContain('made');
    expect((await change('/topics/made/delete', { confirm: 'made' })).status).toBe(200);
    await expect.poll(() => admin.listTopics(), LOOK).not.toContain('made');
  });

  it('sends a record with headers and a tombstone, and copies one with all its bytes', async () => {
    const sent = await change('/topics/copies/messages', {
      key: 'k',
      value: null,
      headers: [{ name: 'trace', value: '7' }],
      partition: 0,
    });
    const { offset } = JSON.parse(sent.text);
    expect((await change(`/topics/copies/messages/0/${offset}/copy`, { to: 'copies' })).status).toBe(200);
    const page = await messages('copies', `from=offset&at=${offset}`);
    expect(page.messages).toHaveLength(2);
    for (const message of page.messages) {
      expect(message).toMatchObject({ key: { text: 'k' }, value: { shape: 'null' }, headers: [{ name: 'trace' }] });
    }
  });

  it('shows where a reset would go without going there, and then goes', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await admin.alterGroupOffsets('shifted', [{ topic: 'numbered', partition: 0, offset: 10 }]);
    const reset = (body: object) => change('/groups/shifted/reset', { topic: 'numbered', ...body });
    const plan = await reset({ to: 'shift', at: -4, dryRun: true });
    expect(JSON.parse(plan.text)).toEqual([{ topic: 'numbered', partition: 0, from: 10, to: 6 }]);
    expect(await admin.listGroupOffsets('shifted')).toMatchObject([{ offset: 10 }]);
    // By hand: what is beyond the end is the end, and a partition that nobody has named stays.
    const byHand = await reset({ to: 'each', offsets: [{ partition: 0, offset: 7 }], dryRun: false });
    expect(JSON.parse(byHand.text)).toEqual([{ topic: 'numbered', partition: 0, from: 10, to: 7 }]);
    expect(await admin.listGroupOffsets('shifted')).toMatchObject([{ offset: 7 }]);
    expect(JSON.parse((await reset({ to: 'each', offsets: [], dryRun: false })).text)).toEqual([]);
    const beyond = await reset({ to: 'each', offsets: [{ partition: 0, offset: 1000 }], dryRun: true });
    expect(JSON.parse(beyond.text)).toMatchObject([{ from: 7, to: 25 }]);
    await reset({ to: 'latest', dryRun: false });
    expect(await admin.listGroupOffsets('shifted')).toMatchObject([{ offset: 25 }]);
    expect((await reset({ to: 'each', offsets: [{ partition: 3, offset: 7 }], dryRun: true })).status).toBe(404);
    await change('/groups/shifted/forget', { topic: 'numbered' });
    expect(await admin.listGroupOffsets('shifted')).toEqual([]);
  });
});

describe('a reset that was shown', () => {
  it('goes where it was shown to go or nowhere: not on to a later end, and not over what others have committed', async () => {
    const { bootstrapServers } = broker;
    await using admin = new Admin({ bootstrapServers });
    const topic = 'shown';
    await admin.createTopics([{ topic, partitions: 2 }]);
    await produce(Array.from({ length: 5 }, () => ({ topic, value: 'x', partition: 0 })));
    await admin.alterGroupOffsets('movers', [{ topic, partition: 0, offset: 2 }]);
    const offset = async () =>
      (await admin.listGroupOffsets('movers')).find(({ partition }) => partition === 0)?.offset;
    const reset = (body: object) => change('/groups/movers/reset', { topic, ...body });
    const show = async (body: object): Promise<ResetRow[]> => JSON.parse((await reset({ ...body, dryRun: true })).text);
    const move = (rows: readonly ResetRow[]) =>
      reset({
        to: 'each',
        offsets: rows.map(({ partition, from, to }) => ({ partition, from, offset: to })),
        dryRun: false,
      });
    // The topic grows between the look and the move.
    const latest = await show({ to: 'latest' });
    expect(latest.map(({ from, to }) => [from, to])).toEqual([
      [2, 5],
      [null, 0],
    ]);
    await produce([{ topic, value: 'x', partition: 0 }]);
    expect((await move(latest)).status).toBe(200);
    expect(await offset()).toBe(5);
    // Somebody else commits.
    const back = await show({ to: 'shift', at: -3 });
    await admin.alterGroupOffsets('movers', [{ topic, partition: 0, offset: 4 }]);
    const refused = await move(back);
    expect(refused).toMatchObject({ status: 409, text: expect.stringContaining('partition 0 of shown would not go') });
    expect(await offset()).toBe(4);
    // Where it was to go is deleted.
    const first = await show({ to: 'earliest' });
    await admin.deleteRecords([{ topic, partition: 0, before: 3 }]);
    expect((await move(first)).status).toBe(409);
    expect(await offset()).toBe(4);
    // Two who have been shown the same: one of them moves it.
    const [down, up] = [await show({ to: 'earliest' }), await show({ to: 'latest' })];
    const both = await Promise.all([move(down), move(up)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(await offset()).toBe(both[0]?.status === 200 ? 3 : 6);
  });
});

describe('who may come in', () => {
  it('refuses names that others point here, and pages of other sites', async () => {
    expect(await ask('/api/session', { headers: { host: 'evil.example' } })).toMatchObject({ status: 403 });
    const origin = { origin: 'http://evil.example' };
    expect((await change('/topics', { topic: 'evil', configs: {} }, origin)).text).toContain('CONSOLE_FOREIGN_ORIGIN');
    const plain = await ask('/api/clusters/local/topics', { method: 'POST', body: { topic: 'evil' } });
    expect(plain.text).toContain('CONSOLE_FOREIGN_ORIGIN');
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    expect(await admin.listTopics()).not.toContain('evil');
  });

  it.each([{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }])(
    'has no page of another site ask anything, be it only for the time that it takes: %j',
    async (headers) => {
      for (const path of ['/topics', '/topics/orders/messages?from=newest', '/topics/orders/stream?from=newest']) {
        const answer = await ask(`/api/clusters/local${path}`, { headers });
        expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('CONSOLE_FOREIGN_ORIGIN') });
      }
      // A link to it may stand anywhere.
      expect(await ask('/local/topics', { headers: { ...headers, accept: 'text/html' } })).toMatchObject({
        status: 200,
      });
    },
  );

  it.each([
    ['{"topic":"evil","configs":{"__proto__":{"x":1}}}', 'application/json', 400, 'no JSON that can be taken'],
    ['{"topic":', 'application/json', 400, 'no JSON that can be taken'],
    ['', 'application/json', 400, 'no JSON that can be taken'],
    ['<topic/>', 'application/xml', 415, 'application/json'],
    [`{"topic":"${'x'.repeat(5 * 1024 * 1024)}"}`, 'application/json', 413, 'too large'],
  ])('says in its own words what it does not take: %#', async (body, type, status, why) => {
    const headers = { 'content-type': type, [CHANGE_HEADER]: '1' };
    const answer = await fetch(`http://localhost:${port}/api/clusters/local/topics`, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
    const told = (await answer.json()) as { code: string; message: string };
    expect(told).toMatchObject({ code: 'CONSOLE_BAD_REQUEST', message: expect.stringContaining(why) });
  });

  it('says of a partition that a topic does not have that it has not', async () => {
    const answer = await ask('/api/clusters/local/topics/orders/messages?from=newest&partition=99');
    expect(answer).toMatchObject({
      status: 404,
      text: expect.stringContaining('orders has no partition 99: its partitions are numbered from 0 to 2'),
    });
  });

  it('lets no page frame it and no script run that is not its own', async () => {
    const { headers } = await ask('/api/session');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['content-security-policy']).toMatch(/script-src 'self'(?:;|$)/);
  });

  it.each([
    ...[{ forwarded: 'for=192.0.2.9' }, { via: '1.1 proxy' }, { 'x-real-ip': '192.0.2.9' }],
    ...[{ 'x-forwarded-for': '192.0.2.9' }, { 'x-forwarded-proto': 'https' }, { 'x-client-ip': '192.0.2.9' }],
  ])(
    'takes nothing that a proxy on this machine brings from elsewhere while nobody has to log in: %j',
    async (brought) => {
      const headers = { host: `127.0.0.1:${port}`, ...brought };
      const [name = ''] = Object.keys(brought);
      for (const path of ['/api/session', '/local/topics', '/api/clusters/local/topics/orders/stream?from=newest']) {
        const answer = await ask(path, { headers });
        expect(answer).toMatchObject({ status: 403, text: expect.stringContaining(`brought this here (${name})`) });
      }
      const users = [{ name: 'ann', password: 'pw', role: 'viewer' as const }];
      await withConsole({ users }, async (at) => {
        const authorization = `Basic ${Buffer.from('ann:pw').toString('base64')}`;
        expect((await ask('/api/session', { at, headers: { ...headers, authorization } })).status).toBe(200);
      });
    },
  );

  it('takes nothing of a proxy that says nothing of itself but speaks as no browser does', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`GET /api/session HTTP/1.0\r\nHost: localhost\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (part) => {
        text += String(part);
      });
      socket.on('error', reject).on('close', () => resolve(text));
    });
    expect(answer).toContain('brought this here (HTTP/1.0)');
  });

  it('does not listen where others reach it unless somebody has to log in', async () => {
    const open = await createConsole({ clusters: {} });
    await expect(open.listen({ host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK',
    });
    await open.close();
  });

  it('asks for name and password, and lets roles do what they may', async () => {
    const users = [
      { name: 'eve', password: 'looks', role: 'viewer' as const },
      { name: 'ed', password: 'writes:and reads', role: 'editor' as const },
    ];
    await withConsole({ users }, async (at) => {
      const login = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
      const send = (text: string) =>
        ask('/api/clusters/local/topics/copies/messages', {
          at,
          method: 'POST',
          headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1', ...login(text) },
          body: { key: null, value: 'from a role', headers: [] },
        });
      expect(await ask('/api/session', { at })).toMatchObject({ status: 401 });
      expect(await ask('/', { at, headers: login('eve:wrong') })).toMatchObject({ status: 401 });
      expect((await ask('/api/session', { at, headers: login('eve:looks') })).text).toContain('"viewer"');
      expect((await send('eve:looks')).text).toContain('CONSOLE_FORBIDDEN');
      expect(await send('ed:writes:and reads')).toMatchObject({ status: 200 });
    });
  });

  it('changes nothing when it only shows', async () => {
    await withConsole({ isReadOnly: true }, async (at) => {
      const answer = await ask('/api/clusters/local/topics', {
        at,
        method: 'POST',
        headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1' },
        body: { topic: 'never', configs: {} },
      });
      expect(answer.text).toContain('CONSOLE_READ_ONLY');
    });
  });

  it('notes who has changed what, without what is in it', async () => {
    const lines: unknown[] = [];
    const note = (fields: unknown) => void lines.push(fields);
    const logger = { debug: note, info: note, warn: note, error: note, trace: note, fatal: note };
    await withConsole({ logger }, async (at) => {
      await ask('/api/clusters/local/topics/copies/messages', {
        at,
        method: 'POST',
        headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1' },
        body: { key: 'secret', value: 'secret', headers: [] },
      });
    });
    expect(lines).toContainEqual(expect.objectContaining({ audit: true, on: { cluster: 'local', topic: 'copies' } }));
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('notes whoever has changed something by his own name, whatever names are in what he sent', async () => {
    const lines: object[] = [];
    const note = (fields: object) => void lines.push(fields);
    const logger = { debug: note, info: note, warn: note, error: note, trace: note, fatal: note };
    const users = [{ name: 'ann', password: 'pw', role: 'admin' as const }];
    await withConsole({ logger, users }, async (at) => {
      await ask('/api/clusters/local/users', {
        at,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          [CHANGE_HEADER]: '1',
          authorization: `Basic ${Buffer.from('ann:pw').toString('base64')}`,
        },
        body: { user: 'eve', mechanism: 'SCRAM-SHA-256', password: 'secret', route: 'none', audit: false },
      });
    });
    expect(lines).toContainEqual(
      expect.objectContaining({
        audit: true,
        user: 'ann',
        route: 'POST /api/clusters/:cluster/users',
        on: { cluster: 'local', user: 'eve', mechanism: 'SCRAM-SHA-256' },
      }),
    );
  });
});

describe('the live tail', () => {
  it('shows every record of a burst, and ends with its reader', async () => {
    const seen: string[] = [];
    let wasHeard!: () => void;
    const heard = new Promise<void>((resolve) => {
      wasHeard = resolve;
    });
    const sent = httpRequest(
      { port, path: '/api/clusters/local/topics/orders/stream?from=newest&live=true' },
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          seen.push(...(part.match(/burst-\d+/g) ?? []));
          if (seen.length >= 500) wasHeard();
        });
      },
    );
    sent.on('error', () => undefined);
    sent.end();
    await new Promise((resolve) => sent.on('response', resolve));
    // The tail begins at the end as it is when it is asked for: what is sent before that is not of it.
    await expect
      .poll(async () => {
        await produce([{ topic: 'orders', value: 'burst-0', partition: 0 }]);
        return seen.length;
      }, LOOK)
      .toBeGreaterThan(0);
    await produce(Array.from({ length: 499 }, (_, n) => ({ topic: 'orders', value: `burst-${n + 1}` })));
    await heard;
    expect(new Set(seen).size).toBe(500);
    sent.destroy();
  });
});
