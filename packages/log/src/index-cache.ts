/** What lies in the cache: an index that can do without its memory. */
interface Evictable {
  /** Drops what was read; it is read again when it is needed. */
  evict(): void;
}

/** Bounds the memory that indexes read from files take, over all partitions: the least recently used go first. */
export class IndexCache {
  readonly #bytesMax: number;
  readonly #sizes = new Map<Evictable, number>();
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  add(index: Evictable, sizeBytes: number): void {
    this.#sizes.set(index, sizeBytes);
    this.#usedBytes += sizeBytes;
    for (const oldest of this.#sizes.keys()) {
      if (this.#usedBytes <= this.#bytesMax) return;
      this.remove(oldest);
      oldest.evict();
    }
  }

  touch(index: Evictable): void {
    const sizeBytes = this.#sizes.get(index);
    if (sizeBytes === undefined) return;
    this.#sizes.delete(index);
    this.#sizes.set(index, sizeBytes);
  }

  remove(index: Evictable): void {
    this.#usedBytes -= this.#sizes.get(index) ?? 0;
    this.#sizes.delete(index);
  }
}
