/**
 * A partition's log: segments, indexes, recovery, retention, producer state.
 * @packageDocumentation
 */
export { type BatchWork, batchWorkInline, type RecompressTarget } from './batch-work.ts';
export type { CleaningProgress, CleanResult } from './compaction/clean-log.ts';
export type { CleaningStatus, LogCleanerOptions, LogCleanerStatus } from './compaction/log-cleaner.ts';
export { type CleaningSlice, cleanSlice, type SliceCleaner, type SliceOutcome } from './compaction/slice.ts';
export {
  CorruptLogError,
  DiskFailedError,
  FolderLockedError,
  ForeignFolderError,
  isShortage,
  LogError,
  type LogErrorCode,
  MalformedFileError,
  UnloadableLogError,
} from './errors.ts';
export {
  type BatchEntry,
  type LogFileEntry,
  type LogFileKind,
  logFileKind,
  type ReadLogFileOptions,
  readLogFile,
} from './inspect/file-entries.ts';
export {
  checkLogFolder,
  identifyLogFolder,
  type LogFolderIdentity,
  logFolderOwner,
  type PartitionIdentity,
} from './inspect/identify-folder.ts';
export {
  type LogProblem,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyResult,
  verifyLogDirectory,
} from './inspect/verify-directory.ts';
export {
  type SegmentProblem,
  type SegmentSummary,
  type VerifySegmentOptions,
  verifySegmentFiles,
} from './inspect/verify-segment.ts';
export type { LiveLogOptions } from './live-log-options.ts';
export type { LogBounds } from './log-bounds.ts';
export {
  type CleanupPolicy,
  defaultLogConfig,
  type LogConfig,
  type MessageTimestampType,
  type TopicCompressionType,
  UNLIMITED,
} from './log-config.ts';
export { LogManager } from './log-manager.ts';
export type {
  CreateLogOptions,
  LogDirectoryDescription,
  LogManagerOptions,
  LogManagerUsage,
  MoveRefusal,
  OpenProgress,
} from './log-manager-options.ts';
export type { LogMove, LogMoveNews } from './log-mover.ts';
export type { LogScheduleOptions } from './log-schedule.ts';
export type {
  AbortedTransaction,
  AppendOptions,
  AppendOrigin,
  AppendResult,
  EpochEndOffset,
  LeaderOffsets,
  LogRecovery,
  LogState,
  MissingLog,
  ProducerDescription,
  ReadIsolation,
  ReadOptions,
  ReadResult,
  RecordError,
  SetAside,
  TimestampOffset,
  VerificationGuard,
  VerifiedBatch,
} from './log-types.ts';
export { PartitionLog, type Unsubscribe } from './partition-log.ts';
export type { RetentionResult } from './retention.ts';
