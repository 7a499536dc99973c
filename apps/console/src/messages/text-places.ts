/**
 * Where in the bytes of records a text may stand, whatever its case. It is a first look, before anything is made of the bytes: where it sees
 * nothing there is nothing, and where it sees something the text itself is looked at. What becomes another character in lower case is the
 * heart of it, so its test asks that of every character there is.
 */

import type { UnmadeRecord } from '@millrace/consumer';
import { BytePlaces, PART_BYTES_MAX } from './byte-places.ts';
import { OtherForms } from './other-forms.ts';

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
  readonly #places: BytePlaces;
  /** What bytes are shown as may hold the text where they themselves do not. */
  readonly #forms: OtherForms;

  private constructor(text: string, parts: readonly string[]) {
    this.#places = new BytePlaces(parts.map((part) => Buffer.from(part)));
    this.#forms = new OtherForms(text);
  }

  /** Undefined for a text of which the bytes tell nothing. */
  static of(text: string): TextPlaces | undefined {
    const sure = longestSurePart(text.toLowerCase());
    if (sure === '') return undefined;
    const others = Object.entries(OTHER_CAPITALS).filter(([letter]) => sure.includes(letter));
    return new TextPlaces(text, [sure, ...others.map(([, capital]) => capital)]);
  }

  /** Whether the text may be in a record as it lies, or in what is shown of it: key, value and headers lie from the key's place up to its end. */
  mayBeIn(record: UnmadeRecord): boolean {
    const { data, keyStart, end } = record;
    return this.#places.isWithin(data, keyStart, end) || this.#forms.mayHold(record);
  }
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
