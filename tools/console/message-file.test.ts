import { describe, expect, it } from 'vitest';
import { fileOf } from '../../apps/console/page/src/lib/message-file.ts';
import { showRecord } from '../../apps/console/src/messages/shown.ts';

function message(value: string | null, key: string | null = null) {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  const headers = [{ key: 'trace', value: Buffer.from('a,b') }];
  return showRecord({ partition: 2, offset: 7, timestamp: 1000, rawKey: bytes(key), rawValue: bytes(value), headers });
}

describe('messages as a file', () => {
  it('of JSON lines have one line for each, whatever is in it, and tell a tombstone from an empty text', () => {
    const lines = fileOf([message('line\none', 'k'), message(null), message('')], 'jsonl')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { partition: 2, offset: 7, timestamp: 1000, key: 'k', value: 'line\none', headers: [['trace', 'a,b']] },
      { key: null, value: null },
      { value: '' },
    ]);
  });

  it('say of a value that it is cut', () => {
    const [line = ''] = fileOf([message('x'.repeat(100_000))], 'jsonl').split('\n');
    expect(JSON.parse(line)).toMatchObject({ cut: true, bytes: 100_000 });
  });

  it('of CSV quote what divides cells and lines', () => {
    expect(fileOf([message('a "b", c\nd', 'k')], 'csv')).toBe(
      'partition,offset,timestamp,key,value\r\n2,7,1000,k,"a ""b"", c\nd"\r\n',
    );
  });

  it('say what became of a transaction, in a column of its own where there is one', () => {
    const messages = [{ ...message('x'), transaction: 'aborted' as const }, message('y')];
    const lines = fileOf(messages, 'jsonl').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { transaction?: string }).transaction)).toEqual([
      'aborted',
      undefined,
    ]);
    expect(fileOf(messages, 'csv').trimEnd().split('\r\n')).toEqual([
      'partition,offset,timestamp,key,value,transaction',
      '2,7,1000,,x,aborted',
      '2,7,1000,,y,',
    ]);
  });

  it.each(['=1+1', '+1', '-1', '@sum', '\t=1'])(
    'of CSV hold no formula that a program for tables would run: %j',
    (value) => {
      const [, line = ''] = fileOf([message(value)], 'csv').split('\r\n');
      expect(line.endsWith(`,'${value}`)).toBe(true);
    },
  );
});
