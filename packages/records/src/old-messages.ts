import zlib from 'node:zlib';
import { RecordBatchBuilder } from './batch-builder.ts';
import {
  BATCH_PREFIX_BYTES,
  batchCompression,
  batchIsControl,
  batchLastOffset,
  batchMagic,
  batchMaxTimestamp,
  batchRecordCount,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  NO_TIMESTAMP,
  TimestampType,
} from './batch-header.ts';
import { compress, DECOMPRESSED_BYTES_MAX_DEFAULT, decompress } from './codecs/compress.ts';
import { xxh32 } from './codecs/xxh32.ts';
import { RecordsError } from './errors.ts';
import { isSafeInt64At, readInt64, writeInt64 } from './int64.ts';
import { RecordCursor } from './record-cursor.ts';

/**
 * Message sets of magic 0 and 1, which Kafka had before 0.11, to and from batches of magic 2 (Kafka's `LegacyRecord`, `LogValidator`,
 * `RecordsUtil.downConvert`). A set is messages one behind the other; compressed messages are the value of another message.
 *
 *     0  offset int64     16 magic int8          18 timestamp int64 (magic 1)
 *     8  size int32       17 attributes int8        key, value: int32 length and bytes
 *     12 crc32 uint32 (of all from the magic on)
 */

/** The magic of a format that is converted from or to. */
export type OldMagic = 0 | 1;

const CRC_AT = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 17;
const TIMESTAMP_AT = 18;
/** Offset and size, which the size does not count. */
const OVERHEAD_BYTES = 12;
const COMPRESSION_MASK = 0b0111;
const LOG_APPEND_TIME_BIT = 0b1000;
const NULL_LENGTH = -1;

/** Whether bytes that have the length of a batch's prefix are messages of before magic 2. */
export function isOldFormat(b: Buffer): boolean {
  return b.length >= BATCH_PREFIX_BYTES && batchMagic(b, 0) >= 0 && batchMagic(b, 0) < 2;
}

/**
 * The messages of a set as one batch of magic 2, in the codec of its compressed messages, as Kafka stores what old producers send.
 * Offsets count from 0; timestamps are -1 where there were none, and the producer's, whatever a message says of that.
 *
 * @param bytesMax the most that compressed messages may become, in bytes
 * @throws RecordsError where the bytes are no messages, or do not have their CRC
 */
export function convertUp(set: Buffer, bytesMax = DECOMPRESSED_BYTES_MAX_DEFAULT): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: set.length + 61 });
  let compression: Compression = Compression.NONE;
  let bytesLeft = bytesMax;
  for (let at = 0; at < set.length; ) {
    const message = messageAt(set, at);
    at = message.end;
    if (message.compression === Compression.NONE) {
      builder.append(message.timestamp, message.key, message.value);
      continue;
    }
    compression = message.compression;
    const plain = uncompressed(message, bytesLeft);
    bytesLeft -= plain.length;
    for (let innerAt = 0; innerAt < plain.length; ) {
      const inner = messageAt(plain, innerAt);
      innerAt = inner.end;
      if (inner.magic !== message.magic) throw corrupt(`a message of magic ${inner.magic} in one of ${message.magic}`);
      if (inner.compression !== Compression.NONE) throw corrupt('a compressed message within a compressed message');
      builder.append(inner.timestamp, inner.key, inner.value);
    }
  }
  if (builder.recordCount === 0) throw corrupt('there is no message in the set');
  return builder.build({ compression });
}

/** What {@link convertDown} converts to. */
export interface DownConversion {
  readonly magic: OldMagic;
  /** Uncompressed messages before this offset are left out: old clients would take them for what they asked for. */
  readonly fetchOffset: number;
  /** Conversion ends with the batch before it would give more; the first batch comes whole. */
  readonly outputBytesMax: number;
  /** The most that the records of a compressed batch may become, in bytes. */
  readonly bytesMax?: number;
}

/**
 * Batches of magic 2, one behind the other, as a set of older messages. Headers are lost, control batches left out, codecs kept.
 * Ends before what cannot be converted; empty where nothing is in the batches that such clients see.
 *
 * @throws RecordsError where the first batch with records cannot be read (`RECORDS_UNSUPPORTED` for zstd, which old clients do not know)
 */
export function convertDown(batches: Buffer, conversion: DownConversion): Buffer {
  const messages: Buffer[] = [];
  let sizeBytes = 0;
  for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
    if (batchIsControl(batches, at) || batchRecordCount(batches, at) === 0) continue;
    const batch = batches.subarray(at, at + batchSizeBytes(batches, at));
    let converted: Buffer;
    try {
      converted = convertBatch(batch, conversion);
    } catch (error) {
      if (sizeBytes > 0 && error instanceof RecordsError) break;
      throw error;
    }
    if (sizeBytes > 0 && sizeBytes + converted.length > conversion.outputBytesMax) break;
    messages.push(converted);
    sizeBytes += converted.length;
  }
  const only = messages[0];
  return messages.length === 1 && only !== undefined ? only : Buffer.concat(messages);
}

interface Message {
  readonly magic: number;
  readonly compression: Compression;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly end: number;
}

function messageAt(b: Buffer, at: number): Message {
  const end = b.length - at < OVERHEAD_BYTES ? Number.NaN : at + OVERHEAD_BYTES + b.readInt32BE(at + 8);
  // a magic, attributes, and two lengths
  if (!(end >= at + ATTRIBUTES_AT + 1 + 8 && end <= b.length)) {
    throw corrupt(`the message at byte ${at} does not end in it`);
  }
  if (zlib.crc32(b.subarray(at + MAGIC_AT, end)) !== b.readUInt32BE(at + CRC_AT)) {
    throw corrupt(`the message at byte ${at} does not have its CRC`);
  }
  const magic = b[at + MAGIC_AT]!;
  if (magic > 1) throw corrupt(`a message of magic ${magic} in a set of older ones`);
  const attributes = b[at + ATTRIBUTES_AT]!;
  const compression = attributes & COMPRESSION_MASK;
  if (compression > Compression.LZ4) {
    throw new RecordsError('RECORDS_UNSUPPORTED', `Codec ${compression} cannot be in a message of magic ${magic}.`);
  }
  if (magic === 1 && (end < at + TIMESTAMP_AT + 16 || !isSafeInt64At(b, at + TIMESTAMP_AT))) {
    throw corrupt(`the timestamp of the message at byte ${at} is none`);
  }
  const keyAt = at + TIMESTAMP_AT + (magic === 1 ? 8 : 0);
  const key = bytesAt(b, keyAt, end);
  const value = bytesAt(b, keyAt + 4 + (key?.length ?? 0), end);
  if (keyAt + 8 + (key?.length ?? 0) + (value?.length ?? 0) !== end) {
    throw corrupt(`bytes remain in the message at byte ${at}`);
  }
  return {
    magic,
    // checked above to be one of the codecs
    compression: compression as Compression,
    timestamp: magic === 1 ? readInt64(b, at + TIMESTAMP_AT) : NO_TIMESTAMP,
    key,
    value,
    end,
  };
}

function bytesAt(b: Buffer, at: number, end: number): Buffer | null {
  const length = end - at < 4 ? Number.NaN : b.readInt32BE(at);
  if (length === NULL_LENGTH) return null;
  if (!(length >= 0 && length <= end - at - 4)) throw corrupt('a length leads out of its message');
  return b.subarray(at + 4, at + 4 + length);
}

function uncompressed({ compression, magic, value }: Message, bytesMax: number): Buffer {
  if (value === null) throw corrupt('a compressed message without a value');
  const isLz4OfOld = compression === Compression.LZ4 && magic === 0 && value.length >= 7;
  return decompress(compression, isLz4OfOld ? withRightChecksum(value) : value, bytesMax);
}

/** In magic 0, lz4's header checksum is of its magic number too, by mistake (KAFKA-3160). */
function withRightChecksum(frame: Buffer): Buffer {
  const at = headerChecksumAt(frame);
  const right = Buffer.from(frame);
  if (at < right.length) right[at] = (xxh32(frame, 4, at) >>> 8) & 0xff;
  return right;
}

function withOldChecksum(frame: Buffer): Buffer {
  const at = headerChecksumAt(frame);
  frame[at] = (xxh32(frame, 0, at) >>> 8) & 0xff;
  return frame;
}

function headerChecksumAt(frame: Buffer): number {
  const hasContentSize = (frame[4]! & 0b1000) !== 0;
  return hasContentSize ? 14 : 6;
}

function convertBatch(batch: Buffer, { magic, fetchOffset, bytesMax }: DownConversion): Buffer {
  const compression = batchCompression(batch, 0);
  if (compression === Compression.ZSTD) {
    throw new RecordsError(
      'RECORDS_UNSUPPORTED',
      'Batches in zstd cannot be converted for clients that do not know it.',
    );
  }
  const cursor = new RecordCursor(batch, bytesMax === undefined ? {} : { bytesMax });
  const isCompressed = compression !== Compression.NONE;
  const stamp = magic === 1 && batchTimestampType(batch, 0) === TimestampType.LOG_APPEND_TIME ? LOG_APPEND_TIME_BIT : 0;
  const messages = new MessageWriter(magic, cursor.data.length);
  let baseOffset: number | undefined;
  let lastOffset = batchLastOffset(batch, 0);
  while (cursor.next()) {
    if (!isCompressed && cursor.offset < fetchOffset) continue;
    baseOffset ??= cursor.offset;
    lastOffset = cursor.offset;
    // Within a compressed message of magic 1, offsets count from the first (KIP-31).
    const offset = isCompressed && magic === 1 ? cursor.offset - baseOffset : cursor.offset;
    messages.append(offset, stamp, cursor.timestamp, cursor.key(), cursor.value());
  }
  if (!isCompressed || baseOffset === undefined) return messages.take();
  const compressed = compress(compression, messages.take());
  const isLz4OfOld = compression === Compression.LZ4 && magic === 0;
  const wrapper = new MessageWriter(magic, compressed.length);
  const value = isLz4OfOld ? withOldChecksum(compressed) : compressed;
  wrapper.append(lastOffset, stamp | compression, batchMaxTimestamp(batch, 0), null, value);
  return wrapper.take();
}

/** Writes messages one behind the other into memory that grows. */
class MessageWriter {
  readonly #magic: OldMagic;
  #memory: Buffer;
  #at = 0;

  constructor(magic: OldMagic, expectedBytes: number) {
    this.#magic = magic;
    this.#memory = Buffer.allocUnsafeSlow(expectedBytes + 64);
  }

  append(offset: number, attributes: number, timestamp: number, key: Buffer | null, value: Buffer | null): void {
    const headBytes = TIMESTAMP_AT + (this.#magic === 1 ? 8 : 0);
    const sizeBytes = headBytes + 8 + (key?.length ?? 0) + (value?.length ?? 0);
    this.#grow(sizeBytes);
    const b = this.#memory;
    const start = this.#at;
    const end = start + sizeBytes;
    writeInt64(b, start, offset);
    b.writeInt32BE(sizeBytes - OVERHEAD_BYTES, start + 8);
    b[start + MAGIC_AT] = this.#magic;
    b[start + ATTRIBUTES_AT] = attributes;
    if (this.#magic === 1) writeInt64(b, start + TIMESTAMP_AT, timestamp);
    writeBytes(b, writeBytes(b, start + headBytes, key), value);
    b.writeUInt32BE(zlib.crc32(b.subarray(start + MAGIC_AT, end)), start + CRC_AT);
    this.#at = end;
  }

  take(): Buffer {
    return this.#memory.subarray(0, this.#at);
  }

  #grow(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#at + sizeBytes, this.#memory.length * 2));
    larger.set(this.take());
    this.#memory = larger;
  }
}

function writeBytes(b: Buffer, at: number, bytes: Buffer | null): number {
  b.writeInt32BE(bytes?.length ?? NULL_LENGTH, at);
  if (bytes !== null) b.set(bytes, at + 4);
  return at + 4 + (bytes?.length ?? 0);
}

function corrupt(what: string): RecordsError {
  return new RecordsError('RECORDS_CORRUPT', `Cannot read the message set: ${what}. Its producer damaged it.`);
}
