import type { IndexFile } from './index-file.ts';

/** Bounds the memory that indexes read from files take, over all partitions: the least recently used go first. */
export class IndexCache {
  readonly #bytesMax: number;
  readonly #sizes = new Map<IndexFile, number>();
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  add(index: IndexFile, sizeBytes: number): void {
    this.#sizes.set(index, sizeBytes);
    this.#usedBytes += sizeBytes;
    for (const oldest of this.#sizes.keys()) {
      if (this.#usedBytes <= this.#bytesMax) return;
      this.remove(oldest);
      oldest.evict();
    }
  }

  touch(index: IndexFile): void {
    const sizeBytes = this.#sizes.get(index);
    if (sizeBytes === undefined) return;
    this.#sizes.delete(index);
    this.#sizes.set(index, sizeBytes);
  }

  remove(index: IndexFile): void {
    this.#usedBytes -= this.#sizes.get(index) ?? 0;
    this.#sizes.delete(index);
  }
}
