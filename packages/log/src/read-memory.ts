/** Smaller reads have memory of their own: taking it costs next to nothing. */
const POOLED_BYTES_MIN = 64 * 1024;
/** A read may use memory that is this many times as large as what it needs. */
const OVERSIZE_MAX = 2;

/** Where a chunk is shared from. */
interface ChunkPlaces {
  readonly memory: ReadMemory;
  /** Nobody gets the chunk any more. */
  unshare(chunk: ReadChunk): void;
}

/** What a {@link ReadChunk} is made of. */
export interface ReadBytes {
  readonly bytes: Buffer;
  /** The offset that was asked for. */
  readonly fromOffset: number;
  /** How much was asked for. */
  readonly bytesMax: number;
  /** The offset behind the last batch: what a reader that goes on asks for next. */
  readonly nextOffset: number;
  /** What to give back when nobody reads in it any more; undefined where there is nothing to give back. */
  readonly memory: Buffer | undefined;
}

/**
 * Batches of a segment that were read from its file and checked. Readers who ask for the same while one has it share it; when none
 * has it any more, its memory is used for another read.
 */
export class ReadChunk {
  readonly bytes: Buffer;
  readonly fromOffset: number;
  readonly bytesMax: number;
  readonly nextOffset: number;
  readonly #places: ChunkPlaces;
  readonly #memory: Buffer | undefined;
  /** Who had it read is the first. */
  #users = 1;

  constructor(places: ChunkPlaces, read: ReadBytes) {
    this.bytes = read.bytes;
    this.fromOffset = read.fromOffset;
    this.bytesMax = read.bytesMax;
    this.nextOffset = read.nextOffset;
    this.#places = places;
    this.#memory = read.memory;
  }

  /** Bytes of memory that it keeps from being used for something else. */
  get heldBytes(): number {
    return this.#memory?.length ?? this.bytes.length;
  }

  /** One more reads in it. */
  use(): this {
    this.#users += 1;
    return this;
  }

  /** One less. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#places.unshare(this);
    if (this.#memory !== undefined) this.#places.memory.give(this.#memory);
  }
}

/**
 * Memory for reads of the files of all partitions. It is used again and again: to take a megabyte of new memory costs more than to
 * fill it, for the system clears it page by page, and V8 collects its whole heap after so many.
 *
 * Bounds what waits here for readers: chunks that were read ahead, and memory that is free. What readers have is theirs.
 */
export class ReadMemory {
  readonly #bytesMax: number;
  /** What was given back last is taken first: it may still be in the processor's caches. */
  #free: Buffer[] = [];
  /** Read ahead, and not asked for so far; the oldest first. */
  readonly #ahead = new Set<ReadChunk>();
  #usedBytes = 0;
  #wasUsed = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that wait for readers. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Memory for a read; undefined where it had better take its own. */
  take(sizeBytes: number): Buffer | undefined {
    if (sizeBytes < POOLED_BYTES_MIN || sizeBytes * OVERSIZE_MAX > this.#bytesMax) return undefined;
    this.#wasUsed = true;
    const index = this.#free.findLastIndex(
      ({ length }) => length >= sizeBytes && length <= Math.max(sizeBytes, POOLED_BYTES_MIN) * OVERSIZE_MAX,
    );
    if (index < 0) return Buffer.allocUnsafeSlow(sizeBytes);
    const [memory] = this.#free.splice(index, 1);
    this.#usedBytes -= memory!.length;
    return memory;
  }

  /** Keeps memory for the next read. */
  give(memory: Buffer): void {
    if (!this.#makeRoomFor(memory.length)) return;
    this.#usedBytes += memory.length;
    this.#free.push(memory);
  }

  /** Keeps a chunk until somebody asks for it: takes over the caller's use of it. */
  keepAhead(chunk: ReadChunk): void {
    while (!this.#makeRoomFor(chunk.heldBytes)) {
      const [oldest] = this.#ahead;
      if (oldest === undefined) {
        chunk.release();
        return;
      }
      this.takeAhead(oldest);
      oldest.release();
    }
    this.#usedBytes += chunk.heldBytes;
    this.#ahead.add(chunk);
  }

  /** Hands on the use of a chunk to the first who asks for it; false when it was not kept. */
  takeAhead(chunk: ReadChunk): boolean {
    if (!this.#ahead.delete(chunk)) return false;
    this.#usedBytes -= chunk.heldBytes;
    return true;
  }

  /** Gives all that waits back to the system when nothing has been read since the last time. */
  trim(): void {
    const wasUsed = this.#wasUsed;
    this.#wasUsed = false;
    if (wasUsed) return;
    for (const chunk of this.#ahead) {
      this.takeAhead(chunk);
      chunk.release();
    }
    for (const { length } of this.#free) this.#usedBytes -= length;
    this.#free = [];
  }

  /** Whether so much more may wait here, if need be instead of free memory. */
  #makeRoomFor(sizeBytes: number): boolean {
    while (this.#usedBytes + sizeBytes > this.#bytesMax) {
      const dropped = this.#free.shift();
      if (dropped === undefined) return false;
      this.#usedBytes -= dropped.length;
    }
    return true;
  }
}
