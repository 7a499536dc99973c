/** Readers of one segment that are remembered: more than go through the same old segment at a time, as a rule. */
const PLACES_MAX = 64;

/**
 * Where reads of a segment ended, and so where the next read of the same reader begins.
 *
 * The offset index only leads to the batch before, which then has to be read and checked for nothing; with batches as large as
 * what a fetch asks for, that is as much again as what is wanted.
 */
export class ReadPlaces {
  /** Undefined until there is one: most segments are never read from the disk. */
  #positions: Map<number, number> | undefined;

  /** Where the batch starts whose base offset this is, if a read has ended there. */
  positionOf(offset: number): number | undefined {
    return this.#positions?.get(offset);
  }

  note(nextOffset: number, position: number): void {
    this.#positions ??= new Map();
    const positions = this.#positions;
    // Set anew, so that it is the youngest again.
    positions.delete(nextOffset);
    positions.set(nextOffset, position);
    if (positions.size <= PLACES_MAX) return;
    const [oldest] = positions.keys();
    positions.delete(oldest!);
  }

  clear(): void {
    this.#positions = undefined;
  }
}
