import {
  batchBaseOffset,
  batchIsTransactional,
  batchLastOffset,
  batchProducerId,
  batchRecordCount,
} from '@millrace/records';
import { endMarkerOf } from '../end-marker.ts';
import type { AbortedEntry } from '../transaction-index.ts';

interface OngoingAborted {
  readonly entry: AbortedEntry;
  hasBatches: boolean;
}

/**
 * Follows the transactions while a log is cleaned from its beginning to its end (Kafka's `CleanedTransactionMetadata`): which
 * batches belong to aborted ones, and which markers end nothing any more.
 */
export class CleanedTransactions {
  readonly #aborted: readonly AbortedEntry[];
  #next = 0;
  readonly #ongoingAborted = new Map<number, OngoingAborted>();
  readonly #ongoingCommitted = new Set<number>();
  /** Told of aborted transactions whose marker stays though it still ends something. */
  onKept: ((entry: AbortedEntry) => void) | undefined;

  /** @param aborted those that reach into what is cleaned, in the order of their first offsets */
  constructor(aborted: readonly AbortedEntry[]) {
    this.#aborted = aborted;
  }

  /** Whether a batch of records is part of an aborted transaction. To be called for every batch, in order. */
  isAborted(b: Buffer, at: number): boolean {
    this.#beginUpTo(batchLastOffset(b, at));
    if (!batchIsTransactional(b, at)) return false;
    const producerId = batchProducerId(b, at);
    const aborted = this.#ongoingAborted.get(producerId);
    // What lies behind the marker is another transaction's, even should the marker be gone.
    if (aborted === undefined || batchBaseOffset(b, at) > aborted.entry.lastOffset) {
      this.#ongoingCommitted.add(producerId);
      return false;
    }
    aborted.hasBatches = true;
    return true;
  }

  /** Whether a marker ends a transaction of which nothing was left before this cleaning. To be called for every marker, in order. */
  isObsoleteMarker(b: Buffer, at: number): boolean {
    this.#beginUpTo(batchLastOffset(b, at));
    if (batchRecordCount(b, at) === 0) return true;
    const marker = endMarkerOf(b, at);
    if (marker === undefined) return false;
    const producerId = batchProducerId(b, at);
    if (marker.isCommit) return !this.#ongoingCommitted.delete(producerId);
    const aborted = this.#ongoingAborted.get(producerId);
    this.#ongoingAborted.delete(producerId);
    if (aborted?.hasBatches !== true) return true;
    this.onKept?.(aborted.entry);
    return false;
  }

  #beginUpTo(offset: number): void {
    for (; this.#next < this.#aborted.length; this.#next++) {
      const entry = this.#aborted[this.#next]!;
      if (entry.firstOffset > offset) return;
      this.#ongoingAborted.set(entry.producerId, { entry, hasBatches: false });
    }
  }
}
