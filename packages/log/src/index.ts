/**
 * A partition's log: segments, indexes, recovery, retention, producer state.
 * @packageDocumentation
 */
export {
  type CleanupPolicy,
  defaultLogConfig,
  type LogConfig,
  type MessageTimestampType,
  type TopicCompressionType,
  UNLIMITED,
} from './log-config.ts';
export type {
  AbortedTransaction,
  AppendOptions,
  AppendOrigin,
  AppendResult,
  EpochEndOffset,
  LogState,
  ProducerDescription,
  ReadIsolation,
  ReadOptions,
  ReadResult,
  Recompressor,
  RecordError,
  TimestampOffset,
} from './log-types.ts';
