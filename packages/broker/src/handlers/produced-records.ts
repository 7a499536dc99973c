import { ErrorCode } from '@millrace/protocol';
import {
  BATCH_HEADER_BYTES,
  batchCompression,
  batchIsTransactional,
  batchSizeBytes,
  Compression,
  isOldFormat,
} from '@millrace/records';

/** Where the magic byte stands, in message sets of every version. */
const MAGIC_END = 17;

/** Why the records of a partition are refused before the log sees them. */
export interface ProducedRecordsFault {
  readonly errorCode: number;
  readonly message: string;
}

/**
 * What the version of a Produce request demands of its records (`ProduceRequest.validateRecords` of Kafka). What is inside
 * the batch is the log's to check.
 */
export function producedRecordsFault(records: Buffer | null, version: number): ProducedRecordsFault | undefined {
  if (records === null || records.length === 0) {
    return invalid(`Produce requests of version ${version} must have at least one record batch per partition`);
  }
  if (records.length < MAGIC_END) return corrupt('The records end before the header of their batch does');
  // The log makes a batch of what old clients send; from version 3 on, a client knows better than to send it.
  if (isOldFormat(records)) return version < 3 ? undefined : oldFormat(version);
  if (records.length < BATCH_HEADER_BYTES) return corrupt('The records end before the header of their batch does');
  if (version >= 3 && batchSizeBytes(records, 0) < records.length) {
    return invalid(`Produce requests of version ${version} must have exactly one record batch per partition`);
  }
  if (version < 7 && batchCompression(records, 0) === Compression.ZSTD) {
    return {
      errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      message: `Produce requests of version ${version} must not use zstd; it needs version 7`,
    };
  }
  return undefined;
}

/** Whether a producer says that its records belong to a transaction. */
export function isTransactional(records: Buffer | null): boolean {
  if (records === null || records.length < BATCH_HEADER_BYTES || isOldFormat(records)) return false;
  return batchIsTransactional(records, 0);
}

function oldFormat(version: number): ProducedRecordsFault {
  return invalid(`Produce requests of version ${version} must only have batches of magic 2`);
}

function invalid(message: string): ProducedRecordsFault {
  return { errorCode: ErrorCode.INVALID_RECORD, message };
}

function corrupt(message: string): ProducedRecordsFault {
  return { errorCode: ErrorCode.CORRUPT_MESSAGE, message };
}
