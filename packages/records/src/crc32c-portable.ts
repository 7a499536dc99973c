/** CRC-32C without native code: eight bytes at a time, by a table for each of the eight places ("slicing by 8"). */

const POLYNOMIAL_REVERSED = 0x82f6_3b78;
const PLACES = 8;

/** The tables of all places, one behind the other. */
let tables: Int32Array | undefined;

function buildTables(): Int32Array {
  const built = new Int32Array(PLACES * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL_REVERSED : crc >>> 1;
    built[byte] = crc;
  }
  for (let at = 256; at < built.length; at += 1) {
    const before = built[at - 256]!;
    built[at] = (before >>> 8) ^ built[before & 0xff]!;
  }
  return built;
}

/** Whether a word in memory begins with its lowest byte, as on every processor that Node runs on but one. */
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** See `crc32c`. */
export function crc32cPortable(bytes: Uint8Array, previous = 0): number {
  tables ??= buildTables();
  const table = tables;
  const { length } = bytes;
  let crc = ~previous;
  let at = 0;
  if (isLittleEndian && length >= 64) {
    // Words can be read at places that four divides.
    const aligned = -bytes.byteOffset & 3;
    for (; at < aligned; at += 1) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (length - at) >> 2);
    const end = words.length & ~1;
    for (let word = 0; word < end; word += 2) {
      const low = crc ^ words[word]!;
      const high = words[word + 1]!;
      crc =
        table[1792 + (low & 0xff)]! ^
        table[1536 + ((low >>> 8) & 0xff)]! ^
        table[1280 + ((low >>> 16) & 0xff)]! ^
        table[1024 + (low >>> 24)]! ^
        table[768 + (high & 0xff)]! ^
        table[512 + ((high >>> 8) & 0xff)]! ^
        table[256 + ((high >>> 16) & 0xff)]! ^
        table[high >>> 24]!;
    }
    at += end * 4;
  }
  for (; at < length; at += 1) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
