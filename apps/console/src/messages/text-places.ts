/**
 * Where in the bytes of records a text may stand, whatever its case. It is a first look, before anything is made of the bytes: where it sees
 * nothing there is nothing, and where it sees something the text itself is looked at. What becomes another character in lower case is the
 * heart of it, so its test asks that of every character there is.
 */

/** Beyond it more of the text makes the look no quicker, and what is nearly the same all over takes longer. */
const PART_BYTES_MAX = 16;
/** So much is looked at at once: it stays in the processor's cache, and no more is kept of however large a batch. */
const WINDOW_BYTES = 16 * 1024;
/** What is said where there is nothing more. */
const NOWHERE = Number.POSITIVE_INFINITY;

const ASCII_MAX = 0x7f;
const SURROGATES = { first: 0xd800, last: 0xdfff } as const;
/** Characters beyond ASCII that hold a letter of ASCII in lower case: the Kelvin sign, and the capital I with a dot. */
const OTHER_CAPITALS: Readonly<Record<string, string>> = { k: '\u212a', i: '\u0130' };
/** It has no case, and comes of the capital I with a dot all the same. */
const DOT_ABOVE = '\u0307';
/** What bytes that are no UTF-8 are shown as. */
const REPLACEMENT = '\ufffd';

/** Finds a text in bytes; one for each search, as it remembers where it is. */
export class TextPlaces {
  readonly #parts: readonly string[];
  /** Where each part comes next in the window, counted from its start. */
  readonly #nexts: number[];
  #bytes: Buffer | undefined;
  #start = 0;
  /** What was last asked for: it goes forwards within a window. */
  #asked = 0;
  /** The window's bytes, one a character, and those behind it in which what begins in it may end. */
  #window = '';

  private constructor(parts: readonly string[]) {
    this.#parts = parts.map((part) => folded(Buffer.from(part).subarray(0, PART_BYTES_MAX)));
    this.#nexts = this.#parts.map(() => NOWHERE);
  }

  /** Undefined for a text of which the bytes tell nothing. */
  static of(text: string): TextPlaces | undefined {
    const sure = longestSurePart(text.toLowerCase());
    if (sure === '') return undefined;
    const others = Object.entries(OTHER_CAPITALS).filter(([letter]) => sure.includes(letter));
    return new TextPlaces([sure, ...others.map(([, capital]) => capital)]);
  }

  /** The first place from `from` on where the text, a part of it or a capital within it may begin; infinite where there is none. */
  next(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length) {
      if (bytes !== this.#bytes || at < this.#asked || at >= this.#start + WINDOW_BYTES) this.#look(bytes, at);
      this.#asked = at;
      const found = this.#nextInWindow(at - this.#start);
      if (found !== NOWHERE) return this.#start + found;
      at = this.#start + WINDOW_BYTES;
    }
    return NOWHERE;
  }

  #look(bytes: Buffer, start: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#window = folded(bytes.subarray(start, start + WINDOW_BYTES + PART_BYTES_MAX - 1));
    this.#nexts.fill(-1);
  }

  #nextInWindow(from: number): number {
    let first = NOWHERE;
    for (const [index, part] of this.#parts.entries()) {
      let next = this.#nexts[index] ?? NOWHERE;
      if (next < from) {
        const found = this.#window.indexOf(part, from);
        next = found < 0 ? NOWHERE : found;
        this.#nexts[index] = next;
      }
      first = Math.min(first, next);
    }
    return first;
  }
}

/** Bytes as characters of Latin-1 in lower case: those that stand for letters of ASCII are folded, and some that belong to others, alike in text and bytes. */
function folded(bytes: Buffer): string {
  return bytes.toString('latin1').toLowerCase();
}

/** Whether a character in lower case comes of itself alone, of its capital in ASCII, or of those in `OTHER_CAPITALS`. */
export function isSure(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code <= ASCII_MAX) return true;
  // Half of a pair can stand in a text and not in bytes.
  if (code >= SURROGATES.first && code <= SURROGATES.last) return false;
  if (character === REPLACEMENT || character === DOT_ABOVE) return false;
  return character.toLowerCase() === character && character.toUpperCase() === character;
}

/** The part of a text that tells most by its bytes. */
function longestSurePart(lower: string): string {
  let longest = '';
  let part = '';
  for (const character of lower) {
    part = isSure(character) ? part + character : '';
    if (Buffer.byteLength(part) > Buffer.byteLength(longest)) longest = part;
    if (Buffer.byteLength(longest) >= PART_BYTES_MAX) break;
  }
  return longest;
}
