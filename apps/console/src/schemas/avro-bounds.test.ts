import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { avroDecoder } from './avro.ts';

/** Zigzag, as Avro writes numbers. */
function number(value: number): number[] {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  const bytes: number[] = [];
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

const read = (schema: unknown, ...bytes: number[]): string =>
  avroDecoder(JSON.stringify(schema), [])(Buffer.from(bytes));

describe('values that claim more than they are', () => {
  it.each([
    ['nulls', { type: 'array', items: 'null' }, [...number(1_000_000_000), 0], 'more items'],
    [
      'nulls in a block that tells its size',
      { type: 'array', items: 'null' },
      [...number(-1_000_000_000), 0, 0],
      'more items',
    ],
    ['numbers', { type: 'array', items: 'int' }, number(1_000_000_000), 'more items'],
    ['few numbers, which are not there', { type: 'array', items: 'int' }, number(5000), 'end too early'],
    ['entries', { type: 'map', values: 'null' }, number(2 ** 40), 'more items'],
    ['text', 'string', number(1_000_000), 'end too early'],
    ['less than no text', 'string', number(-5), 'end too early'],
    ['a branch', ['null', 'int'], number(7), 'branch'],
    ['a number without an end', 'long', Array.from({ length: 12 }, () => 0xff), 'ten bytes'],
  ])('are refused at once: %s', (_what, schema, bytes, why) => {
    expect(() => read(schema, ...bytes)).toThrow(why);
  });

  it('are no others: what avsc writes is read as it was', () => {
    const schema = {
      type: 'record',
      name: 'All',
      fields: [
        { name: 'list', type: { type: 'array', items: ['null', 'long', 'string'] } },
        { name: 'map', type: { type: 'map', values: { type: 'array', items: 'double' } } },
        { name: 'day', type: { type: 'int', logicalType: 'date' } },
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
        { name: 'id', type: { type: 'fixed', name: 'Id', size: 4 } },
        { name: 'is', type: 'boolean' },
        { name: 'part', type: 'float' },
        { name: 'raw', type: 'bytes' },
      ],
    } as const;
    const type = avro.Type.forSchema(schema as never, { wrapUnions: false });
    const value = {
      list: [null, 7, 'x'],
      map: { a: [1.5, 2.5], b: [] },
      day: 20_000,
      kind: 'B',
      id: Buffer.from('abcd'),
      is: true,
      part: 0.5,
      raw: Buffer.from('raw'),
    };
    expect(JSON.parse(read(schema, ...type.toBuffer(value)))).toEqual({
      ...value,
      id: value.id.toString('base64'),
      raw: value.raw.toString('base64'),
    });
    expect(read({ type: 'array', items: 'null' }, ...number(3), 0)).toBe('[null,null,null]');
  });
});
