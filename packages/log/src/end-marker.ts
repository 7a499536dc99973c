import { batchSizeBytes, ControlRecordType, RecordsError, readEndTxnMarker } from '@millrace/records';

/** What a transaction's end marker says. */
export interface EndMarker {
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

/** The marker in a control batch; undefined for control records that end no transaction, whatever else they hold. */
export function endMarkerOf(b: Buffer, at: number): EndMarker | undefined {
  try {
    const marker = readEndTxnMarker(b.subarray(at, at + batchSizeBytes(b, at)));
    if (marker === undefined) return undefined;
    return { isCommit: marker.type === ControlRecordType.COMMIT, coordinatorEpoch: marker.coordinatorEpoch };
  } catch (error) {
    if (error instanceof RecordsError) return undefined;
    throw error;
  }
}
