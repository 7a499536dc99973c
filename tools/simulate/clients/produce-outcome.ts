import { ErrorCode } from '@millrace/protocol';

const { NONE, DUPLICATE_SEQUENCE_NUMBER } = ErrorCode;

/** Answers to Produce after which a batch is not in the log, and does not get there by this request. */
const NOT_WRITTEN: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.UNKNOWN_PRODUCER_ID,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_REQUIRED_ACKS,
]);

/** Produce before v4 knows no KAFKA_STORAGE_ERROR: it may hide behind NOT_LEADER_OR_FOLLOWER. */
const FIRST_VERSION_WITH_STORAGE_ERROR = 4;

/**
 * What an answer to Produce says of the batch. A disk that failed may still have taken the bytes; and in a cluster a leader that is
 * replaced while it waits for its followers answers NOT_LEADER_OR_FOLLOWER, though they may have the batch.
 */
export function produceOutcome(
  errorCode: number,
  version: number,
  isCluster: boolean,
): 'written' | 'not written' | 'unknown' {
  if (errorCode === NONE || errorCode === DUPLICATE_SEQUENCE_NUMBER) return 'written';
  const isAmbiguous =
    (isCluster || version < FIRST_VERSION_WITH_STORAGE_ERROR) && errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER;
  return NOT_WRITTEN.has(errorCode) && !isAmbiguous ? 'not written' : 'unknown';
}
