import { describe, expect, it } from 'vitest';
import {
  jsonFormatter,
  type PrintedRecord,
  type RecordFormatter,
  templateFormatter,
  valueFormatter,
} from './record-format.ts';

const record: PrintedRecord = {
  topic: 'orders',
  partition: 2,
  offset: 41,
  timestamp: 1_700_000_000_000,
  key: Buffer.from('k'),
  value: Buffer.from('grün'),
  headers: [
    { key: 'a', value: Buffer.from('1') },
    { key: 'b', value: null },
    { key: 'a', value: Buffer.from('2') },
  ],
};
const tombstone: PrintedRecord = { ...record, key: null, value: null, headers: [], timestamp: -1 };

function print(format: RecordFormatter, ...records: PrintedRecord[]): string {
  const chunks: Uint8Array[] = [];
  for (const each of records) format(each, chunks);
  return Buffer.concat(chunks).toString('utf8');
}

describe('the format value', () => {
  it('prints values one a line, null for tombstones', () => {
    expect(print(valueFormatter(), record, tombstone)).toBe('grün\nnull\n');
  });

  it('puts columns before the value, in one order however they are asked for', () => {
    const columns = { key: true, headers: true, offset: true, partition: true, timestamp: true };
    expect(print(valueFormatter(columns), record)).toBe('2023-11-14T22:13:20.000Z\t2\t41\ta=1,b=NULL,a=2\tk\tgrün\n');
    expect(print(valueFormatter({ key: true, separator: ': ' }), tombstone)).toBe('null: null\n');
  });

  it('leaves bytes that are no text as they are', () => {
    const chunks: Uint8Array[] = [];
    valueFormatter()({ ...record, value: Buffer.from([0xff, 0x00]) }, chunks);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from([0xff, 0x00, 0x0a]));
  });
});

describe('the format json', () => {
  it('prints one object a line', () => {
    expect(JSON.parse(print(jsonFormatter(), record))).toEqual({
      topic: 'orders',
      partition: 2,
      offset: 41,
      timestamp: 1_700_000_000_000,
      key: 'k',
      value: 'grün',
      headers: { a: ['1', '2'], b: null },
    });
    expect(print(jsonFormatter(), tombstone)).toMatch(/^\{.*"key":null,"value":null,"headers":\{\}\}\n$/);
  });

  it('encodes what is no text', () => {
    const binary = { ...record, key: Buffer.from([0xff]), headers: [{ key: '__proto__', value: Buffer.from([0xfe]) }] };
    const line = print(jsonFormatter(), binary);
    expect(line).toContain('"key":{"base64":"/w=="}');
    expect(line).toContain('"headers":{"__proto__":{"base64":"/g=="}}');
  });
});

describe('a template', () => {
  it('fills in what the letters stand for and adds nothing', () => {
    const format = templateFormatter(String.raw`%t[%p]@%o %k(%K)=%s(%S) %h %T 100%%\t\x21\n`);
    expect(print(format, record)).toBe('orders[2]@41 k(1)=grün(5) a=1,b=NULL,a=2 1700000000000 100%\t!\n');
    expect(print(templateFormatter('%k%K|%s%S'), tombstone)).toBe('-1|-1');
  });

  it.each(['%x', 'a%', '%\n'])('refuses %j', (template) => {
    expect(() => templateFormatter(template)).toThrow(/stands for nothing/);
  });
});
