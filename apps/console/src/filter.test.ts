/** What the kinds of search see of a record, each asked as a read asks it. */
import { messagePackSerde } from '@millrace/serdes';
import { describe, expect, it } from 'vitest';
import type { ReadPlan } from './api/contract.ts';
import { type FilterRecord, openFilter } from './filter.ts';
import { readTurns } from './messages/turns.ts';

interface Parts {
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
  readonly headers?: readonly (readonly [name: string, value: string | Buffer | null])[];
}

function recordOf({ key = null, value = null, headers = [] }: Parts): FilterRecord {
  const bytes = (part: string | Buffer | null): Buffer | null => (part === null ? null : Buffer.from(part));
  return {
    ...{ partition: 0, offset: 0, timestamp: 0 },
    rawKey: bytes(key),
    rawValue: bytes(value),
    headers: headers.map(([name, text]) => ({ key: name, value: bytes(text) })),
  };
}

/** Which of some records a search finds, by their places. */
async function found(searchAs: ReadPlan['searchAs'], search: string, records: readonly Parts[]): Promise<number[]> {
  const from = { who: 'x', turns: readTurns(), cluster: { schemas: undefined } };
  const filter = await openFilter({ from: 'beginning', search, searchAs }, from);
  if (filter === undefined) throw new Error('There is something to look for');
  try {
    const matched = await filter.match(records.map(recordOf));
    return records.map((_, at) => at).filter((at) => matched[at]);
  } finally {
    await filter.close();
  }
}

describe('what is shown in another form than its text', () => {
  const long = Buffer.from('0000000000000100', 'hex');
  const packed = Buffer.from(messagePackSerde().serialize({ total: 30, of: 'Ann' }, 't', 'value') ?? []);
  const bytes = Buffer.from('00ff0041636d65', 'hex');
  const records: Parts[] = [
    { value: long },
    { key: long, value: '{"total":3}' },
    { value: packed },
    { headers: [['place', long]] },
    { value: bytes },
    { value: '{"total":30}' },
    { value: 'nothing' },
  ];

  it.each([
    ['256', [0, 1, 3]],
    ['"total":30', [2, 5]],
    ['ANN', [2]],
    ['FF0041', [4]],
    ['acme', [4]],
    ['schema', []],
  ])('is found by the text %s', async (text, places) => {
    expect(await found('text', text, records)).toEqual(places);
  });

  it.each([
    ['^256$|^place: 256$', [0, 1, 3]],
    ['"total":30\\b', [2, 5]],
    ['^00ff|^256$', [0, 1, 4]],
    ['Acme$', [4]],
  ])('is found by the expression %s', async (text, places) => {
    expect(await found('regex', text, records)).toEqual(places);
  });

  it('is a number to a path and to a script', async () => {
    expect(await found('jsonpath', 'key > 255', records)).toEqual([1]);
    expect(await found('javascript', 'value === 256 || key === "256"', records)).toEqual([0, 1]);
  });
});

describe('headers whose name is there several times', () => {
  const repeated: Parts = {
    headers: [
      ['retry', 'first'],
      ['retry', 'second'],
      ['other', null],
    ],
  };
  const records = [{ headers: [['retry', 'second']] }, repeated] as const;

  it('are each held against an expression', async () => {
    expect(await found('regex', '^retry: first$|^other: second$', records)).toEqual([1]);
  });

  it.each([
    ['headers.retry === "second"', [0, 1]],
    ['headers.retry === "first"', []],
    ['headerPairs.some(([name, text]) => name === "retry" && text === "first")', [1]],
    ['record.headerPairs.map(([name]) => name).join() === "retry,retry,other" && headers.other === ""', [1]],
  ])('are to a script pairs, and by their name the last: %s', async (script, places) => {
    expect(await found('javascript', script, records)).toEqual(places);
  });
});

describe('a search by JSON path', () => {
  const records: Parts[] = [
    { key: '{"region":"eu"}', value: '{"id":1}', headers: [['trace', '{"id":"a"}']] },
    { key: 'order-7', value: '{"region":"eu"}', headers: [['trace', 'plain']] },
    { value: 'eu' },
  ];

  it.each([
    ['$.region', [1]],
    ['key.region = "eu"', [0]],
    ['key = order-7', [1]],
    ['headers.trace.id = "a"', [0]],
    ['headers.trace ~ PLAIN', [1]],
  ])('%s looks where it begins: key, value or header', async (path, places) => {
    expect(await found('jsonpath', path, records)).toEqual(places);
  });
});
