import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from './errors.ts';
import { Reader } from './reader.ts';
import { ZERO_UUID } from './uuid.ts';
import { Writer } from './writer.ts';

function hex(write: (writer: Writer) => void): string {
  const writer = new Writer();
  write(writer);
  return writer.toBuffer().toString('hex');
}

function codeOf(write: (writer: Writer) => void): string {
  try {
    write(new Writer());
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('integers', () => {
  it('are big-endian and signed', () => {
    expect(hex((w) => w.int8(-128))).toBe('80');
    expect(hex((w) => w.int16(-2))).toBe('fffe');
    expect(hex((w) => w.uint16(65534))).toBe('fffe');
    expect(hex((w) => w.int32(-2147483648))).toBe('80000000');
    expect(hex((w) => w.int64(-1))).toBe('ffffffffffffffff');
    expect(hex((w) => w.int64(-(2 ** 32)))).toBe('ffffffff00000000');
    expect(hex((w) => w.int64(Number.MAX_SAFE_INTEGER))).toBe('001fffffffffffff');
    expect(hex((w) => w.float64(1.5))).toBe('3ff8000000000000');
  });

  it('of 64 bits agree with BigInt', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const expected = Buffer.alloc(8);
        expected.writeBigInt64BE(BigInt(value));
        expect(hex((w) => w.int64(value))).toBe(expected.toString('hex'));
      }),
    );
  });

  it('of variable length read back', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(31), (any, shift) => {
        const value = any >>> shift;
        const writer = new Writer();
        writer.uvarint(value);
        expect(new Reader(writer.toBuffer()).uvarint()).toBe(value);
      }),
    );
  });

  it('that do not fit, and what is no integer, are refused', () => {
    expect(codeOf((w) => w.int8(128))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int16(40_000))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.uint16(-1))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int32(2 ** 31))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int32(1.5))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int64(2 ** 53))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int64(Number.NaN))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.int32(undefined as never))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
  });
});

describe('strings', () => {
  it('have an int16 in front, or one more than their length in flexible versions', () => {
    expect(hex((w) => w.string('hi', false))).toBe('00026869');
    expect(hex((w) => w.string('hi', true))).toBe('036869');
    expect(hex((w) => w.nullableString(null, false))).toBe('ffff');
    expect(hex((w) => w.nullableString(undefined, true))).toBe('00');
  });

  it('of any content and length read back', () => {
    const text = fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: 'grapheme', maxLength: 300 }));
    fc.assert(
      fc.property(text, fc.boolean(), fc.nat(300), (value, flexible, before) => {
        const writer = new Writer(16);
        for (let i = 0; i < before; i += 1) writer.int8(7);
        writer.string(value, flexible);
        expect(new Reader(writer.toBuffer(), before).string(flexible)).toBe(value);
      }),
    );
  });

  it('of more than 32767 bytes are refused', () => {
    expect(codeOf((w) => w.string('a'.repeat(32_767), true))).toBe('no error');
    expect(codeOf((w) => w.string('a'.repeat(32_768), true))).toBe('PROTOCOL_STRING_TOO_LONG');
    expect(codeOf((w) => w.string('水'.repeat(11_000), false))).toBe('PROTOCOL_STRING_TOO_LONG');
  });

  it('are refused when they are none', () => {
    expect(codeOf((w) => w.string(null as never, false))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
  });
});

describe('UUIDs', () => {
  it('are written from the form in which Kafka prints them', () => {
    expect(hex((w) => w.uuid(ZERO_UUID))).toBe('00'.repeat(16));
    expect(hex((w) => w.uuid('AAAAAAAAAAAAAAAAAAAAAQ'))).toBe(`${'00'.repeat(15)}01`);
  });

  it('are refused in any other form', () => {
    expect(codeOf((w) => w.uuid('6ba7b810-9dad-11d1-80b4-00c04fd430c8'))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
    expect(codeOf((w) => w.uuid('!!!!!!!!!!!!!!!!!!!!!!'))).toBe('PROTOCOL_VALUE_OUT_OF_RANGE');
  });
});

describe('records', () => {
  it('are gathered, not copied', () => {
    const batch = Buffer.alloc(5000, 1);
    const writer = new Writer();
    writer.int32(1);
    writer.records(batch, false);
    writer.int32(2);
    const chunks = writer.chunks();
    expect(chunks[1]).toBe(batch);
    expect(Buffer.concat(chunks).toString('hex')).toBe(`0000000100001388${'01'.repeat(5000)}00000002`);
  });

  it('may come in pieces, whose size is their sum', () => {
    const pieces = [Buffer.alloc(2000, 1), Buffer.alloc(3, 2), Buffer.alloc(2000, 3)];
    const writer = new Writer();
    writer.records(pieces, true);
    const bytes = Buffer.concat(writer.chunks());
    expect(new Reader(bytes).bytes(true)).toEqual(Buffer.concat(pieces));
    expect(writer.sizeBytes).toBe(bytes.length);
  });

  it('may be null or empty', () => {
    expect(hex((w) => w.records(null, false))).toBe('ffffffff');
    expect(hex((w) => w.records(undefined, true))).toBe('00');
    expect(hex((w) => w.records([], false))).toBe('00000000');
  });

  it('leave what was written before them alone when the buffer grows after them', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { maxLength: 12 }), (sizes) => {
        const writer = new Writer(8);
        for (const [i, size] of sizes.entries()) {
          writer.int32(i);
          writer.records(Buffer.alloc(size, i), false);
        }
        const bytes = Buffer.from(writer.toBuffer());
        expect(bytes.length).toBe(writer.sizeBytes);
        const reader = new Reader(bytes);
        for (const [i, size] of sizes.entries()) {
          expect(reader.int32()).toBe(i);
          expect(reader.bytes(false)).toEqual(Buffer.alloc(size, i));
        }
        reader.expectEnd();
      }),
    );
  });
});

describe('tagged fields', () => {
  it('have their size in front, however large they are', () => {
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 100_000]) {
      const writer = new Writer(16);
      writer.int8(9);
      const begin = writer.beginTag(3);
      for (let i = 0; i < size; i += 1) writer.int8(i % 100);
      writer.endTag(begin);
      writer.int8(9);
      const reader = new Reader(writer.toBuffer());
      expect([reader.int8(), reader.uvarint()]).toEqual([9, 3]);
      const limit = reader.enterTag();
      expect(reader.remaining).toBe(size);
      for (let i = 0; i < size; i += 1) expect(reader.int8()).toBe(i % 100);
      reader.leaveTag(limit);
      expect([reader.int8(), reader.remaining]).toEqual([9, 0]);
    }
  });
});

describe('a frame', () => {
  it('says its size in its first four bytes', () => {
    const writer = new Writer();
    writer.int32(0);
    writer.records(Buffer.alloc(70_000), false);
    const chunks = writer.frame();
    expect(Buffer.concat(chunks).readInt32BE(0)).toBe(70_004);
  });
});
