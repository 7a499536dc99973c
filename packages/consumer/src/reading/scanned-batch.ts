import type { ConsumerRecord } from '../record.ts';
import type { Lease, RecordRun } from './lease.ts';

/** What came of one partition with one fetch, gone through: those of its records that were wanted. */
export class ScannedBatch<K = Buffer, V = Buffer> {
  readonly topic: string;
  readonly partition: number;
  /** In order; there may be none. */
  readonly records: readonly ConsumerRecord<K, V>[];
  /** All before it was gone through: it is committed when the batch is processed. */
  readonly nextOffset: number;

  /** Made by the consumer. */
  constructor({ state }: Lease, run: RecordRun) {
    this.topic = state.topic;
    this.partition = state.partition;
    // The lease knows nothing of what keys and values are; the consumer that made it does.
    this.records = run.records as unknown as ConsumerRecord<K, V>[];
    this.nextOffset = run.nextOffset;
  }
}
