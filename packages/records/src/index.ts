/**
 * Kafka record batches: build, read, validate, compress.
 * @packageDocumentation
 */

export { type BuildBatchOptions, RecordBatchBuilder, type RecordBatchBuilderOptions } from './batch-builder.ts';
export { BatchFault, type BatchLimits, checkBatch, isCountDoubtful, splitBatches } from './batch-check.ts';
export { BatchFilter } from './batch-filter.ts';
export {
  addToSequence,
  attributesOf,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  BatchOffsets,
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCompression,
  batchCrc,
  batchHasDeleteHorizon,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLastSequence,
  batchLeaderEpoch,
  batchMagic,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  computeBatchCrc,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  refreshBatchCrc,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
  setBatchLogAppendTime,
  setBatchMaxTimestamp,
  setBatchProducer,
  TimestampType,
} from './batch-header.ts';
export { compress, DECOMPRESSED_BYTES_MAX_DEFAULT, decompress } from './codecs/compress.ts';
export {
  buildEndTxnMarker,
  ControlRecordType,
  type EndTxnMarker,
  type EndTxnMarkerInput,
  readEndTxnMarker,
} from './control-batch.ts';
export { crc32c } from './crc32c.ts';
export { RecordsError, type RecordsErrorCode } from './errors.ts';
export { isSafeInt64At, readInt64, writeInt64 } from './int64.ts';
export { convertDown, convertUp, type DownConversion, isOldFormat, type OldMagic } from './old-messages.ts';
export { readRecords } from './read-records.ts';
export { decompressBatch, type RecompressOptions, recompressBatch } from './recompress.ts';
export type { KafkaRecord, RecordHeader, RecordHeaderInput } from './record.ts';
export {
  checkRecords,
  RECORD_FAULTS_MAX,
  type RecordFault,
  type RecordFaultCode,
  type RecordLimits,
} from './record-check.ts';
export { type ReadRecordsOptions, RecordCursor, readHeaders } from './record-cursor.ts';
export { type FoundRecord, findRecord, type RecordSearch } from './record-search.ts';
