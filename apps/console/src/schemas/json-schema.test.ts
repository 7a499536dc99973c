import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Console, createConsole } from '../index.ts';
import { showBytes } from '../messages/shown.ts';
import { askConsole } from '../testing/ask-console.ts';
import { registered, type StubRegistry, startRegistry } from '../testing/registry-stub.ts';
import { JsonSchemaValidator } from './json-schema.ts';
import type { ReferencedSchema } from './payload.ts';
import { SchemaRegistry } from './registry.ts';

const validator = new JsonSchemaValidator();
afterAll(() => validator.close());
let last = 0;

async function verdicts(schema: unknown, values: readonly unknown[], references: readonly ReferencedSchema[] = []) {
  last += 1;
  const text = typeof schema === 'string' ? schema : JSON.stringify(schema);
  const texts = values.map((value) => JSON.stringify(value));
  return validator.validate({ id: last, schema: text, references }, texts);
}
const fits = { faults: [] };

describe('a value with a JSON Schema', () => {
  it('fits it, or what of it does not is told, with its place', async () => {
    const schema = {
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'integer' }, mail: { type: 'string', format: 'email' }, kind: { enum: ['a', 'b'] } },
      additionalProperties: false,
    };
    const values = [{ id: 1, mail: 'a@b.c' }, {}, { id: 'x', more: 1 }, { id: 1, mail: 'none' }, { id: 1, kind: 'c' }];
    expect(await verdicts(schema, values)).toEqual([
      fits,
      { faults: ["$ must have required property 'id'"] },
      { faults: ['$ must NOT have additional properties: more', '$/id must be integer'] },
      { faults: ['$/mail must match format "email"'] },
      { faults: ['$/kind must be equal to one of the allowed values: ["a","b"]'] },
    ]);
  });

  it.each([
    ['http://json-schema.org/draft-04/schema#', { minimum: 3, exclusiveMinimum: true }],
    ['http://json-schema.org/draft-06/schema#', { exclusiveMinimum: 3 }],
    ['http://json-schema.org/draft-07/schema#', { if: false, else: { exclusiveMinimum: 3 } }],
    ['https://json-schema.org/draft/2019-09/schema', { $defs: { a: { exclusiveMinimum: 3 } }, $ref: '#/$defs/a' }],
    ['https://json-schema.org/draft/2020-12/schema', { type: 'number', unevaluatedItems: false, exclusiveMinimum: 3 }],
    ['https://example.com/of-our-own', { exclusiveMinimum: 3 }],
  ])('is held to the draft that the schema names: %s', async ($schema, rest) => {
    const [three, four] = await verdicts({ $schema, ...rest }, [3, 4]);
    expect(three).toMatchObject({ faults: expect.arrayContaining(['$ must be > 3']) });
    expect(four).toEqual(fits);
  });

  it.each([
    ['by name', { $ref: 'money.json' }, {}],
    ['beside where it says it is', { $id: 'http://shop/order.json', properties: { a: { $ref: 'money.json' } } }, {}],
    ['by where they say they are', { $ref: 'http://bank/money.json' }, { $id: 'http://bank/money.json' }],
  ])('is held to what the registry keeps with it, found %s', async (_, schema, own) => {
    const reference = {
      name: 'money.json',
      schema: JSON.stringify({ ...own, properties: { cents: { type: 'integer' } } }),
    };
    const wrong = 'properties' in schema ? { a: { cents: 'x' } } : { cents: 'x' };
    const right = 'properties' in schema ? { a: { cents: 1 } } : { cents: 1 };
    const [first, second] = await verdicts(schema, [wrong, right], [reference]);
    expect(first).toEqual({ faults: [expect.stringMatching(/cents must be integer/)] });
    expect(second).toEqual(fits);
  });

  it('of many faults has the first told, and how many more there are', async () => {
    const [verdict] = await verdicts({ items: { type: 'integer' } }, [Array.from({ length: 50 }, () => 'x')]);
    expect(verdict).toMatchObject({ faults: { length: 6, 5: '… 45 more' } });
  });
});

describe('a schema of somebody who means no good', () => {
  it('never has anything fetched', async () => {
    const trap = await startRegistry({ '/evil.json': { schema: 'true' } });
    const [verdict] = await verdicts({ $ref: `${trap.url}/evil.json` }, [1]);
    await trap.close();
    expect(verdict).toEqual({ unknown: expect.stringContaining("can't resolve reference") });
    expect(trap.asked).toEqual([]);
  });

  it.each([
    ['that is no JSON', '{"type":'],
    ['that is none', '7'],
    ['with a type that there is not', { type: 'thing' }],
    ['with code in the place of a number', { maximum: '0);process.exit(1);(' }],
    ['that leads into itself', { $ref: '#/definitions/a', definitions: { a: { $ref: '#/definitions/a' } } }],
  ])('is told of, and no value is said to fit: %s', async (_, schema) => {
    expect(await verdicts(schema, [1])).toEqual([{ unknown: expect.any(String) }]);
    expect(await verdicts({ type: 'integer' }, [1])).toEqual([fits]);
  });

  it('has names of properties and prototypes be names alone', async () => {
    const text = '{"properties":{"__proto__":{"type":"integer"},"constructor":{"type":"integer"}}}';
    last += 1;
    const values = ['{"__proto__":"x"}', '{"constructor":"x"}', '{}'];
    const found = await validator.validate({ id: last, schema: text, references: [] }, values);
    expect(found[1]).toEqual({ faults: ['$/constructor must be integer'] });
    expect(found[2]).toEqual(fits);
  });

  it('is ended when it takes too long, is then left alone, and holds up no other', async () => {
    const own = new JsonSchemaValidator(100);
    try {
      const hostile = { id: 1, schema: '{"pattern":"^(a+)+$"}', references: [] };
      const values = [JSON.stringify(`${'a'.repeat(40)}!`)];
      const refused = [{ unknown: 'it takes more than 0.1 seconds' }];
      expect(await own.validate(hostile, values)).toEqual(refused);
      // It is not tried again, be what is asked for ever so harmless.
      expect(await own.validate(hostile, ['1'])).toEqual(refused);
      await expect
        .poll(() => own.validate({ id: 1 + performance.now(), schema: 'true', references: [] }, ['1']))
        .toEqual([fits]);
    } finally {
      await own.close();
    }
  });
});

const ORDER = '{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}';

describe('a console whose registry has JSON Schemas', () => {
  let stub: StubRegistry;
  let broker: TestBroker;
  let served: Console;
  let asker: { port: number };
  beforeAll(async () => {
    const order = { schema: ORDER, schemaType: 'JSON' } as const;
    stub = await startRegistry({
      '/schemas/ids/3': order,
      '/schemas/ids/4': { ...order, references: [{ name: 'gone', subject: 'gone', version: 1 }] },
      '/schemas/ids/5': { schema: '"string"' },
      '/subjects/orders-value/versions/latest': { ...order, ...{ id: 3, version: 7, subject: 'orders-value' } },
    });
    broker = await startBroker({ topics: ['orders'] });
    const connection = { bootstrapServers: broker.bootstrapServers, schemaRegistry: { url: stub.url } };
    served = await createConsole({ clusters: { local: connection } });
    asker = { port: await served.listen({ port: 0 }) };
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.sendBatch(
      [
        registered(3, Buffer.from('{"id":1}')),
        registered(3, Buffer.from('{"id":"x"}')),
        registered(4, Buffer.from('{}')),
      ].map((value) => ({ topic: 'orders', value })),
    );
  });
  afterAll(async () => {
    await served.close();
    await broker.close();
    await stub.close();
  });
  const place = { cluster: 'local', topic: 'orders' };

  it.each(['newest', 'beginning'] as const)(
    'shows what does not fit with what is wrong, from the %s on',
    async (from) => {
      const route = 'GET /api/clusters/:cluster/topics/:topic/messages';
      const { messages } = await askConsole(asker, route, { ...place, from });
      const shown = messages.map(({ value }) => value).sort((a, b) => a.text.localeCompare(b.text));
      expect(shown.map(({ text, faults }) => [text, faults])).toEqual([
        ['{"id":"x"}', ['$/id must be integer']],
        ['{"id":1}', undefined],
        ['{}', undefined],
      ]);
      // What cannot be told is not said to fit.
      expect(shown[2]?.note).toMatch(/schema 4, to which it cannot be held: what it refers to cannot be had/);
    },
  );

  it('shows what is no JSON as the text it is, and bytes as bytes', async () => {
    const registry = new SchemaRegistry({ url: stub.url });
    const [text, bytes] = [registered(3, Buffer.from('{"id":')), registered(3, Buffer.from([0xff, 0xfe]))];
    await registry.prepare([text]);
    expect(showBytes(text, 1000, registry)).toMatchObject({
      shape: 'json-schema',
      text: '{"id":',
      faults: [expect.stringContaining('does not fit schema 3')],
    });
    expect(showBytes(bytes, 1000, registry)).toMatchObject({ shape: 'schema', note: expect.stringContaining('fit') });
  });

  it('shows it of a message alone, too', async () => {
    const route = 'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset';
    const { value } = await askConsole(asker, route, { ...place, partition: 0, offset: 1 });
    expect(value).toMatchObject({ shape: 'json-schema', schema: 3, faults: ['$/id must be integer'] });
  });

  it('sends what fits, in the wire format, and nothing else', async () => {
    const route = 'POST /api/clusters/:cluster/topics/:topic/messages';
    const send = (value: string, valueSchema: number) =>
      askConsole(asker, route, { ...place, key: null, value, headers: [], valueSchema });
    expect(await askConsole(asker, 'GET /api/clusters/:cluster/topics/:topic/schemas', place)).toEqual([
      { of: 'value', subject: 'orders-value', id: 3, version: 7, type: 'JSON' },
    ]);
    for (const [value, schema, why] of [
      ['{"id":"x"}', 3, '$/id must be integer'],
      ['{"id":', 3, 'fit schema 3'],
      ['{}', 4, 'cannot be had'],
      ['{}', 5, 'only JSON is written'],
      ['{}', 99, '404'],
    ] as const) {
      const refused = { code: 'CONSOLE_SCHEMA_MISFIT', message: expect.stringContaining(why) };
      await expect(send(value, schema)).rejects.toMatchObject(refused);
    }
    const { offset } = await send('{"id":5}', 3);
    expect(offset).toBe(3);
    await using consumer = new Consumer({ bootstrapServers: broker.bootstrapServers });
    consumer.assign([{ topic: 'orders', partition: 0, offset }]);
    for await (const { value } of consumer) {
      expect(value).toEqual(registered(3, Buffer.from('{"id":5}')));
      break;
    }
  });
});

it('has no thread before there is something to hold to a schema', async () => {
  const registry = new SchemaRegistry({ url: 'http://localhost:1' });
  expect(await registry.judge([Buffer.from('plain'), null])).toEqual(new Map());
  await registry.close();
});
