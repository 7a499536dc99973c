import type { Group } from './group.ts';

/** How a producer's transaction ended in a partition of `__consumer_offsets`. */
export interface EndedTransaction {
  readonly producerId: number;
  readonly isCommit: boolean;
  /** Where the marker stands: what stands behind it belongs to the next transaction. */
  readonly markerOffset: number;
}

/** Offsets of a transaction that are being appended, and the markers that came meanwhile. */
interface Appending {
  count: number;
  readonly ended: EndedTransaction[];
}

/** The groups of a partition by their ids, and the transactions that have offsets for them in store. */
export class Groups extends Map<string, Group> {
  readonly #byProducer = new Map<number, Set<Group>>();
  readonly #appending = new Map<number, Appending>();

  /** A producer's transaction has offsets for a group. */
  noteTransactional(producerId: number, group: Group): void {
    const groups = this.#byProducer.get(producerId);
    if (groups === undefined) this.#byProducer.set(producerId, new Set([group]));
    else groups.add(group);
  }

  /** Offsets of a transaction are being appended; followed by one {@link appended}. */
  beginAppend(producerId: number): void {
    const appending = this.#appending.get(producerId);
    if (appending === undefined) this.#appending.set(producerId, { count: 1, ended: [] });
    else appending.count += 1;
  }

  /**
   * The append has ended; `note` puts the offsets in store where it succeeded. Its outcome may come after that of a marker which stands
   * behind it: then the transaction has ended already.
   */
  appended(producerId: number, baseOffset: number, note: () => void): void {
    note();
    const appending = this.#appending.get(producerId);
    if (appending === undefined) return;
    const ended = baseOffset < 0 ? undefined : appending.ended.find(({ markerOffset }) => markerOffset > baseOffset);
    if (ended !== undefined) this.#apply(ended);
    appending.count -= 1;
    if (appending.count === 0) this.#appending.delete(producerId);
  }

  /** Ends a transaction: its offsets count, or go. */
  endTransaction(ended: EndedTransaction): void {
    this.#appending.get(ended.producerId)?.ended.push(ended);
    this.#apply(ended);
  }

  override clear(): void {
    super.clear();
    this.#byProducer.clear();
    this.#appending.clear();
  }

  #apply({ producerId, isCommit }: EndedTransaction): void {
    for (const group of this.#byProducer.get(producerId) ?? []) group.offsets.endTransaction(producerId, isCommit);
    this.#byProducer.delete(producerId);
  }
}
