/** As much of DER (X.690) as certificates need. */

const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.of(bytes);
  const digits: number[] = [];
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return Buffer.of(CONTEXT | digits.length, ...digits);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => tagged(SEQUENCE, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => tagged(SET, ...parts);
export const octets = (bytes: Uint8Array): Buffer => tagged(0x04, bytes);
export const utf8 = (text: string): Buffer => tagged(0x0c, Buffer.from(text));
export const yes: Buffer = tagged(0x01, Buffer.of(0xff));

/** A number that is not negative, by its bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const isHigh = ((bytes[0] ?? 0) & 0x80) !== 0;
  return isHigh ? tagged(0x02, Buffer.of(0), bytes) : tagged(0x02, bytes);
}

/** Bits, the last byte of which leaves so many unused. */
export function bits(bytes: Uint8Array, unused = 0): Buffer {
  return tagged(0x03, Buffer.of(unused), bytes);
}

/** `1.2.840.10045.4.3.2` */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const base128 = (value: number): number[] => {
    const digits = [value % 128];
    for (let more = Math.floor(value / 128); more > 0; more = Math.floor(more / 128))
      digits.unshift((more % 128) | 0x80);
    return digits;
  };
  return tagged(0x06, Buffer.of(...[first * 40 + second, ...rest].flatMap(base128)));
}

/** GeneralizedTime, of years after 2049; UTCTime of those before, as RFC 5280 wants it. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().replace(/[-:T]|\.\d+/g, '')}`;
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(text.slice(2))) : tagged(0x18, Buffer.from(text));
}

/** Something with a number of its own in its surroundings: plain bytes, or a structure. */
export function numbered(number: number, content: Uint8Array, isStructure = false): Buffer {
  return tagged(CONTEXT | number | (isStructure ? CONSTRUCTED : 0), content);
}
