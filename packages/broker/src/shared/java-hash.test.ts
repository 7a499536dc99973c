import { describe, expect, it } from 'vitest';
import { javaStringHash, partitionOf } from './java-hash.ts';

describe('javaStringHash', () => {
  // Values of java.lang.String.hashCode, from the Java documentation's formula worked out by hand and known constants.
  it.each([
    ['', 0],
    ['a', 97],
    ['ab', 97 * 31 + 98],
    ['hello', 99162322],
    ['polygenelubricants', -(2 ** 31)],
    // One character outside the basic plane is two UTF-16 units: d83d de00.
    ['\u{1f600}', 0xd83d * 31 + 0xde00],
  ])('of %j is %i', (text, hash) => {
    expect(javaStringHash(text)).toBe(hash);
  });

  it('puts a group whose hash has no absolute value into partition 0', () => {
    expect(partitionOf('polygenelubricants', 50)).toBe(0);
  });

  it('drops the sign before the remainder is taken', () => {
    expect(javaStringHash('my-group')).toBe(-1906497762);
    expect(partitionOf('my-group', 50)).toBe(12);
  });
});
