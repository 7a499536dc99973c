import { describe, expect, it } from 'vitest';
import { fileOf } from '../../apps/console/src/api/message-file.ts';
import { showRecord } from '../../apps/console/src/messages/shown.ts';

function message(value: string | Buffer | null, key: string | Buffer | null = null, more: object[] = []) {
  const bytes = (text: string | Buffer | null) => (text === null ? null : Buffer.from(text));
  const headers = [{ key: 'trace', value: Buffer.from('a,b') }, ...(more as { key: string; value: Buffer | null }[])];
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

  it('say of all that is cut, left out or no text that it is, and tell a header without a value from an empty one', () => {
    const long = { key: 'long', value: Buffer.alloc(5000, 'l') };
    const [none, empty] = [
      { key: 'none', value: null },
      { key: 'empty', value: Buffer.alloc(0) },
    ];
    const many = Array.from({ length: 30 }, () => empty);
    const hex = Buffer.from([0xff, 0, 1]);
    const messages = [message('v', 'k'.repeat(9000), [none, empty, long]), message(hex, hex), message('v', 'k', many)];
    const lines = fileOf(messages, 'jsonl').trimEnd().split('\n');
    const [cut, binary, full] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(cut).toMatchObject({ keyCut: true, keyBytes: 9000, headersCut: ['long'] });
    expect(cut).not.toHaveProperty('cut');
    expect((cut?.['headers'] as unknown[] | undefined)?.slice(0, 3)).toEqual([
      ['trace', 'a,b'],
      ['none', null],
      ['empty', ''],
    ]);
    expect(binary).toMatchObject({ value: 'ff0001', as: 'hex', keyAs: 'hex' });
    expect(full).toMatchObject({ headersLeftOut: 11 });
    const notes = fileOf(messages, 'csv')
      .split('\r\n')
      .map((line) => line.split(',').at(-1));
    expect(notes.slice(0, 4)).toEqual([
      'notes',
      'key cut of 9000 bytes; header long cut',
      'key hex; value hex',
      '11 headers left out',
    ]);
  });

  it('of CSV tell what there is none of from an empty text, and a value that is cut', () => {
    const notes = fileOf([message(null), message('', ''), message('x'.repeat(100_000), '')], 'csv')
      .split('\r\n')
      .slice(1, 4)
      .map((line) => line.split(',').at(-1));
    expect(notes).toEqual(['key null; value null', '', 'value cut of 100000 bytes']);
  });

  it('of CSV quote what divides cells and lines', () => {
    expect(fileOf([message('a "b", c\nd', 'k')], 'csv')).toBe(
      'partition,offset,timestamp,key,value,headers,notes\r\n' +
        '2,7,1000,k,"a ""b"", c\nd","[[""trace"",""a,b""]]",\r\n',
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
      'partition,offset,timestamp,key,value,headers,notes,transaction',
      '2,7,1000,,x,"[[""trace"",""a,b""]]",key null,aborted',
      '2,7,1000,,y,"[[""trace"",""a,b""]]",key null,',
    ]);
  });

  it.each(['=1+1', '+1', '-1', '@sum', '\t=1'])(
    'of CSV hold no formula that a program for tables would run: %j',
    (value) => {
      const [, line = ''] = fileOf([message(value)], 'csv').split('\r\n');
      expect(line).toContain(`,'${value},"[[`);
    },
  );
});
