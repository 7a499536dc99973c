import { crc32c } from './crc32c.ts';
import { readInt64, writeInt64 } from './int64.ts';

/**
 * The fixed header of a record batch of magic 2, read and written in place: the broker never builds an object for a batch.
 *
 * Every function takes the buffer and the position at which the batch starts. None checks that the batch is whole or well
 * formed: that is `checkBatch`'s work, done once where the bytes come in. Layout: KIP-98, `DefaultRecordBatch`.
 *
 *     0  baseOffset int64            21 attributes int16         43 producerId int64
 *     8  batchLength int32           23 lastOffsetDelta int32    51 producerEpoch int16
 *     12 partitionLeaderEpoch int32  27 baseTimestamp int64      53 baseSequence int32
 *     16 magic int8                  35 maxTimestamp int64       57 recordCount int32
 *     17 crc uint32 (of all from 21 on)                          61 records
 */
export const BatchOffsets = {
  BASE_OFFSET: 0,
  LENGTH: 8,
  LEADER_EPOCH: 12,
  MAGIC: 16,
  CRC: 17,
  ATTRIBUTES: 21,
  LAST_OFFSET_DELTA: 23,
  BASE_TIMESTAMP: 27,
  MAX_TIMESTAMP: 35,
  PRODUCER_ID: 43,
  PRODUCER_EPOCH: 51,
  BASE_SEQUENCE: 53,
  RECORD_COUNT: 57,
} as const;

/** Bytes of a batch before its first record. */
export const BATCH_HEADER_BYTES = 61;

/** Bytes that `batchLength` does not count: the base offset and the length itself. */
export const BATCH_LENGTH_OVERHEAD_BYTES = 12;

/** Bytes that must be there before the magic and the size of a batch can be told, whatever its magic. */
export const BATCH_PREFIX_BYTES = 17;

/** The magic of the only record format that Millrace stores. */
export const BATCH_MAGIC = 2;

/** The producer id of a batch that no idempotent producer wrote. */
export const NO_PRODUCER_ID = -1;
/** The producer epoch of a batch that no idempotent producer wrote. */
export const NO_PRODUCER_EPOCH = -1;
/** The base sequence of a batch that no idempotent producer wrote. */
export const NO_SEQUENCE = -1;
/** The leader epoch of a batch that no leader has taken in yet. */
export const NO_LEADER_EPOCH = -1;
/** The timestamp that stands for "none". */
export const NO_TIMESTAMP = -1;

const SEQUENCE_MAX = 2 ** 31 - 1;

/** Where the codec's id stands in the attributes. */
export const COMPRESSION_MASK = 0b0000_0111;
const LOG_APPEND_TIME_BIT = 0b0000_1000;
const TRANSACTIONAL_BIT = 0b0001_0000;
const CONTROL_BIT = 0b0010_0000;
/** Set in the attributes where the base timestamp is a delete horizon. */
export const DELETE_HORIZON_BIT = 0b0100_0000;

/** The codec ids of the attributes' low three bits. */
export const Compression = { NONE: 0, GZIP: 1, SNAPPY: 2, LZ4: 3, ZSTD: 4 } as const;
/** One of the codec ids in {@link (Compression:variable)}. */
export type Compression = (typeof Compression)[keyof typeof Compression];

/** Whose clock the timestamps of a batch are from: the producer's or the broker's. */
export const TimestampType = { CREATE_TIME: 0, LOG_APPEND_TIME: 1 } as const;
/** One of the values in {@link (TimestampType:variable)}. */
export type TimestampType = (typeof TimestampType)[keyof typeof TimestampType];

/** The offset of the first record (of the first one before compaction). */
export function batchBaseOffset(b: Buffer, at: number): number {
  return readInt64(b, at);
}

/** The size of the whole batch in bytes, its first field to its last record. */
export function batchSizeBytes(b: Buffer, at: number): number {
  return b.readInt32BE(at + BatchOffsets.LENGTH) + BATCH_LENGTH_OVERHEAD_BYTES;
}

/** The epoch of the leader that took the batch in; -1 before one has. */
export function batchLeaderEpoch(b: Buffer, at: number): number {
  return b.readInt32BE(at + BatchOffsets.LEADER_EPOCH);
}

/** The version of the record format; stands at the same place in all of them. */
export function batchMagic(b: Buffer, at: number): number {
  return b.readInt8(at + BatchOffsets.MAGIC);
}

/** The stored CRC32C, unsigned. */
export function batchCrc(b: Buffer, at: number): number {
  return b.readUInt32BE(at + BatchOffsets.CRC);
}

/** The CRC32C that the batch's bytes have now, unsigned. The whole batch must be in the buffer. */
export function computeBatchCrc(b: Buffer, at: number): number {
  return crc32c(b.subarray(at + BatchOffsets.ATTRIBUTES, at + batchSizeBytes(b, at)));
}

/** The attribute bits: codec, timestamp type, transactional, control, delete horizon. */
export function batchAttributes(b: Buffer, at: number): number {
  return b.readInt16BE(at + BatchOffsets.ATTRIBUTES);
}

/** The last record's offset less the base offset. */
export function batchLastOffsetDelta(b: Buffer, at: number): number {
  return b.readInt32BE(at + BatchOffsets.LAST_OFFSET_DELTA);
}

/** The offset of the last record. */
export function batchLastOffset(b: Buffer, at: number): number {
  return readInt64(b, at) + b.readInt32BE(at + BatchOffsets.LAST_OFFSET_DELTA);
}

/** The timestamp that the records' deltas count from, in milliseconds since the Unix epoch. */
export function batchBaseTimestamp(b: Buffer, at: number): number {
  return readInt64(b, at + BatchOffsets.BASE_TIMESTAMP);
}

/** The largest timestamp of the batch's records (with LogAppendTime: of all of them), in milliseconds since the Unix epoch. */
export function batchMaxTimestamp(b: Buffer, at: number): number {
  return readInt64(b, at + BatchOffsets.MAX_TIMESTAMP);
}

/** The idempotent producer's id, or -1. */
export function batchProducerId(b: Buffer, at: number): number {
  return readInt64(b, at + BatchOffsets.PRODUCER_ID);
}

/** The idempotent producer's epoch, or -1. */
export function batchProducerEpoch(b: Buffer, at: number): number {
  return b.readInt16BE(at + BatchOffsets.PRODUCER_EPOCH);
}

/** The sequence number of the first record, or -1. */
export function batchBaseSequence(b: Buffer, at: number): number {
  return b.readInt32BE(at + BatchOffsets.BASE_SEQUENCE);
}

/** The sequence number of the last record, or -1. Sequences wrap from 2^31 - 1 to 0. */
export function batchLastSequence(b: Buffer, at: number): number {
  const first = batchBaseSequence(b, at);
  return first === NO_SEQUENCE ? NO_SEQUENCE : addToSequence(first, batchLastOffsetDelta(b, at));
}

/** The sequence number `count` after `sequence`; wraps from 2^31 - 1 to 0 as `DefaultRecordBatch.incrementSequence` does. */
export function addToSequence(sequence: number, count: number): number {
  const sum = sequence + count;
  return sum > SEQUENCE_MAX ? sum - SEQUENCE_MAX - 1 : sum;
}

/** How many records the batch says that it holds. */
export function batchRecordCount(b: Buffer, at: number): number {
  return b.readInt32BE(at + BatchOffsets.RECORD_COUNT);
}

/**
 * The codec of the records. The field has room for ids that name no codec (5 to 7); `checkBatch` refuses those, so the type
 * holds for what has been checked.
 */
export function batchCompression(b: Buffer, at: number): Compression {
  return (batchAttributes(b, at) & COMPRESSION_MASK) as Compression;
}

/** Whether the batch belongs to a transaction. */
export function batchIsTransactional(b: Buffer, at: number): boolean {
  return (batchAttributes(b, at) & TRANSACTIONAL_BIT) !== 0;
}

/** Whether the batch holds a control record (an end-of-transaction marker), which consumers never show. */
export function batchIsControl(b: Buffer, at: number): boolean {
  return (batchAttributes(b, at) & CONTROL_BIT) !== 0;
}

/** Whether the base timestamp is the delete horizon that compaction has set (KIP-534). */
export function batchHasDeleteHorizon(b: Buffer, at: number): boolean {
  return (batchAttributes(b, at) & DELETE_HORIZON_BIT) !== 0;
}

/** Whose clock the timestamps are from. */
export function batchTimestampType(b: Buffer, at: number): TimestampType {
  return (batchAttributes(b, at) & LOG_APPEND_TIME_BIT) === 0
    ? TimestampType.CREATE_TIME
    : TimestampType.LOG_APPEND_TIME;
}

/** The attribute bits for these properties. */
export function attributesOf(
  compression: Compression,
  timestampType: TimestampType,
  isTransactional: boolean,
  isControl: boolean,
): number {
  return (
    compression |
    (timestampType === TimestampType.LOG_APPEND_TIME ? LOG_APPEND_TIME_BIT : 0) |
    (isTransactional ? TRANSACTIONAL_BIT : 0) |
    (isControl ? CONTROL_BIT : 0)
  );
}

/** Places the batch in its log. The field lies outside the CRC. */
export function setBatchBaseOffset(b: Buffer, at: number, baseOffset: number): void {
  writeInt64(b, at, baseOffset);
}

/** Notes the leader that took the batch in. The field lies outside the CRC. */
export function setBatchLeaderEpoch(b: Buffer, at: number, leaderEpoch: number): void {
  b.writeInt32BE(leaderEpoch, at + BatchOffsets.LEADER_EPOCH);
}

/** Sets the largest timestamp and whose clock it is from, and refreshes the CRC. */
export function setBatchMaxTimestamp(
  b: Buffer,
  at: number,
  maxTimestampMs: number,
  timestampType: TimestampType = batchTimestampType(b, at),
): void {
  const others = batchAttributes(b, at) & ~LOG_APPEND_TIME_BIT;
  const bit = timestampType === TimestampType.LOG_APPEND_TIME ? LOG_APPEND_TIME_BIT : 0;
  b.writeInt16BE(others | bit, at + BatchOffsets.ATTRIBUTES);
  writeInt64(b, at + BatchOffsets.MAX_TIMESTAMP, maxTimestampMs);
  refreshBatchCrc(b, at);
}

/** Stamps the batch with the broker's time (`message.timestamp.type=LogAppendTime`), and refreshes the CRC. */
export function setBatchLogAppendTime(b: Buffer, at: number, logAppendTimeMs: number): void {
  setBatchMaxTimestamp(b, at, logAppendTimeMs, TimestampType.LOG_APPEND_TIME);
}

/** Sets the idempotent producer's fields, and refreshes the CRC. */
export function setBatchProducer(
  b: Buffer,
  at: number,
  producerId: number,
  producerEpoch: number,
  baseSequence: number,
): void {
  writeInt64(b, at + BatchOffsets.PRODUCER_ID, producerId);
  b.writeInt16BE(producerEpoch, at + BatchOffsets.PRODUCER_EPOCH);
  b.writeInt32BE(baseSequence, at + BatchOffsets.BASE_SEQUENCE);
  refreshBatchCrc(b, at);
}

/** Writes the CRC that fits the batch's bytes. */
export function refreshBatchCrc(b: Buffer, at: number): void {
  b.writeUInt32BE(computeBatchCrc(b, at), at + BatchOffsets.CRC);
}
