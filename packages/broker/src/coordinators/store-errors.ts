import { ErrorCode } from '@millrace/protocol';

const COMMON: ReadonlyMap<number, number> = new Map([
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.COORDINATOR_NOT_AVAILABLE],
  [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE],
  [ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorCode.COORDINATOR_NOT_AVAILABLE],
  [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR],
  [ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR],
]);

/** Errors of an append whose records are too many or too large; `INVALID_FETCH_SIZE` is one to groups alone, as in Kafka. */
export const TOO_LARGE: readonly number[] = [ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE];

/**
 * How coordinators tell their clients of states that could not be written to the log: what a client does about an append's error is not
 * what it must do about its group or transaction.
 *
 * @param own what only one kind of coordinator answers, by the append's error
 */
export function storeErrors(own: Iterable<readonly [number, number]>): (appendError: number) => number {
  const errors = new Map([...COMMON, ...own]);
  return (appendError) => errors.get(appendError) ?? appendError;
}
