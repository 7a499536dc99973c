import { batchBaseOffset, batchTimestampType, TimestampType } from './batch-header.ts';
import { RecordsError } from './errors.ts';
import { RecordCursor } from './record-cursor.ts';

/** What {@link checkRecords} looks for beyond records that can be decoded. */
export interface RecordLimits {
  /** The most that a compressed batch may become, in bytes. 128 MiB by default. */
  bytesMax?: number;
  /** Whether the offsets must follow each other without a gap, as in all that a producer sends. False by default. */
  contiguousOffsets?: boolean;
  /** Whether every record must have a key, as compacted topics want it. False by default. */
  keys?: boolean;
  /** The earliest timestamp taken, in milliseconds since the Unix epoch (`message.timestamp.before.max.ms`). */
  timestampMin?: number;
  /** The latest timestamp taken, in milliseconds since the Unix epoch (`message.timestamp.after.max.ms`). */
  timestampMax?: number;
}

/** What can be wrong with a record. */
export type RecordFaultCode =
  /** The bytes are no records, or do not decompress. Told of the batch, not of a record: `index` is -1. */
  | 'CORRUPT'
  /** The batch decompresses to more than the bound; `index` is -1. */
  | 'TOO_LARGE'
  /** The record's offset is not the one that follows. */
  | 'BAD_OFFSET'
  /** The record has no key where one is needed. */
  | 'NO_KEY'
  /** The timestamp is outside what is taken. */
  | 'BAD_TIMESTAMP';

/** A record that was refused. */
export interface RecordFault {
  readonly code: RecordFaultCode;
  /** The record's place in its batch, from 0 (`batchIndex` of a produce response); -1 for the batch as a whole. */
  readonly index: number;
  readonly message: string;
}

/** No more faults than this are told of one batch, so that an answer stays small. */
export const RECORD_FAULTS_MAX = 16;

/**
 * Decodes every record of a batch that has passed `checkBatch`, headers too, and tells what is wrong with them. Does not throw,
 * whatever the bytes; empty when all is well. This is what Kafka's `LogValidator` checks of records: it costs a full walk, and
 * decompression.
 */
export function checkRecords(batch: Buffer, limits: RecordLimits = {}): RecordFault[] {
  const faults: RecordFault[] = [];
  try {
    const cursor = new RecordCursor(batch, limits.bytesMax === undefined ? {} : { bytesMax: limits.bytesMax });
    // A broker that stamps records has no quarrel with the producer's clock.
    const isStamped = batchTimestampType(batch, 0) === TimestampType.LOG_APPEND_TIME;
    const timestampMin = isStamped ? Number.NEGATIVE_INFINITY : (limits.timestampMin ?? Number.NEGATIVE_INFINITY);
    const timestampMax = isStamped ? Number.POSITIVE_INFINITY : (limits.timestampMax ?? Number.POSITIVE_INFINITY);
    const baseOffset = batchBaseOffset(batch, 0);
    while (cursor.next() && faults.length < RECORD_FAULTS_MAX) {
      const { index, offset, timestamp } = cursor;
      cursor.headers();
      if (limits.contiguousOffsets === true && offset !== baseOffset + index) {
        faults.push({
          code: 'BAD_OFFSET',
          index,
          message: `Offset ${offset} stands where ${baseOffset + index} belongs.`,
        });
      } else if (limits.keys === true && cursor.keyBytes < 0) {
        faults.push({ code: 'NO_KEY', index, message: 'Compacted topic cannot accept message without key.' });
      } else if (timestamp < timestampMin || timestamp > timestampMax) {
        const message = `Timestamp ${timestamp} is outside ${timestampMin} to ${timestampMax}.`;
        faults.push({ code: 'BAD_TIMESTAMP', index, message });
      }
    }
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error;
    return [{ code: error.code === 'RECORDS_TOO_LARGE' ? 'TOO_LARGE' : 'CORRUPT', index: -1, message: error.message }];
  }
  return faults;
}
