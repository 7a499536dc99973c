import { copy, repeat } from './lz4-block.ts';

/** Snappy's raw format without native code (the `format_description.txt` of its repository). */

const LITERAL = 0;
const COPY_1 = 1;
const COPY_2 = 2;
const COPY_BYTES_MAX = 64;
const MATCH_BYTES_MIN = 4;
const HASH_BITS = 13;
const HASH_FACTOR = 0x1e35_a7bd;
const SKIP_BITS = 5;

const places = new Uint16Array(1 << HASH_BITS);

/** Compresses a block of 64 KiB at most. */
export function snappyCompressBlock(block: Uint8Array): Buffer {
  const { length } = block;
  const out = Buffer.allocUnsafe(32 + length + Math.ceil(length / 6));
  let written = 0;
  for (let left = length; ; left >>>= 7) {
    out[written++] = left < 0x80 ? left : (left & 0x7f) | 0x80;
    if (left < 0x80) break;
  }
  let literalsAt = 0;
  places.fill(0);
  for (let at = 1, misses = 0; at <= length - MATCH_BYTES_MIN; ) {
    const word = wordAt(block, at);
    const hash = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    const from = places[hash]!;
    places[hash] = at;
    if (from >= at || wordAt(block, from) !== word) {
      misses += 1;
      at += 1 + (misses >> SKIP_BITS);
      continue;
    }
    const offset = at - from;
    let end = at + MATCH_BYTES_MIN;
    while (end < length && block[end] === block[end - offset]) end += 1;
    written = writeLiterals(block, literalsAt, at, out, written);
    written = writeCopies(out, written, offset, end - at);
    at = end;
    literalsAt = end;
    misses = 0;
  }
  written = writeLiterals(block, literalsAt, length, out, written);
  return out.subarray(0, written);
}

function writeLiterals(block: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  const length = end - start;
  if (length === 0) return at;
  let written = at;
  const less = length - 1;
  if (less < 60) {
    out[written++] = (less << 2) | LITERAL;
  } else if (less < 0x100) {
    out[written++] = (60 << 2) | LITERAL;
    out[written++] = less;
  } else {
    out[written++] = (61 << 2) | LITERAL;
    out[written++] = less & 0xff;
    out[written++] = less >>> 8;
  }
  copy(block, start, end, out, written);
  return written + length;
}

function writeCopies(out: Uint8Array, at: number, offset: number, length: number): number {
  let written = at;
  for (let left = length; left > 0; ) {
    const bytes = Math.min(left, COPY_BYTES_MAX);
    if (offset < 2048 && bytes >= 4 && bytes <= 11) {
      out[written++] = ((offset >>> 8) << 5) | ((bytes - 4) << 2) | COPY_1;
      out[written++] = offset & 0xff;
    } else {
      out[written++] = ((bytes - 1) << 2) | COPY_2;
      out[written++] = offset & 0xff;
      out[written++] = offset >>> 8;
    }
    left -= bytes;
  }
  return written;
}

/** Decompresses a raw block to `plainBytes` bytes, which its length says; undefined when it is damaged. */
export function snappyDecompressBlock(block: Uint8Array, plainBytes: number): Buffer | undefined {
  const out = Buffer.allocUnsafeSlow(plainBytes);
  const { length } = block;
  let at = 0;
  while (at < length && block[at]! >= 0x80) at += 1;
  at += 1;
  let written = 0;
  while (at < length) {
    const tag = block[at++]!;
    const kind = tag & 3;
    let bytes = (tag >>> 2) + 1;
    if (kind === LITERAL) {
      const more = bytes - 60;
      if (more > 0) {
        bytes = littleEndian(block, at, more) + 1;
        at += more;
      }
      if (bytes > length - at || bytes > plainBytes - written) return undefined;
      copy(block, at, at + bytes, out, written);
      at += bytes;
    } else {
      const offsetBytes = kind === COPY_1 ? 1 : kind === COPY_2 ? 2 : 4;
      let offset = littleEndian(block, at, offsetBytes);
      if (kind === COPY_1) {
        offset += (tag >>> 5) << 8;
        bytes = ((tag >>> 2) & 7) + 4;
      }
      at += offsetBytes;
      if (at > length || offset === 0 || offset > written || bytes > plainBytes - written) return undefined;
      repeat(out, written, offset, bytes);
    }
    written += bytes;
  }
  return at === length && written === plainBytes ? out : undefined;
}

function littleEndian(b: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i -= 1) value = value * 256 + (b[at + i] ?? 0);
  return value;
}

function wordAt(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
}
