import { ErrorCode } from '@millrace/protocol';
import {
  BATCH_HEADER_BYTES,
  BatchFault,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCompression,
  batchIsControl,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerId,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  checkBatch,
  isCountDoubtful,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  type RecordFault,
  type RecordLimits,
  TimestampType,
} from '@millrace/records';
import type { LogConfig } from './log-config.ts';
import type { AppendOrigin, RecordError } from './log-types.ts';
import { RELATIVE_OFFSET_MAX } from './segment.ts';

/** Why an append is refused. */
export interface AppendRefusal {
  readonly errorCode: number;
  readonly message: string;
  readonly recordErrors?: readonly RecordError[];
}

const errorCodeOfFault: Record<BatchFault, number> = {
  [BatchFault.TRUNCATED]: ErrorCode.CORRUPT_MESSAGE,
  [BatchFault.BAD_SIZE]: ErrorCode.CORRUPT_MESSAGE,
  [BatchFault.OLD_MAGIC]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_MAGIC]: ErrorCode.CORRUPT_MESSAGE,
  [BatchFault.TOO_LARGE]: ErrorCode.MESSAGE_TOO_LARGE,
  [BatchFault.BAD_CODEC]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_COUNT]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_COMPRESSION]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_OFFSETS]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_NUMBER]: ErrorCode.INVALID_RECORD,
  [BatchFault.BAD_CRC]: ErrorCode.CORRUPT_MESSAGE,
};

/** The most that records may become when the log has to look into a compressed batch, whatever the topic allows. */
const DECOMPRESSED_BYTES_MAX = 128 * 1024 * 1024;
/** The same as a multiple of `max.message.bytes`: text compresses by 3 to 20, a bomb by 250 to 30,000. */
const EXPANSION_MAX = 32;

/**
 * What the records of a batch may become when the log has to look into it. Kafka has no such bound, because it never holds all of
 * them at once; here, a bomb must not cost more than a few honest batches.
 */
export function decompressedBytesMax({ maxMessageBytes }: LogConfig): number {
  return Math.min(maxMessageBytes * EXPANSION_MAX, DECOMPRESSED_BYTES_MAX);
}

/**
 * Holds the headers of an append's batches against a topic's rules, and their CRCs against their bytes (Kafka's
 * `UnifiedLog.analyzeAndValidateRecords`). What a look into the records must tell, {@link recordLimitsOf} says.
 */
export function checkAppend(b: Buffer, config: LogConfig, origin: AppendOrigin): AppendRefusal | undefined {
  if (b.length === 0) return invalid('It holds no record batch');
  if (b.length > config.segmentBytes) return tooLargeForSegment(b, config);
  const limits = { batchBytesMax: config.maxMessageBytes, contiguousOffsets: true };
  let offsets = 0;
  for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
    const fault = checkBatch(b, at, limits);
    if (fault !== undefined) return refusalOf(fault, b, at, config);
    const refusal = origin === 'client' ? checkClientBatch(b, at, config) : undefined;
    if (refusal !== undefined) return refusal;
    offsets += batchLastOffsetDelta(b, at) + 1;
  }
  // So many would not fit into a segment of their own, whose indexes count offsets from its first in 31 bits.
  return offsets > RELATIVE_OFFSET_MAX ? invalid(`${offsets} records do not fit into one segment`) : undefined;
}

/** The refusal of what is larger than a whole segment. */
export function tooLargeForSegment(b: Buffer, { segmentBytes }: LogConfig): AppendRefusal {
  return {
    errorCode: ErrorCode.RECORD_LIST_TOO_LARGE,
    message: `${b.length} bytes of batches do not fit into a segment of ${segmentBytes} bytes`,
  };
}

/** What of a follower's batches goes into its log. */
export interface ReplicatedPart {
  /** How many of the bytes: up to the first batch of a later epoch, or one too far from the first for one segment. */
  readonly sizeBytes: number;
}

/** Holds what a follower fetched against what it may append: whole batches, in order, from `nextOffset` on. */
export function checkReplicated(b: Buffer, nextOffset: number, leaderEpoch: number): AppendRefusal | ReplicatedPart {
  let expected = nextOffset;
  for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
    const fault = checkBatch(b, at);
    if (fault !== undefined) {
      return { errorCode: ErrorCode.CORRUPT_MESSAGE, message: `The batch at byte ${at}: ${fault}` };
    }
    if (batchLeaderEpoch(b, at) > leaderEpoch) return { sizeBytes: at };
    const baseOffset = batchBaseOffset(b, at);
    if (baseOffset < expected) {
      return {
        errorCode: ErrorCode.OFFSET_OUT_OF_RANGE,
        message: `The batch at offset ${baseOffset} lies before the end of the log at ${expected}`,
      };
    }
    if (batchLastOffset(b, at) - batchBaseOffset(b, 0) > RELATIVE_OFFSET_MAX) return { sizeBytes: at };
    expected = batchLastOffset(b, at) + 1;
  }
  return b.length === 0 ? invalid('It holds no record batch') : { sizeBytes: b.length };
}

function refusalOf(fault: BatchFault, b: Buffer, at: number, config: LogConfig): AppendRefusal {
  const detail =
    fault === BatchFault.TOO_LARGE
      ? `its ${batchSizeBytes(b, at)} bytes are more than max.message.bytes (${config.maxMessageBytes})`
      : fault;
  return { errorCode: errorCodeOfFault[fault], message: `The record batch at byte ${at} is refused: ${detail}` };
}

function checkClientBatch(b: Buffer, at: number, config: LogConfig): AppendRefusal | undefined {
  const baseOffset = batchBaseOffset(b, at);
  if (baseOffset !== 0) return invalid(`A producer's batch must have base offset 0, not ${baseOffset}`);
  if (batchIsControl(b, at)) return invalid('Clients are not allowed to write control records');
  if (batchProducerId(b, at) !== NO_PRODUCER_ID && batchBaseSequence(b, at) < 0) {
    return invalid(`The batch of producer ${batchProducerId(b, at)} has no sequence number`);
  }
  return checkTimestampType(b, at, config);
}

function checkTimestampType(b: Buffer, at: number, config: LogConfig): AppendRefusal | undefined {
  if (config.messageTimestampType === 'LogAppendTime' || batchTimestampType(b, at) === TimestampType.CREATE_TIME) {
    return undefined;
  }
  return {
    errorCode: ErrorCode.INVALID_TIMESTAMP,
    message: 'A producer must not mark its batches as stamped by the broker (LogAppendTime)',
  };
}

/**
 * Whether a batch's records have no timestamps though its header says 1970 of the largest: librdkafka writes such for records that are given
 * the timestamp -1. Retention would take them at once; Kafka finds out what the largest is from the records (`LogValidator`).
 */
export function isWithoutTime(b: Buffer, at: number): boolean {
  return batchMaxTimestamp(b, at) === 0 && batchBaseTimestamp(b, at) === NO_TIMESTAMP;
}

/**
 * What the records of a client's batch that has passed {@link checkAppend} must be held against (Kafka's `LogValidator`); undefined where its
 * header tells enough: without keys to demand, without a bound on timestamps that needs the oldest, with a count to be believed.
 */
export function recordLimitsOf(
  b: Buffer,
  at: number,
  config: LogConfig,
  { nowMs, always }: { readonly nowMs: number; readonly always: boolean },
): RecordLimits | undefined {
  const maxTimestamp = batchMaxTimestamp(b, at);
  const isStamped = config.messageTimestampType === 'LogAppendTime' || maxTimestamp === NO_TIMESTAMP;
  const timestampMin = isStamped ? Number.NEGATIVE_INFINITY : nowMs - config.messageTimestampBeforeMaxMs;
  const timestampMax = isStamped ? Number.POSITIVE_INFINITY : nowMs + config.messageTimestampAfterMaxMs;
  const keys = config.cleanupPolicy.includes('compact');
  const isEnough = !keys && timestampMin === Number.NEGATIVE_INFINITY && maxTimestamp <= timestampMax;
  if (isEnough && !always && !isCountDoubtful(b, at)) return undefined;
  return { keys, timestampMin, timestampMax, contiguousOffsets: true, bytesMax: decompressedBytesMax(config) };
}

/** Why an append is refused whose records are as they are told of; undefined when it is not. */
export function refusalOfRecords(faults: readonly RecordFault[]): AppendRefusal | undefined {
  const first = faults[0];
  if (first === undefined) return undefined;
  const errorCode = first.code === 'BAD_TIMESTAMP' ? ErrorCode.INVALID_TIMESTAMP : ErrorCode.INVALID_RECORD;
  const recordErrors = faults
    .filter(({ index }) => index >= 0)
    .map(({ index, message }) => ({ batchIndex: index, message }));
  return recordErrors.length === 0
    ? invalid(`The records cannot be read: ${first.message}`)
    : { errorCode, message: first.message, recordErrors };
}

function invalid(message: string): AppendRefusal {
  return { errorCode: ErrorCode.INVALID_RECORD, message };
}

const compressionOf = {
  uncompressed: Compression.NONE,
  gzip: Compression.GZIP,
  snappy: Compression.SNAPPY,
  lz4: Compression.LZ4,
  zstd: Compression.ZSTD,
} as const;

/** The codec that a topic stores its batches in; undefined where the producers choose. */
export function targetCompression(config: LogConfig): Compression | undefined {
  return config.compressionType === 'producer' ? undefined : compressionOf[config.compressionType];
}

/** Whether a batch must be recompressed before it is stored. Bytes that are no batches need nothing: they are refused later. */
export function needsRecompression(b: Buffer, config: LogConfig): boolean {
  const target = targetCompression(config);
  if (target === undefined) return false;
  for (let at = 0; b.length - at >= BATCH_HEADER_BYTES; at += batchSizeBytes(b, at)) {
    if (batchSizeBytes(b, at) < BATCH_HEADER_BYTES) return false;
    if (!batchIsControl(b, at) && batchCompression(b, at) !== target) return true;
  }
  return false;
}
