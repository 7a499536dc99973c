/**
 * The producer SDK for Kafka-compatible brokers.
 * @packageDocumentation
 */
export type { BatchEvent, SendEvent } from './diagnostics.ts';
export {
  AbortableTransactionError,
  FatalTransactionError,
  ProducerError,
  type ProducerErrorCode,
} from './errors.ts';
export type { Acks, CompressionName, ProducerOptions } from './options.ts';
export {
  defaultPartitioner,
  type Partitioner,
  type PartitionerInput,
  partitionForKey,
  roundRobinPartitioner,
} from './partitioner.ts';
export { Producer, type ProducerMetrics } from './producer.ts';
export type { HeadersInput, HeaderValue, ProducerRecord, RecordMetadata } from './record.ts';
export type { GroupMember, Transaction } from './transactions/transaction.ts';
export type { ConsumerGroupMetadata, TransactionOffset } from './transactions/transaction-transport.ts';
