import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProducerError } from './errors.ts';
import { checkRecord, type HeadersInput, headerList, type ProducerRecord, recordBytes } from './record.ts';

const record = (more: object): ProducerRecord => ({ topic: 't', value: 'v', ...more });

describe('a record', () => {
  it.each([
    {},
    { key: null, partition: null, timestamp: null, headers: null },
    { key: 'k', partition: 0, timestamp: 0, headers: {} },
    { value: null },
    { partition: undefined, whatever: undefined },
  ])('may be %o', (more) => {
    expect(() => checkRecord(record(more))).not.toThrow();
  });

  it.each([
    [{ value: undefined }, 'value must be there (null writes a tombstone, which deletes the key), not undefined'],
    [{ messages: [{ value: 'v' }], value: undefined }, 'messages is no field of a record: it is what kafkajs takes'],
    [{ vlaue: 'v' }, 'vlaue is no field of a record; did you mean value?'],
    [{ offset: 5 }, 'offset is no field of a record: the broker gives a record its offset'],
    [{ topic: undefined }, 'topic must be the name of a topic'],
    [{ topic: '' }, "topic must be the name of a topic, text of 1 to 249 characters, not ''"],
    [{ topic: 5 }, 'not 5'],
    [{ partition: '0' }, "not '0' (a string): give the number 0"],
    [{ partition: -1 }, 'partition must be a whole number'],
    [{ partition: 0.5 }, 'partition must be a whole number'],
    [{ partition: 0n }, 'give the number 0'],
    [{ timestamp: new Date(5) }, 'not a Date (its time is 5): give date.getTime()'],
    [{ timestamp: '1700000000000' }, 'give the number 1700000000000'],
    [{ timestamp: Number.NaN }, 'timestamp must be milliseconds since the Unix epoch'],
    [{ timestamp: -1 }, 'timestamp must be milliseconds since the Unix epoch'],
  ])('may not be %o', (more, message) => {
    expect(() => checkRecord(record(more))).toThrow(message);
    expect(() => checkRecord(record(more))).toThrow(expect.objectContaining({ code: 'PRODUCER_INVALID_RECORD' }));
  });

  it.each([undefined, null, 'text', 5, [], () => {}])('is an object and not %s', (given) => {
    expect(() => checkRecord(given as unknown as ProducerRecord)).toThrow(ProducerError);
  });

  it('is judged alike by the quick look and by the table, whatever it is', () => {
    const field = fc.constantFrom('topic', 'key', 'value', 'partition', 'timestamp', 'headers', 'other');
    const edges = fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, 2 ** 53);
    const content = fc.oneof(fc.anything({ withBigInt: true, withDate: true }), fc.nat(), edges, fc.constant('t'));
    fc.assert(
      fc.property(fc.dictionary(field, content), (given) => {
        let refused: unknown;
        try {
          checkRecord(given as unknown as ProducerRecord);
        } catch (error) {
          refused = error;
        }
        const { topic, value, partition = 0, timestamp = 0, other } = given;
        const isNumber = (n: unknown, max: number) =>
          n === null || (Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) <= max);
        const right = typeof topic === 'string' && topic !== '' && value !== undefined && other === undefined;
        if (right && isNumber(partition, 2 ** 31 - 1) && isNumber(timestamp, Number.MAX_SAFE_INTEGER)) {
          expect(refused).toBeUndefined();
        } else expect(refused).toMatchObject({ code: 'PRODUCER_INVALID_RECORD' });
      }),
      { numRuns: 2000 },
    );
  });
});

describe('headers', () => {
  it.each<[HeadersInput | null | undefined, unknown]>([
    [undefined, undefined],
    [null, undefined],
    [{}, []],
    [
      { a: 'b', n: null },
      [
        { key: 'a', value: 'b' },
        { key: 'n', value: null },
      ],
    ],
    [
      { a: ['b', 'c'] },
      [
        { key: 'a', value: 'b' },
        { key: 'a', value: 'c' },
      ],
    ],
    [new Map([['a', 'b']]), [{ key: 'a', value: 'b' }]],
    [[{ key: 'a' }], [{ key: 'a' }]],
  ])('may be %o', (given, list) => {
    expect(headerList('t', given)).toEqual(list);
  });

  it.each([
    [{ attempt: 5 }, "header 'attempt' must be text, bytes or null, not 5: give String(...)"],
    [{ on: true }, "header 'on' must be text, bytes or null, not true"],
    [{ at: new Date(5) }, 'give date.toISOString()'],
    [{ id: 5n }, 'not 5n (a bigint)'],
    [{ trace: undefined }, 'not undefined: leave it out, or give null'],
    [{ list: ['a', 5] }, "header 'list' must be text"],
    [{ bytes: new ArrayBuffer(2) }, 'not an object of class ArrayBuffer'],
    [new Map([[5, 'b']]), "a header's name must be text, not 5"],
    [new Map([['a', 5]]), "header 'a' must be text"],
    [[['a', 'b']], 'a list of headers must hold { key, value }, not an array of 2'],
    [[{ key: 5, value: 'b' }], "a header's key must be text or bytes, not 5"],
    [[{ key: 'a', value: 5 }], "header 'a' must be text"],
    [new Headers({ a: 'b' }), 'not an object of class Headers: give Object.fromEntries(...) of it'],
    [new URLSearchParams('a=b'), 'not an object of class URLSearchParams: give Object.fromEntries(...) of it'],
    [new Set(['a']), 'headers must be an object, a Map or a list of { key, value }, not an object of class Set'],
    [new WeakMap(), 'not an object of class WeakMap'],
    [new Date(5), 'not a Date'],
    [new ArrayBuffer(2), 'not an object of class ArrayBuffer'],
    [Object('a'), 'not an object of class String'],
    ['a=b', "headers must be an object, a Map or a list of { key, value }, not 'a=b' (a string)"],
  ])('may not be %o', (given, message) => {
    expect(() => headerList('t', given as unknown as HeadersInput)).toThrow(message);
  });
});

it('tells of bytes that were transferred, in value and header', () => {
  const gone = new Uint8Array(2);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const told = 'must be text, bytes or null, not bytes whose ArrayBuffer was transferred: give a copy';
  expect(() => recordBytes(gone, 't', 'value', false)).toThrow(`the value ${told}`);
  expect(() => headerList('t', { a: gone })).toThrow(`header 'a' ${told}`);
  expect(recordBytes(new Uint8Array(), 't', 'value', false)).toHaveLength(0);
});
