import { describe, expect, it } from 'vitest';
import { matchesJsonPath, type PathRecord, parseJsonPath } from './json-path.ts';

const ORDER = {
  id: 7,
  customer: { name: 'Ann', 'e-mail': 'ann@example' },
  items: [
    { sku: 'a', price: 5 },
    { sku: 'b', price: 15 },
  ],
  note: null,
};

const RECORD = {
  key: '{"region":"eu","id":12}',
  value: JSON.stringify(ORDER),
  headers: [
    ['trace', '{"id":"t-1","hops":[1,2]}'],
    ['trace', '{"id":"t-2"}'],
    ['content-type', 'application/json'],
    ['x.y', 'dotted'],
    ['attempt', '3'],
    ['none', null],
  ],
} as const;

const finds = (path: string, record: PathRecord = RECORD): boolean => matchesJsonPath(parseJsonPath(path), record);

describe('a path into JSON', () => {
  it.each([
    '$',
    '$.id',
    '$.id = 7',
    '$.id == 7',
    '$.customer.name = "Ann"',
    "$.customer.name = 'Ann'",
    '$.customer.name = Ann',
    '$.customer["e-mail"] ~ EXAMPLE',
    '$.customer."e-mail"',
    '$.items[1].sku = "b"',
    '$.items[*].price > 10',
    '$.items.*.price <= 5',
    '$..price >= 15',
    '$..sku = a',
    '$.note = null',
    '$.customer.name != "Bob"',
    '$.items = [{"sku":"a","price":5},{"sku":"b","price":15}]',
    '$.customer.name < "B"',
    '$.items.length = 2',
  ])('%s finds the message', (path) => expect(finds(path)).toBe(true));

  it.each([
    '$.id = "7"',
    '$.ID',
    '$.items[2]',
    '$.items[*].price > 20',
    '$..price < 1',
    '$.customer.name > 3',
    '$.toString',
    '$.constructor',
    '$.__proto__',
  ])('%s does not', (path) => expect(finds(path)).toBe(false));

  it.each([
    'key',
    'key.region',
    'key.region = "eu"',
    '$key.region = eu',
    'key["id"] > 10',
    'value.id = 7',
    '$value.customer.name = Ann',
    '$value..price >= 15',
    'headers',
    'headers.trace.id = "t-1"',
    'headers.trace.id = "t-2"',
    '$headers.trace.hops[1] = 2',
    'headers.content-type = application/json',
    'headers.content-type ~ JSON',
    'headers["x.y"] = dotted',
    'headers.attempt >= 3',
    'headers.none',
    'headers.none = null',
    'headers[0].id = "t-1"',
    'headers.*.id = "t-2"',
    'headers..id = "t-2"',
    'headers..trace.id = "t-2"',
    'headers ~ dotted',
  ])('%s finds it by its key, its value or its headers', (path) => expect(finds(path)).toBe(true));

  it.each([
    'key.name',
    'key.region = "us"',
    '$.region',
    'headers.Trace',
    'headers.trace.id = "t-3"',
    'headers[6]',
    'headers.id',
    'headers.constructor',
    'headers..price',
    'headers ~ Ann',
  ])('%s does not, in the key or the headers', (path) => expect(finds(path)).toBe(false));

  it('takes a key and a header that are no JSON for the text that they are, and a value for nothing', () => {
    const plain = { key: 'order-7', value: 'order-7', headers: [['id', 'order-7']] } as const;
    for (const path of ['key = order-7', 'key ~ ORDER', 'headers.id = "order-7"', 'headers..id']) {
      expect(finds(path, plain), path).toBe(true);
    }
    for (const path of ['$', '$ = order-7', 'value', 'key.id', 'key = 7']) expect(finds(path, plain), path).toBe(false);
    const bare = { key: null, value: null, headers: [] };
    for (const path of ['$', 'key', 'key = null', 'key != 1', 'headers', 'headers..a']) {
      expect(finds(path, bare), path).toBe(false);
    }
  });

  it.each(['id = 7', 'keys.a', 'header.a', 'key[', '', '$.items[', '$.a]', '$.items[x]'])(
    '%s is none, in words',
    (path) => expect(() => parseJsonPath(path)).toThrow(SyntaxError),
  );

  it('looks at a bounded part of what is endless', () => {
    // 160,000 values, of which each step would take all again.
    const wide = `[${Array.from({ length: 400 }, () => `[${'1,'.repeat(399)}1]`).join(',')}]`;
    expect(finds('$..*..*..x', { key: null, value: wide, headers: [] })).toBe(false);
  });
});
