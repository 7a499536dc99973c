import { batchSizeBytes, RecordCursor } from '@millrace/records';

/** Types of control records (Kafka's `ControlRecordType`); others are none of a transaction's. */
const ABORT = 0;
const COMMIT = 1;

/** Key: int16 version, int16 type. */
const KEY_BYTES = 4;
/** Value: int16 version, int32 coordinator epoch. */
const VALUE_BYTES = 6;

/** What a transaction's end marker says. */
export interface EndMarker {
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

/** The marker in a control batch; undefined for control records that end no transaction. */
export function endMarkerOf(b: Buffer, at: number): EndMarker | undefined {
  const cursor = new RecordCursor(b.subarray(at, at + batchSizeBytes(b, at)));
  if (!cursor.next() || cursor.keyBytes < KEY_BYTES || cursor.valueBytes < VALUE_BYTES) return undefined;
  const type = cursor.data.readInt16BE(cursor.keyStart + 2);
  if (type !== ABORT && type !== COMMIT) return undefined;
  return { isCommit: type === COMMIT, coordinatorEpoch: cursor.data.readInt32BE(cursor.valueStart + 2) };
}
