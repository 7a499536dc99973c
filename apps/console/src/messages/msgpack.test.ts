import { messagePackSerde } from '@millrace/serdes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messagePackAsJson } from './msgpack.ts';
import { showBytes } from './shown.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('MessagePack', () => {
  it('is read as the specification writes it', () => {
    expect(messagePackAsJson(hex('82 a7 636f6d70616374 c3 a6 736368656d61 00'))).toBe('{"compact":true,"schema":0}');
    expect(messagePackAsJson(hex('93 c0 d0 80 cb 3ff8000000000000'))).toBe('[null,-128,1.5]');
    expect(messagePackAsJson(hex('91 cf ffffffffffffffff'))).toBe('["18446744073709551615"]');
    expect(messagePackAsJson(hex('91 c4 02 0102'))).toBe('["base64:AQI="]');
    expect(messagePackAsJson(hex('91 d6 ff 00000001'))).toBe('["1970-01-01T00:00:01.000Z"]');
  });

  it('comes out as what our own serde wrote, whatever that was', () => {
    const serde = messagePackSerde();
    const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { minKeys: 1 });
    fc.assert(
      fc.property(value, (given) => {
        // Negative zero is zero in JSON.
        const bytes = Buffer.from(serde.serialize(given, 't', 'value') ?? []);
        const read = messagePackAsJson(bytes);
        expect(read === undefined ? undefined : JSON.parse(read)).toEqual(JSON.parse(JSON.stringify(given)));
      }),
    );
  });

  it('is never taken for what is cut off, goes on, or is nested without an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = messagePackAsJson(Buffer.from(bytes));
        if (read !== undefined) JSON.parse(read);
      }),
    );
    expect(messagePackAsJson(hex('92 01'))).toBeUndefined();
    expect(messagePackAsJson(hex('91 01 01'))).toBeUndefined();
    expect(messagePackAsJson(hex('dd ffffffff'))).toBeUndefined();
    expect(messagePackAsJson(Buffer.alloc(10_000, 0x91))).toBeUndefined();
  });

  it('has no key that changes what others have', () => {
    const read = messagePackAsJson(hex('81 a9 5f5f70726f746f5f5f 81 a1 78 01'));
    expect(read).toBe('{"__proto__":{"x":1}}');
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('is shown as such', () => {
    expect(showBytes(hex('81 a1 61 cb 3ff8000000000000'), 4096)).toMatchObject({ shape: 'msgpack', text: '{"a":1.5}' });
  });
});
