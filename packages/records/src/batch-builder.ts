import {
  attributesOf,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BATCH_MAGIC,
  BatchOffsets,
  Compression,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  refreshBatchCrc,
  TimestampType,
} from './batch-header.ts';
import { compress } from './codecs/compress.ts';
import { RecordsError } from './errors.ts';
import { writeInt64 } from './int64.ts';
import type { RecordHeaderInput } from './record.ts';
import { VARINT_BYTES_MAX, VARLONG_BYTES_MAX, varintBytes, writeVarint, writeVarlong } from './varint.ts';

/** What {@link RecordBatchBuilder} is made with. */
export interface RecordBatchBuilderOptions {
  /** Bytes to begin with; the memory doubles when it is full. 16 KiB by default. */
  initialBytes?: number;
  /** Memory to begin with, in place of new memory of `initialBytes`: what {@link RecordBatchBuilder.release} gave. */
  memory?: Buffer | undefined;
  /** The size that {@link RecordBatchBuilder.hasRoomFor} answers for (`batch.size`), header included. 16 KiB by default. */
  targetBytes?: number;
}

/** What {@link RecordBatchBuilder.build} writes into the header. */
export interface BuildBatchOptions {
  /** 0 by default, which is what a broker wants of a producer. */
  baseOffset?: number;
  /** -1 by default; a leader fills it in. */
  leaderEpoch?: number;
  /** -1 by default: no idempotent producer. */
  producerId?: number;
  /** -1 by default. */
  producerEpoch?: number;
  /** -1 by default. */
  baseSequence?: number;
  /** False by default. */
  isTransactional?: boolean;
  /** Whether the records are control records. False by default. */
  isControl?: boolean;
  /** `NONE` by default. */
  compression?: Compression;
  /** The codec's level (gzip 1 to 9, zstd -131072 to 22); the codec's own default when left out. */
  compressionLevel?: number;
  /** Set where the broker stamps the batch: it becomes the batch's maximum, and the type LogAppendTime. */
  logAppendTimeMs?: number;
}

/** Length, attributes, two deltas, key length, value length, header count, each at its longest. */
const RECORD_OVERHEAD_BYTES_MAX = 5 * VARINT_BYTES_MAX + VARLONG_BYTES_MAX + 1;
/** The same without the length and each at its shortest. */
const RECORD_OVERHEAD_BYTES_MIN = 6;
/** A UTF-16 code unit never takes more bytes than this in UTF-8. */
const UTF8_BYTES_PER_UNIT_MAX = 3;
/** A batch's length is an int32. */
const BATCH_BYTES_MAX = 2 ** 31 - 1;
const INITIAL_BYTES_DEFAULT = 16 * 1024;
const TARGET_BYTES_DEFAULT = 16 * 1024;

const NO_MEMORY = Buffer.alloc(0);

type Bytes = string | Uint8Array | null;

/**
 * Writes records one after the other straight into the memory of the batch that they make, with room for the header in front:
 * no object per record, and without compression no copy at the end.
 *
 * ```ts
 * const builder = new RecordBatchBuilder();
 * builder.append(Date.now(), 'key', 'value');
 * const batch = builder.build();
 * ```
 */
export class RecordBatchBuilder {
  readonly #initialBytes: number;
  readonly #targetBytes: number;
  #buffer: Buffer;
  /** Where appending must stop to look for room; 0 once the batch is sealed, so that the hot path has one check for both. */
  #limit: number;
  #at = BATCH_HEADER_BYTES;
  #recordCount = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;
  #sealed = false;
  #handedOut = false;

  constructor(options: RecordBatchBuilderOptions = {}) {
    this.#initialBytes = Math.max(options.initialBytes ?? INITIAL_BYTES_DEFAULT, BATCH_HEADER_BYTES);
    this.#targetBytes = options.targetBytes ?? TARGET_BYTES_DEFAULT;
    // Memory of its own: a slice of Node's shared pool would keep the pool alive, and could not be transferred to a thread.
    this.#buffer = options.memory ?? Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#limit = this.#buffer.length;
  }

  /** Bytes of the batch so far, header included, before compression. */
  get sizeBytes(): number {
    return this.#at;
  }

  /** Records so far. */
  get recordCount(): number {
    return this.#recordCount;
  }

  /** The timestamp of the first record; 0 while there is none. */
  get baseTimestamp(): number {
    return this.#baseTimestamp;
  }

  /** The largest timestamp so far; 0 while there is no record. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /**
   * Whether a record of this content keeps the batch within `targetBytes`. The first record always has room: one that is
   * larger than a whole batch makes a batch of its own.
   */
  hasRoomFor(key: Bytes, value: Bytes, headers?: readonly RecordHeaderInput[]): boolean {
    if (this.#sealed) return false;
    if (this.#recordCount === 0) return true;
    if (this.#at + recordBytesBound(key, value, headers) <= this.#targetBytes) return true;
    return this.#at + recordBytesExact(key, value, headers) <= this.#targetBytes;
  }

  /**
   * Appends a record. Strings are written as UTF-8 in place; bytes are copied.
   *
   * @param timestampMs milliseconds since the Unix epoch, an integer; -1 for none
   * @throws RecordsError `RECORDS_INVALID_ARGUMENT` for a timestamp that is no safe integer or a batch above 2 GiB,
   * `RECORDS_SEALED` after `build`
   */
  append(timestampMs: number, key: Bytes, value: Bytes, headers?: readonly RecordHeaderInput[]): void {
    const start = this.#at;
    const boundBytes = recordBytesBound(key, value, headers);
    if (start + boundBytes > this.#limit) this.#makeRoom(key, value, headers);
    const timestampDelta = this.#timestampDelta(timestampMs);
    const buffer = this.#buffer;

    // The length comes before the record but is known after it, so its bytes are set aside by a guess that is exact for
    // bytes and ASCII; where the guess was short or long, the record moves by the difference.
    const bodyAt = start + varintBytes(guessBodyBytes(key, value, headers));
    let at = bodyAt;
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, this.#recordCount);
    at = writeBytes(buffer, at, key);
    at = writeBytes(buffer, at, value);
    if (headers === undefined || headers.length === 0) {
      buffer[at++] = 0;
    } else {
      at = writeHeaders(buffer, at, headers);
    }
    this.#at = finishLength(buffer, start, bodyAt, at);
    this.#recordCount += 1;
    if (timestampMs > this.#maxTimestamp) this.#maxTimestamp = timestampMs;
  }

  /**
   * Seals the batch: fills in the header and the CRC. Without compression the result is a view of the builder's memory;
   * with it, memory of its own.
   *
   * @throws RecordsError `RECORDS_INVALID_ARGUMENT` for a batch without records, `RECORDS_SEALED` when called twice
   */
  build(options: BuildBatchOptions = {}): Buffer {
    if (this.#sealed) throw sealedError('build');
    if (this.#recordCount === 0) {
      throw new RecordsError('RECORDS_INVALID_ARGUMENT', 'Cannot build a batch without records; append one first.');
    }
    const compression = options.compression ?? Compression.NONE;
    let batch = this.#buffer.subarray(0, this.#at);
    if (compression === Compression.NONE) {
      this.#handedOut = true;
    } else {
      const records = compress(compression, batch.subarray(BATCH_HEADER_BYTES), options.compressionLevel);
      batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + records.length);
      batch.set(records, BATCH_HEADER_BYTES);
    }
    this.#sealed = true;
    this.#limit = 0;
    this.#writeHeader(batch, compression, options);
    return batch;
  }

  /**
   * Empties the builder for the next batch. Memory that `build` has handed out stays with whom it was handed to, and new
   * memory is taken, unless `reuseMemory` says that nobody looks at that batch any more.
   */
  reset(options: { reuseMemory?: boolean } = {}): void {
    if (this.#handedOut && options.reuseMemory !== true) this.#buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#limit = this.#buffer.length;
    this.#at = BATCH_HEADER_BYTES;
    this.#recordCount = 0;
    this.#baseTimestamp = 0;
    this.#maxTimestamp = 0;
    this.#sealed = false;
    this.#handedOut = false;
  }

  /**
   * Seals the builder for good and gives its memory away, for another builder to begin with. Only where nobody looks any more at
   * a batch that was built in it: new memory has to be taken from the system page by page, which costs as much as filling it.
   */
  release(): Buffer {
    const memory = this.#buffer;
    this.#buffer = NO_MEMORY;
    this.#sealed = true;
    this.#limit = 0;
    return memory;
  }

  #timestampDelta(timestampMs: number): number {
    if (this.#recordCount === 0) {
      if (!Number.isSafeInteger(timestampMs)) throw timestampError(timestampMs);
      this.#baseTimestamp = timestampMs;
      this.#maxTimestamp = timestampMs;
      return 0;
    }
    const delta = timestampMs - this.#baseTimestamp;
    if ((delta | 0) === delta) return delta;
    if (!Number.isSafeInteger(timestampMs) || !Number.isSafeInteger(delta)) throw timestampError(timestampMs);
    return delta;
  }

  /** Looks at the text to see what it really takes; most batches end with a few records whose bound would not fit. */
  #makeRoom(key: Bytes, value: Bytes, headers: readonly RecordHeaderInput[] | undefined): void {
    if (this.#sealed) throw sealedError('append to');
    const boundBytes = recordBytesExact(key, value, headers);
    const neededBytes = this.#at + boundBytes;
    if (neededBytes <= this.#buffer.length) return;
    if (neededBytes > BATCH_BYTES_MAX) {
      throw new RecordsError(
        'RECORDS_INVALID_ARGUMENT',
        `Cannot append a record of up to ${boundBytes} bytes to a batch of ${this.#at}: a batch ends at 2 GiB. Build this one first.`,
      );
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#buffer.length * 2, neededBytes), BATCH_BYTES_MAX));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
    this.#limit = larger.length;
  }

  #writeHeader(batch: Buffer, compression: Compression, options: BuildBatchOptions): void {
    const isStamped = options.logAppendTimeMs !== undefined;
    const timestampType = isStamped ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME;
    const { isTransactional = false, isControl = false } = options;
    const attributes = attributesOf(compression, timestampType, isTransactional, isControl);
    writeInt64(batch, BatchOffsets.BASE_OFFSET, options.baseOffset ?? 0);
    batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BatchOffsets.LENGTH);
    batch.writeInt32BE(options.leaderEpoch ?? NO_LEADER_EPOCH, BatchOffsets.LEADER_EPOCH);
    batch.writeInt8(BATCH_MAGIC, BatchOffsets.MAGIC);
    batch.writeInt16BE(attributes, BatchOffsets.ATTRIBUTES);
    batch.writeInt32BE(this.#recordCount - 1, BatchOffsets.LAST_OFFSET_DELTA);
    writeInt64(batch, BatchOffsets.BASE_TIMESTAMP, this.#baseTimestamp);
    writeInt64(batch, BatchOffsets.MAX_TIMESTAMP, options.logAppendTimeMs ?? this.#maxTimestamp);
    writeInt64(batch, BatchOffsets.PRODUCER_ID, options.producerId ?? NO_PRODUCER_ID);
    batch.writeInt16BE(options.producerEpoch ?? NO_PRODUCER_EPOCH, BatchOffsets.PRODUCER_EPOCH);
    batch.writeInt32BE(options.baseSequence ?? NO_SEQUENCE, BatchOffsets.BASE_SEQUENCE);
    batch.writeInt32BE(this.#recordCount, BatchOffsets.RECORD_COUNT);
    refreshBatchCrc(batch, 0);
  }
}

/** At least the bytes that the record takes, without looking at its text. */
function recordBytesBound(key: Bytes, value: Bytes, headers: readonly RecordHeaderInput[] | undefined): number {
  return RECORD_OVERHEAD_BYTES_MAX + boundOf(key) + boundOf(value) + headersBytes(headers, boundOf);
}

/** As {@link recordBytesBound}, closer, at the price of looking at the text. */
function recordBytesExact(key: Bytes, value: Bytes, headers: readonly RecordHeaderInput[] | undefined): number {
  return RECORD_OVERHEAD_BYTES_MAX + byteLength(key) + byteLength(value) + headersBytes(headers, byteLength);
}

/** About the bytes after the record's length: right to a few bytes where its text is ASCII. */
function guessBodyBytes(key: Bytes, value: Bytes, headers: readonly RecordHeaderInput[] | undefined): number {
  return RECORD_OVERHEAD_BYTES_MIN + lengthOf(key) + lengthOf(value) + headersBytes(headers, lengthOf);
}

function headersBytes(headers: readonly RecordHeaderInput[] | undefined, of: (bytes: Bytes) => number): number {
  if (headers === undefined) return 0;
  let sum = 0;
  for (const header of headers) sum += 2 * VARINT_BYTES_MAX + of(header.key) + of(header.value ?? null);
  return sum;
}

function boundOf(bytes: Bytes): number {
  if (bytes === null) return 0;
  return typeof bytes === 'string' ? bytes.length * UTF8_BYTES_PER_UNIT_MAX : bytes.length;
}

function lengthOf(bytes: Bytes): number {
  return bytes === null ? 0 : bytes.length;
}

function byteLength(bytes: Bytes): number {
  return bytes === null ? 0 : Buffer.byteLength(bytes);
}

function writeHeaders(buffer: Buffer, from: number, headers: readonly RecordHeaderInput[]): number {
  let at = writeVarint(buffer, from, headers.length);
  for (const header of headers) {
    at = writeBytes(buffer, at, header.key);
    at = writeBytes(buffer, at, header.value ?? null);
  }
  return at;
}

/** Writes the length of `bytes` and then `bytes`; returns the position after them. */
function writeBytes(buffer: Buffer, at: number, bytes: Bytes): number {
  if (bytes === null) return writeVarint(buffer, at, -1);
  if (typeof bytes === 'string') return writeString(buffer, at, bytes);
  const contentAt = writeVarint(buffer, at, bytes.length);
  buffer.set(bytes, contentAt);
  return contentAt + bytes.length;
}

/** One pass over the text: it is written where it belongs if it is ASCII, and moved if its length takes more bytes than that. */
function writeString(buffer: Buffer, at: number, text: string): number {
  const contentAt = at + varintBytes(text.length);
  const writtenBytes = buffer.write(text, contentAt, 'utf8');
  return finishLength(buffer, at, contentAt, contentAt + writtenBytes);
}

/** Writes the length of what stands from `contentAt` to `end` at `at`, moving it where the length needs other room. */
function finishLength(buffer: Buffer, at: number, contentAt: number, end: number): number {
  const lengthBytes = end - contentAt;
  const movedTo = at + varintBytes(lengthBytes);
  if (movedTo !== contentAt) buffer.copyWithin(movedTo, contentAt, end);
  writeVarint(buffer, at, lengthBytes);
  return movedTo + lengthBytes;
}

function timestampError(timestampMs: number): RecordsError {
  return new RecordsError(
    'RECORDS_INVALID_ARGUMENT',
    `Cannot append a record with timestamp ${timestampMs}: it must be an integer of milliseconds within ±2^53 of the batch's first.`,
  );
}

function sealedError(attempt: string): RecordsError {
  return new RecordsError(
    'RECORDS_SEALED',
    `Cannot ${attempt} a batch that is built already; reset the builder first.`,
  );
}
