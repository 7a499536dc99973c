/** What people and data do that should not: addresses that climb, messages of many headers, topics that go, two who change one thing. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Admin } from '@millrace/admin';
import { silentLogger } from '@millrace/client';
import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CHANGE_HEADER, type Message, type MessagePage } from './api/contract.ts';
import { Cluster } from './clusters/cluster.ts';
import { changeConfigs } from './clusters/configs.ts';
import { buildApp } from './server/app.ts';
import { Guard } from './server/guard.ts';
import { openTriedBroker, type TriedCluster } from './testing/test-cluster.ts';

/** Whoever looks within the same moment is given the same look. */
const LOOK = { timeout: 20_000 };
const PAGE = '<!doctype html><title>the page</title>';

let broker: TriedCluster<TestBroker>;
let cluster: Cluster;
let server: Server;
let port: number;

beforeAll(async () => {
  broker = await openTriedBroker(['many-headers', 'changed', 'going', { topic: 'filtered', partitions: 3 }]);
  cluster = new Cluster('local', { bootstrapServers: broker.bootstrapServers });
  const index = { type: 'text/html', bytes: Buffer.from(PAGE), zipped: Buffer.alloc(0), isImmutable: false };
  const app = await buildApp({
    clusters: new Map([['local', cluster]]),
    guard: new Guard({ users: [], isReadOnly: false, hosts: [] }),
    oidc: undefined,
    logger: silentLogger,
    version: '0',
    page: () => Promise.resolve(new Map([['/index.html', index]])),
  });
  server = createServer((request, response) => app.routing(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on a port, so the address is one of IP.
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await cluster.close();
  await broker.close();
});

/** Sends the path as it is: clients that are well-behaved would have made another of it. */
function ask(path: string, body?: unknown): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', [CHANGE_HEADER]: '1' };
    const method = body === undefined ? 'GET' : 'POST';
    const sent = httpRequest({ port, host: '127.0.0.1', path, method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe('an address that climbs out of the page', () => {
  it.each([
    '/../../../../etc/passwd',
    '/assets/../../../package.json',
    '/assets/..%2f..%2f..%2fpackage.json',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..\\..\\package.json',
    '/assets/%00/../../package.json',
    '//etc/passwd',
    '/__proto__',
    '/constructor/prototype',
  ])('leads to the page or nowhere: %s', async (path) => {
    const { status, text } = await ask(path);
    if (status === 200) expect(text).toBe(PAGE);
    else expect([400, 404]).toContain(status);
    expect(text).not.toMatch(/root:|"name"/);
  });

  it.each(['..%2f..', '%2e%2e', '__proto__', 'a%00b', '%f0%9f%92%a9'])('is no topic: %s', async (name) => {
    const { status, text } = await ask(`/api/clusters/local/topics/${name}`);
    expect([400, 404]).toContain(status);
    expect(JSON.parse(text)).toHaveProperty('code');
  });

  it('is no cluster by the name of what every object has', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(await ask(`/api/clusters/${name}/overview`)).toMatchObject({ status: 404 });
    }
  });
});

describe('a filter that breaks what all objects have', () => {
  const BREAKS =
    'Object.prototype.polluted = true; Array.prototype.map = null; Map.prototype.get = null; Promise.prototype.then = null; ' +
    'JSON.stringify = null; globalThis.postMessage = null;';

  const found = async (script: string): Promise<string[]> => {
    const query = `from=beginning&limit=100&searchAs=javascript&search=${encodeURIComponent(script)}`;
    const { status, text } = await ask(`/api/clusters/local/topics/filtered/messages?${query}`);
    expect(status, text).toBe(200);
    const { messages } = JSON.parse(text) as MessagePage;
    return messages.map(({ value }) => value.text).toSorted();
  };

  it('breaks nothing of the thread that goes on to the next records, nor of the filter that comes after it', async () => {
    const { bootstrapServers } = broker;
    await using producer = new Producer({ bootstrapServers });
    // Each partition comes by itself: the thread is asked several times by one filter.
    const partitions = [0, 1, 2];
    await producer.sendBatch(
      partitions.flatMap((partition) =>
        ['a', 'b'].map((name) => ({ topic: 'filtered', partition, value: `${name}${partition}` })),
      ),
    );
    expect(await found(`${BREAKS} return value.startsWith("b")`)).toEqual(['b0', 'b1', 'b2']);
    // Its own world is the filter's to break, and another's is another one.
    const isWhole =
      '({}).polluted === undefined && typeof [].map === "function" && typeof JSON.stringify === "function"';
    expect(await found(`return ${isWhole}`)).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2']);
    expect(await found(`${BREAKS} return ${isWhole}`)).toEqual([]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('a message of 100,000 headers', () => {
  it('is listed with the first, opened with more, and found by the last', async () => {
    const { bootstrapServers } = broker;
    await using producer = new Producer({ bootstrapServers, requestBytesMax: 4 * 1024 * 1024 });
    const headers = Array.from({ length: 100_000 }, (_, n) => ({ key: 'h', value: n === 99_999 ? 'needle' : 'v' }));
    await producer.send({ topic: 'many-headers', value: 'x', headers });
    const list = async (query: string): Promise<MessagePage> =>
      JSON.parse((await ask(`/api/clusters/local/topics/many-headers/messages?from=beginning${query}`)).text);
    const [message] = (await list('&search=needle')).messages;
    expect(message).toMatchObject({ headerCount: 100_000 });
    expect(message?.headers.length).toBeLessThan(100);
    const { text } = await ask('/api/clusters/local/topics/many-headers/messages/0/0');
    const opened: Message = JSON.parse(text);
    expect(opened.headers.length).toBeGreaterThan(100);
    expect(text.length).toBeLessThan(1024 * 1024);
  });
});

describe('a topic that is deleted while somebody looks at it', () => {
  it('is gone from the lists, is not found by its name, and the others are there', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    const read = ['going', 'changed'].map((topic) => ({ topic, partition: 0, offset: 0 }));
    await admin.alterGroupOffsets('reader', read);
    const topics = async (path: string) =>
      (JSON.parse((await ask(`/api/clusters/local/${path}`)).text) as { topic: string }[]).map(({ topic }) => topic);
    await expect.poll(() => topics('topics'), LOOK).toContain('going');
    await admin.deleteTopics(['going']);
    await expect.poll(() => topics('topics'), LOOK).not.toContain('going');
    await expect.poll(() => topics('topic-figures'), LOOK).toContain('changed');
    const answer = await ask('/api/clusters/local/topics/going');
    expect(answer).toMatchObject({ status: 404, text: expect.stringContaining('may have been deleted') });
    const page = await ask('/api/clusters/local/topics/going/messages?from=beginning');
    expect(page.status).toBe(404);
    expect((await ask('/api/clusters/local/groups/reader')).status).toBe(200);
  });
});

describe('two people who change the same config', () => {
  const path = '/api/clusters/local/topics/changed/configs';
  const set = (value: string, seen: string | null) =>
    ask(path, { set: { 'retention.ms': value }, unset: [], seen: { 'retention.ms': seen } });

  /** A broker of Apache Kafka hears of a change a moment after its controller has made it. */
  async function becomes(values: Readonly<Record<string, string>>): Promise<void> {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    const now = async () => {
      const [described] = await admin.describeConfigs([{ type: 'topic', name: 'changed' }]);
      const entries = described?.entries.filter(({ name }) => name in values) ?? [];
      return Object.fromEntries(entries.map(({ name, value }) => [name, value]));
    };
    await expect.poll(now, LOOK).toEqual(values);
  }

  it('do not undo one another unknowingly: the second is told what it is now', async () => {
    expect((await set('1000', '604800000')).status).toBe(200);
    const second = await set('2000', '604800000');
    expect(second).toMatchObject({ status: 409, text: expect.stringContaining('it is 1000 now') });
    expect((await set('2000', '1000')).status).toBe(200);
  });

  it('do not undo one another where they change it in the same moment: one of them does', async () => {
    const values = ['4001', '4002', '4003', '4004'];
    const before = '2000';
    const answers = await Promise.all(values.map((value) => set(value, before)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409]);
    const now = values[answers.findIndex(({ status }) => status === 200)] ?? '';
    for (const { status, text } of answers) if (status === 409) expect(text).toContain(`it is ${now} now`);
    await becomes({ 'retention.ms': now });
    expect((await set(before, now)).status).toBe(200);
    await becomes({ 'retention.ms': before });
  });

  it('do not undo one another where a broker that is asked has not heard of the first change yet', async () => {
    const cluster = new Cluster('behind', { bootstrapServers: broker.bootstrapServers });
    const topic = { type: 'topic', name: 'changed' } as const;
    const change = (value: string, seen: string) =>
      changeConfigs(cluster, topic, { set: { 'retention.ms': value }, unset: [], seen: { 'retention.ms': seen } });
    const stale = await cluster.admin.describeConfigs([topic]);
    await change('4005', '2000');
    const describe = vi.spyOn(cluster.admin, 'describeConfigs').mockResolvedValue(stale);
    await expect(change('4006', '2000')).rejects.toThrow('it is 4005 now');
    describe.mockRestore();
    await changeConfigs(cluster, topic, { set: {}, unset: ['retention.ms'] });
    await change('2000', '604800000');
    await cluster.close();
  });

  it('do not hinder one another where they change different ones', async () => {
    const other = ask(path, { set: { 'max.message.bytes': '5000' }, unset: [], seen: {} });
    expect([(await set('3000', '2000')).status, (await other).status]).toEqual([200, 200]);
    await becomes({ 'retention.ms': '3000', 'max.message.bytes': '5000' });
  });
});
