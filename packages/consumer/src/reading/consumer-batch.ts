import { type ConsumerRecord, decodeRecord } from '../record.ts';
import type { Lease, RecordRun } from './lease.ts';

/** Records of one partition that came with one fetch, in order. */
export class ConsumerBatch<K = Buffer, V = Buffer> implements Iterable<ConsumerRecord<K, V>> {
  readonly topic: string;
  readonly partition: number;
  /** At least one. */
  readonly records: readonly ConsumerRecord<K, V>[];
  /** The offset that is committed when the whole batch is processed. */
  readonly nextOffset: number;
  /** Where the partition's log ended for consumers when the batch came. */
  readonly highWatermark: number;
  readonly #lease: Lease;

  /** Made by the consumer. */
  constructor(lease: Lease, run: RecordRun) {
    this.topic = lease.state.topic;
    this.partition = lease.state.partition;
    // The lease knows nothing of what keys and values are; the consumer that made it does.
    this.records = run.records as unknown as ConsumerRecord<K, V>[];
    this.nextOffset = run.nextOffset;
    this.highWatermark = lease.state.highWatermark;
    this.#lease = lease;
  }

  get firstOffset(): number {
    return (this.records[0] as ConsumerRecord<K, V>).offset;
  }

  get lastOffset(): number {
    return (this.records[this.records.length - 1] as ConsumerRecord<K, V>).offset;
  }

  /** Records that follow in the partition. */
  get lag(): number {
    return Math.max(this.highWatermark - this.nextOffset, 0);
  }

  /** Whether the partition is being given up, or was sought elsewhere: a long handler does well to stop here. */
  get stale(): boolean {
    return this.#lease.cancelled;
  }

  /**
   * Says that the records up to this one are processed, so that they are committed even if the rest of the batch fails. Not
   * needed otherwise: a batch is processed when its handler is done.
   */
  markProcessed(record: ConsumerRecord<K, V>): void {
    this.#lease.finishUpTo(record.offset + 1, record.leaderEpoch);
  }

  /** The records that were not marked as processed. */
  unprocessed(): readonly ConsumerRecord<K, V>[] {
    const from = this.#lease.state.processedOffset;
    return this.records.filter(({ offset }) => offset >= from);
  }

  /** For people and their logs. */
  toJSON(): object {
    const { topic, partition, firstOffset, lastOffset, records } = this;
    return { topic, partition, firstOffset, lastOffset, records: records.map((record) => record.toJSON()) };
  }

  /** What `console.log` shows: what the batch is, and not its records. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (...given: unknown[]) => string,
  ) {
    const { topic, partition, firstOffset, lastOffset, records } = this;
    return `ConsumerBatch ${inspect({ topic, partition, firstOffset, lastOffset, records: records.length }, options)}`;
  }

  [Symbol.iterator](): Iterator<ConsumerRecord<K, V>> {
    return this.records[Symbol.iterator]();
  }
}

/** Has asynchronous deserializers decode a whole batch; see `decodeRecord`. */
export async function decodeBatch(batch: ConsumerBatch<unknown, unknown>): Promise<void> {
  await Promise.all(batch.records.map((record) => decodeRecord(record)));
}
