import { batchBaseOffset, batchLastOffset, batchSizeBytes } from '@millrace/records';

/** Appends up to this size are copied side by side, so that a reader gets many of them as one chunk. */
const COPIED_BYTES_MAX = 16 * 1024;
/** Memory for copies: begins small, so that many quiet partitions cost little, and doubles up to this. */
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_BYTES_MIN = 1024;

/** A piece of memory with batches, one after the other. */
interface Block {
  readonly buffer: Buffer;
  /** Where the next copy goes; the end for a block that is an append's own buffer. */
  used: number;
  baseOffset: number;
  nextOffset: number;
  /** Where the last append lies: readers that keep up start there. */
  lastAt: number;
  lastBaseOffset: number;
  /** What the block keeps alive. */
  readonly heldBytes: number;
  readonly owner: TailCache;
  newer: Block | undefined;
  older: Block | undefined;
}

/** Bounds the memory of the tail caches of all partitions together: what was appended first goes first. */
export class TailCacheBudget {
  readonly bytesMax: number;
  #usedBytes = 0;
  #oldest: Block | undefined;
  #newest: Block | undefined;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Bytes that all tail caches keep alive. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @internal For {@link TailCache}. */
  add(block: Block): void {
    block.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = block;
    this.#newest = block;
    this.#oldest ??= block;
    this.#usedBytes += block.heldBytes;
    while (this.#usedBytes > this.bytesMax && this.#oldest !== undefined) this.#oldest.owner.dropOldest();
  }

  /** @internal */
  remove(block: Block): void {
    if (block.older === undefined) this.#oldest = block.newer;
    else block.older.newer = block.newer;
    if (block.newer === undefined) this.#newest = block.older;
    else block.newer.older = block.older;
    block.older = undefined;
    block.newer = undefined;
    this.#usedBytes -= block.heldBytes;
  }
}

/** What a read from the cache gave. */
export interface CachedBatches {
  readonly chunks: Buffer[];
  readonly sizeBytes: number;
}

/**
 * The newest batches of a partition, so that consumers that keep up never touch the disk.
 *
 * A view into a network frame keeps the whole frame alive. So an append that is small, or a small part of its frame, is
 * copied, and what is kept as a view counts with all that it keeps alive.
 */
export class TailCache {
  readonly #budget: TailCacheBudget;
  readonly #bytesMax: number;
  /** Oldest first. */
  #blocks: Block[] = [];
  #heldBytes = 0;
  #blockBytes = BLOCK_BYTES_MIN;

  /** @param bytesMax for this partition; the budget bounds all of them together */
  constructor(budget: TailCacheBudget, bytesMax: number) {
    this.#budget = budget;
    this.#bytesMax = Math.min(bytesMax, budget.bytesMax);
  }

  /** Bytes that this cache keeps alive. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Keeps an append; gives the bytes to write, which are the cache's own copy where it made one. */
  add(batches: Buffer, baseOffset: number, nextOffset: number): Buffer {
    const newest = this.#blocks.at(-1);
    if (newest !== undefined && newest.nextOffset !== baseOffset) this.clear();
    const isSmall = batches.length <= COPIED_BYTES_MAX || batches.length * 2 < batches.buffer.byteLength;
    if (!isSmall) {
      this.#push(batches, batches.length, baseOffset, nextOffset, batches.buffer.byteLength);
      return batches;
    }
    const block = this.#blockWithRoom(batches.length, baseOffset);
    if (block === undefined) return batches;
    const start = block.used;
    batches.copy(block.buffer, start);
    block.used = start + batches.length;
    block.lastAt = start;
    block.lastBaseOffset = baseOffset;
    block.nextOffset = nextOffset;
    return block.buffer.subarray(start, block.used);
  }

  /**
   * Whole batches from the one that holds `fromOffset`, below `upperOffset`, within `bytesMax` unless the first alone is
   * larger and `minOneBatch` is set. Undefined when the cache does not have the first of them.
   */
  read(fromOffset: number, upperOffset: number, bytesMax: number, minOneBatch: boolean): CachedBatches | undefined {
    let index = this.#indexOf(fromOffset);
    if (index < 0) return undefined;
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for (let block = this.#blocks[index]; block !== undefined; block = this.#blocks[++index]) {
      const start = chunks.length === 0 ? startWithin(block, fromOffset) : 0;
      const atLeastOne = minOneBatch && sizeBytes === 0;
      const end = endWithin(block, start, upperOffset, bytesMax - sizeBytes, atLeastOne);
      if (end > start) chunks.push(block.buffer.subarray(start, end));
      sizeBytes += end - start;
      if (end < block.used) break;
    }
    return { chunks, sizeBytes };
  }

  /** Whether a read from an offset would find it here. */
  has(offset: number): boolean {
    return this.#indexOf(offset) >= 0;
  }

  /** Forgets everything; after a truncation, when the log is gone, or when it has a hole. */
  clear(): void {
    while (this.#blocks.length > 0) this.dropOldest();
    this.#blockBytes = BLOCK_BYTES_MIN;
  }

  /** Forgets what begins below an offset; after compaction, what is served must be what is on the disk. */
  dropBelow(offset: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0]!.baseOffset < offset) this.dropOldest();
  }

  /** @internal For {@link TailCacheBudget}, too. */
  dropOldest(): void {
    const oldest = this.#blocks.shift();
    if (oldest === undefined) return;
    this.#heldBytes -= oldest.heldBytes;
    this.#budget.remove(oldest);
  }

  #blockWithRoom(sizeBytes: number, baseOffset: number): Block | undefined {
    const newest = this.#blocks.at(-1);
    if (newest !== undefined && newest.buffer.length - newest.used >= sizeBytes) return newest;
    const blockBytes = Math.max(this.#blockBytes, sizeBytes);
    if (blockBytes > this.#bytesMax) return undefined;
    this.#blockBytes = Math.min(this.#blockBytes * 2, BLOCK_BYTES_MAX);
    return this.#push(Buffer.allocUnsafeSlow(blockBytes), 0, baseOffset, baseOffset, blockBytes);
  }

  #push(buffer: Buffer, used: number, baseOffset: number, nextOffset: number, heldBytes: number): Block | undefined {
    if (heldBytes > this.#bytesMax) {
      this.clear();
      return undefined;
    }
    while (this.#heldBytes + heldBytes > this.#bytesMax) this.dropOldest();
    const block: Block = {
      buffer,
      used,
      baseOffset,
      nextOffset,
      lastAt: 0,
      lastBaseOffset: baseOffset,
      heldBytes,
      owner: this,
      newer: undefined,
      older: undefined,
    };
    this.#blocks.push(block);
    this.#heldBytes += heldBytes;
    this.#budget.add(block);
    return block;
  }

  /** The block that holds an offset; -1 when none does. */
  #indexOf(offset: number): number {
    const last = this.#blocks.length - 1;
    if (last < 0 || offset >= this.#blocks[last]!.nextOffset || offset < this.#blocks[0]!.baseOffset) return -1;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#blocks[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Where the batch that holds an offset starts in its block. */
function startWithin(block: Block, offset: number): number {
  let at = offset >= block.lastBaseOffset ? block.lastAt : 0;
  while (batchLastOffset(block.buffer, at) < offset) at += batchSizeBytes(block.buffer, at);
  return at;
}

/** Where the last batch ends that a read takes of a block. */
function endWithin(block: Block, start: number, upperOffset: number, bytesMax: number, atLeastOne: boolean): number {
  if (block.nextOffset <= upperOffset && block.used - start <= bytesMax) return block.used;
  let end = start;
  while (end < block.used && batchBaseOffset(block.buffer, end) < upperOffset) {
    const next = end + batchSizeBytes(block.buffer, end);
    if (next - start > bytesMax && !(atLeastOne && end === start)) break;
    if (batchLastOffset(block.buffer, end) >= upperOffset) break;
    end = next;
  }
  return end;
}
