import { type ReadRecordsOptions, RecordCursor } from './record-cursor.ts';

/** A record that was looked for. */
export interface FoundRecord {
  readonly offset: number;
  readonly timestamp: number;
}

/** Which record of a batch is looked for. */
export interface RecordSearch extends ReadRecordsOptions {
  /** Milliseconds since the Unix epoch; undefined for the largest of the batch. */
  readonly timestamp: number | undefined;
  readonly offset: number;
}

/**
 * The first record of a batch at or behind an offset whose timestamp is not below the one looked for, or is the largest of them; undefined
 * when there is none. Decompresses where it must.
 *
 * @throws RecordsError where the records cannot be decoded
 */
export function findRecord(batch: Buffer, search: RecordSearch): FoundRecord | undefined {
  const cursor = new RecordCursor(batch, search);
  let largest: FoundRecord | undefined;
  while (cursor.next()) {
    const { timestamp, offset } = cursor;
    if (offset < search.offset) continue;
    if (search.timestamp === undefined) {
      if (timestamp > (largest?.timestamp ?? Number.NEGATIVE_INFINITY)) largest = { offset, timestamp };
    } else if (timestamp >= search.timestamp) {
      return { offset, timestamp };
    }
  }
  return largest;
}
