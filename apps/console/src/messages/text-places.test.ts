import { RecordBatchBuilder, RecordCursor } from '@millrace/records';
import { messagePackSerde } from '@millrace/serdes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openFilter } from '../filter.ts';
import { BytePlaces } from './byte-places.ts';
import { LookedThrough } from './looked-through.ts';
import { type RecordToShow, showBytes } from './shown.ts';
import { isSure, TextPlaces } from './text-places.ts';
import { readTurns } from './turns.ts';

/** What people look for, and what is nearly that: both cases, letters that others become in lower case, and bytes that are no text. */
const PIECES = [
  ...['k', 'K', '\u212a', 'i', 'I', '\u0130', '\u0307', '\u0131', 'ß', 'ẞ', 'σ', 'ς', 'Σ', 'é', 'É', 'e\u0301'],
  ...[
    '주문',
    '주',
    '文',
    '😀',
    '\u{1f601}',
    '\ufffd',
    '\ufeff',
    'needle',
    'NEEDLE',
    'eedl',
    ' ',
    '0',
    '-',
    '\u0000',
    '"',
  ],
];
const BROKEN = ['ff', 'c3', 'e284', 'f09f98', '80', 'c080', 'eda080'].map((hex) => Buffer.from(hex, 'hex'));

const text = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 3 }),
);
/** Longer than is looked at at once, now and then. */
const filling = fc.oneof(
  { weight: 9, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 16_300, max: 16_500 }) },
);
const bytes = fc
  .tuple(
    filling,
    fc.array(fc.oneof(text, fc.constantFrom(...BROKEN), fc.uint8Array({ maxLength: 4 })), { maxLength: 8 }),
  )
  .map(([filled, parts]) => Buffer.concat([Buffer.alloc(filled, 'k'), ...parts.map((part) => Buffer.from(part))]));
const part = fc.option(bytes, { nil: null });
const record = fc.record({
  rawKey: part,
  rawValue: part,
  headers: fc.array(fc.record({ key: text, value: part }), { maxLength: 2 }),
});
type Made = typeof record extends fc.Arbitrary<infer T> ? T : never;

/** What is shown in another form than its text, beside what is not. */
const unlike = fc.oneof(
  bytes,
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => {
    const long = Buffer.alloc(8);
    long.writeBigInt64BE(n);
    return long;
  }),
  fc.integer().map((n) => {
    const int = Buffer.alloc(4);
    int.writeInt32BE(n);
    return int;
  }),
  fc.uint8Array({ maxLength: 20 }).map((some) => Buffer.from(some)),
  fc.uint8Array({ maxLength: 6 }).map((some) => Buffer.concat([Buffer.from([0, 0, 0, 1, 2]), some])),
  fc
    .dictionary(fc.string({ maxLength: 4 }), fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.constant(null)), {
      maxKeys: 4,
    })
    .map((value) => Buffer.from(messagePackSerde().serialize(value, 't', 'value') ?? [])),
);
const otherPart = fc.option(unlike, { nil: null });
const otherRecord = fc.record({
  rawKey: otherPart,
  rawValue: otherPart,
  headers: fc.array(fc.record({ key: text, value: otherPart }), { maxLength: 3 }),
});

/** The records as they lie in a batch, looked through; those that are made. */
function madeOf(records: readonly Made[], places: TextPlaces | undefined): number[] {
  const builder = new RecordBatchBuilder();
  for (const { rawKey, rawValue, headers } of records) builder.append(0, rawKey, rawValue, headers);
  const cursor = new RecordCursor(builder.build());
  const looked = new LookedThrough(new Map([[0, records.length]]), places);
  while (cursor.next()) looked.isWanted(cursor, { topic: 't', partition: 0 });
  const { indexes, count } = looked.portion(0, []);
  expect(count).toBe(records.length);
  return [...indexes];
}

async function filterFor(search: string) {
  const turns = readTurns();
  const filter = await openFilter({ from: 'beginning', search }, { who: 'x', turns, cluster: { schemas: undefined } });
  if (filter === undefined) throw new Error('There is something to look for');
  return filter;
}

/** Which records a text is in, found by making each. */
async function matchesOf(search: string, records: readonly Made[]): Promise<number[]> {
  const shown = records.map((each, offset): RecordToShow => ({ ...each, partition: 0, offset, timestamp: 0 }));
  const matched = await (await filterFor(search)).match(shown);
  return shown.map(({ offset }) => offset).filter((offset) => matched[offset]);
}

describe('the first look at the bytes of records', () => {
  it('knows every character that becomes another in lower case', () => {
    const others: string[] = [];
    const changed: string[] = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
      const character = String.fromCodePoint(code);
      const lower = character.toLowerCase();
      // A text without cases is looked for as it is, which has to be the text in lower case.
      if (lower === character.toUpperCase() && lower !== character) changed.push(character);
      if (lower === character || (character >= 'A' && character <= 'Z')) continue;
      if ([...lower].some(isSure)) others.push(`${character}=${[...lower].filter(isSure).join('')}`);
    }
    expect(others).toEqual(['\u0130=i', '\u212a=k']);
    expect(changed).toEqual([]);
  });

  it('passes over no record that the text is in', async () => {
    await fc.assert(
      fc.asyncProperty(
        text.filter((search) => search !== ''),
        fc.array(record, { minLength: 1, maxLength: 6 }),
        async (search, records) => {
          const { places } = await filterFor(search);
          const made = madeOf(records, places);
          expect(made).toEqual(expect.arrayContaining(await matchesOf(search, records)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('passes over no record with a text of which a part is in it in any case', async () => {
    const some = fc.tuple(text, text, text).filter((each) => each.join('') !== '');
    const cased = fc.constantFrom<(of: string) => string>(
      (of) => of,
      (of) => of.toUpperCase(),
      (of) => of.toLowerCase(),
      (of) => of.replaceAll('k', '\u212a').replaceAll('i', '\u0130'),
    );
    await fc.assert(
      fc.asyncProperty(some, cased, filling, async ([before, search, after], change, filled) => {
        fc.pre(search !== '');
        const rawValue = Buffer.from('.'.repeat(filled) + change(before + search + after));
        const none = { rawKey: null, rawValue: Buffer.from('.'), headers: [] };
        const records = [none, { rawKey: null, rawValue, headers: [] }, none];
        const made = madeOf(records, (await filterFor(search)).places);
        expect(made).toEqual(expect.arrayContaining(await matchesOf(search, records)));
      }),
      { numRuns: 500 },
    );
  });

  it('passes over no record in which a text is shown', async () => {
    const places = fc.tuple(fc.nat(), fc.nat({ max: 12 }), fc.boolean());
    const looked = async (
      records: readonly Made[],
      [at, length, isUpper]: [number, number, boolean],
    ): Promise<void> => {
      const parts = records.flatMap(({ rawKey, rawValue, headers }) => [
        rawKey,
        rawValue,
        ...headers.map((h) => h.value),
      ]);
      const shown = parts.map((each) => showBytes(each, 4096).text).filter((each) => each !== '');
      const whole = shown[at % Math.max(1, shown.length)] ?? '';
      const from = at % Math.max(1, whole.length);
      const some = whole.slice(from, from + 1 + length);
      // Half of a pair is in what is shown, and in no bytes.
      fc.pre(some !== '' && some.isWellFormed() && !some.includes('\ufffd'));
      const search = isUpper ? some.toUpperCase() : some;
      const matches = await matchesOf(search, records);
      if (search === some) expect(matches).not.toEqual([]);
      expect(madeOf(records, (await filterFor(search)).places)).toEqual(expect.arrayContaining(matches));
    };
    await fc.assert(fc.asyncProperty(fc.array(otherRecord, { minLength: 1, maxLength: 4 }), places, looked), {
      numRuns: 1000,
    });
  });

  it('makes none of what is shown as other texts, and none of what is plain text', () => {
    const one = (value: Buffer | string, key: Buffer | string = 'k'): Made[] => [
      { rawKey: Buffer.from(key), rawValue: Buffer.from(value), headers: [{ key: 'h', value: Buffer.from(value) }] },
    ];
    const long = Buffer.from('0000000000000100', 'hex');
    const packed = Buffer.from('81a5746f74616c1e', 'hex');
    const json = '{"total":30,"of":"것"}\n';
    const made = (search: string, records: Made[]): boolean => madeOf(records, TextPlaces.of(search)).length > 0;
    expect(['256', 'ff00', 'needle'].filter((search) => made(search, one(json, 'key')))).toEqual([]);
    expect(['256', 'ff00', 'needle'].filter((search) => made(search, one(json, long)))).toEqual(['256', 'ff00']);
    expect(['256', 'ff00', 'needle'].filter((search) => made(search, one(packed)))).toEqual(['256', 'ff00', 'needle']);
  });

  it.each([
    ['needle', ['hay', 'a NeeDLe in it', 'hay', 'needl', 'needle'], [1, 4]],
    ['kilo', ['kil', '\u212a\u0130lo', 'KILO', 'other \u212a'], [1, 2, 3]],
    ['주문', ['주', '주문 목록', '문'], [1]],
    ['é-12', ['É-12', 'É-1', 'e-12'], [0, 2]],
  ])('makes few others: %s', (search, values, wanted) => {
    const records = values.map((value) => ({ rawKey: Buffer.from('key'), rawValue: Buffer.from(value), headers: [] }));
    expect(madeOf(records, TextPlaces.of(search))).toEqual(wanted);
  });

  it('knows nothing of a text whose characters may all have come of others', () => {
    for (const search of ['é', 'Σ', '\ufffd', '\u0307', '\ud83d']) expect(TextPlaces.of(search)).toBeUndefined();
  });

  it('finds what is before what it was asked for last, and in other bytes', () => {
    const places = new BytePlaces([Buffer.from('ab')]);
    const first = Buffer.from('..ab..ab');
    expect(places.next(first, 4)).toBe(6);
    expect(places.next(first, 0)).toBe(2);
    expect(places.next(first, 7)).toBe(Number.POSITIVE_INFINITY);
    expect(places.next(Buffer.from('ab'), 0)).toBe(0);
    const within = [
      [4, 8],
      [0, 3],
      [0, 2],
      [3, 6],
      [7, 8],
    ].map(([from = 0, end = 0]) => places.isWithin(first, from, end));
    expect(within).toEqual([true, true, false, false, false]);
    expect(places.isWithin(Buffer.from('ab'), 0, 1)).toBe(true);
  });
});
