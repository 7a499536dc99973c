/** Holds a partition that is compacted, or whose old segments are deleted, against the ledger. */
import { type Ledger, loadKey, loadValue, type Sent } from './ledger.ts';
import type { FetchedRecord } from './load.ts';

/** What a partition holds by its topic's configuration. */
export interface CleanedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly keys: number;
  readonly isCompacted: boolean;
  /** From ListOffsets. */
  readonly logStartOffset: number;
  readonly logEndOffset: number;
}

/**
 * For a load all of whose records are acknowledged, so that it is known which record belongs at which offset: nothing else may be
 * there, and nothing may be missing but what compaction and retention may take. From the log start offset on, a partition that is
 * not compacted has every record; a compacted one has the newest record of each key, or nothing of it once that is a tombstone.
 */
export class CleanedCheck {
  readonly #ledger: Ledger;
  readonly #of: CleanedPartition;
  readonly #sentAt: ReadonlyMap<number, Sent>;
  readonly #found = new Set<number>();
  #lastOffset = -1;

  constructor(ledger: Ledger, of: CleanedPartition) {
    this.#ledger = ledger;
    this.#of = of;
    this.#sentAt = ledger.sentAt(of.partition);
    this.#lastOffset = of.logStartOffset - 1;
  }

  /** Takes the records from the log start offset on, in the order in which they are read. */
  record({ offset, key, value, isTombstone }: FetchedRecord): void {
    if (offset <= this.#lastOffset) this.#violation(`offset ${offset} came after ${this.#lastOffset}`);
    this.#lastOffset = offset;
    this.#found.add(offset);
    const sent = this.#sentAt.get(offset);
    if (sent === undefined) {
      this.#violation(`at offset ${offset} is ${value.slice(0, 40)}, and nothing was acknowledged there`);
      return;
    }
    const expected = loadKey(sent, this.#of.keys);
    const expectedValue = expected.isTombstone ? '' : loadValue(sent);
    if (key !== expected.key || isTombstone !== expected.isTombstone || value !== expectedValue) {
      this.#violation(
        `at offset ${offset} is ${value.slice(0, 40)}, where ${expectedValue.slice(0, 40)} was acknowledged`,
      );
    }
  }

  /** Everything that must be there must have come. Gives how many records were acknowledged and are gone. */
  end(): number {
    const { logStartOffset, logEndOffset, isCompacted } = this.#of;
    const kept = [...this.#sentAt.keys()].filter((offset) => offset >= logStartOffset);
    const last = largestOf(this.#sentAt.keys());
    if (last >= logEndOffset) this.#violation(`the log ends at ${logEndOffset}, and ${last} was acknowledged`);
    if (isCompacted) this.#checkNewest(kept);
    else for (const offset of kept) if (!this.#found.has(offset)) this.#violation(`the record at ${offset} is lost`);
    return this.#sentAt.size - this.#found.size;
  }

  #checkNewest(offsets: readonly number[]): void {
    const byKey = new Map<string, number[]>();
    for (const offset of offsets.toSorted((a, b) => a - b)) {
      const { key } = loadKey(this.#sentAt.get(offset)!, this.#of.keys);
      const ofKey = byKey.get(key);
      if (ofKey === undefined) byKey.set(key, [offset]);
      else ofKey.push(offset);
    }
    for (const [key, ofKey] of byKey) {
      const newest = ofKey.at(-1)!;
      if (this.#found.has(newest)) continue;
      const { isTombstone } = loadKey(this.#sentAt.get(newest)!, this.#of.keys);
      if (!isTombstone) this.#violation(`the newest record of ${key}, at ${newest}, is lost`);
      const older = ofKey.find((offset) => this.#found.has(offset));
      if (isTombstone && older !== undefined) {
        this.#violation(`${key} was deleted at ${newest}, which is gone, and is back from ${older}`);
      }
    }
  }

  #violation(what: string): void {
    this.#ledger.violation(`${this.#of.topic}-${this.#of.partition}: ${what}`);
  }
}

/** -1 where there is none. There may be more than a call takes as arguments. */
function largestOf(offsets: Iterable<number>): number {
  let largest = -1;
  for (const offset of offsets) largest = Math.max(largest, offset);
  return largest;
}
