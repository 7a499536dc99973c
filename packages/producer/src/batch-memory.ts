/**
 * Memory of batches that are done, for the batches to come. The system hands out large memory page by page, and cleans each page
 * first; at full speed that costs as much as encoding the records, and the garbage grows faster than it is collected.
 */
export class BatchMemory {
  readonly #batchBytes: number;
  readonly #countMax: number;
  readonly #free: Buffer[] = [];

  /**
   * @param batchBytes the size of a full batch; only memory of about this size is kept
   * @param bytesMax how much is kept at the most
   */
  constructor(batchBytes: number, bytesMax: number) {
    this.#batchBytes = batchBytes;
    this.#countMax = Math.floor(bytesMax / batchBytes);
  }

  /** Undefined where there is none: small batches begin small. */
  take(): Buffer | undefined {
    return this.#free.pop();
  }

  /** Takes memory that nobody has a view of any more. */
  give(memory: Buffer): void {
    const isOfUse = memory.length >= this.#batchBytes && memory.length <= 2 * this.#batchBytes;
    if (isOfUse && this.#free.length < this.#countMax) this.#free.push(memory);
  }
}
