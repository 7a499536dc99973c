/** What a broker has promised so far, and what it broke of that. Kept outside of it, so that no kill can touch it. */

/** A record's place in the load: the `sequence`-th that `producer` sends to `partition`. It is also the record's value. */
export interface Sent {
  readonly producer: number;
  readonly partition: number;
  readonly sequence: number;
}

/** As a value of about 100 bytes. */
export function loadValue({ producer, partition, sequence }: Sent): string {
  return `${producer} ${partition} ${sequence} `.padEnd(60 + (sequence % 80), '.');
}

/** Every so many records of a producer, one is a tombstone. */
const TOMBSTONE_EVERY = 23;

/** The key of a record on a topic that is compacted, and whether it has no value. Producers share the keys. */
export function loadKey({ producer, sequence }: Sent, keys: number): { key: string; isTombstone: boolean } {
  const isTombstone = (sequence + producer) % TOMBSTONE_EVERY === TOMBSTONE_EVERY - 1;
  return { key: `key-${(sequence * (producer + 1)) % keys}`, isTombstone };
}

/** Violations that are kept word by word, the same one once; a broken broker would make millions. */
const VIOLATIONS_MAX = 50;

/** The promises of one run: acknowledged records by producer and partition, and acknowledged commits by group. */
export class Ledger {
  /** The offset of each acknowledged record, by its sequence. */
  readonly #acknowledged = new Map<string, number[]>();
  readonly #committed = new Map<string, number>();
  readonly violations: string[] = [];
  violationCount = 0;
  recordsAcknowledged = 0;
  commitsAcknowledged = 0;

  violation(what: string): void {
    this.violationCount += 1;
    if (this.violations.length < VIOLATIONS_MAX && !this.violations.includes(what)) this.violations.push(what);
  }

  acknowledged({ producer, partition, sequence }: Sent, offset: number): void {
    const key = `${producer} ${partition}`;
    const offsets = this.#acknowledged.get(key) ?? [];
    this.#acknowledged.set(key, offsets);
    if (offsets[sequence] !== undefined) this.violation(`record ${key} ${sequence} was acknowledged twice`);
    offsets[sequence] = offset;
    this.recordsAcknowledged += 1;
  }

  /** The offset that an acknowledged record got. */
  offsetOf({ producer, partition, sequence }: Sent): number | undefined {
    return this.#acknowledged.get(`${producer} ${partition}`)?.[sequence];
  }

  /** The acknowledged records of a partition by their offsets. Two at one offset are a violation. */
  sentAt(partition: number): Map<number, Sent> {
    const found = new Map<number, Sent>();
    for (const [key, offsets] of this.#acknowledged) {
      const [producer = -1, of = -1] = key.split(' ').map(Number);
      if (of !== partition) continue;
      for (const [sequence, offset] of offsets.entries()) {
        if (offset === undefined) continue;
        if (found.has(offset)) this.violation(`partition ${partition}: two records were acknowledged at ${offset}`);
        found.set(offset, { producer, partition, sequence });
      }
    }
    return found;
  }

  acknowledgedCount(producer: number, partition: number): number {
    return this.#acknowledged.get(`${producer} ${partition}`)?.length ?? 0;
  }

  committed(group: string, partition: number, offset: number): void {
    const key = `${group} ${partition}`;
    this.#committed.set(key, Math.max(offset, this.#committed.get(key) ?? 0));
    this.commitsAcknowledged += 1;
  }

  /** The highest acknowledged commit; undefined before the first. */
  committedOffset(group: string, partition: number): number | undefined {
    return this.#committed.get(`${group} ${partition}`);
  }

  /** Holds what a broker says a group has committed against what it has acknowledged until `expected` was taken. */
  checkCommitted(group: string, partition: number, expected: number | undefined, found: number | undefined): void {
    if (expected === undefined || (found !== undefined && found >= expected)) return;
    this.violation(`group ${group} went back in partition ${partition}: ${found ?? 'nothing'} after ${expected}`);
  }
}

/** Holds a partition, read from its first record to its last, against the ledger. */
export class PartitionCheck {
  readonly #ledger: Ledger;
  readonly #partition: number;
  readonly #next = new Map<number, number>();
  #nextOffset = 0;

  constructor(ledger: Ledger, partition: number) {
    this.#ledger = ledger;
    this.#partition = partition;
  }

  /** Each producer's records must come in the order in which it sent them, none twice and none left out. */
  record(offset: number, value: string): void {
    if (offset !== this.#nextOffset) {
      this.#ledger.violation(`partition ${this.#partition}: offset ${offset} where ${this.#nextOffset} was due`);
    }
    this.#nextOffset = offset + 1;
    const [producer = -1, partition = -1, sequence = -1] = value.split(' ', 3).map(Number);
    const sent = { producer, partition, sequence };
    if (value !== loadValue(sent) || partition !== this.#partition) {
      this.#ledger.violation(`partition ${this.#partition}, offset ${offset}: strange value ${value.slice(0, 40)}`);
      return;
    }
    const due = this.#next.get(producer) ?? 0;
    if (sequence !== due) {
      const what = sequence < due ? 'again or out of order' : `after a gap from ${due}`;
      this.#ledger.violation(`partition ${partition}, offset ${offset}: record ${producer} ${sequence} came ${what}`);
    }
    this.#next.set(producer, sequence + 1);
    const promised = this.#ledger.offsetOf(sent);
    if (promised !== undefined && promised !== offset) {
      this.#ledger.violation(
        `partition ${partition}: record ${producer} ${sequence} was acknowledged at ${promised} and is at ${offset}`,
      );
    }
  }

  /** Everything that was acknowledged must have come. */
  end(producers: number): void {
    for (let producer = 0; producer < producers; producer += 1) {
      this.endOf(producer, this.#ledger.acknowledgedCount(producer, this.#partition));
    }
  }

  /** So many of a producer's records must have come. */
  endOf(producer: number, promised: number): void {
    const found = this.#next.get(producer) ?? 0;
    if (found >= promised) return;
    this.#ledger.violation(
      `partition ${this.#partition}: records ${found} to ${promised - 1} of producer ${producer} are lost`,
    );
  }
}
