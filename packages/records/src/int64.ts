/**
 * 64-bit big-endian integers as numbers, without bigint: a high and a low half of 32 bits each.
 *
 * A value outside ±2^53 loses its low bits here. Who reads foreign bytes asks {@link isSafeInt64At} first.
 */

const TWO_TO_32 = 4_294_967_296;
/** The high half of 2^53, the first integer that a number cannot tell from its neighbour. */
const HIGH_HALF_UNSAFE = 0x20_0000;

/** The int64 at `at`; exact within ±2^53. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_TO_32 + buffer.readUInt32BE(at + 4);
}

/** Writes `value`, an integer within ±2^53, as an int64 at `at`. */
export function writeInt64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_TO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeInt32BE((value - high * TWO_TO_32) | 0, at + 4);
}

/** Whether the int64 at `at` is one that a number holds exactly (-2^53 up to, but not including, 2^53). */
export function isSafeInt64At(buffer: Buffer, at: number): boolean {
  const high = buffer.readInt32BE(at);
  return high >= -HIGH_HALF_UNSAFE && high < HIGH_HALF_UNSAFE;
}
