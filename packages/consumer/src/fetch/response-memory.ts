/** When less than this part of a response is still wanted, the rest of it is not kept for that. */
const KEPT_PART = 1 / 4;

/** What lies in a response's memory, and can be copied out of it. */
export interface Detachable {
  readonly sizeBytes: number;
  /** Copies what is still wanted into memory of its own. */
  detach(): void;
}

/**
 * The memory of one Fetch response, which the chunks of several partitions are views of. Without it, a few bytes of a partition
 * that nobody reads would keep megabytes alive that others have long read; with it, such bytes are copied out.
 */
export class ResponseMemory {
  readonly #chunks = new Set<Detachable>();
  #sizeBytes = 0;
  #wantedBytes = 0;

  add(chunk: Detachable): void {
    this.#chunks.add(chunk);
    this.#sizeBytes += chunk.sizeBytes;
    this.#wantedBytes += chunk.sizeBytes;
  }

  /** The chunk has been read, or is of no use. */
  release(chunk: Detachable): void {
    if (!this.#chunks.delete(chunk)) return;
    this.#wantedBytes -= chunk.sizeBytes;
    if (this.#wantedBytes >= this.#sizeBytes * KEPT_PART) return;
    for (const left of this.#chunks) left.detach();
    this.#chunks.clear();
  }
}
