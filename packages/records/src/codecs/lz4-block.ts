/**
 * LZ4's block format without native code: compression by a table of the places where four bytes were last seen, as the reference
 * does at its fastest level, and decompression with every length held against its bounds.
 */

/** The last match of a block begins this far from its end at the latest, and ends this far (the format's end conditions). */
const LAST_MATCH_BYTES = 12;
const LAST_LITERALS_BYTES = 5;
const MATCH_BYTES_MIN = 4;
const HASH_BITS = 13;
const HASH_FACTOR = 0x9e37_79b1;
/** After so many places without a match (2 to this), the search goes on in larger steps. */
const SKIP_BITS = 6;

/** Where four bytes with this hash were last seen in the block; blocks are no longer than places that fit. */
const places = new Uint16Array(1 << HASH_BITS);

/** The most that a block of so many bytes becomes. */
export function lz4BlockBytesMax(bytes: number): number {
  return bytes + Math.ceil(bytes / 255) + 16;
}

/**
 * Compresses a block of 64 KiB at most to the position `start` of `out`, which has room for {@link lz4BlockBytesMax}. Gives where it ends.
 */
export function lz4CompressBlock(block: Uint8Array, out: Uint8Array, start: number): number {
  const { length } = block;
  const matchEnd = length - LAST_LITERALS_BYTES;
  let written = start;
  let literalsAt = 0;
  places.fill(0);
  for (let at = 1, misses = 0; at <= length - LAST_MATCH_BYTES; ) {
    const word = wordAt(block, at);
    const hash = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    let from = places[hash]!;
    places[hash] = at;
    if (from >= at || wordAt(block, from) !== word) {
      misses += 1;
      at += 1 + (misses >> SKIP_BITS);
      continue;
    }
    while (at > literalsAt && from > 0 && block[at - 1] === block[from - 1]) {
      at -= 1;
      from -= 1;
    }
    const offset = at - from;
    let end = at + MATCH_BYTES_MIN;
    while (end < matchEnd && block[end] === block[end - offset]) end += 1;
    written = writeSequence(block, literalsAt, at, out, written, end - at - MATCH_BYTES_MIN);
    out[written++] = offset & 0xff;
    out[written++] = offset >>> 8;
    written = writeMore(out, written, end - at - MATCH_BYTES_MIN);
    at = end;
    literalsAt = end;
    misses = 0;
  }
  return writeSequence(block, literalsAt, length, out, written, 0);
}

/** Writes a token and the literals before its match. */
function writeSequence(
  block: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  matchLength: number,
): number {
  const literals = end - start;
  out[at] = (Math.min(literals, 15) << 4) | Math.min(matchLength, 15);
  const literalsAt = writeMore(out, at + 1, literals);
  copy(block, start, end, out, literalsAt);
  return literalsAt + literals;
}

/** What of a length does not fit into four bits. */
function writeMore(out: Uint8Array, start: number, length: number): number {
  let at = start;
  if (length < 15) return at;
  let left = length - 15;
  for (; left >= 255; left -= 255) out[at++] = 255;
  out[at++] = left;
  return at;
}

/** How a block could not be decompressed. */
export type Lz4BlockFault = 'damaged' | 'no room';

/**
 * Decompresses a block to the position `start` of `out`, up to `end`. Matches may point before `start`, as far as `historyAt`.
 * Gives where it ends, or what is wrong.
 */
export function lz4DecompressBlock(
  block: Uint8Array,
  out: Uint8Array,
  start: number,
  end: number,
  historyAt: number,
): number | Lz4BlockFault {
  const { length } = block;
  let written = start;
  for (let at = 0; at < length; ) {
    const token = block[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      for (; more === 255 && at < length; literals += more) more = block[at++]!;
    }
    if (literals > length - at) return 'damaged';
    if (literals > end - written) return 'no room';
    copy(block, at, at + literals, out, written);
    at += literals;
    written += literals;
    if (at === length) return written;
    if (length - at < 2) return 'damaged';
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    let matched = (token & 15) + MATCH_BYTES_MIN;
    if ((token & 15) === 15) {
      let more = 255;
      for (; more === 255 && at < length; matched += more) more = block[at++]!;
    }
    if (offset === 0 || offset > written - historyAt) return 'damaged';
    if (matched > end - written) return 'no room';
    repeat(out, written, offset, matched);
    written += matched;
  }
  return 'damaged';
}

function wordAt(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
}

/** Below this, a loop is faster than a call. */
const COPY_CALL_BYTES_MIN = 48;

/** Copies bytes from one piece of memory to another. */
export function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start >= COPY_CALL_BYTES_MIN) {
    to.set(from.subarray(start, end), at);
    return;
  }
  for (let source = start, target = at; source < end; source++, target++) to[target] = from[source]!;
}

/** Writes again what stands `offset` bytes before, `length` bytes of it; where they overlap, what was just written. */
export function repeat(out: Uint8Array, at: number, offset: number, length: number): void {
  if (offset >= length && length >= COPY_CALL_BYTES_MIN) {
    out.copyWithin(at, at - offset, at - offset + length);
    return;
  }
  for (let target = at, end = at + length; target < end; target += 1) out[target] = out[target - offset]!;
}
