import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Console, createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';
import { registered, type StubRegistry, startListening, startRegistry } from '../testing/registry-stub.ts';
import { LOOKUPS_MAX, SchemaRegistry } from './registry.ts';

const MONEY =
  '{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"},{"name":"currency","type":"string"}]}';
const ORDER = JSON.stringify({
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'int' },
    { name: 'total', type: 'Money' },
    { name: 'note', type: ['null', 'string'] },
    { name: 'raw', type: 'bytes' },
  ],
});
const PROTO = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "money.proto";
${'enum'} Kind { OTHER = 0; CAKE = 1; }
message Ignored { string x = 1; }
message Order {
  message Line { string what = 1; int32 count = 2; }
  message Note { string text = 1; }
  int64 id = 1;
  Kind kind = 2;
  repeated Line lines = 3;
  google.protobuf.Timestamp made_at = 4;
  shop.Money total = 5;
}`;
const MONEY_PROTO = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }';

/** Written by hand from Avro's specification: zigzag numbers, a length before text, the branch of a union. */
const AVRO_ORDER = Buffer.from([
  // The id 7.
  0x0e,
  // 9007199254740993 cents, which no number of JavaScript holds.
  ...[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
  // EUR.
  ...[0x06, 0x45, 0x55, 0x52],
  // The second branch: "hi".
  ...[0x02, 0x04, 0x68, 0x69],
  // Two bytes.
  ...[0x04, 0x00, 0xff],
]);

/** Written by hand from Protobuf's specification: field and wire type, then the value. */
const PROTO_ORDER = Buffer.from([
  ...[0x08, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
  ...[0x10, 0x01],
  ...[0x1a, 0x08, 0x0a, 0x04, 0x63, 0x61, 0x6b, 0x65, 0x10, 0x02],
  ...[0x22, 0x02, 0x08, 0x05],
  ...[0x2a, 0x02, 0x08, 0x2a],
]);

let stub: StubRegistry;
beforeAll(async () => {
  stub = await startRegistry({
    '/schemas/ids/1': { schema: ORDER, references: [{ name: 'Money', subject: 'money', version: 3 }] },
    '/subjects/money/versions/3': { schema: MONEY },
    '/schemas/ids/2': {
      schema: PROTO,
      schemaType: 'PROTOBUF',
      references: [{ name: 'money.proto', subject: 'money.proto', version: 1 }],
    },
    '/subjects/money.proto/versions/1': { schema: MONEY_PROTO, schemaType: 'PROTOBUF' },
    '/schemas/ids/3': { schema: '{"type":"object"}', schemaType: 'JSON' },
    '/schemas/ids/4': { schema: '"string"' },
    '/schemas/ids/5': { schema: '{"type":"record"' },
  });
});
afterAll(() => stub.close());

async function decoded(bytes: Buffer, url = stub.url) {
  const registry = new SchemaRegistry({ url });
  await registry.prepare([bytes]);
  return registry.decode(bytes);
}

describe('a schema registry', () => {
  it('has Avro read by its schema and those it refers to, every long whole', async () => {
    expect(await decoded(registered(1, AVRO_ORDER))).toEqual({
      kind: 'avro',
      id: 1,
      json: '{"id":7,"total":{"cents":9007199254740993,"currency":"EUR"},"note":"hi","raw":"AP8="}',
    });
    expect(await decoded(registered(4, Buffer.from([0x04, 0x68, 0x69])))).toMatchObject({ json: '"hi"' });
  });

  it('has Protobuf read as the message that the bytes name, with imports and what everybody knows', async () => {
    // One index, 1: the second message of the file.
    expect(await decoded(registered(2, Buffer.from([0x02, 0x02]), PROTO_ORDER))).toEqual({
      kind: 'protobuf',
      id: 2,
      json:
        '{"id":9007199254740993,"kind":"CAKE","lines":[{"what":"cake","count":2}],' +
        '"made_at":{"seconds":5},"total":{"cents":42}}',
    });
    // A zero is the first; two indexes are a message within one.
    expect(await decoded(registered(2, Buffer.from([0x00, 0x0a, 0x01, 0x79])))).toMatchObject({ json: '{"x":"y"}' });
    const nested = Buffer.from([0x04, 0x02, 0x02, 0x0a, 0x01, 0x7a]);
    expect(await decoded(registered(2, nested))).toMatchObject({ json: '{"text":"z"}' });
  });

  it('has JSON with a schema read as the JSON it is', async () => {
    expect(await decoded(registered(3, Buffer.from('{"a":1}')))).toEqual({
      kind: 'json-schema',
      id: 3,
      json: '{"a":1}',
    });
  });

  it.each([
    [
      'a schema that is not there',
      registered(99, Buffer.from([1])),
      'schema 99 cannot be had: the registry answers 404',
    ],
    ['a schema that is none', registered(5, Buffer.from([1])), 'schema 5 cannot be had'],
    ['bytes that end too early', registered(1, AVRO_ORDER.subarray(0, 6)), 'it does not fit schema 1'],
    ['a message that the file does not have', registered(2, Buffer.from([0x02, 0x12, 0])), 'has no message at 9'],
    ['endless indexes', registered(2, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])), 'which message it is'],
    ['JSON that is none', registered(3, Buffer.from('{')), 'it does not fit schema 3'],
  ])('tells why it cannot show %s', async (_, bytes, problem) => {
    expect(await decoded(bytes)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  it('is asked once for each schema, with the name and the password of its address and not without', async () => {
    const registry = new SchemaRegistry({ url: stub.url.replace('//', '//ann:p%40ss@') });
    const before = stub.asked.length;
    const bytes = registered(3, Buffer.from('{}'));
    await Promise.all([registry.prepare([bytes, bytes, null]), registry.prepare([bytes])]);
    const authorization = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`;
    expect(stub.asked.slice(before)).toEqual([{ path: '/schemas/ids/3', authorization }]);
    expect(stub.asked[0]?.authorization).toBeUndefined();
  });

  it('that is not there keeps nobody from looking', async () => {
    const gone = await startRegistry({});
    await gone.close();
    const found = await decoded(registered(1, AVRO_ORDER), gone.url);
    expect(found).toEqual({ id: 1, problem: 'schema 1 cannot be had: the registry does not answer' });
  });

  it('is asked for few schemas at once, however many bytes look as if they named one', async () => {
    const asked = { now: 0, most: 0, all: 0 };
    const { url, close } = await startListening((_, response) => {
      asked.all += 1;
      asked.now += 1;
      asked.most = Math.max(asked.most, asked.now);
      setTimeout(() => {
        asked.now -= 1;
        response.writeHead(404).end('{}');
      }, 5);
    });
    const registry = new SchemaRegistry({ url });
    const lots = [0, 1].map((lot) =>
      Array.from({ length: 50 }, (__, n) => registered(1 + lot * 50 + n, Buffer.from('x'))),
    );
    await Promise.all(lots.map((lot) => registry.prepare(lot)));
    await close();
    expect(asked).toMatchObject({ now: 0, all: 100 });
    expect(asked.most).toBeLessThanOrEqual(LOOKUPS_MAX);
    for (const bytes of lots.flat()) expect(registry.decode(bytes)).toMatchObject({ isAbsent: true });
  });

  it('that is silent has nobody wait for one schema after the other', async () => {
    let asked = 0;
    const { url, close } = await startListening(() => {
      asked += 1;
    });
    const registry = new SchemaRegistry({ url });
    const some = Array.from({ length: 50 }, (_, n) => registered(1 + n, Buffer.from('x')));
    const beganMs = performance.now();
    await registry.prepare(some);
    expect(asked).toBe(LOOKUPS_MAX);
    // As long as one question, and not as six of them one after the other.
    expect(performance.now() - beganMs).toBeLessThan(12_000);
    await close();
    for (const bytes of some) {
      expect(registry.decode(bytes)).toMatchObject({
        problem: expect.stringContaining('the registry does not answer'),
      });
    }
  });

  it('has an address of HTTP', () => {
    expect(() => new SchemaRegistry({ url: 'file:///etc/passwd' })).toThrow('http://localhost:8081');
  });
});

describe('a console with a schema registry', () => {
  let broker: TestBroker;
  let served: Console;
  let asker: { port: number };
  beforeAll(async () => {
    broker = await startBroker({ topics: ['orders'] });
    const connection = { bootstrapServers: broker.bootstrapServers, schemaRegistry: { url: stub.url } };
    served = await createConsole({ clusters: { local: connection } });
    asker = { port: await served.listen({ port: 0 }) };
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.sendBatch([
      { topic: 'orders', key: 'a', value: registered(1, AVRO_ORDER) },
      { topic: 'orders', key: 'b', value: registered(99, Buffer.from([1, 2])) },
    ]);
  });
  afterAll(async () => {
    await served.close();
    await broker.close();
  });

  const place = { cluster: 'local', topic: 'orders' };
  const read = (search?: string, searchAs: 'text' | 'jsonpath' | 'javascript' = 'text') =>
    askConsole(asker, 'GET /api/clusters/:cluster/topics/:topic/messages', {
      ...place,
      from: 'beginning',
      ...(search === undefined ? {} : { search, searchAs }),
    });

  it('shows messages by their schemas, and tells of those that it cannot', async () => {
    const { messages } = await read();
    expect(messages.map(({ value }) => [value.shape, value.note])).toEqual([
      ['avro', 'schema 1'],
      ['schema', 'schema 99 cannot be had: the registry answers 404'],
    ]);
    const route = 'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset';
    const { value } = await askConsole(asker, route, { ...place, partition: 0, offset: 0 });
    expect(JSON.parse(value.text)).toMatchObject({ total: { currency: 'EUR' }, note: 'hi' });
  });

  it.each([
    ['"currency":"eur"', 'text'],
    ['$.total.currency == "EUR"', 'jsonpath'],
    ['value.total && value.total.currency === "EUR"', 'javascript'],
  ] as const)('finds %s in what the bytes hold, by %s', async (search, searchAs) => {
    const { messages } = await read(search, searchAs);
    expect(messages.map(({ key }) => key.text)).toEqual(['a']);
  });
});
