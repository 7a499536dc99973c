import { NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP } from '@millrace/records';

/** Batches remembered per producer, to know them again: a producer may have this many in flight (Kafka's `NUM_BATCHES_TO_RETAIN`). */
export const BATCHES_REMEMBERED = 5;

const SEQUENCE_MAX = 2 ** 31 - 1;

/** A batch that an idempotent producer wrote. */
export interface ProducedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly timestamp: number;
}

/** What a log knows of one idempotent producer (Kafka's `ProducerStateEntry`). */
export class ProducerEntry {
  readonly producerId: number;
  epoch = NO_PRODUCER_EPOCH;
  coordinatorEpoch = -1;
  lastTimestamp = NO_TIMESTAMP;
  /** Where the open transaction began; -1 without one. */
  transactionFirstOffset = -1;
  /** The newest batches of the current epoch, oldest first. */
  readonly batches: ProducedBatch[] = [];

  constructor(producerId: number) {
    this.producerId = producerId;
  }

  /** Sequence number of the last record; -1 when there is none of this epoch. */
  get lastSequence(): number {
    return this.batches.at(-1)?.lastSequence ?? NO_SEQUENCE;
  }

  /** Offset of the last record; -1 when there is none of this epoch. */
  get lastOffset(): number {
    return this.batches.at(-1)?.lastOffset ?? -1;
  }

  /** The batch that was written before with this epoch and these sequence numbers. */
  findDuplicate(epoch: number, firstSequence: number, lastSequence: number): ProducedBatch | undefined {
    if (epoch !== this.epoch) return undefined;
    for (const batch of this.batches) {
      if (batch.firstSequence === firstSequence && batch.lastSequence === lastSequence) return batch;
    }
    return undefined;
  }

  /** Whether a batch may follow what was written (`ProducerAppendInfo.checkSequence`). */
  takesSequence(epoch: number, firstSequence: number): boolean {
    // Of a producer that is not known (any more), any sequence is taken: it may have written long ago.
    if (this.epoch === NO_PRODUCER_EPOCH) return true;
    if (epoch !== this.epoch) return firstSequence === 0;
    const last = this.lastSequence;
    return firstSequence === last + 1 || (firstSequence === 0 && last === SEQUENCE_MAX);
  }

  /** Takes up a new epoch: the sequence numbers begin anew. */
  setEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.batches.length = 0;
  }

  addBatch(
    epoch: number,
    firstSequence: number,
    lastSequence: number,
    firstOffset: number,
    lastOffset: number,
    timestamp: number,
  ): void {
    this.setEpoch(epoch);
    this.lastTimestamp = timestamp;
    this.batches.push({ firstSequence, lastSequence, firstOffset, lastOffset, timestamp });
    if (this.batches.length > BATCHES_REMEMBERED) this.batches.shift();
  }

  /** Notes a batch that stands before the newest one; to be called for the oldest first. */
  addEarlier(batch: ProducedBatch): void {
    const newest = this.batches.at(-1);
    if (newest === undefined || batch.lastOffset >= newest.firstOffset) return;
    this.batches.splice(-1, 0, batch);
    if (this.batches.length > BATCHES_REMEMBERED) this.batches.shift();
  }

  /** What was known before the batches at and behind an offset came; undefined when that is not known any more. */
  before(endOffset: number): ProducerEntry | undefined {
    const entry = this.copy();
    while ((entry.batches.at(-1)?.lastOffset ?? -1) >= endOffset) entry.batches.pop();
    const last = entry.batches.at(-1);
    if (last === undefined) return undefined;
    if (last.lastOffset !== this.lastOffset) entry.lastTimestamp = last.timestamp;
    return entry;
  }

  copy(): ProducerEntry {
    const copy = new ProducerEntry(this.producerId);
    copy.epoch = this.epoch;
    copy.coordinatorEpoch = this.coordinatorEpoch;
    copy.lastTimestamp = this.lastTimestamp;
    copy.transactionFirstOffset = this.transactionFirstOffset;
    copy.batches.push(...this.batches);
    return copy;
  }
}

/** The sequence number `count` before `sequence`; wraps from 0 to 2^31 - 1 (`DefaultRecordBatch.decrementSequence`). */
export function subtractFromSequence(sequence: number, count: number): number {
  return sequence < count ? SEQUENCE_MAX - (count - sequence) + 1 : sequence - count;
}
