import { batchLeaderEpoch, RecordCursor } from '@millrace/records';
import type { TimestampOffset } from './log-types.ts';

/**
 * The first record of a batch at or after both a timestamp and an offset. Decompresses where it must.
 *
 * @throws RecordsError where the records cannot be decoded
 */
export function firstRecordFrom(batch: Buffer, timestamp: number, startOffset: number): TimestampOffset | undefined {
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    if (cursor.timestamp >= timestamp && cursor.offset >= startOffset) {
      return { offset: cursor.offset, timestamp: cursor.timestamp, leaderEpoch: batchLeaderEpoch(batch, 0) };
    }
  }
  return undefined;
}
