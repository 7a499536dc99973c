/**
 * The consumer SDK for Kafka-compatible brokers.
 * @packageDocumentation
 */
export type {
  Assignment,
  AssignmentInput,
  AssignmentMember,
  Assignor,
  RebalanceProtocol,
  TopicPartitionMap,
} from './assignors/assignor.ts';
export { kafkajsRoundRobinAssignor } from './assignors/kafkajs.ts';
export { rangeAssignor } from './assignors/range.ts';
export { roundRobinAssignor } from './assignors/round-robin.ts';
export { cooperativeStickyAssignor, stickyAssignor } from './assignors/sticky.ts';
export {
  type BatchesOptions,
  type CommittedOffset,
  Consumer,
  type ManualAssignment,
  type PartitionLag,
} from './consumer.ts';
export type { CommitEvent, FetchEvent, ProcessEvent, RebalanceEvent } from './diagnostics.ts';
export type { GroupJoined } from './engine.ts';
export { ConsumerError, type ConsumerErrorCode } from './errors.ts';
export type { ConsumerMetrics } from './metrics.ts';
export type { OffsetToCommit } from './offsets/offset-committer.ts';
export type {
  AutoOffsetReset,
  ConsumerOptions,
  IsolationLevel,
  RebalanceListener,
  TopicPartition,
} from './options.ts';
export type { ConsumerBatch } from './reading/consumer-batch.ts';
export type {
  DeadLetter,
  DeadLetterSender,
  HandlerContext,
  HandlerRetry,
  RunOptions,
} from './reading/run-options.ts';
export type { ScannedBatch } from './reading/scanned-batch.ts';
export type {
  ConsumerGroupMetadata,
  ConsumerTransaction,
  TransactionalContext,
  TransactionalProducer,
  TransactionalRunOptions,
  TransactionRecord,
} from './reading/transactional-run.ts';
export type { ConsumerRecord, UnmadeRecord } from './record.ts';
