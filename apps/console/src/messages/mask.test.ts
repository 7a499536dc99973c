import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConsole } from '../index.ts';
import { type Decode, HIDDEN, Mask } from './mask.ts';

const RULES = [
  { topics: 'payments-*', fields: ['iban', 'card.number'] },
  { topics: 'letters', fields: ['$value', '$key', 'author'] },
];
const none = () => undefined;

function shown(topic: string, value: string | Buffer, { key = 'k', headers = {} as Record<string, string> } = {}) {
  const record = {
    partition: 0,
    offset: 1,
    timestamp: 2,
    rawKey: Buffer.from(key),
    rawValue: Buffer.from(value),
    headers: Object.entries(headers).map(([name, given]) => ({ key: name, value: Buffer.from(given) })),
  };
  const seen = Mask.of(RULES, topic)?.apply(record, none) ?? record;
  return {
    key: seen.rawKey?.toString(),
    value: seen.rawValue?.toString(),
    headers: Object.fromEntries(seen.headers.map((header) => [header.key, header.value?.toString()])),
  };
}

describe('a mask', () => {
  it('hides fields by name at any depth, by path where it ends so, in lists too, whatever their case', () => {
    const value = { IBAN: 'DE1', card: { number: 'x', kind: 'debit' }, number: 7, all: [{ iban: { a: 1 } }] };
    expect(JSON.parse(shown('payments-eu', JSON.stringify(value)).value ?? '')).toEqual({
      IBAN: HIDDEN,
      card: { number: HIDDEN, kind: 'debit' },
      number: 7,
      all: [{ iban: HIDDEN }],
    });
  });

  it('hides a field whose own name has dots, and one within another whose name has', () => {
    const value = {
      'card.number': 'x',
      'shop.card': { number: 'y', kind: 'debit' },
      'big.iban': 'z',
      xcard: { number: 1 },
    };
    expect(JSON.parse(shown('payments-eu', JSON.stringify(value)).value ?? '')).toEqual({
      'card.number': HIDDEN,
      'shop.card': { number: HIDDEN, kind: 'debit' },
      'big.iban': HIDDEN,
      xcard: { number: 1 },
    });
  });

  it.each([
    [{ topics: '*', fields: ['a..b'] }],
    [{ topics: '*', fields: ['iban', '.b'] }],
    [{ topics: '*', fields: [''] }],
    [{ topics: '*', fields: [] }],
    [{ topics: '', fields: ['iban'] }],
  ])('that could hide nothing is refused: %j', async (rule) => {
    await expect(createConsole({ clusters: {}, masks: [rule] })).rejects.toMatchObject({
      code: 'CONSOLE_MASK_INVALID',
    });
  });

  it('leaves numbers as they are written, and fields with names of prototypes fields', () => {
    const text = '{"a":12345678901234567890,"b":1.10,"__proto__":{"iban":"x","c":1}}';
    expect(shown('payments-eu', text).value).toBe(
      `{"a":12345678901234567890,"b":1.10,"__proto__":{"iban":"${HIDDEN}","c":1}}`,
    );
  });

  it.each([
    ['text', 'IBAN DE1'],
    ['a number', '7'],
    ['bytes', Buffer.from([0xff, 0x00])],
    ['JSON that is cut off', '{"iban":"DE1"'],
    ['JSON that is nested very deeply', `${'['.repeat(200_000)}"DE1"${']'.repeat(200_000)}`],
  ])('hides all of a value that is %s', (_, value) => {
    expect(shown('payments-eu', value).value).toBe(HIDDEN);
  });

  it('hides headers that are called so or hold such a field, and no others', () => {
    const headers = { Iban: 'DE1', note: 'plain', more: '{"iban":"DE1"}' };
    expect(shown('payments-eu', '{}', { headers }).headers).toEqual({
      Iban: HIDDEN,
      note: 'plain',
      more: `{"iban":"${HIDDEN}"}`,
    });
  });

  it('hides whole keys and values where they are named, and keys that are JSON in their fields', () => {
    expect(shown('letters', 'dear', { key: 'who' })).toMatchObject({ key: HIDDEN, value: HIDDEN });
    expect(shown('payments-eu', '{}', { key: '{"iban":"DE1"}' }).key).toBe(`{"iban":"${HIDDEN}"}`);
    expect(shown('payments-eu', '{}', { key: 'name' }).key).toBe('name');
  });

  it('hides in what a schema or another format says the meaning of', () => {
    const record = { partition: 0, offset: 0, timestamp: 0, rawKey: null, rawValue: Buffer.from([9]), headers: [] };
    const masked = Mask.of(RULES, 'payments-eu')?.apply(record, () => '{"iban":"DE1","rest":1}');
    expect(masked?.rawValue?.toString()).toBe(`{"iban":"${HIDDEN}","rest":1}`);
    expect(masked?.rawKey).toBeNull();
  });

  const name = (bytes: string | Buffer, decode: Decode = none): Buffer[] => {
    const given = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const headers = [{ key: 'note', value: given }];
    const record = { ...{ partition: 0, offset: 0, timestamp: 0 }, rawKey: given, rawValue: null, headers };
    const seen = Mask.of(RULES, 'payments-eu')?.apply(record, decode);
    return [seen?.rawKey ?? Buffer.alloc(0), seen?.headers[0]?.value ?? Buffer.alloc(0)];
  };
  const hidden = [Buffer.from(HIDDEN), Buffer.from(HIDDEN)];

  it.each([
    ['JSON that is cut off', '{"iban":"DE1"'],
    ['JSON with something before it that a reader skips', '\ufeff \n{"iban":"DE1"'],
    ['JSON within a text of JSON', JSON.stringify('{"iban":"DE1"}')],
    ['JSON that is nested very deeply', `${'['.repeat(200_000)}"DE1"${']'.repeat(200_000)}`],
    ['JSON that is too large to be parsed', `{"iban":"DE1","rest":"${'x'.repeat(4 * 1024 * 1024)}"}`],
    ['text that is as large', 'x'.repeat(4 * 1024 * 1024 + 1)],
    ['JSON of two bytes a character', Buffer.from('{"iban":"DE1"}', 'utf16le')],
    ['of a schema, without a registry', Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from('\u0006DE1')])],
    ['MessagePack that is cut off', Buffer.from('82a46962616ea3444531', 'hex')],
    ['bytes that nobody can read', Buffer.from('0a03444531', 'hex')],
  ])('hides all of a key or a header that is %s', (_, bytes) => {
    expect(name(bytes).map((part) => part.toString('utf8', 0, 100))).toEqual([HIDDEN, HIDDEN]);
  });

  it('hides all of a key or a header that names a schema by which it cannot be read, or that makes no JSON of it', () => {
    expect(name(Buffer.from([0, 0, 0, 0, 7, 1, 2, 3]), () => null)).toEqual(hidden);
    expect(name(Buffer.from([0, 0, 0, 0, 7, 1, 2]), () => '{"iban":')).toEqual(hidden);
    expect(name(Buffer.from([0, 0, 0, 0, 7, 1, 2]), () => JSON.stringify('{"iban":"DE1"}'))).toEqual(hidden);
  });

  it.each([
    ['a name', Buffer.from('order-7 Straße')],
    ['nothing', Buffer.alloc(0)],
    ['an integer', Buffer.from([0, 0, 1, 0])],
    ['a time in milliseconds', Buffer.from([0, 0, 1, 0x9a, 0xd0, 1, 2, 3])],
  ])('leaves a key or a header that is %s', (_, bytes) => {
    expect(name(bytes)).toEqual([bytes, bytes]);
  });

  it('leaves a key or a header that a schema makes a text or a number', () => {
    const bytes = Buffer.from([0, 0, 0, 0, 7, 4, 0x68, 0x69]);
    for (const json of ['"hi"', '12345678901234567890', 'null'])
      expect(name(bytes, () => json)).toEqual([bytes, bytes]);
  });

  it('is none where no rule is for the topic', () => {
    expect(Mask.of(RULES, 'orders')).toBeUndefined();
    expect(shown('orders', 'IBAN DE1').value).toBe('IBAN DE1');
  });

  it('lets nothing of a hidden field through, wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.array(fc.constantFrom('a', 'card', 'b'), { maxLength: 4 }),
        (rest, path) => {
          const secret = path.reduceRight<unknown>((inner, name) => ({ [name]: [inner] }), { iban: 'SECRET-1' });
          expect(shown('payments-eu', JSON.stringify({ rest, secret })).value).not.toContain('SECRET');
        },
      ),
    );
  });
});
