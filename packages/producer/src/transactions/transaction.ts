import type { ProducerRecord, RecordMetadata } from '../record.ts';
import type { ConsumerGroupMetadata, TransactionOffset } from './transaction-transport.ts';

/** A consumer, as far as a transaction needs to know it. */
export interface GroupMember {
  readonly groupMetadata: ConsumerGroupMetadata;
  /** The partitions that it reads; where it says so, offsets of others are not committed for it. */
  readonly assignment?: readonly { readonly topic: string; readonly partition: number }[] | undefined;
}

/**
 * Records and offsets that become visible together, or not at all. Ended by {@link Transaction.commit} or {@link Transaction.abort}; one
 * that `producer.transaction(...)` gave is ended by that.
 */
export interface Transaction<K = string | Uint8Array, V = string | Uint8Array> extends AsyncDisposable {
  /** As `producer.send`; readers with `read_committed` see the record when the transaction is committed. */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>;
  /** As `producer.sendBatch`. */
  sendBatch(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]>;
  /**
   * Commits offsets of a group with the transaction.
   * @param group the consumer that read the records, so that one that has lost its partitions cannot commit; or the id of a group
   * @param offsets of the next record to be read, for each partition
   * @throws AbortableTransactionError, FatalTransactionError; ProducerError `PRODUCER_INVALID_ARGUMENT`, after which the transaction can only
   * be aborted as well
   */
  sendOffsets(
    group: GroupMember | ConsumerGroupMetadata | string,
    offsets: readonly TransactionOffset[],
  ): Promise<void>;
  /**
   * Waits until all records and offsets are acknowledged, and makes all visible.
   * @throws AbortableTransactionError when something has failed: call `abort`; FatalTransactionError when another producer with the
   * transactional id has taken over, or the outcome cannot be known: close the producer
   */
  commit(): Promise<void>;
  /** Drops what has not been sent; nobody who reads what is committed sees the rest. @throws FatalTransactionError */
  abort(): Promise<void>;
}
