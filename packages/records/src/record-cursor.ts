import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBaseOffset,
  batchBaseTimestamp,
  batchCompression,
  batchMagic,
  batchMaxTimestamp,
  batchRecordCount,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  TimestampType,
} from './batch-header.ts';
import { DECOMPRESSED_BYTES_MAX_DEFAULT, decompress } from './codecs/compress.ts';
import { RecordsError } from './errors.ts';
import type { RecordHeader } from './record.ts';
import { unzigzag } from './varint.ts';

/** How a batch is read. */
export interface ReadRecordsOptions {
  /** The most that a compressed batch may become, in bytes. 128 MiB by default. */
  bytesMax?: number;
}

/** A length of -1 in the format: null. */
const NULL_LENGTH = -1;
const NO_HEADERS: readonly RecordHeader[] = [];

/**
 * Walks the records of one batch without making an object for any: `next()` moves on, the fields tell of the record it stands
 * on, and `key()`, `value()` and `headers()` make views only when they are called.
 *
 * The batch must have passed `checkBatch`. What a wrong CRC would have told is not found here, but a record that leads out of
 * its batch is, whatever the bytes.
 */
export class RecordCursor {
  /** What the positions below count in: the decompressed records, or the buffer that holds the batch. */
  readonly data: Buffer;
  /** How many records the batch says that it holds. */
  readonly recordCount: number;
  /** The offset of the record. */
  offset = -1;
  /** Milliseconds since the Unix epoch. */
  timestamp = -1;
  /** Where the key starts in `data`. */
  keyStart = 0;
  /** Bytes of the key; -1 for null. */
  keyBytes = NULL_LENGTH;
  /** Where the value starts in `data`. */
  valueStart = 0;
  /** Bytes of the value; -1 for null. */
  valueBytes = NULL_LENGTH;
  /** Where the headers' count starts in `data`. */
  headersStart = 0;
  /** Where the record ends in `data`. */
  end: number;

  readonly #baseOffset: number;
  readonly #baseTimestamp: number;
  /** The one timestamp of all records where the broker stamped the batch. */
  readonly #logAppendTime: number | undefined;
  /** Where the records begin and end in `data`. */
  readonly #start: number;
  readonly #limit: number;
  #index = -1;
  #at: number;

  /**
   * @param at - where the batch begins in the buffer: spares a view of each where the buffer holds many
   * @throws RecordsError when the batch cannot be decompressed or is none of magic 2
   */
  constructor(batch: Buffer, options: ReadRecordsOptions = {}, at: number = 0) {
    this.recordCount = checkedCount(batch, at);
    this.#baseOffset = batchBaseOffset(batch, at);
    this.#baseTimestamp = batchBaseTimestamp(batch, at);
    const isStamped = batchTimestampType(batch, at) === TimestampType.LOG_APPEND_TIME;
    this.#logAppendTime = isStamped ? batchMaxTimestamp(batch, at) : undefined;
    const recordsAt = at + BATCH_HEADER_BYTES;
    const endsAt = at + batchSizeBytes(batch, at);
    const compression = batchCompression(batch, at);
    const isPlain = compression === Compression.NONE;
    this.data = isPlain
      ? batch
      : decompress(compression, batch.subarray(recordsAt, endsAt), options.bytesMax ?? DECOMPRESSED_BYTES_MAX_DEFAULT);
    this.#start = isPlain ? recordsAt : 0;
    this.#limit = isPlain ? endsAt : this.data.length;
    this.#at = this.#start;
    this.end = this.#start;
  }

  /** The record's place in the batch, from 0; -1 before the first `next()`. */
  get index(): number {
    return this.#index;
  }

  /**
   * Moves to the next record; false after the last.
   * @throws RecordsError `RECORDS_CORRUPT` when the bytes are not those of a record, or some remain after the last
   */
  next(): boolean {
    const start = this.end;
    if (this.#index + 1 >= this.recordCount) {
      if (start !== this.#limit) throw this.#corrupt('bytes remain after the last record');
      return false;
    }
    this.#index += 1;
    this.#at = start;
    const lengthBytes = this.#varint();
    const bodyAt = this.#at;
    const end = bodyAt + lengthBytes;
    if (lengthBytes < 0 || end > this.#limit) throw this.#corrupt('its length leads out of the batch');
    this.end = end;
    this.#at = bodyAt + 1;
    const timestampDelta = this.#varlong();
    this.timestamp = this.#logAppendTime ?? this.#baseTimestamp + timestampDelta;
    this.offset = this.#baseOffset + this.#varint();
    this.keyBytes = this.#varint();
    this.keyStart = this.#at;
    this.#skip(this.keyBytes, 'key');
    this.valueBytes = this.#varint();
    this.valueStart = this.#at;
    this.#skip(this.valueBytes, 'value');
    this.headersStart = this.#at;
    if (this.#at >= end) throw this.#corrupt('it ends before its headers');
    return true;
  }

  /** Goes back before the first record. */
  rewind(): void {
    this.#index = -1;
    this.end = this.#start;
  }

  /** A view of the key. */
  key(): Buffer | null {
    return this.keyBytes < 0 ? null : this.data.subarray(this.keyStart, this.keyStart + this.keyBytes);
  }

  /** A view of the value. */
  value(): Buffer | null {
    return this.valueBytes < 0 ? null : this.data.subarray(this.valueStart, this.valueStart + this.valueBytes);
  }

  /**
   * The headers, decoded now.
   * @throws RecordsError `RECORDS_CORRUPT` when they are not headers or do not end with the record
   */
  headers(): readonly RecordHeader[] {
    return readHeaders(this.data, this.headersStart, this.end);
  }

  /** How many headers the record says that it has; decodes none. */
  headerCount(): number {
    this.#at = this.headersStart;
    return this.#varint();
  }

  #skip(bytes: number, what: string): void {
    if (bytes < NULL_LENGTH) throw this.#corrupt(`its ${what} has length ${bytes}`);
    if (bytes > 0) this.#at += bytes;
    if (this.#at > this.end) throw this.#corrupt(`its ${what} leads out of it`);
  }

  #varint(): number {
    const data = this.data;
    const first = data[this.#at];
    // Nearly every varint of a small record is one byte, so that case is kept apart and short.
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      return (first >>> 1) ^ -(first & 1);
    }
    let zigzag = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = data[this.#at++];
      if (byte === undefined) throw this.#corrupt('a number leads out of the batch');
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    throw this.#corrupt('a varint is longer than five bytes');
  }

  #varlong(): number {
    const data = this.data;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = data[this.#at++];
      if (byte === undefined) throw this.#corrupt('a number leads out of the batch');
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        high |= bits << (shift - 32);
      }
      if (byte < 0x80) return high === 0 ? (low >>> 1) ^ -(low & 1) : unzigzag(high >>> 0, low >>> 0);
    }
    throw this.#corrupt('a varlong is longer than ten bytes');
  }

  #corrupt(what: string): RecordsError {
    return corruptError(`record ${this.#index} of ${this.recordCount} from offset ${this.#baseOffset}: ${what}`);
  }
}

/** Decodes the headers that stand in `data` from `start` to `end`. */
export function readHeaders(data: Buffer, start: number, end: number): readonly RecordHeader[] {
  if (data[start] === 0 && start + 1 === end) return NO_HEADERS;
  const reader = new HeaderReader(data, start, end);
  const count = reader.varint();
  const headers: RecordHeader[] = [];
  // A header takes two bytes at least, so a count beyond the bytes ends with an error and not with an allocation.
  for (let i = 0; i < count; i += 1) {
    const key = reader.bytes();
    if (key === null) throw corruptError(`header ${i} of ${count}: its key is null`);
    headers.push({ key: key.toString('utf8'), value: reader.bytes() });
  }
  if (count < 0 || reader.at !== end) throw corruptError(`${count} headers do not end where their record does`);
  return headers;
}

class HeaderReader {
  readonly #data: Buffer;
  readonly #end: number;
  at: number;

  constructor(data: Buffer, start: number, end: number) {
    this.#data = data;
    this.#end = end;
    this.at = start;
  }

  varint(): number {
    let zigzag = 0;
    for (let shift = 0; shift < 35 && this.at < this.#end; shift += 7) {
      const byte = this.#data[this.at++] ?? 0;
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    throw corruptError('a number in the headers leads out of their record');
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length === NULL_LENGTH) return null;
    if (length < 0 || length > this.#end - this.at) {
      throw corruptError(`a header of ${length} bytes leads out of its record`);
    }
    const start = this.at;
    this.at += length;
    return this.#data.subarray(start, this.at);
  }
}

function checkedCount(buffer: Buffer, at: number): number {
  const bytes = buffer.length - at;
  if (bytes < BATCH_HEADER_BYTES || batchSizeBytes(buffer, at) > bytes) {
    throw corruptError(`the buffer of ${bytes} bytes does not hold the whole batch`);
  }
  const magic = batchMagic(buffer, at);
  if (magic !== BATCH_MAGIC) {
    throw new RecordsError(
      'RECORDS_UNSUPPORTED',
      `Cannot read a record batch of magic ${magic}: only magic 2 (Kafka 0.11 and later) is read.`,
    );
  }
  if (batchSizeBytes(buffer, at) < BATCH_HEADER_BYTES) throw corruptError('its size is below that of an empty batch');
  const count = batchRecordCount(buffer, at);
  if (count < 0) throw corruptError(`it says that it holds ${count} records`);
  return count;
}

function corruptError(what: string): RecordsError {
  return new RecordsError(
    'RECORDS_CORRUPT',
    `Cannot read the record batch: ${what}. Its producer or the storage damaged it.`,
  );
}
