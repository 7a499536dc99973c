import { describe, expect, it } from 'vitest';
import { protobufDecoder } from './protobuf.ts';
import { messagePlaces } from './protobuf-places.ts';

const SHOP = `syntax = "proto2"; // message Not { }
package shop;
option (own) = { a: { b: 1 } c: "}" };
message First { optional string x = 1; }
message Order {
  option deprecated = false;
  map<string, Line> lines = 1;
  message Line { optional string what = 1; map<int32, string> marks = 2 [deprecated = true]; message Mark { optional string m = 1; } }
  oneof how { string by = 3; Note with = 4; }
  extensions 100 to 199;
  reserved 9, 10;
  repeated group Part = 5 { optional string p = 1; }
  map<string, string> more = 6;
  ${'enum'} Kind { A = 0; }
  message Note { optional string text = 1; }
}
extend Order { optional string late = 150; }
message Last { optional string z = 1; }`;

/** Indexes as serializers write them: how many, then each, zigzag. */
function at(...indexes: number[]): number[] {
  return [indexes.length * 2, ...indexes.map((index) => index * 2)];
}
const text = (value: string): number[] => [0x0a, value.length, ...Buffer.from(value)];
const read = (schema: string, ...bytes: number[]): string => protobufDecoder(schema, [])(Buffer.from(bytes));

describe('the message that bytes name', () => {
  it.each([
    ['a message of the file', at(0), '{"x":"v"}'],
    ['the last one, behind what is no message', at(2), '{"z":"v"}'],
    // Of Order: the entry of lines, Line, Part, the entry of more, Note.
    ['one behind a map', at(1, 1), '{"what":"v"}'],
    ['a group, which is one too', at(1, 2), '{"p":"v"}'],
    ['one behind two maps and a group', at(1, 4), '{"text":"v"}'],
    ['one within another, behind a map of that one', at(1, 1, 1), '{"m":"v"}'],
  ])('is found by its place, in which the entries of maps have theirs: %s', (_, place, json) => {
    expect(read(SHOP, ...place, ...text('v'))).toBe(json);
  });

  it('is found for serializers that leave the entries out, where their place is that of an entry or of nothing', () => {
    expect(read(SHOP, ...at(1, 0), ...text('v'))).toBe('{"what":"v"}');
    expect(() => read(SHOP, ...at(1, 9), ...text('v'))).toThrow('no message at 1.9');
    expect(() => read(SHOP, ...at(7), ...text('v'))).toThrow('no message at 7');
  });

  it('has places as they stand in the text, whatever is written between', () => {
    const names = (places: ReturnType<typeof messagePlaces>): unknown[] =>
      places.map(({ name, isMapEntry, nested }) => (isMapEntry ? 'entry' : [name, ...names(nested)]));
    expect(names(messagePlaces(SHOP))).toEqual([
      ['First'],
      ['Order', 'entry', ['Line', 'entry', ['Mark']], ['Part'], 'entry', ['Note']],
      ['Last'],
    ]);
  });
});

describe('Protobuf of somebody who means no good', () => {
  const NODE = 'syntax = "proto3"; message Node { map<string, Node> next = 1; Node one = 2; string name = 3; }';
  /** A message within an entry, again and again. */
  function nested(depth: number, viaMap: boolean): number[] {
    const length = (size: number): number[] =>
      size < 128 ? [size] : [(size % 128) | 0x80, ...length(Math.floor(size / 128))];
    let bytes: number[] = [];
    for (let n = 0; n < depth; n += 1) {
      bytes = viaMap ? [0x12, ...length(bytes.length), ...bytes] : bytes;
      bytes = [viaMap ? 0x0a : 0x12, ...length(bytes.length), ...bytes];
    }
    return bytes;
  }

  it.each([true, false])('is refused when it is nested without end, through maps (%s) as through fields', (viaMap) => {
    expect(JSON.parse(read(NODE, 0, ...nested(40, viaMap)))).toBeTypeOf('object');
    expect(() => read(NODE, 0, ...nested(200, viaMap))).toThrow('max depth exceeded');
  });

  it('is refused when its schema is', () => {
    const deep = `syntax = "proto3"; ${'message A { '.repeat(40)}${'}'.repeat(40)}`;
    expect(() => messagePlaces(deep)).toThrow('more than 32 deep');
  });
});
