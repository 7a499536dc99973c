import { ErrorCode, errorInfo } from '@millrace/protocol';

/** Errors of a produce response that the same bytes may survive when they are sent again. */
export function isRetriable(errorCode: number): boolean {
  return errorInfo(errorCode).retriable;
}

/** Errors that tell that the partition has another leader than the one asked. */
export function needsMetadata(errorCode: number): boolean {
  return errorInfo(errorCode).refreshMetadata;
}

/**
 * Errors after which the sequence of this producer id and epoch cannot go on: the broker has forgotten the producer, has a
 * hole, or has seen a newer epoch. A non-transactional producer goes on under a new one (KIP-360).
 */
export function needsEpochBump(errorCode: number): boolean {
  return (
    errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER ||
    errorCode === ErrorCode.UNKNOWN_PRODUCER_ID ||
    errorCode === ErrorCode.INVALID_PRODUCER_EPOCH ||
    errorCode === ErrorCode.PRODUCER_FENCED
  );
}
