import { shown } from '@millrace/client/internal';
import { ConsumerError } from '../errors.ts';
import { ConsumerRecord, decodeRecord } from '../record.ts';
import type { Lease, RecordRun } from './lease.ts';

/** Records of one partition, in order: what came with one fetch, or with several while nobody was ready for it. */
export class ConsumerBatch<K = Buffer, V = Buffer> implements Iterable<ConsumerRecord<K, V>> {
  readonly topic: string;
  readonly partition: number;
  /** At least one. */
  readonly records: readonly ConsumerRecord<K, V>[];
  /** The offset that is committed when the whole batch is processed. */
  readonly nextOffset: number;
  /** Where the partition's log ended for consumers, those of what is not committed included, when it was last heard of. */
  readonly highWatermark: number;
  readonly #endOffset: number;
  readonly #lease: Lease;

  /** Made by the consumer. */
  constructor(lease: Lease, run: RecordRun) {
    this.topic = lease.state.topic;
    this.partition = lease.state.partition;
    // The lease knows nothing of what keys and values are; the consumer that made it does.
    this.records = run.records as unknown as ConsumerRecord<K, V>[];
    this.nextOffset = run.nextOffset;
    this.highWatermark = lease.state.highWatermark;
    this.#endOffset = lease.endOffset;
    this.#lease = lease;
  }

  get firstOffset(): number {
    return (this.records[0] as ConsumerRecord<K, V>).offset;
  }

  get lastOffset(): number {
    return (this.records[this.records.length - 1] as ConsumerRecord<K, V>).offset;
  }

  /** Offsets that follow in the partition for this consumer: up to where a transaction is open, where it reads what is committed. */
  get lag(): number {
    return Math.max(this.#endOffset - this.nextOffset, 0);
  }

  /** Whether the partition is being given up, or was sought elsewhere: a long handler does well to stop here. */
  get stale(): boolean {
    return this.#lease.cancelled;
  }

  /**
   * Whether the partition is this consumer's no more, nor will be as it was: its group may have given it to others, who handle the batch as
   * well. A transaction with anything of it has to be aborted.
   */
  get lost(): boolean {
    return this.#lease.state.lostAs !== undefined;
  }

  /**
   * Says that the records up to this one are processed, so that they are committed even if the rest of the batch fails. Not
   * needed otherwise: a batch is processed when its handler is done.
   * @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` for what is no record of this batch
   */
  markProcessed(record: ConsumerRecord<K, V>): void {
    checkRecordOf(this, record);
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

/** Another's record would count this partition's as processed that are not, or none. */
function checkRecordOf(batch: ConsumerBatch<unknown, unknown>, record: unknown): void {
  const fault = recordFault(batch, record);
  if (fault === undefined) return;
  throw new ConsumerError('CONSUMER_INVALID_ARGUMENT', `Cannot mark a record as processed: ${fault}`);
}

function recordFault(batch: ConsumerBatch<unknown, unknown>, record: unknown): string | undefined {
  if (!(record instanceof ConsumerRecord)) return `it must be a record of the batch, not ${shown(record)}`;
  const { topic, partition, offset } = record;
  const isOfBatch = topic === batch.topic && partition === batch.partition;
  if (isOfBatch && offset >= batch.firstOffset && offset <= batch.lastOffset) return undefined;
  return `offset ${offset} of partition ${partition} of topic "${topic}" is not in the batch`;
}

/** Has asynchronous deserializers decode a whole batch; see `decodeRecord`. */
export async function decodeBatch(batch: {
  readonly records: readonly ConsumerRecord<unknown, unknown>[];
}): Promise<void> {
  await Promise.all(batch.records.map((record) => decodeRecord(record)));
}
