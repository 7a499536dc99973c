/**
 * Zig-zag varints as in Kafka's `ByteUtils`: 7 bits a byte, low bits first, small negative numbers stay short.
 *
 * Varlongs are 64 bits wide in two halves of 32: a delta beyond ±2^31 (25 days of milliseconds) is ordinary, and bigint
 * is too slow for a field that every record has.
 */

/** The most bytes that a varint takes. */
export const VARINT_BYTES_MAX = 5;
/** The most bytes that a varlong takes. */
export const VARLONG_BYTES_MAX = 10;

const TWO_TO_32 = 4_294_967_296;

/** How many bytes the varint of `value`, an int32, takes. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes `value`, an int32, as a varint at `at`; returns the position after it. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let next = at;
  while (rest > 0x7f) {
    buffer[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[next++] = rest;
  return next;
}

/** Writes `value`, an integer within ±2^53, as a varlong at `at`; returns the position after it. */
export function writeVarlong(buffer: Uint8Array, at: number, value: number): number {
  if ((value | 0) === value) return writeVarint(buffer, at, value);
  const high = Math.floor(value / TWO_TO_32);
  const low = (value - high * TWO_TO_32) | 0;
  const sign = high >> 31;
  let zigzagHigh = (((high << 1) | (low >>> 31)) ^ sign) >>> 0;
  let zigzagLow = ((low << 1) ^ sign) >>> 0;
  let next = at;
  while (zigzagHigh !== 0 || zigzagLow > 0x7f) {
    buffer[next++] = (zigzagLow & 0x7f) | 0x80;
    zigzagLow = ((zigzagLow >>> 7) | (zigzagHigh << 25)) >>> 0;
    zigzagHigh >>>= 7;
  }
  buffer[next++] = zigzagLow;
  return next;
}

/** The number whose zig-zag form has these halves; exact within ±2^53. */
export function unzigzag(zigzagHigh: number, zigzagLow: number): number {
  const sign = -(zigzagLow & 1);
  const low = ((zigzagLow >>> 1) | (zigzagHigh << 31)) ^ sign;
  const high = (zigzagHigh >>> 1) ^ sign;
  return high * TWO_TO_32 + (low >>> 0);
}
