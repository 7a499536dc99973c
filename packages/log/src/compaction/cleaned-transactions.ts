import {
  batchBaseOffset,
  batchIsTransactional,
  batchLastOffset,
  batchProducerId,
  batchRecordCount,
} from '@millrace/records';
import { endMarkerOf } from '../end-marker.ts';
import type { AbortedEntry } from '../transaction-index.ts';

/** The aborted transactions that reach into what is cleaned, in the order of their first offsets. */
export type AbortedList = Pick<readonly AbortedEntry[], 'length' | 'at'>;

interface OngoingAborted {
  readonly index: number;
  readonly entry: AbortedEntry;
  hasBatches: boolean;
}

/** Where a {@link CleanedTransactions} stands, for another one to go on there. */
export interface TransactionsState {
  /** The first of the aborted transactions that has not begun. */
  readonly next: number;
  readonly ongoingAborted: readonly { readonly index: number; readonly hasBatches: boolean }[];
  readonly ongoingCommitted: readonly number[];
}

/** Before the first batch. */
export const NO_TRANSACTIONS_YET: TransactionsState = { next: 0, ongoingAborted: [], ongoingCommitted: [] };

/**
 * Follows the transactions while a log is cleaned from its beginning to its end (Kafka's `CleanedTransactionMetadata`): which
 * batches belong to aborted ones, and which markers end nothing any more.
 */
export class CleanedTransactions {
  readonly #aborted: AbortedList;
  #next: number;
  readonly #ongoingAborted = new Map<number, OngoingAborted>();
  readonly #ongoingCommitted: Set<number>;
  /** Told of aborted transactions whose marker stays though it still ends something. */
  onKept: ((entry: AbortedEntry) => void) | undefined;

  constructor(aborted: AbortedList, state: TransactionsState) {
    this.#aborted = aborted;
    this.#next = state.next;
    this.#ongoingCommitted = new Set(state.ongoingCommitted);
    for (const { index, hasBatches } of state.ongoingAborted) this.#begin(index, hasBatches);
  }

  get state(): TransactionsState {
    return {
      next: this.#next,
      ongoingAborted: Array.from(this.#ongoingAborted.values(), ({ index, hasBatches }) => ({ index, hasBatches })),
      ongoingCommitted: [...this.#ongoingCommitted],
    };
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
    for (; this.#next < this.#aborted.length; this.#next += 1) {
      if (this.#aborted.at(this.#next)!.firstOffset > offset) return;
      this.#begin(this.#next, false);
    }
  }

  #begin(index: number, hasBatches: boolean): void {
    const entry = this.#aborted.at(index)!;
    this.#ongoingAborted.set(entry.producerId, { index, entry, hasBatches });
  }
}
