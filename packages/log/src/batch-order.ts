import { batchBaseOffset, batchLastOffset } from '@millrace/records';
import type { BatchVisitor } from './batch-scan.ts';
import type { IndexEntry } from './offset-index.ts';

/** What is said of a batch whose offsets do not fit those around it, beside the faults of `checkBatch`. */
export const OUT_OF_ORDER = 'OUT_OF_ORDER';

/**
 * Follows the offsets of batches one after the other. A batch's base offset lies outside its CRC, because the broker writes it,
 * so only the batches around it can tell that it was damaged. A gap is no proof, since compaction leaves such, but it makes the
 * batch behind it a suspect: if the next one begins before the suspect ends, the suspect is wrong. So is one that reaches to
 * where the log goes on behind the segment; the next one might say nothing, having been damaged too.
 */
export class BatchOrder {
  #nextOffset: number;
  /** Undefined as soon as a batch has it. */
  #anchor: number | undefined;
  #suspectAt: number | undefined;
  #lastAt = 0;
  readonly #endOffset: () => number;

  /**
   * @param nextOffset what the first batch must not begin before
   * @param anchor a last offset that one of the first batches must have, where an index tells so
   * @param endOffset where the log goes on behind the segment, asked when it matters: appends go on meanwhile
   */
  constructor(nextOffset: number, anchor?: number, endOffset: () => number = () => Number.POSITIVE_INFINITY) {
    this.#nextOffset = nextOffset;
    this.#anchor = anchor;
    this.#endOffset = endOffset;
  }

  /** For the batches of a segment from an entry of its offset index on. */
  static from(baseOffset: number, { relativeOffset }: IndexEntry, endOffset?: () => number): BatchOrder {
    return new BatchOrder(baseOffset, relativeOffset < 0 ? undefined : baseOffset + relativeOffset, endOffset);
  }

  /** Whether nothing more has to be seen to know that the batch taken last is right. */
  get isCertain(): boolean {
    return this.#suspectAt === undefined;
  }

  /** Where the first batch starts of those that are not certain yet. */
  get suspectAt(): number | undefined {
    return this.#suspectAt;
  }

  /** Takes the batch at `at`, which starts at `position` of the file. Returns where the batch starts that is wrong, if one is. */
  take(buffer: Buffer, at: number, position: number): number | undefined {
    const baseOffset = batchBaseOffset(buffer, at);
    const lastOffset = batchLastOffset(buffer, at);
    if (this.#anchor !== undefined) this.#suspectAt ??= position;
    if (baseOffset < this.#nextOffset) return this.#suspectAt ?? position;
    if (this.#anchor !== undefined) {
      // Kafka's index entries for appends of several batches name the last offset of all of them.
      if (lastOffset > this.#anchor) return this.#suspectAt;
      if (lastOffset === this.#anchor) this.#anchor = undefined;
      if (this.#anchor === undefined) this.#suspectAt = undefined;
    } else if (baseOffset === this.#nextOffset) {
      this.#suspectAt = undefined;
    } else {
      if (lastOffset >= this.#endOffset()) return position;
      this.#suspectAt = position;
    }
    this.#nextOffset = lastOffset + 1;
    this.#lastAt = position;
    return undefined;
  }

  /** The log goes on at `offset` behind the batch taken last. Returns where the batch starts that is wrong, if one is. */
  goOnAt(offset: number): number | undefined {
    // Nothing that was seen had the offset that the index tells of, and nothing that comes can have it.
    const isAnchorMissing = this.#anchor !== undefined && this.#suspectAt !== undefined && offset > this.#anchor;
    if (offset >= this.#nextOffset && !isAnchorMissing) return undefined;
    return this.#suspectAt ?? this.#lastAt;
  }
}

/** Shows the batches of a scan as soon as it is certain that their offsets are right, which may be one batch later. */
export class CertainBatches {
  /** For the scan. */
  readonly take: BatchVisitor;
  /** Where the batch starts that is wrong: the scan has ended there, or behind it. */
  wrongAt: number | undefined;
  readonly #order: BatchOrder;
  readonly #visit: BatchVisitor;
  readonly #held: Parameters<BatchVisitor>[] = [];
  #isEnded = false;

  constructor(order: BatchOrder, visit: BatchVisitor) {
    this.#order = order;
    this.#visit = visit;
    this.take = (...batch) => {
      this.wrongAt = order.take(...batch);
      if (this.wrongAt !== undefined) {
        this.#show(this.wrongAt);
        return false;
      }
      this.#held.push(batch);
      this.#show(order.suspectAt ?? Number.POSITIVE_INFINITY);
      return !this.#isEnded;
    };
  }

  /** Where the last batch starts when nothing that was seen says that it is right; undefined when it is known. */
  get lastSuspectAt(): number | undefined {
    return this.#isEnded || this.wrongAt !== undefined ? undefined : this.#order.suspectAt;
  }

  /** The scan has come to its end, behind which the log goes on at `endOffset`. */
  finish(endOffset: number): void {
    if (this.#isEnded || this.wrongAt !== undefined) return;
    this.wrongAt = this.#order.goOnAt(endOffset);
    if (this.wrongAt === undefined) this.#show(Number.POSITIVE_INFINITY);
  }

  #show(before: number): void {
    while (!this.#isEnded && this.#held[0] !== undefined && this.#held[0][2] < before) {
      this.#isEnded = this.#visit(...this.#held.shift()!) === false;
    }
  }
}
