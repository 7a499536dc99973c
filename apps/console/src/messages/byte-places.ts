/** Where one of some short rows of bytes may stand in larger ones, whatever the case of letters among them. */

/** Beyond it more of a row makes the look no quicker, and what is nearly the same all over takes longer. */
export const PART_BYTES_MAX = 16;
/** So much is looked at at once: it stays in the processor's cache, and no more is kept of however large a batch. */
const WINDOW_BYTES = 16 * 1024;
/** What is said where there is nothing more. */
const NOWHERE = Number.POSITIVE_INFINITY;

/** Finds rows of bytes; one for each search, as it remembers where it is. */
export class BytePlaces {
  readonly #parts: readonly string[];
  /** Where each part comes next in the window, counted from its start. */
  readonly #nexts: number[];
  #bytes: Buffer | undefined;
  #start = 0;
  /** What was last asked for: it goes forwards within a window. */
  #asked = 0;
  /** The window's bytes, one a character, and those behind it in which what begins in it may end. */
  #window = '';
  /** What `isWithin` looked at last: from where on, and the first place there. */
  #looked: { readonly bytes: Buffer; readonly from: number; readonly place: number } | undefined;

  /** @param parts none of them empty */
  constructor(parts: readonly Buffer[]) {
    this.#parts = parts.map((part) => folded(part.subarray(0, PART_BYTES_MAX)));
    this.#nexts = this.#parts.map(() => NOWHERE);
  }

  /** Whether one of them may begin from `from` on and before `end`; places are looked for only as far as they are passed. */
  isWithin(bytes: Buffer, from: number, end: number): boolean {
    let looked = this.#looked;
    if (looked === undefined || bytes !== looked.bytes || looked.place < from || from < looked.from) {
      looked = { bytes, from, place: this.next(bytes, from) };
      this.#looked = looked;
    }
    return looked.place < end;
  }

  /** The first place from `from` on where one of them, or what is nearly it, may begin; infinite where there is none. */
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
