/** What was promised to the clients of a soak, and what they saw, in memory whose size is known beforehand. */

import type { Sent } from '../faults/ledger.ts';

function sentOf(value: string): Sent {
  const [producer = Number.NaN, partition = Number.NaN, sequence = Number.NaN] = value.split(' ', 3).map(Number);
  return { producer, partition, sequence };
}

/** Violations that are kept word by word. */
const VIOLATIONS_MAX = 50;
const NOT_ACKNOWLEDGED = -1;

interface Reading {
  /** The offset that the group reads next, over all its members. */
  next: number;
  /** The highest offset whose commit was acknowledged. */
  committed: number;
}

export class SoakLedger {
  /** By producer and partition, the offset of each acknowledged record by its sequence. Outside the heap, which is being watched. */
  readonly #acknowledged = new Map<string, Float64Array>();
  readonly #sequencesMax: number;
  readonly #readings: Reading[];
  /** By producer and partition, the sequence that the final reading has to find next. */
  readonly #expected = new Map<string, number>();
  readonly violations: string[] = [];
  violationCount = 0;
  recordsAcknowledged = 0;
  recordsHandled = 0;
  commitsAcknowledged = 0;

  constructor(partitions: number, sequencesMax: number) {
    this.#sequencesMax = sequencesMax;
    this.#readings = Array.from({ length: partitions }, () => ({ next: 0, committed: 0 }));
  }

  violation(what: string): void {
    this.violationCount += 1;
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(what);
  }

  /** Makes room for a producer's records. */
  enrol(producer: number): void {
    for (let partition = 0; partition < this.#readings.length; partition += 1) {
      const offsets = new Float64Array(this.#sequencesMax).fill(NOT_ACKNOWLEDGED);
      this.#acknowledged.set(`${producer} ${partition}`, offsets);
    }
  }

  acknowledged(sent: Sent, offset: number): void {
    const key = `${sent.producer} ${sent.partition}`;
    const offsets = this.#acknowledged.get(key)!;
    if (offsets[sent.sequence] !== NOT_ACKNOWLEDGED) this.violation(`${key}: ${sent.sequence} was acknowledged twice`);
    if (sent.sequence > 0 && offset <= (offsets[sent.sequence - 1] ?? NOT_ACKNOWLEDGED)) {
      this.violation(`${key}: ${sent.sequence} was acknowledged at ${offset}, before the one sent before it`);
    }
    offsets[sent.sequence] = offset;
    this.recordsAcknowledged += 1;
  }

  /** What a member that is given a partition may not go back behind. */
  committed(partition: number): number {
    return this.#readings[partition]!.committed;
  }

  commitAcknowledged(partition: number, offset: number): void {
    const reading = this.#readings[partition]!;
    reading.committed = Math.max(reading.committed, offset);
    this.commitsAcknowledged += 1;
  }

  /** How far the group has come in a partition. */
  handledUpTo(partition: number): number {
    return this.#readings[partition]!.next;
  }

  /** A member has handled a record. The topic has no gaps, so a gap is a record that the group has skipped. */
  handled(partition: number, offset: number): void {
    const reading = this.#readings[partition]!;
    this.recordsHandled += 1;
    if (offset > reading.next) {
      this.violation(`partition ${partition}: the group went from ${reading.next} to ${offset}`);
    }
    if (offset >= reading.next) reading.next = offset + 1;
  }

  /** A record of the final reading of everything: each sequence once, in order, where the producer was told that it is. */
  found(partition: number, offset: number, value: string): void {
    const sent = sentOf(value);
    const key = `${sent.producer} ${sent.partition}`;
    const expected = this.#expected.get(key) ?? 0;
    if (sent.partition !== partition) this.violation(`${key}: ${sent.sequence} is in partition ${partition}`);
    if (sent.sequence < expected) this.violation(`${key}: ${sent.sequence} is there twice, or after ${expected - 1}`);
    if (sent.sequence > expected) this.violation(`${key}: ${expected} to ${sent.sequence - 1} are lost`);
    this.#expected.set(key, Math.max(sent.sequence + 1, expected));
    const told = this.#acknowledged.get(key)?.[sent.sequence];
    if (told !== offset) this.violation(`${key}: ${sent.sequence} is at ${offset}, and was told to be at ${told}`);
  }

  /** After the final reading: what was acknowledged and was not found at the end of a partition. */
  checkAllFound(): void {
    for (const [key, offsets] of this.#acknowledged) {
      for (let sequence = this.#expected.get(key) ?? 0; sequence < offsets.length; sequence += 1) {
        if (offsets[sequence] !== NOT_ACKNOWLEDGED) this.violation(`${key}: ${sequence} is lost, at the end`);
      }
    }
  }
}
