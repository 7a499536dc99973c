import type { SeenRecord, SendEvent, Tick } from '../history.ts';
import type { KnownRecord, PartitionFacts } from './partition-facts.ts';
import type { Violation } from './violation.ts';

/** Something that tells which records stand where. */
interface Observation {
  readonly at: Tick;
  readonly source: string;
  readonly records: readonly SeenRecord[];
  /** Whether the records were read, and not only acknowledged. */
  readonly isRead: boolean;
}

/** What is known of a partition's records: how each offset was filled, and from when on that was known. */
export interface KnownRecords {
  readonly byOffset: ReadonlyMap<number, KnownRecord>;
  /** By key, the highest offset that is known. */
  readonly lastOfKey: ReadonlyMap<string, number>;
  readonly violations: readonly Violation[];
}

/**
 * Goes through acknowledgements and reads in their order and holds them against each other: one value per offset, one offset per
 * value, nothing that was not written, nothing whose send has failed. A reported loss makes the offsets behind it free again.
 */
export function knownRecords(facts: PartitionFacts): KnownRecords {
  const book = new Book(facts);
  const losses = [...facts.losses];
  for (const observation of observations(facts)) {
    while (losses[0] !== undefined && losses[0].at < observation.at) book.forget(losses.shift()!.offset);
    for (const record of observation.records) book.note(record, observation);
  }
  for (const { offset } of losses) book.forget(offset);
  return book;
}

function observations(facts: PartitionFacts): Observation[] {
  const all: Observation[] = [];
  for (const send of facts.sends) {
    if (!facts.isFirm(send) || facts.spansLoss(send)) continue;
    all.push({ at: send.end, source: `acknowledged to ${send.client}`, records: sentRecords(send), isRead: false });
  }
  for (const poll of facts.polls) {
    if (facts.spansLoss(poll)) continue;
    all.push({ at: poll.end, source: `read by ${poll.client}`, records: poll.records, isRead: true });
  }
  for (const audit of facts.audits) {
    all.push({ at: audit.end, source: 'read by the auditor', records: audit.records, isRead: true });
  }
  return all.sort((a, b) => a.at - b.at);
}

function sentRecords({ values, keys, baseOffset }: SendEvent): SeenRecord[] {
  return values.map((value, index) => [baseOffset + index, value, keys[index] ?? null]);
}

class Book implements KnownRecords {
  readonly byOffset = new Map<number, KnownRecord>();
  readonly lastOfKey = new Map<string, number>();
  readonly violations: Violation[] = [];
  readonly #offsetOf = new Map<string, number>();
  readonly #partition: string;
  readonly #facts: PartitionFacts;
  /** By value. */
  readonly #sends = new Map<string, { send: SendEvent; index: number }>();

  constructor(facts: PartitionFacts) {
    this.#partition = facts.name;
    this.#facts = facts;
    for (const send of facts.sends) {
      for (const [index, value] of send.values.entries()) this.#sends.set(value, { send, index });
    }
  }

  note([offset, value, key]: SeenRecord, { at, source, isRead }: Observation): void {
    const known = this.byOffset.get(offset);
    if (known?.value === value) return;
    if (known !== undefined) {
      // There another may stand in its place, and must have been written all the same.
      if (isRead && this.#facts.isUnclean) this.#judge(offset, value, key, source, at);
      this.#violate(
        'inconsistent-offsets',
        `offset ${offset} is ${known.value} (${known.source}) and ${value} (${source})`,
        at,
      );
      return;
    }
    if (isRead) this.#judge(offset, value, key, source, at);
    const before = this.#offsetOf.get(value);
    const isOnce = this.#sends.get(value)?.send.isOnce ?? false;
    if (before !== undefined && isOnce && !this.#isForgotten(before, at)) {
      this.#violate('duplicate', `${value} stands at offset ${before} and, ${source}, at ${offset}`, at);
    }
    this.#offsetOf.set(value, offset);
    const timestampMs = this.#sends.get(value)?.send.timestampMs ?? Number.POSITIVE_INFINITY;
    this.byOffset.set(offset, { offset, value, key, timestampMs, since: at, source });
    if (key !== null) this.lastOfKey.set(key, Math.max(offset, this.lastOfKey.get(key) ?? -1));
  }

  /**
   * Whether a replica may know nothing of who wrote the record at an offset: one that had to begin behind it, because the leader had
   * deleted it, has never seen it, or gave up what it had of it, and Kafka's protocol has no other way to learn of its producer.
   */
  #isForgotten(offset: number, at: Tick): boolean {
    const { rules, audits, renewals } = this.#facts;
    if (!rules.isReplicated) return false;
    return (
      renewals.some((renewal) => renewal.offset > offset && renewal.at < at) ||
      audits.some(({ logStart, start }) => logStart > offset && start < at)
    );
  }

  /** What lies from an offset on is gone, and somebody was told. */
  forget(offset: number): void {
    for (const record of [...this.byOffset.values()]) {
      if (record.offset < offset) continue;
      this.byOffset.delete(record.offset);
      this.#offsetOf.delete(record.value);
    }
  }

  #judge(offset: number, value: string, key: string | null, source: string, at: Tick): void {
    const sent = this.#sends.get(value);
    if (sent === undefined) {
      this.#violate('unwritten-read', `${value} at offset ${offset}, ${source}, was never sent here`, at);
    } else if (sent.send.keys[sent.index] !== key) {
      this.#violate(
        'unwritten-read',
        `${value} at offset ${offset}, ${source}, has the key ${key}, which is not its own`,
        at,
      );
    } else if (sent.send.outcome === 'failed') {
      this.#violate(
        'aborted-read',
        `${value} at offset ${offset}, ${source}, though its send has failed for certain`,
        at,
      );
    }
  }

  #violate(anomaly: Violation['anomaly'], message: string, at: Tick): void {
    this.violations.push({ anomaly, partition: this.#partition, message, at });
  }
}
