import { ManualClock } from '@millrace/ports';
import {
  AlterClientQuotas,
  AlterUserScramCredentials,
  CreatePartitions,
  CreateTopics,
  DescribeClientQuotas,
  ErrorCode,
  Fetch,
  Produce,
} from '@millrace/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noMetrics } from '../shared/metrics.ts';
import { BrokerUnderTest, batchOf, fetchBody, produceBody, type TestConnection } from '../testing/test-broker.ts';
import { ClientQuotas } from './client-quotas.ts';
import { entityAt, pathOfEntity, type QuotaEntity, quotaText } from './quota-entity.ts';
import type { QuotaRules } from './quota-rules.ts';
import { WindowedRate } from './windowed-rate.ts';

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  client = test.connect();
  client.context.principal = 'User:carol';
});
afterEach(() => test.stop());

type Parts = Readonly<Record<string, string | null>>;
type Ops = Readonly<Record<string, number | undefined>>;

const entityOf = (parts: Parts) =>
  Object.entries(parts).map(([entityType, entityName]) => ({ entityType, entityName }));

async function alter(parts: Parts, ops: Ops, validateOnly = false) {
  const answer = await client.ask(AlterClientQuotas, 1, {
    entries: [
      {
        entity: entityOf(parts),
        ops: Object.entries(ops).map(([key, value]) => ({ key, value: value ?? 0, remove: value === undefined })),
      },
    ],
    validateOnly,
  });
  return answer.entries[0]!;
}

/** What lies below a node of the store, by path; null where a node has no content. */
async function nodes(root: string): Promise<Record<string, string>> {
  const store = test.store.openSession();
  const found: Record<string, string> = {};
  const walk = async (path: string): Promise<void> => {
    for (const name of await store.children(path)) {
      const at = `${path}/${name}`;
      found[at.slice(root.length + 1)] = (await store.get(at)).data.toString();
      await walk(at);
    }
  };
  await walk(root);
  await store.close();
  return found;
}

const config = (values: Readonly<Record<string, string>>): string => JSON.stringify({ version: 1, config: values });

describe('quotas that are set', () => {
  it('lie in the nodes in which Kafka 3.9.1 keeps them, and are told to other brokers', async () => {
    await alter({ user: 'ü a+b*c/d%e:f' }, { producer_byte_rate: 1000 });
    await alter({ user: null }, { producer_byte_rate: 3_000_000 });
    await alter({ user: 'carol', 'client-id': 'client 1' }, { producer_byte_rate: 5000 });
    await alter({ user: null, 'client-id': null }, { producer_byte_rate: 7_000_000 });
    await alter({ user: 'erin' }, { request_percentage: 12.5, controller_mutation_rate: 10 });
    expect(await nodes('/config/users')).toEqual({
      '%C3%BC%20a%2Bb%2Ac%2Fd%25e%3Af': config({ producer_byte_rate: '1000' }),
      '<default>': config({ producer_byte_rate: '3000000' }),
      '<default>/clients': '',
      '<default>/clients/<default>': config({ producer_byte_rate: '7000000' }),
      carol: '',
      'carol/clients': '',
      'carol/clients/client%201': config({ producer_byte_rate: '5000' }),
      erin: config({ request_percentage: '12.5', controller_mutation_rate: '10.0' }),
    });
    await alter({ 'client-id': 'client 1' }, { request_percentage: 200 });
    expect(await nodes('/config/clients')).toEqual({ 'client%201': config({ request_percentage: '200.0' }) });
    const changes = Object.values(await nodes('/config/changes')).map((text) => JSON.parse(text).entity_path);
    expect(changes).toContain('users/carol/clients/client%201');
    expect(changes).toContain('clients/client%201');
  });

  it('leave nothing behind when they are taken away, not even the nodes above them', async () => {
    await alter({ user: 'carol', 'client-id': 'a' }, { producer_byte_rate: 1 });
    await alter({ user: 'carol', 'client-id': 'b' }, { producer_byte_rate: 1 });
    await alter({ user: 'carol', 'client-id': 'a' }, { producer_byte_rate: undefined });
    expect(Object.keys(await nodes('/config/users'))).toEqual(['carol', 'carol/clients', 'carol/clients/b']);
    await alter({ user: 'carol', 'client-id': 'b' }, { producer_byte_rate: undefined });
    expect(await nodes('/config/users')).toEqual({});
    expect((await alter({ user: 'nobody' }, { producer_byte_rate: undefined })).errorCode).toBe(0);
    expect(await nodes('/config/users')).toEqual({});
  });

  it('share the node with credentials, and neither takes the other away', async () => {
    const upsertion = { name: 'erin', mechanism: 1, iterations: 4096, salt: Buffer.from('salt') };
    const upsertions = [{ ...upsertion, saltedPassword: Buffer.alloc(32, 1) }];
    await client.ask(AlterUserScramCredentials, 0, { deletions: [], upsertions });
    await alter({ user: 'erin' }, { request_percentage: 33.25 });
    expect((await alter({ user: 'erin' }, { 'SCRAM-SHA-256': undefined })).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const both = JSON.parse((await nodes('/config/users'))['erin'] as string).config;
    expect(Object.keys(both)).toEqual(['SCRAM-SHA-256', 'request_percentage']);
    await client.ask(AlterUserScramCredentials, 0, { deletions: [{ name: 'erin', mechanism: 1 }], upsertions: [] });
    expect(await nodes('/config/users')).toEqual({ erin: config({ request_percentage: '33.25' }) });
    await alter({ user: 'erin' }, { request_percentage: undefined });
    expect(await nodes('/config/users')).toEqual({});
  });

  it('hold after a restart, and after a change that another broker has written', async () => {
    await alter({ user: 'carol', 'client-id': null }, { producer_byte_rate: 5 });
    await test.restart();
    const { quotaRules } = test.broker.services;
    expect(quotaRules.find('producer_byte_rate', 'carol', 'x')?.limit).toBe(5);
    const other = test.store.openSession();
    const data = Buffer.from(config({ producer_byte_rate: '6' }));
    await other.set('/config/users/carol/clients/<default>', data, 'any');
    const change = Buffer.from(JSON.stringify({ version: 2, entity_path: 'users/carol/clients/<default>' }));
    await other.create('/config/changes/config_change_', change, { sequential: true });
    await expect.poll(() => quotaRules.find('producer_byte_rate', 'carol', 'x')?.limit).toBe(6);
    await other.close();
  });

  it.each([
    ['user and address', { user: 'a', ip: '10.0.0.1' }, { producer_byte_rate: 1 }],
    ['a producer’s bytes of an address', { ip: '10.0.0.1' }, { producer_byte_rate: 1 }],
    ['a fraction of a connection', { ip: '10.0.0.1' }, { connection_creation_rate: 1.5 }],
    ['the name of a host', { ip: 'localhost' }, { connection_creation_rate: 1 }],
    ['an address that is none', { ip: '10.0.0.256' }, { connection_creation_rate: 1 }],
    ['an unknown quota', { user: 'a' }, { nonsense: 1 }],
    ['an unknown quota, to be removed', { user: 'a' }, { nonsense: undefined }],
    ['a rate of connections for a user', { user: 'a' }, { connection_creation_rate: 1 }],
    ['an unknown type', { planet: 'a' }, { producer_byte_rate: 1 }],
    ['an empty name', { user: '' }, { producer_byte_rate: 1 }],
    ['nobody', {}, { producer_byte_rate: 1 }],
    ['a fraction of a byte', { user: 'a' }, { producer_byte_rate: 1.5 }],
    ['less than nothing', { user: 'a' }, { consumer_byte_rate: -1 }],
    ['less than no time', { user: 'a' }, { request_percentage: -0.5 }],
    ['time that is no number', { user: 'a' }, { request_percentage: Number.NaN }],
  ])('cannot be for %s', async (_, parts, ops) => {
    const { errorCode, errorMessage } = await alter(parts as Parts, ops);
    expect([errorCode, errorMessage]).toEqual([ErrorCode.INVALID_REQUEST, expect.stringMatching(/./)]);
    expect(await nodes('/config/users')).toEqual({});
  });

  it('may be 0, no number for bytes, a fraction for time, as with Kafka; nothing is written for a mere check', async () => {
    for (const ops of [
      { producer_byte_rate: 0 },
      { producer_byte_rate: Number.NaN },
      { request_percentage: 0.01 },
    ] as Ops[]) {
      expect((await alter({ user: 'a' }, ops, true)).errorCode).toBe(0);
    }
    expect(await nodes('/config/users')).toEqual({});
  });
});

describe('quotas of addresses', () => {
  it('lie where Kafka 3.9.1 keeps them, hold however an address is written, and for every other', async () => {
    expect((await alter({ ip: '10.1.2.3' }, { connection_creation_rate: 5 })).errorCode).toBe(0);
    await alter({ ip: '::1' }, { connection_creation_rate: 7 });
    await alter({ ip: null }, { connection_creation_rate: 1000 });
    expect(await nodes('/config/ips')).toEqual({
      '10.1.2.3': config({ connection_creation_rate: '5' }),
      '%3A%3A1': config({ connection_creation_rate: '7' }),
      '<default>': config({ connection_creation_rate: '1000' }),
    });
    const { quotaRules, quotas } = test.broker.services;
    const rates = ['10.1.2.3', '0:0:0:0:0:0:0:1', '10.9.9.9'].map((address) => quotaRules.connectionRate(address));
    expect(rates).toEqual([5, 7, 1000]);
    // They concern no request.
    expect(quotas.isOn).toBe(false);
    await alter({ ip: null }, { connection_creation_rate: undefined });
    expect(quotaRules.connectionRate('10.9.9.9')).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('DescribeClientQuotas', () => {
  const ask = async (
    components: readonly { entityType: string; matchType: number; match?: string }[],
    strict = false,
  ): Promise<string[]> => {
    const body = { components: components.map((each) => ({ match: null, ...each })), strict };
    const { entries } = await client.ask(DescribeClientQuotas, 1, body);
    return (entries ?? []).map(({ entity, values }) => {
      const names = entity.map(({ entityType, entityName }) => `${entityType}=${entityName ?? '<default>'}`);
      return `${names.join(',')}: ${values.map(({ key, value }) => `${key}=${value}`).join(',')}`;
    });
  };

  it('tells what matches: one name, the default, any; with further parts unless they are not wanted', async () => {
    await alter({ user: 'a' }, { producer_byte_rate: 1 });
    await alter({ user: null }, { producer_byte_rate: 2 });
    await alter({ user: 'a', 'client-id': 'c' }, { consumer_byte_rate: 3 });
    await alter({ 'client-id': 'c' }, { request_percentage: 4.5 });
    expect(await ask([])).toHaveLength(4);
    expect(await ask([], true)).toEqual([]);
    const userA = { entityType: 'user', matchType: 0, match: 'a' };
    expect(await ask([userA])).toEqual(['user=a: producer_byte_rate=1', 'user=a,client-id=c: consumer_byte_rate=3']);
    expect(await ask([userA], true)).toEqual(['user=a: producer_byte_rate=1']);
    expect(await ask([{ entityType: 'user', matchType: 1 }])).toEqual(['user=<default>: producer_byte_rate=2']);
    expect(await ask([{ entityType: 'client-id', matchType: 2 }], true)).toEqual([
      'client-id=c: request_percentage=4.5',
    ]);
    expect(await ask([userA, { entityType: 'client-id', matchType: 2 }], true)).toEqual([
      'user=a,client-id=c: consumer_byte_rate=3',
    ]);
  });
});

describe('the quota that holds for somebody', () => {
  it('is the first in Kafka’s order, and is shared by all for whom it is the first', async () => {
    const order: [Parts, string][] = [
      [{ 'client-id': null }, '|app'],
      [{ 'client-id': 'app' }, '|app'],
      [{ user: null }, 'carol|'],
      [{ user: null, 'client-id': null }, 'carol|app'],
      [{ user: null, 'client-id': 'app' }, 'carol|app'],
      [{ user: 'carol' }, 'carol|'],
      [{ user: 'carol', 'client-id': null }, 'carol|app'],
      [{ user: 'carol', 'client-id': 'app' }, 'carol|app'],
    ];
    for (const [index, [parts, sharedBy]] of order.entries()) {
      await alter(parts, { producer_byte_rate: index + 1 });
      const found = test.broker.services.quotaRules.find('producer_byte_rate', 'carol', 'app');
      expect([found?.limit, found?.sharedBy.replace('\0', '|')]).toEqual([index + 1, sharedBy]);
    }
    expect(test.broker.services.quotaRules.find('consumer_byte_rate', 'carol', 'app')).toBeUndefined();
  });
});

describe('a producer beyond its bytes', () => {
  const produce = async (bytes: number, clientId = 'test', acks = -1) => {
    client.restMs = 0;
    const answer = await client.ask(Produce, 9, produceBody('t', batchOf(['x'.repeat(bytes)]), { acks }), clientId);
    return [answer.throttleTimeMs, client.restMs];
  };

  it('is answered at once, told how long to rest, and not read until then: as Kafka 3.9.1 was seen to do', async () => {
    await test.createTopic('t');
    await alter({ user: 'carol' }, { producer_byte_rate: 10_000 });
    expect(await produce(1000)).toEqual([0, 0]);
    expect(await produce(50_000)).toEqual([0, 0]);
    const [first = 0, rest] = await produce(50_000);
    expect(first).toBeGreaterThan(100);
    expect(first).toBeLessThan(200);
    expect(rest).toBe(first);
    await test.clock.advance(first);
    const [second = 0] = await produce(200_000);
    // Without upper bound.
    expect(second).toBeGreaterThan(19_900);
    expect(second).toBeLessThan(20_200);
    // Another client id of the same user shares the quota, and so does another connection.
    expect((await produce(10, 'other'))[0]).toBeGreaterThan(19_900);
  });

  it.each([0, 1, 2, 3, 9, 11])('rests with version %i too, whether it can be told or not', async (version) => {
    await test.createTopic('t');
    await alter({ user: 'carol' }, { producer_byte_rate: 0 });
    const records = version < 3 ? null : batchOf(['x']);
    const answer = await client.ask(Produce, version, produceBody('t', records));
    expect(client.restMs).toBe(3_600_000);
    expect(answer.throttleTimeMs).toBe(version === 0 ? 0 : 3_600_000);
  });

  it.each([0, 9])('gets a long answer in turns all the same, with version %i', async (version) => {
    await alter({ user: 'carol' }, { producer_byte_rate: 0 });
    const inTurns = vi.spyOn(Produce.response as Required<typeof Produce.response>, 'encodeInTurns');
    const topicData = Array.from({ length: 2001 }, (_, n) => ({
      name: `topic-${n}`,
      partitionData: [{ index: 0, records: null }],
    }));
    const answer = await client.ask(Produce, version, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    expect(answer.responses).toHaveLength(2001);
    expect(client.restMs).toBe(3_600_000);
    expect(inTurns).toHaveBeenCalled();
    inTurns.mockRestore();
  });

  it('rests all the same where it wants no answers', async () => {
    await test.createTopic('t');
    await alter({ user: 'carol' }, { producer_byte_rate: 50_000 });
    await expect(produce(800_000, 'test', 0)).rejects.toThrow('was not answered');
    expect(client.restMs).toBeGreaterThan(5900);
    expect(client.restMs).toBeLessThan(6100);
  });

  it('does not rest for ever where nothing may come at all', async () => {
    await test.createTopic('t');
    await alter({ user: 'carol' }, { producer_byte_rate: 0 });
    expect(await produce(10)).toEqual([3_600_000, 3_600_000]);
  });
});

describe('a consumer beyond its bytes', () => {
  const fetchAt = async (offset: number) => {
    client.restMs = 0;
    const body = fetchBody({ topic: 't' }, offset, { maxBytes: 50_000_000 }, { partitionMaxBytes: 50_000_000 });
    const answer = await client.ask(Fetch, 11, body);
    const bytes = answer.responses[0]?.partitions[0]?.records?.length ?? 0;
    return { throttleMs: answer.throttleTimeMs, restMs: client.restMs, bytes, topics: answer.responses.length };
  };

  it('gets an empty answer and rests; what comes later is cut to what the quota lets through', async () => {
    await test.createTopic('t');
    for (let batch = 0; batch < 60; batch += 1)
      await client.ask(Produce, 9, produceBody('t', batchOf(['x'.repeat(10_000)])));
    await alter({ user: 'carol' }, { consumer_byte_rate: 20_000 });
    const first = await fetchAt(0);
    expect(first).toMatchObject({ throttleMs: 0, topics: 1 });
    expect(first.bytes).toBeGreaterThan(180_000);
    expect(first.bytes).toBeLessThanOrEqual(200_000);
    const second = await fetchAt(20);
    expect(second).toMatchObject({ bytes: 0, topics: 0 });
    expect(second.throttleMs).toBeGreaterThan(0);
    expect(second.restMs).toBe(second.throttleMs);
    await test.clock.advance(11_000);
    expect((await fetchAt(20)).bytes).toBeGreaterThan(180_000);
  });

  it('gets a batch that is larger than the whole quota when it has had nothing else, and rests after it', async () => {
    await test.createTopic('t');
    await client.ask(Produce, 9, produceBody('t', batchOf(['x'.repeat(100_000)])));
    await alter({ user: 'carol' }, { consumer_byte_rate: 6000 });
    const first = await fetchAt(0);
    expect(first.bytes).toBeGreaterThan(100_000);
    expect(first.throttleMs).toBeGreaterThan(6000);
    expect(await fetchAt(0)).toMatchObject({ bytes: 0, topics: 0 });
  });

  it('does not count where it is a broker that replicates', async () => {
    await test.createTopic('t');
    await client.ask(Produce, 9, produceBody('t', batchOf(['x'.repeat(100_000)])));
    await alter({ user: 'carol' }, { consumer_byte_rate: 10 });
    const replica = fetchBody({ topic: 't' }, 0, { replicaId: 2 });
    for (let times = 0; times < 3; times += 1) {
      expect((await client.ask(Fetch, 11, replica)).throttleTimeMs).toBe(0);
    }
    expect(client.restMs).toBe(0);
  });
});

describe('a client that makes too many partitions', () => {
  const create = async (version: number, name: string, validateOnly = false) => {
    client.restMs = 0;
    const topic = { name, numPartitions: 12, replicationFactor: 1, assignments: [], configs: [] };
    const answer = await client.ask(CreateTopics, version, { topics: [topic], timeoutMs: 10_000, validateOnly });
    const { errorCode, errorMessage } = answer.topics[0]!;
    return { errorCode, errorMessage, throttleMs: answer.throttleTimeMs, restMs: client.restMs };
  };

  it('is refused with the time to wait, or let through and made to wait where it does not know the error', async () => {
    await alter({ user: 'carol' }, { controller_mutation_rate: 1 });
    expect(await create(7, 'a')).toMatchObject({ errorCode: 0, throttleMs: 0, restMs: 0 });
    const refused = { errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED, errorMessage: null };
    expect(await create(7, 'b')).toEqual({ ...refused, throttleMs: 1000, restMs: 1000 });
    expect(await create(6, 'b')).toEqual({ ...refused, throttleMs: 1000, restMs: 1000 });
    await test.clock.advance(1000);
    expect(await create(6, 'b')).toMatchObject({ errorCode: 0, throttleMs: 0 });
    expect(await create(5, 'c')).toMatchObject({ errorCode: 0, throttleMs: 24_000, restMs: 24_000 });
    expect(await create(7, 'd', true)).toMatchObject({ errorCode: 0, throttleMs: 0 });
    await test.clock.advance(36_000);
    const more = { topics: [{ name: 'a', count: 16, assignments: null }], timeoutMs: 10_000, validateOnly: false };
    expect((await client.ask(CreatePartitions, 3, more)).results[0]?.errorCode).toBe(0);
    const again = { ...more, topics: [{ name: 'a', count: 28, assignments: null }] };
    expect(await client.ask(CreatePartitions, 2, again)).toMatchObject({
      results: [{ errorCode: 0 }],
      throttleTimeMs: 5000,
    });
  });
});

describe('requests that take the broker’s time', () => {
  it('have their sender rest for a window at most', () => {
    const clock = new ManualClock();
    const rules = { isEmpty: false, find: () => ({ limit: 0.01, sharedBy: 'a' }) } as unknown as QuotaRules;
    const windows = () => ({ count: 11, seconds: 1 });
    const quotas = new ClientQuotas({ rules, clock, metrics: noMetrics, windows, controllerWindows: windows });
    const asker = { user: 'a', clientId: '' };
    expect(quotas.worked(asker, 0.5)).toBe(0);
    expect(quotas.worked(asker, 50)).toBe(1000);
  });
});

describe('a rate', () => {
  it('lets through twice its limit at the very most when every throttle is waited for: what is forgotten whole costs no more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), pauseMs: fc.integer({ min: 0, max: 3000 }) }), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.integer({ min: 10, max: 2000 }),
        (steps, limit) => {
          const rate = new WindowedRate(11, 1000);
          let nowMs = 0;
          let all = 0;
          for (const { bytes, pauseMs } of steps) {
            rate.record(bytes, nowMs);
            all += bytes;
            nowMs += Math.max(rate.throttleMs(limit, nowMs), pauseMs);
          }
          // What may be saved up is as much as all windows let through.
          expect(all).toBeLessThanOrEqual((limit * (2 * nowMs + 11_000)) / 1000 + 1);
        },
      ),
    );
  });

  it('counts what has been forgotten no more', () => {
    const rate = new WindowedRate(11, 1000);
    rate.record(100_000, 0);
    expect(rate.throttleMs(100, 0)).toBe(990_000);
    expect(rate.throttleMs(100, 11_000)).toBe(0);
  });
});

describe('an entity', () => {
  it('is found again by the path that it has', () => {
    const name = fc.option(fc.string({ unit: 'grapheme', minLength: 1 }), { nil: null });
    const entity = fc.oneof(
      fc.record({ user: name }),
      fc.record({ clientId: name }),
      fc.record({ user: name, clientId: name }),
      fc.record({ ip: name }),
    );
    fc.assert(
      fc.property(entity, (each: QuotaEntity) => {
        fc.pre(Object.values(each).every((text) => text !== '<default>'));
        expect(entityAt(pathOfEntity(each))).toEqual(each);
      }),
    );
  });

  it.each([
    [200, '200.0'],
    [0.01, '0.01'],
    [12.5, '12.5'],
    [1e10, '1.0E10'],
    [1.5e-5, '1.5E-5'],
    [0, '0.0'],
  ])('has %d written as Java writes it', (value, text) => {
    expect(quotaText('DOUBLE', value)).toBe(text);
  });

  it.each([
    [1048576, '1048576'],
    [2 ** 53 + 2, '9007199254740994'],
    [1e17, '100000000000000000'],
    [Number('9223372036854774784'), '9223372036854774784'],
    [Number('9223372036854775807'), '9223372036854775807'],
    [1e19, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [-1, undefined],
    [0.5, undefined],
  ])('has %d bytes a second kept as Kafka keeps its longs: %s', (value, text) => {
    expect(quotaText('LONG', value)).toBe(text);
  });

  it('has no whole number of connections that Java has no int for', () => {
    expect(quotaText('INT', 2 ** 31 - 1)).toBe('2147483647');
    expect(quotaText('INT', 2 ** 31)).toBeUndefined();
  });
});
