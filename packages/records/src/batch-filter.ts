import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  BatchOffsets,
  batchCompression,
  batchMaxTimestamp,
  batchTimestampType,
  COMPRESSION_MASK,
  Compression,
  DELETE_HORIZON_BIT,
  NO_TIMESTAMP,
  refreshBatchCrc,
  TimestampType,
} from './batch-header.ts';
import { compress } from './codecs/compress.ts';
import { writeInt64 } from './int64.ts';
import { type ReadRecordsOptions, RecordCursor } from './record-cursor.ts';
import { VARINT_BYTES_MAX, VARLONG_BYTES_MAX, writeVarint, writeVarlong } from './varint.ts';

/**
 * Takes records out of a batch, for compaction: walk `record` from record to record, call `keep` on those that stay, then
 * `build`. Base offset, last offset, sequence numbers, producer, epoch and codec stay as they are, so that the offsets of what
 * is left do not change, and readers can tell that there was more (Kafka's `MemoryRecords.filterTo`).
 */
export class BatchFilter {
  /** The record that is looked at. */
  readonly record: RecordCursor;
  readonly #batch: Buffer;
  /** Per record that stays: where it starts and ends in the cursor's data, and its timestamp. */
  readonly #kept: { readonly starts: number[]; readonly ends: number[]; readonly timestamps: number[] } = {
    starts: [],
    ends: [],
    timestamps: [],
  };
  #start = 0;

  /** @throws RecordsError when the batch cannot be decompressed or is none of magic 2 */
  constructor(batch: Buffer, options: ReadRecordsOptions = {}) {
    this.#batch = batch;
    this.record = new RecordCursor(batch, options);
  }

  /** Records that stay so far. */
  get keptCount(): number {
    return this.#kept.starts.length;
  }

  /** Moves to the next record; false after the last. @throws RecordsError as the cursor does */
  next(): boolean {
    this.#start = this.record.end;
    return this.record.next();
  }

  /** Has the record stay that is looked at. */
  keep(): void {
    this.#kept.starts.push(this.#start);
    this.#kept.ends.push(this.record.end);
    this.#kept.timestamps.push(this.record.timestamp);
  }

  /**
   * The batch with the records that stay, in its own codec; the header alone, uncompressed, when none does.
   *
   * @param deleteHorizonMs from when on tombstones (or the marker) in it may go: becomes the base timestamp (KIP-534). Left out,
   * the batch keeps the horizon it has, or none
   */
  build(deleteHorizonMs?: number): Buffer {
    if (this.keptCount === 0) return this.#header(NOTHING, Compression.NONE, undefined);
    const plain = deleteHorizonMs === undefined ? this.#joined() : this.#rebased(deleteHorizonMs);
    const codec = batchCompression(this.#batch, 0);
    return this.#header(codec === Compression.NONE ? plain : compress(codec, plain), codec, deleteHorizonMs);
  }

  /** The records as they are. */
  #joined(): Buffer {
    const { starts, ends } = this.#kept;
    return Buffer.concat(starts.map((start, index) => this.record.data.subarray(start, ends[index])));
  }

  /** The records with their timestamps counted from another base. */
  #rebased(baseTimestamp: number): Buffer {
    const { data } = this.record;
    const { starts, ends, timestamps } = this.#kept;
    let bound = 0;
    for (let i = 0; i < starts.length; i += 1) bound += ends[i]! - starts[i]! + GROWTH_MAX;
    const target = Buffer.allocUnsafeSlow(bound);
    const delta = Buffer.allocUnsafe(VARLONG_BYTES_MAX);
    let at = 0;
    for (let i = 0; i < starts.length; i += 1) {
      const attributesAt = afterVarint(data, starts[i]!);
      const restAt = afterVarint(data, attributesAt + 1);
      const deltaBytes = writeVarlong(delta, 0, timestamps[i]! - baseTimestamp);
      const restBytes = ends[i]! - restAt;
      at = writeVarint(target, at, 1 + deltaBytes + restBytes);
      target[at++] = data[attributesAt]!;
      at += delta.copy(target, at, 0, deltaBytes);
      at += data.copy(target, at, restAt, restAt + restBytes);
    }
    return target.subarray(0, at);
  }

  #header(records: Buffer, codec: Compression, deleteHorizonMs: number | undefined): Buffer {
    const result = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + records.length);
    this.#batch.copy(result, 0, 0, BATCH_HEADER_BYTES);
    records.copy(result, BATCH_HEADER_BYTES);
    let attributes = (result.readInt16BE(BatchOffsets.ATTRIBUTES) & ~COMPRESSION_MASK) | codec;
    if (this.keptCount === 0) {
      attributes &= ~DELETE_HORIZON_BIT;
      writeInt64(result, BatchOffsets.BASE_TIMESTAMP, NO_TIMESTAMP);
    } else {
      if (deleteHorizonMs !== undefined) {
        attributes |= DELETE_HORIZON_BIT;
        writeInt64(result, BatchOffsets.BASE_TIMESTAMP, deleteHorizonMs);
      }
      writeInt64(result, BatchOffsets.MAX_TIMESTAMP, this.#maxTimestamp());
    }
    result.writeInt16BE(attributes, BatchOffsets.ATTRIBUTES);
    result.writeInt32BE(this.keptCount, BatchOffsets.RECORD_COUNT);
    result.writeInt32BE(result.length - BATCH_LENGTH_OVERHEAD_BYTES, BatchOffsets.LENGTH);
    refreshBatchCrc(result, 0);
    return result;
  }

  /** With LogAppendTime the batch's maximum is the timestamp of all its records. */
  #maxTimestamp(): number {
    if (batchTimestampType(this.#batch, 0) === TimestampType.LOG_APPEND_TIME) return batchMaxTimestamp(this.#batch, 0);
    return this.#kept.timestamps.reduce((largest, timestamp) => Math.max(largest, timestamp), NO_TIMESTAMP);
  }
}

const NOTHING = Buffer.alloc(0);

/** What a record may grow by when its timestamp is counted from elsewhere: a longer delta, and a longer length for that. */
const GROWTH_MAX = VARLONG_BYTES_MAX + VARINT_BYTES_MAX;

/** The position behind a varint or varlong. The cursor has been over it, so it ends within the data. */
function afterVarint(data: Buffer, at: number): number {
  let next = at;
  while (data[next]! >= 0x80) next += 1;
  return next + 1;
}
