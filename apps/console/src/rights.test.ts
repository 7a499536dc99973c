/** Roles by pattern, hidden fields and the history of groups, over HTTP. */
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CHANGE_HEADER,
  type GroupDetail,
  type GroupHistory,
  type GroupList,
  type MessagePage,
  type Session,
} from './api/contract.ts';
import { type Console, createConsole } from './index.ts';
import { openTriedBroker, type TriedCluster } from './testing/test-cluster.ts';

const users = [
  {
    name: 'bo',
    password: 'pw',
    role: null,
    grants: [
      { role: 'viewer' as const, on: 'topic' as const, pattern: 'orders-*' },
      { role: 'editor' as const, on: 'topic' as const, pattern: 'orders-eu' },
      { role: 'editor' as const, on: 'group' as const, pattern: 'billing' },
      { role: 'viewer' as const, on: 'group' as const, pattern: 'both*' },
    ],
  },
  { name: 'ann', password: 'pw', role: 'admin' as const },
];

let broker: TriedCluster<TestBroker>;
let console: Console;
let port: number;

beforeAll(async () => {
  broker = await openTriedBroker(['orders-eu', 'orders-us', 'payments']);
  const { bootstrapServers } = broker;
  await using admin = new Admin({ bootstrapServers });
  await admin.alterGroupOffsets('billing', [
    { topic: 'orders-eu', partition: 0, offset: 0 },
    { topic: 'payments', partition: 0, offset: 0 },
  ]);
  await admin.alterGroupOffsets('audit', [{ topic: 'orders-eu', partition: 0, offset: 0 }]);
  await using producer = new Producer({ bootstrapServers });
  await producer.sendBatch([
    { topic: 'orders-eu', value: 'one' },
    { topic: 'payments', key: 'k', value: '{"iban":"DE-SECRET","total":7}' },
    { topic: 'payments', value: 'DE-SECRET in the open' },
  ]);
  const masks = [{ topics: 'pay*', fields: ['iban'] }];
  console = await createConsole({ clusters: { local: { bootstrapServers } }, users, masks });
  port = await console.listen({ port: 0 });
});
afterAll(async () => {
  await console.close();
  await broker.close();
});

async function ask(user: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:pw`).toString('base64')}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json', [CHANGE_HEADER]: '1' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

async function read<T>(user: string, path: string): Promise<T> {
  const { status, text } = await ask(user, path);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

describe('roles by pattern', () => {
  it('show of every list what somebody may see, and say so in the session', async () => {
    // Clusters tell topics in an order of their own.
    const names = async (path: string) =>
      (await read<Record<string, string>[]>('bo', `clusters/local/${path}`)).map(({ topic }) => topic).toSorted();
    expect(await names('topics')).toEqual(['orders-eu', 'orders-us']);
    expect(await names('topic-figures')).toEqual(['orders-eu', 'orders-us']);
    const { groups } = await read<GroupList>('bo', 'clusters/local/groups');
    expect(groups.map(({ group }) => group)).toEqual(['billing']);
    expect((await ask('bo', 'clusters/local/topic-figures')).text).not.toContain('audit');
    expect((await ask('bo', 'clusters/local/topics/orders-eu/readers')).text).not.toContain('audit');
    expect((await ask('bo', 'clusters/local/groups')).text).not.toContain('payments');
    expect(await read<Session>('bo', 'session')).toMatchObject({ role: null, grants: users[0]?.grants });
    expect((await read<GroupList>('ann', 'clusters/local/groups')).groups.length).toBe(2);
  });

  it.each([
    'overview',
    'log-dirs',
    'acls',
    'users',
    'quotas',
    'transactions',
    'brokers/1/configs',
    'topics/payments',
    'topics/payments/configs',
    'topics/payments/readers',
    'topics/payments/messages?from=beginning',
    'topics/payments/messages/0/0',
    'topics/payments/messages/0/0/raw/value',
    'topics/payments/stream?from=beginning',
    'groups/audit',
    'groups/audit/history',
  ])('refuse %s to somebody who may not see it, and not to an administrator', async (path) => {
    const refused = await ask('bo', `clusters/local/${path}`);
    expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('CONSOLE_FORBIDDEN') });
    expect((await ask('ann', `clusters/local/${path}`)).status).toBe(200);
  });

  it('let somebody write where he may, and nowhere else', async () => {
    const message = { key: null, value: 'x', headers: [] };
    expect((await ask('bo', 'clusters/local/topics/orders-eu/messages', message)).status).toBe(200);
    expect((await ask('bo', 'clusters/local/topics/orders-us/messages', message)).status).toBe(403);
    const copy = 'clusters/local/topics/orders-eu/messages/0/0/copy';
    expect((await ask('bo', copy, { to: 'orders-us' })).status).toBe(403);
    expect((await ask('bo', copy, { to: 'orders-eu' })).status).toBe(200);
    expect((await ask('bo', 'clusters/local/topics/payments/messages/0/0/copy', { to: 'orders-eu' })).status).toBe(403);
    expect((await ask('bo', 'clusters/local/topics', { topic: 'orders-new', configs: {} })).status).toBe(403);
  });

  it('take rights on the group and on the topic for a reset', async () => {
    const reset = (group: string, topic: string) =>
      ask('bo', `clusters/local/groups/${group}/reset`, { topic, to: 'latest', dryRun: false });
    expect((await reset('billing', 'payments')).status).toBe(403);
    expect((await reset('audit', 'orders-eu')).status).toBe(403);
    expect((await reset('billing', 'orders-eu')).status).toBe(200);
  });
});

it('a group that reads more than somebody may see tells him of the rest alone, and that there is more', async () => {
  const paths = ['groups', 'groups/both-idle', 'groups/both-idle/history'].map((path) => `clusters/local/${path}`);
  const [list = '', page = '', history = ''] = paths;
  const rowOf = async (user: string) =>
    (await read<GroupList>(user, list)).groups.find(({ group }) => group === 'both-idle');
  const { bootstrapServers } = broker;
  await using admin = new Admin({ bootstrapServers });
  const [end] = await admin.listOffsets([{ topic: 'orders-eu', partition: 0, at: 'latest' }]);
  await admin.alterGroupOffsets('both-idle', [
    { topic: 'orders-eu', partition: 0, offset: (end?.offset ?? 0) - 1 },
    { topic: 'payments', partition: 0, offset: 0 },
  ]);
  await using consumer = new Consumer({ bootstrapServers, groupId: 'both', autoCommit: false });
  consumer.subscribe(['orders-us', 'payments']);
  const reading = consumer[Symbol.asyncIterator]().next();
  await consumer.joined;
  const whole = await read<GroupDetail>('ann', page);
  expect(whole.offsets.map(({ topic }) => topic)).toEqual(['orders-eu', 'payments']);
  expect(whole).toMatchObject({ hidesTopics: false, lag: 3 });
  // What is behind there is none of bo's, and neither is a sum that it could be told from.
  const seen = await read<GroupDetail>('bo', page);
  expect(seen.offsets.map(({ topic, lag }) => [topic, lag])).toEqual([['orders-eu', 1]]);
  expect(seen).toMatchObject({ hidesTopics: true, lag: 1 });
  await expect.poll(() => rowOf('ann'), { timeout: 20_000 }).toMatchObject({ hidesTopics: false, lag: 3 });
  expect(await rowOf('bo')).toMatchObject({ hidesTopics: true, lag: 1, topics: ['orders-eu'] });
  const points = async (user: string) => (await read<GroupHistory>(user, history)).points.map(({ lag }) => lag);
  expect(await points('ann')).toContain(3);
  expect(new Set(await points('bo'))).toEqual(new Set([1]));
  const both = await read<GroupDetail>('bo', 'clusters/local/groups/both');
  expect(both.members.flatMap(({ assignment }) => assignment)).toEqual([{ topic: 'orders-us', partition: 0 }]);
  expect(both.hidesTopics).toBe(true);
  for (const path of paths) expect((await ask('bo', path)).text, path).not.toContain('payments');
  await consumer.close();
  await reading.catch(() => undefined);
});

describe('hidden fields', () => {
  const messages = (query: string) =>
    read<MessagePage>('ann', `clusters/local/topics/payments/messages?from=beginning${query}`);

  it('are nowhere in what is shown, streamed or fetched, for administrators too', async () => {
    const page = await messages('');
    expect(page.messages.map(({ value, isMasked }) => [value.text, isMasked])).toEqual([
      ['{"iban":"•••","total":7}', true],
      ['•••', true],
    ]);
    for (const path of ['messages/0/0', 'messages/0/1', 'messages/0/0/raw/value', 'stream?from=beginning']) {
      const { status, text } = await ask('ann', `clusters/local/topics/payments/${path}`);
      expect(status, path).toBe(200);
      expect(text, path).not.toContain('SECRET');
    }
  });

  it('are found by no search: what matches would tell what is in them', async () => {
    const filters = [
      'search=secret',
      'search=SECRET&searchAs=regex',
      'search=$.iban%20%3D%3D%20"DE-SECRET"&searchAs=jsonpath',
    ];
    const script = `search=${encodeURIComponent('value.iban === "DE-SECRET"')}&searchAs=javascript`;
    for (const filter of [...filters, script]) expect((await messages(`&${filter}`)).messages, filter).toEqual([]);
    expect(
      (await messages(`&search=${encodeURIComponent('value.total === 7')}&searchAs=javascript`)).messages,
    ).toHaveLength(1);
  });

  it('are whole when a message is sent again, and go to no other topic', async () => {
    const copy = 'clusters/local/topics/payments/messages/0/0/copy';
    expect((await ask('ann', copy, { to: 'orders-eu' })).text).toContain('CONSOLE_MASKED');
    expect((await ask('ann', copy, { to: 'payments' })).status).toBe(200);
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    const [end] = await admin.listOffsets([{ topic: 'payments', partition: 0, at: 'latest' }]);
    expect(end?.offset).toBe(3);
    const unmasked = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } } });
    const at = await unmasked.listen({ port: 0 });
    const text = await (await fetch(`http://127.0.0.1:${at}/api/clusters/local/topics/payments/messages/0/2`)).text();
    await unmasked.close();
    expect(text).toContain('DE-SECRET');
  });

  it.each([
    ['a header by another name', { headers: [{ kept: 0, name: 'x' }] }],
    ['some headers', { headers: [{ keptFrom: 0, without: 'y' }] }],
    ['another value', { value: '{}' }],
    ['another key', { key: null }],
  ])('stay hidden, for nobody can send a message again with %s', async (_, edits) => {
    const { bootstrapServers } = broker;
    await using producer = new Producer({ bootstrapServers });
    const headers = { iban: 'DE-SECRET-HEADER' };
    const { offset } = await producer.send({ topic: 'payments', key: 'k', value: '{"total":1}', headers });
    const copy = `clusters/local/topics/payments/messages/0/${offset}/copy`;
    const refused = await ask('ann', copy, { to: 'payments', edits });
    expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('CONSOLE_MASKED') });
    for (const message of (await messages('')).messages) expect(JSON.stringify(message)).not.toContain('SECRET');
    // Where it goes to tells nothing of what is in it.
    expect((await ask('ann', copy, { to: 'payments', edits: { partition: 0 } })).status).toBe(200);
    expect((await ask('ann', copy, { to: 'payments', edits: {} })).status).toBe(200);
  });
});

describe('the history of a group', () => {
  it('is what looks at it have found, whoever took them', async () => {
    await read('ann', 'clusters/local/groups/audit');
    const history = await read<{ points: unknown[]; events: unknown[] }>('ann', 'clusters/local/groups/audit/history');
    expect(history.points.length).toBeGreaterThan(0);
    expect(history.events).toMatchObject([{ isFirst: true, state: 'Empty', members: 0 }]);
  });
});
