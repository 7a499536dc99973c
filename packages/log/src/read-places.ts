import type { ReadChunk, ReadMemory } from './read-memory.ts';

/** Readers of one segment that are remembered: more than go through the same old segment at a time, as a rule. */
const PLACES_MAX = 64;

/**
 * Where reads of a segment ended, and so where the next read of the same reader begins; and what is being read there just now.
 *
 * The offset index only leads to the batch before, which then has to be read and checked for nothing; with batches as large as
 * what a fetch asks for, that is as much again as what is wanted.
 */
export class ReadPlaces {
  readonly memory: ReadMemory;
  /** Undefined until there is one: most segments are never read from the disk. */
  #positions: Map<number, number> | undefined;
  /** What readers have, and what was read ahead for them, by the offset that was asked for. */
  #chunks: Map<number, ReadChunk> | undefined;
  /** Reads ahead that are under way, by their offset. */
  #readsAhead: Map<number, Promise<void>> | undefined;
  /** Counts what makes reads that are under way worth nothing for others: the segment was cut, or is gone. */
  #changes = 0;

  constructor(memory: ReadMemory) {
    this.memory = memory;
  }

  get changes(): number {
    return this.#changes;
  }

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

  /** What a read of so much from an offset has given, if somebody has it or it was read ahead; the caller must release it. */
  chunkFrom(offset: number, bytesMax: number, upperOffset: number): ReadChunk | undefined {
    const chunk = this.#chunks?.get(offset);
    if (chunk === undefined || chunk.bytesMax !== bytesMax || chunk.nextOffset > upperOffset) return undefined;
    return this.memory.takeAhead(chunk) ? chunk : chunk.use();
  }

  /** Lets others have what was read, unless the segment has changed since `changes`. */
  share(chunk: ReadChunk, changes: number): void {
    if (changes !== this.#changes || this.#chunks?.has(chunk.fromOffset) === true) return;
    this.#chunks ??= new Map();
    this.#chunks.set(chunk.fromOffset, chunk);
  }

  isShared(chunk: ReadChunk): boolean {
    return this.#chunks?.get(chunk.fromOffset) === chunk;
  }

  unshare(chunk: ReadChunk): void {
    if (this.isShared(chunk)) this.#chunks?.delete(chunk.fromOffset);
  }

  /** Whether a read from an offset was done or is under way. */
  hasReadFrom(offset: number): boolean {
    return this.#chunks?.has(offset) === true || this.#readsAhead?.has(offset) === true;
  }

  /** Resolves, and never fails, when the read ahead from an offset has ended; undefined when none is under way. */
  readAheadFrom(offset: number): Promise<void> | undefined {
    return this.#readsAhead?.get(offset);
  }

  /** Notes a read ahead. */
  readAhead(offset: number, read: Promise<void>): void {
    this.#readsAhead ??= new Map();
    const readsAhead = this.#readsAhead;
    const done = (): void => void readsAhead.delete(offset);
    readsAhead.set(offset, read.then(done, done));
  }

  /** Forgets everything: the segment was cut, or nobody will read it any more. */
  clear(): void {
    this.#changes += 1;
    this.#positions = undefined;
    const chunks = this.#chunks;
    this.#chunks = undefined;
    for (const chunk of chunks?.values() ?? []) if (this.memory.takeAhead(chunk)) chunk.release();
  }
}
