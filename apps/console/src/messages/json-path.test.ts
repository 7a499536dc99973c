import { describe, expect, it } from 'vitest';
import { matchesJsonPath, parseJsonPath } from './json-path.ts';

const ORDER = {
  id: 7,
  customer: { name: 'Ann', 'e-mail': 'ann@example' },
  items: [
    { sku: 'a', price: 5 },
    { sku: 'b', price: 15 },
  ],
  note: null,
};

const finds = (path: string): boolean => matchesJsonPath(parseJsonPath(path), ORDER);

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

  it.each(['id = 7', '', '$.items[', '$.a]', '$.items[x]'])('%s is none, in words', (path) =>
    expect(() => parseJsonPath(path)).toThrow(SyntaxError),
  );

  it('looks at a bounded part of what is endless', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 5000; i += 1) deep = [deep, deep];
    // 2 to the 5000th values, were each looked at.
    expect(matchesJsonPath(parseJsonPath('$..x'), deep)).toBe(false);
  });
});
