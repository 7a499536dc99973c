import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSafeInt64At, readInt64, writeInt64 } from './int64.ts';
import { varintBytes, writeVarint, writeVarlong } from './varint.ts';

const buffer = Buffer.alloc(16);

describe('int64 without bigint', () => {
  it('writes and reads what bigint does, within ±2^53', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        writeInt64(buffer, 0, value);
        expect(buffer.readBigInt64BE(0)).toBe(BigInt(value));
        expect(readInt64(buffer, 0)).toBe(value);
        expect(isSafeInt64At(buffer, 0)).toBe(true);
      }),
    );
  });

  it('tells what a number cannot hold', () => {
    for (const [value, safe] of [
      [2n ** 53n - 1n, true],
      [2n ** 53n, false],
      [-(2n ** 53n), true],
      [-(2n ** 53n) - 1n, false],
      [2n ** 63n - 1n, false],
      [-(2n ** 63n), false],
    ] as const) {
      buffer.writeBigInt64BE(value);
      expect(isSafeInt64At(buffer, 0)).toBe(safe);
    }
  });
});

/** The definition, in bigint: zig-zag with a shift by 63, then groups of seven bits. */
function reference(value: number): string {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  let hex = '';
  for (; rest > 0x7fn; rest >>= 7n) hex += Number((rest & 0x7fn) | 0x80n).toString(16);
  return hex + Number(rest).toString(16).padStart(2, '0');
}

describe('varints', () => {
  it('writes 64-bit deltas as the definition has them', () => {
    const extremes = [
      0,
      -1,
      1,
      63,
      64,
      -64,
      -65,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 32,
      2 ** 53 - 1,
    ];
    const values = fc.oneof(fc.constantFrom(...extremes), fc.maxSafeInteger(), fc.integer());
    fc.assert(
      fc.property(values, (value) => {
        const end = writeVarlong(buffer, 0, value);
        expect(buffer.toString('hex', 0, end)).toBe(reference(value));
      }),
      { examples: extremes.map((value) => [value] as [number]) },
    );
  });

  it('knows beforehand how many bytes a varint takes', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(writeVarint(buffer, 0, value)).toBe(varintBytes(value));
      }),
    );
  });
});
