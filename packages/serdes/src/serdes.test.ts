import fc from 'fast-check';
import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  bigint64Serde,
  bytesSerde,
  float64Serde,
  int32Serde,
  int64Serde,
  jsonSerde,
  messagePackSerde,
  type Serde,
  SerdeError,
  stringSerde,
} from './index.ts';

function written<T>(serde: Serde<T>, value: T): Buffer {
  return Buffer.from(serde.serialize(value, 'orders', 'value') as Uint8Array);
}

function read<T>(serde: Serde<T>, bytes: Uint8Array): T {
  return serde.deserialize(Buffer.from(bytes), 'orders', 'value');
}

function returnsWhatWasWritten<T>(serde: Serde<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      expect(read(serde, written(serde, value))).toEqual(value);
    }),
  );
}

describe('every serde reads what it wrote', () => {
  it('string', () => returnsWhatWasWritten(stringSerde, fc.string({ unit: 'grapheme' })));
  it('JSON', () =>
    returnsWhatWasWritten(
      jsonSerde(),
      fc.jsonValue({ noUnicodeString: false }).map((v) => JSON.parse(JSON.stringify(v))),
    ));
  it('MessagePack', () =>
    returnsWhatWasWritten(
      messagePackSerde(),
      fc.dictionary(
        fc.string().filter((k) => k !== '__proto__'),
        fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null)),
        { noNullPrototype: true },
      ),
    ));
  it('int32', () => returnsWhatWasWritten(int32Serde, fc.integer()));
  it('int64', () => returnsWhatWasWritten(int64Serde, fc.maxSafeInteger()));
  it('bigint64', () => returnsWhatWasWritten(bigint64Serde, fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)));
  it('float64', () => returnsWhatWasWritten(float64Serde, fc.double({ noNaN: true })));
  it('bytes', () =>
    returnsWhatWasWritten(
      bytesSerde,
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    ));
});

describe('the bytes are those of other implementations', () => {
  it('int64 is what a Java LongSerializer writes', () => {
    expect(written(int64Serde, -2).toString('hex')).toBe('fffffffffffffffe');
    expect(written(int64Serde, 2 ** 40 + 1).toString('hex')).toBe('0000010000000001');
  });

  it('int32 is what a Java IntegerSerializer writes', () => {
    expect(written(int32Serde, -1).toString('hex')).toBe('ffffffff');
  });

  it('MessagePack writes plain maps, as the specification has them', () => {
    expect(written(messagePackSerde(), { a: 1 }).toString('hex')).toBe('81a16101');
    expect(read(messagePackSerde(), pack([1, 'two', null]))).toEqual([1, 'two', null]);
  });
});

describe('what does not fit is refused with a typed error', () => {
  const cases: [string, () => unknown, string][] = [
    ['JSON of undefined', () => written(jsonSerde(), undefined), 'SERDE_VALUE_UNSUPPORTED'],
    ['JSON of a bigint', () => written(jsonSerde(), 1n), 'SERDE_VALUE_UNSUPPORTED'],
    ['text that is not JSON', () => read(jsonSerde(), Buffer.from('{')), 'SERDE_BYTES_MALFORMED'],
    ['truncated MessagePack', () => read(messagePackSerde(), Buffer.from('82a161', 'hex')), 'SERDE_BYTES_MALFORMED'],
    ['2^31 as int32', () => written(int32Serde, 2 ** 31), 'SERDE_VALUE_UNSUPPORTED'],
    ['a fraction as int64', () => written(int64Serde, 0.5), 'SERDE_VALUE_UNSUPPORTED'],
    [
      'a Java long beyond 2^53',
      () => read(int64Serde, Buffer.from('7fffffffffffffff', 'hex')),
      'SERDE_BYTES_MALFORMED',
    ],
    ['three bytes as int32', () => read(int32Serde, Buffer.alloc(3)), 'SERDE_BYTES_MALFORMED'],
    ['2^63 as bigint64', () => written(bigint64Serde, 2n ** 63n), 'SERDE_VALUE_UNSUPPORTED'],
  ];

  it.each(cases)('%s', (_name, attempt, code) => {
    expect(attempt).toThrow(SerdeError);
    expect(attempt).toThrow(
      expect.objectContaining({ code, retriable: false, message: expect.stringContaining("'orders'") }),
    );
  });
});
