import type { Clock, Timer } from '@millrace/ports';

/** What the memory of batches may keep. */
export interface BatchMemoryBounds {
  /** While batches come and go: what can be on its way at once can be of use again at once. */
  readonly busyBytesMax: number;
  /** When nothing has been given back for {@link REST_MS}. */
  readonly idleBytesMax: number;
}

/** How long after the last batch was done the memory beyond `idleBytesMax` is let go, in milliseconds. */
export const REST_MS = 1_000;

/**
 * Memory of batches that are done, for the batches to come. The system hands out large memory page by page, and cleans each page
 * first; at full speed that costs as much as encoding the records, and the garbage grows faster than it is collected.
 */
export class BatchMemory {
  readonly #batchBytes: number;
  readonly #busyCountMax: number;
  readonly #idleCountMax: number;
  readonly #clock: Clock;
  readonly #free: Buffer[] = [];
  #timer: Timer | undefined;
  #wasGiven = false;

  /** @param batchBytes the size of a full batch; only memory of about this size is kept */
  constructor(batchBytes: number, bounds: BatchMemoryBounds, clock: Clock) {
    this.#batchBytes = batchBytes;
    this.#busyCountMax = Math.floor(bounds.busyBytesMax / batchBytes);
    this.#idleCountMax = Math.floor(bounds.idleBytesMax / batchBytes);
    this.#clock = clock;
  }

  /** Undefined where there is none: small batches begin small. */
  take(): Buffer | undefined {
    return this.#free.pop();
  }

  /** Takes memory that nobody has a view of any more. */
  give(memory: Buffer): void {
    const isOfUse = memory.length >= this.#batchBytes && memory.length <= 2 * this.#batchBytes;
    if (!isOfUse || this.#free.length >= this.#busyCountMax) return;
    this.#free.push(memory);
    this.#wasGiven = true;
    if (this.#free.length > this.#idleCountMax) this.#timer ??= this.#clock.schedule(REST_MS, this.#letGo);
  }

  /** Keeps nothing more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#free.length = 0;
  }

  readonly #letGo = (): void => {
    this.#timer = undefined;
    if (this.#wasGiven) {
      this.#wasGiven = false;
      this.#timer = this.#clock.schedule(REST_MS, this.#letGo);
    } else if (this.#free.length > this.#idleCountMax) {
      this.#free.length = this.#idleCountMax;
    }
  };
}
