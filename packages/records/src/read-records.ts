import type { KafkaRecord, RecordHeader } from './record.ts';
import { type ReadRecordsOptions, RecordCursor, readHeaders } from './record-cursor.ts';

/**
 * A record that keeps positions and makes its views when asked: most readers look at the value only, and a view costs more
 * than all the rest of a record.
 */
class LazyRecord implements KafkaRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly #data: Buffer;
  readonly #keyStart: number;
  readonly #keyBytes: number;
  readonly #valueStart: number;
  readonly #valueBytes: number;
  readonly #headersStart: number;
  readonly #end: number;

  constructor(cursor: RecordCursor) {
    this.offset = cursor.offset;
    this.timestamp = cursor.timestamp;
    this.#data = cursor.data;
    this.#keyStart = cursor.keyStart;
    this.#keyBytes = cursor.keyBytes;
    this.#valueStart = cursor.valueStart;
    this.#valueBytes = cursor.valueBytes;
    this.#headersStart = cursor.headersStart;
    this.#end = cursor.end;
  }

  get key(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.#data.subarray(this.#keyStart, this.#keyStart + this.#keyBytes);
  }

  get value(): Buffer | null {
    return this.#valueBytes < 0 ? null : this.#data.subarray(this.#valueStart, this.#valueStart + this.#valueBytes);
  }

  get headers(): readonly RecordHeader[] {
    return readHeaders(this.#data, this.#headersStart, this.#end);
  }
}

/**
 * The records of one batch that has passed `checkBatch`; keys, values and headers are views, made when asked for. For millions
 * of records a second without an object for each, use {@link RecordCursor}.
 *
 * @throws RecordsError `RECORDS_CORRUPT`, `RECORDS_TOO_LARGE`, `RECORDS_BAD_COMPRESSION` or `RECORDS_UNSUPPORTED`
 */
export function readRecords(batch: Buffer, options?: ReadRecordsOptions): KafkaRecord[] {
  const cursor = new RecordCursor(batch, options);
  const records: KafkaRecord[] = [];
  while (cursor.next()) records.push(new LazyRecord(cursor));
  return records;
}
