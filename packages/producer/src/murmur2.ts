const MULTIPLIER = 0x5bd1e995;
const ROTATION = 24;
const SEED = 0x9747b28c;

/**
 * Kafka's 32-bit murmur2 over bytes (`org.apache.kafka.common.utils.Utils.murmur2`).
 * The result is a signed 32-bit integer; see {@link toPositive} for what partitioners make of it.
 */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let hash = SEED ^ length;
  let at = 0;
  for (const end = length - (length & 3); at < end; at += 4) {
    hash = mixWord(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  }
  const left = length & 3;
  if (left === 3) hash ^= bytes[at + 2]! << 16;
  if (left >= 2) hash ^= bytes[at + 1]! << 8;
  if (left >= 1) hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER);
  return finish(hash);
}

/**
 * {@link murmur2} of a string's UTF-8 bytes. Keys are mostly ASCII, whose bytes are the char codes: those are hashed
 * from the string itself; the first other character sends the whole string through a buffer.
 */
export function murmur2OfString(text: string): number {
  const length = text.length;
  let hash = SEED ^ length;
  let seen = 0;
  let at = 0;
  for (const end = length - (length & 3); at < end; at += 4) {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    seen |= a | b | c | d;
    hash = mixWord(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  const left = length & 3;
  let tail = 0;
  for (let index = left - 1; index >= 0; index -= 1) {
    const code = text.charCodeAt(at + index);
    seen |= code;
    tail |= code << (8 * index);
  }
  if (seen > 0x7f) return murmur2(Buffer.from(text, 'utf8'));
  if (left > 0) hash = Math.imul(hash ^ tail, MULTIPLIER);
  return finish(hash);
}

/** Clears the sign bit, as Java's partitioners do before they take the remainder. */
export function toPositive(hash: number): number {
  return hash & 0x7fffffff;
}

function mixWord(hash: number, word: number): number {
  let mixed = Math.imul(word, MULTIPLIER);
  mixed ^= mixed >>> ROTATION;
  mixed = Math.imul(mixed, MULTIPLIER);
  return Math.imul(hash, MULTIPLIER) ^ mixed;
}

function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 13);
  mixed = Math.imul(mixed, MULTIPLIER);
  return mixed ^ (mixed >>> 15);
}
