/** Those who send in a soak. A seat stays for the whole run; the producer on it is changed for another now and then. */
import { Producer, type ProducerOptions } from '@millrace/producer';
import { loadValue, type Sent } from '../faults/ledger.ts';
import type { SoakLedger } from './soak-ledger.ts';

const TICK_MS = 20;
/** What one seat sends with each tick, one record after the other over all partitions. */
const RECORDS_PER_TICK = 10;
/** Records of a seat that may wait for acknowledgement; it pauses beyond. */
const UNACKNOWLEDGED_MAX = 2_000;

export const RECORDS_PER_SECOND: number = (RECORDS_PER_TICK * 1_000) / TICK_MS;

/** One kind of producer for each seat. */
const KINDS: readonly Partial<ProducerOptions>[] = [
  { compression: 'none' },
  { compression: 'lz4', lingerMs: 5 },
  { compression: 'zstd', batchBytes: 2_000 },
];

export const SEATS: number = KINDS.length;

export interface SeatTarget {
  readonly topic: string;
  readonly partitions: number;
  /** The most records that one seat sends to one partition. */
  readonly sequencesMax: number;
  readonly ledger: SoakLedger;
  readonly client: ProducerOptions;
}

export class Seat {
  readonly #target: SeatTarget;
  readonly #id: number;
  readonly #next: number[];
  #producer: Producer;
  #unacknowledged = 0;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: SeatTarget, id: number) {
    this.#target = target;
    this.#id = id;
    this.#next = Array.from({ length: target.partitions }, () => 0);
    this.#producer = this.#newProducer();
    target.ledger.enrol(id);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Another producer goes on where this one, closed, has left off. */
  async change(): Promise<void> {
    await this.finish();
    this.#producer = this.#newProducer();
    this.start();
  }

  /** Sends no more; resolves when everything is acknowledged and the producer closed. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#producer.close();
    if (this.#unacknowledged > 0) {
      this.#target.ledger.violation(`seat ${this.#id}: closed with ${this.#unacknowledged} records not settled`);
    }
  }

  #newProducer(): Producer {
    return new Producer({ ...this.#target.client, ...KINDS[this.#id % KINDS.length] });
  }

  #tick(): void {
    if (this.#unacknowledged >= UNACKNOWLEDGED_MAX) return;
    // Records one by one and in lots, in turns.
    if (this.#turn++ % 2 === 0) {
      for (let count = 0; count < RECORDS_PER_TICK; count += 1) {
        const sent = this.#nextPlace();
        if (sent !== undefined) this.#settle([sent], this.#producer.send(this.#record(sent)));
      }
      return;
    }
    const lot = Array.from({ length: RECORDS_PER_TICK }, () => this.#nextPlace()).filter((sent) => sent !== undefined);
    this.#settle(lot, this.#producer.sendBatch(lot.map((sent) => this.#record(sent))));
  }

  #nextPlace(): Sent | undefined {
    const partition = this.#next.indexOf(Math.min(...this.#next));
    if (this.#next[partition]! >= this.#target.sequencesMax) return undefined;
    return { producer: this.#id, partition, sequence: this.#next[partition]!++ };
  }

  #record(sent: Sent) {
    return { topic: this.#target.topic, partition: sent.partition, value: loadValue(sent) };
  }

  #settle(lot: readonly Sent[], sending: Promise<{ offset: number } | readonly { offset: number }[]>): void {
    this.#unacknowledged += lot.length;
    sending.then(
      (metadata) => {
        const told = 'offset' in metadata ? [metadata] : metadata;
        for (const [at, sent] of lot.entries()) this.#target.ledger.acknowledged(sent, told[at]!.offset);
        this.#unacknowledged -= lot.length;
      },
      (error: unknown) => {
        this.#target.ledger.violation(`seat ${this.#id}: a send failed: ${String(error)}`);
        this.#unacknowledged -= lot.length;
      },
    );
  }
}
