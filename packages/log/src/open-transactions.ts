import type { ProducerEntry } from './producer-entry.ts';

/** A transaction that a marker has ended. */
export interface CompletedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  readonly isAborted: boolean;
  /** The last stable offset once this one has ended; goes into the transaction index. */
  readonly lastStableOffset: number;
}

interface OpenTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/**
 * The transactions that keep the last stable offset back: those still open, and those that ended above the high watermark.
 * Both lists are in the order of their first offsets, so the first of each is what counts.
 */
export class OpenTransactions {
  #open: OpenTransaction[];
  #unreplicated: CompletedTransaction[] = [];

  constructor(producers: Iterable<ProducerEntry>) {
    this.#open = [...producers]
      .filter((entry) => entry.transactionFirstOffset >= 0)
      .map((entry) => ({ producerId: entry.producerId, firstOffset: entry.transactionFirstOffset }))
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }

  get firstUnstableOffset(): number | undefined {
    const open = this.#open[0]?.firstOffset;
    const unreplicated = this.#unreplicated[0]?.firstOffset;
    if (open === undefined) return unreplicated;
    return unreplicated === undefined ? open : Math.min(open, unreplicated);
  }

  begin(producerId: number, firstOffset: number): void {
    this.#open.push({ producerId, firstOffset });
  }

  complete(producerId: number, firstOffset: number, lastOffset: number, isCommit: boolean): CompletedTransaction {
    this.revoke(firstOffset);
    const lastStableOffset = this.#open[0]?.firstOffset ?? lastOffset + 1;
    const completed = { producerId, firstOffset, lastOffset, isAborted: !isCommit, lastStableOffset };
    const place = this.#unreplicated.findLastIndex((other) => other.firstOffset < firstOffset) + 1;
    this.#unreplicated.splice(place, 0, completed);
    return completed;
  }

  /** Takes back a {@link begin}. */
  revoke(firstOffset: number): void {
    const index = this.#open.findIndex((open) => open.firstOffset === firstOffset);
    if (index >= 0) this.#open.splice(index, 1);
  }

  /** Takes back a {@link complete}. */
  reopen(producerId: number, firstOffset: number): void {
    this.#unreplicated = this.#unreplicated.filter((completed) => completed.firstOffset !== firstOffset);
    const place = this.#open.findLastIndex((other) => other.firstOffset < firstOffset) + 1;
    this.#open.splice(place, 0, { producerId, firstOffset });
  }

  forgetReplicated(highWatermark: number): void {
    if (this.#unreplicated.length === 0) return;
    this.#unreplicated = this.#unreplicated.filter((completed) => completed.lastOffset >= highWatermark);
  }
}
