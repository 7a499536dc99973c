import { AbortedError, brokerError, ClientClosedError, KafkaError, RequestAbortedError } from '@millrace/client';
import { ErrorCode, ProtocolError } from '@millrace/protocol';
import { SerdeError } from '@millrace/serdes';

/** What a consumer itself finds wrong. */
export type ConsumerErrorCode =
  | 'CONSUMER_CLOSED'
  | 'CONSUMER_INVALID_OPTION'
  | 'CONSUMER_INVALID_ARGUMENT'
  | 'CONSUMER_INVALID_STATE'
  | 'CONSUMER_NO_GROUP'
  | 'CONSUMER_NOT_ASSIGNED'
  | 'CONSUMER_NO_OFFSET'
  | 'CONSUMER_LOG_TRUNCATED'
  | 'CONSUMER_CORRUPT_BATCH'
  | 'CONSUMER_RECORD_TOO_LARGE'
  | 'CONSUMER_DESERIALIZER_FAILED'
  | 'CONSUMER_HANDLER_FAILED'
  | 'CONSUMER_DEAD_LETTER_FAILED'
  | 'CONSUMER_LISTENER_FAILED'
  | 'CONSUMER_COMMIT_FAILED'
  | 'CONSUMER_REBALANCE_IN_PROGRESS'
  | 'CONSUMER_BAD_ASSIGNMENT';

const RETRIABLE_CODES: ReadonlySet<ConsumerErrorCode> = new Set(['CONSUMER_REBALANCE_IN_PROGRESS']);

/** An error that the consumer found; those that a broker answered are `BrokerError`s with its `errorCode`. */
export class ConsumerError extends KafkaError {
  override name = 'ConsumerError';
  declare readonly code: ConsumerErrorCode;
  /** The partition it is about, where it is about one. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  /** The offset it is about, where it is about one. */
  readonly offset: number | undefined;

  constructor(code: ConsumerErrorCode, message: string, details: ConsumerErrorDetails = {}) {
    super(message, {
      code,
      retriable: details.retriable ?? RETRIABLE_CODES.has(code),
      cause: details.cause,
      errorCode: details.errorCode,
    });
    this.topic = details.topic;
    this.partition = details.partition;
    this.offset = details.offset;
  }
}

/** What an error is about. */
export interface ConsumerErrorDetails {
  readonly cause?: unknown;
  readonly errorCode?: number | undefined;
  /** By the code where it is not given. */
  readonly retriable?: boolean | undefined;
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
  readonly offset?: number | undefined;
}

export function consumerClosed(attempt: string): ConsumerError {
  return new ConsumerError('CONSUMER_CLOSED', `Cannot ${attempt}: the consumer is closed; make a new one`);
}

export function invalidOption(what: string): ConsumerError {
  return new ConsumerError('CONSUMER_INVALID_OPTION', `Cannot make a consumer: ${what}`);
}

export function notAssigned(topic: string, partition: number, attempt: string): ConsumerError {
  return new ConsumerError(
    'CONSUMER_NOT_ASSIGNED',
    `Cannot ${attempt}: partition ${partition} of "${topic}" is not assigned to this consumer`,
    { topic, partition },
  );
}

/** What was asked for does not go with what the consumer does at the time. */
export function invalidState(attempt: string, why: string): ConsumerError {
  return new ConsumerError('CONSUMER_INVALID_STATE', `Cannot ${attempt}: ${why}`);
}

/** What is to be done to all partitions, before there is one. */
export function nothingAssigned(attempt: string): ConsumerError {
  return new ConsumerError(
    'CONSUMER_NOT_ASSIGNED',
    `Cannot ${attempt}: no partition is assigned to this consumer yet; await its joined before, or do it in onPartitionsAssigned`,
  );
}

export function noGroup(attempt: string): ConsumerError {
  return new ConsumerError('CONSUMER_NO_GROUP', `Cannot ${attempt}: the consumer was made without a groupId`);
}

/** A position is needed, there is none, and `autoOffsetReset: 'none'` forbids to choose one. */
export function noOffset(topic: string, partition: number, offset: number | undefined): ConsumerError {
  const why =
    offset === undefined ? 'the group has committed no offset for it' : `offset ${offset} is not in its log (any more)`;
  return new ConsumerError(
    'CONSUMER_NO_OFFSET',
    `Cannot read partition ${partition} of "${topic}": ${why}, and autoOffsetReset is 'none'; seek to where it shall go on`,
    { topic, partition, offset },
  );
}

export function logTruncated(topic: string, partition: number, offset: number, endOffset: number): ConsumerError {
  const end = endOffset < 0 ? 'nothing of that epoch is left' : `it now ends that epoch at ${endOffset}`;
  return new ConsumerError(
    'CONSUMER_LOG_TRUNCATED',
    `The log of partition ${partition} of "${topic}" was truncated below offset ${offset}, which this consumer had reached: ${end}. ` +
      'An unclean leader election lost records; seek to where it shall go on',
    { topic, partition, offset },
  );
}

export function corruptBatch(
  topic: string,
  partition: number,
  offset: number,
  fault: string,
  cause?: unknown,
): ConsumerError {
  return new ConsumerError(
    'CONSUMER_CORRUPT_BATCH',
    `A record batch of partition ${partition} of "${topic}" at offset ${offset} is damaged (${fault}). ` +
      `Its producer or the broker's storage damaged it; seek to a later offset to go on without it`,
    { topic, partition, offset, cause },
  );
}

/** @param mayPass whether another attempt may do better: where a schema registry is asked, which may be away. */
export function deserializerFailed(
  part: 'key' | 'value',
  { topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: number },
  cause: unknown,
  mayPass: boolean,
): ConsumerError {
  return new ConsumerError(
    'CONSUMER_DESERIALIZER_FAILED',
    `The ${part} of the record at offset ${offset} of partition ${partition} of "${topic}" cannot be decoded: ${messageOf(cause)}`,
    // Bytes that are not of the encoding are no better the next time.
    { topic, partition, offset, cause, retriable: mayPass && !(cause instanceof SerdeError) },
  );
}

/** The group has given this member's partitions to others, so its offsets are no longer its own (`CommitFailedException`). */
export function commitFenced(groupId: string, errorCode: number): ConsumerError {
  return new ConsumerError(
    'CONSUMER_COMMIT_FAILED',
    `Cannot commit for group "${groupId}": this consumer is no longer a member of its current generation ` +
      `(${brokerError(errorCode, 'OffsetCommit').message}). Records since the last commit are read again by the partitions' new owners. ` +
      'Handle records faster, or raise maxPollIntervalMs',
    { errorCode },
  );
}

/** The same, where it shows before the coordinator is asked: the partition was taken away while its records were handled. */
export function commitOfLost(groupId: string, topic: string, partition: number): ConsumerError {
  return new ConsumerError(
    'CONSUMER_COMMIT_FAILED',
    `Cannot commit for group "${groupId}": partition ${partition} of "${topic}" is no longer this consumer's. ` +
      'Records since the last commit are read again by its new owner',
    { topic, partition },
  );
}

/** A batch that was handled in a transaction, which is aborted then. */
export function handledAfterLoss(topic: string, partition: number): ConsumerError {
  return new ConsumerError(
    'CONSUMER_COMMIT_FAILED',
    `Cannot commit the transaction of a batch: partition ${partition} of "${topic}" is no longer this consumer's, and its new owner handles the ` +
      'batch. Handle batches faster, or raise maxPollIntervalMs or sessionTimeoutMs',
    { topic, partition },
  );
}

export function rebalanceInProgress(groupId: string): ConsumerError {
  return new ConsumerError(
    'CONSUMER_REBALANCE_IN_PROGRESS',
    `Cannot commit for group "${groupId}" at this moment: a rebalance is ending; try again`,
    { errorCode: ErrorCode.REBALANCE_IN_PROGRESS },
  );
}

/**
 * Whether no further attempt helps: the request cannot be encoded, or is refused for good. That this client itself gave a request up
 * says nothing of that.
 */
export function isFinal(error: unknown): error is Error {
  if (error instanceof ProtocolError) return true;
  if (!(error instanceof KafkaError) || error.retriable) return false;
  return !(error instanceof AbortedError || error instanceof RequestAbortedError || error instanceof ClientClosedError);
}

export function messageOf(cause: unknown): string {
  if (cause instanceof Error) return textOf(cause.message);
  // Whatever is thrown may have a message: libraries throw plain objects.
  const message = (cause as { message?: unknown } | null | undefined)?.message;
  return textOf(message ?? cause);
}

/** Any value as text; never throws, whatever its `toString` does. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return (typeof value === 'object' && value !== null ? JSON.stringify(value) : undefined) ?? String(value);
  } catch {
    return 'something that cannot be shown';
  }
}
