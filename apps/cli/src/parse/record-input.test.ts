import { describe, expect, it } from 'vitest';
import { type RecordInputOptions, recordReader } from './record-input.ts';

function read(line: string, options: Partial<RecordInputOptions> = {}) {
  const { key, value, ...rest } = recordReader({ format: 'value', ...options })(Buffer.from(line), 7);
  return { key: key === null ? null : String(key), value: value === null ? null : String(value), ...rest };
}

describe('lines as values', () => {
  it('are taken as they are', () => {
    expect(read(' a:b\r')).toMatchObject({ key: null, value: ' a:b\r' });
    expect(read('v', { key: 'k', partition: 3 })).toMatchObject({ key: 'k', value: 'v', partition: 3 });
  });

  it('bring their key as a field of theirs', () => {
    const keyField = 'customer.id';
    expect(read('{"customer":{"id":"a-7"}}', { keyField })).toMatchObject({
      key: 'a-7',
      value: '{"customer":{"id":"a-7"}}',
    });
    expect(read('{"customer":{"id":7}}', { keyField }).key).toBe('7');
    expect(read('{"customer":{"id":{"n":7}}}', { keyField }).key).toBe('{"n":7}');
    expect(() => read('{"customer":null}', { keyField })).toThrow(
      'Line 7 of the input is no record: it has no field "customer.id"',
    );
    expect(() => read('plain', { keyField })).toThrow('it is no JSON');
    expect(read('NULL', { keyField, nullMarker: 'NULL' })).toMatchObject({ key: null, value: null });
  });

  it('are divided at the first separator', () => {
    expect(read('k::a::b', { keySeparator: '::' })).toMatchObject({ key: 'k', value: 'a::b' });
    expect(read(':', { keySeparator: ':' })).toMatchObject({ key: '', value: '' });
  });

  it('are refused without a separator, with the number of the line', () => {
    expect(() => read('kv', { keySeparator: ':' })).toThrow(
      'Line 7 of the input is no record: there is no key separator ":"',
    );
  });

  it('may stand for nothing', () => {
    expect(read('NULL:NULL', { keySeparator: ':', nullMarker: 'NULL' })).toMatchObject({ key: null, value: null });
  });
});

describe('lines as JSON', () => {
  const json = { format: 'json' } as const;

  it('bring everything along', () => {
    const line =
      '{"key":"k","value":{"base64":"aGk="},"headers":{"a":["1",null]},"partition":2,"timestamp":5,"offset":9}';
    expect(read(line, json)).toEqual({
      key: 'k',
      value: 'hi',
      headers: { a: ['1', null] },
      partition: undefined,
      timestamp: 5,
    });
    expect(read(line, { ...json, keepPartitions: true }).partition).toBe(2);
    expect(read(line, { ...json, keepPartitions: true, partition: 0 }).partition).toBe(0);
  });

  it.each(['!!!!', 'aGk', 'aGk=', 'a', 'aGk=aGk=', 'a-_+'])(
    'have bytes in base64 only where %s is base64',
    (base64) => {
      const line = JSON.stringify({ value: { base64 } });
      if (['aGk', 'aGk=', 'a-_+'].includes(base64)) expect(() => read(line, json)).not.toThrow();
      else expect(() => read(line, json)).toThrow('"value" is not base64');
    },
  );

  it('fill in from the command what they do not say', () => {
    const headers = [{ key: 'h', value: 'x' }];
    expect(read('{"value":null}', { ...json, key: 'k', headers })).toMatchObject({ key: 'k', value: null, headers });
  });

  it.each([
    ['{', 'it is no JSON'],
    ['[1]', 'it is no JSON object'],
    ['{}', '"value" is missing'],
    ['{"value":5}', '"value" must be text'],
    ['{"value":{"a":1}}', '"value" must be text'],
    ['{"value":"","headers":[]}', '"headers" must be an object'],
    ['{"value":"","headers":{"a":1}}', '"headers.a" must be text'],
    ['{"value":"","timestamp":"now"}', '"timestamp" must be a whole number'],
  ])('are refused where they mean nothing: %s', (line, message) => {
    expect(() => read(line, json)).toThrow(`Line 7 of the input is no record: ${message}`);
  });
});
