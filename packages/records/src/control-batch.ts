import { RecordBatchBuilder } from './batch-builder.ts';
import { batchIsControl } from './batch-header.ts';
import { RecordsError } from './errors.ts';
import { RecordCursor } from './record-cursor.ts';

/**
 * Control batches: one record that the log's readers act on and consumers never show. Key and value are versioned by hand here,
 * because they are a part of the record format and not messages that a client sends (`ControlRecordType`, `EndTransactionMarker`).
 */

/** The types of control record that end a transaction. Others exist (KRaft's snapshots and voters) and are left alone. */
export const ControlRecordType = { ABORT: 0, COMMIT: 1 } as const;
/** One of the values in {@link (ControlRecordType:variable)}. */
export type ControlRecordType = (typeof ControlRecordType)[keyof typeof ControlRecordType];

/** What an end-of-transaction marker says. */
export interface EndTxnMarker {
  readonly type: ControlRecordType;
  /** The epoch of the transaction coordinator that ended the transaction; an older coordinator's markers are refused by it. */
  readonly coordinatorEpoch: number;
}

/** What {@link buildEndTxnMarker} writes. */
export interface EndTxnMarkerInput extends EndTxnMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly timestampMs: number;
}

const KEY_VERSION = 0;
const KEY_BYTES = 4;
const VALUE_VERSION = 0;
const VALUE_BYTES = 6;

/** Builds the control batch that a transaction coordinator has written to every partition of a transaction when it ends. */
export function buildEndTxnMarker(marker: EndTxnMarkerInput): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(KEY_VERSION, 0);
  key.writeInt16BE(marker.type, 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt16BE(VALUE_VERSION, 0);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  const builder = new RecordBatchBuilder({ initialBytes: 128 });
  builder.append(marker.timestampMs, key, value);
  const { producerId, producerEpoch } = marker;
  return builder.build({ producerId, producerEpoch, isTransactional: true, isControl: true });
}

/**
 * Reads the marker of a control batch; undefined for a control batch of another kind, which is no error: readers pass over
 * the kinds that they do not know.
 *
 * @throws RecordsError `RECORDS_INVALID_ARGUMENT` for a batch that is no control batch, `RECORDS_CORRUPT` for a damaged one
 */
export function readEndTxnMarker(batch: Buffer): EndTxnMarker | undefined {
  if (!batchIsControl(batch, 0)) {
    throw new RecordsError('RECORDS_INVALID_ARGUMENT', 'Cannot read a marker from a batch that is no control batch.');
  }
  const cursor = new RecordCursor(batch);
  const key = cursor.next() ? cursor.key() : null;
  if (key === null || key.length < KEY_BYTES || key.readInt16BE(0) < KEY_VERSION) {
    throw new RecordsError('RECORDS_CORRUPT', 'Cannot read the control batch: its key has no version and type.');
  }
  const type = key.readInt16BE(2);
  if (type !== ControlRecordType.ABORT && type !== ControlRecordType.COMMIT) return undefined;
  const value = cursor.value();
  if (value === null || value.length < VALUE_BYTES || value.readInt16BE(0) < VALUE_VERSION) {
    throw new RecordsError('RECORDS_CORRUPT', 'Cannot read the end-of-transaction marker: its value is too short.');
  }
  return { type, coordinatorEpoch: value.readInt32BE(2) };
}
