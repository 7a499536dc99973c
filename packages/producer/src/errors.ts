import { type BrokerError, brokerError, KafkaError } from '@millrace/client';
import { shown } from '@millrace/client/internal';
import type { RecordPart } from '@millrace/serdes';
import type { BatchOutcome } from './produce-transport.ts';

/** What a producer itself finds wrong. */
export type ProducerErrorCode =
  | 'PRODUCER_CLOSED'
  | 'PRODUCER_BUFFER_FULL'
  | 'PRODUCER_RECORD_TOO_LARGE'
  | 'PRODUCER_INVALID_ARGUMENT'
  | 'PRODUCER_INVALID_OPTION'
  | 'PRODUCER_INVALID_RECORD'
  | 'PRODUCER_DELIVERY_TIMED_OUT'
  | 'PRODUCER_RECORDS_LOST'
  | 'PRODUCER_NO_IDENTITY'
  | 'PRODUCER_BATCH_FAILED'
  | 'PRODUCER_PARTITIONER_FAILED'
  | 'PRODUCER_SERIALIZER_FAILED'
  | 'PRODUCER_NO_TRANSACTION'
  | 'PRODUCER_TRANSACTION_UNDER_WAY'
  | 'PRODUCER_TRANSACTION_FAILED'
  | 'PRODUCER_TRANSACTION_TIMED_OUT'
  | 'PRODUCER_TRANSACTIONS_OVER';

const RETRIABLE_CODES: ReadonlySet<ProducerErrorCode> = new Set([
  'PRODUCER_BUFFER_FULL',
  'PRODUCER_DELIVERY_TIMED_OUT',
]);

/** An error that the producer found; those that a broker answered are plain `KafkaError`s with its `errorCode`. */
export class ProducerError extends KafkaError {
  override name = 'ProducerError';
  declare readonly code: ProducerErrorCode;

  constructor(code: ProducerErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, { code, retriable: RETRIABLE_CODES.has(code), cause: options.cause });
  }
}

/** Something in a transaction has failed: it can only be aborted; the next one may succeed. */
export class AbortableTransactionError extends ProducerError {
  override name = 'AbortableTransactionError';

  constructor(message: string, options: { cause?: unknown; hasTimedOut?: boolean } = {}) {
    super(options.hasTimedOut ? 'PRODUCER_TRANSACTION_TIMED_OUT' : 'PRODUCER_TRANSACTION_FAILED', message, options);
  }
}

/** The producer can have no more transactions: another one with its transactional id has taken over, or it may not. */
export class FatalTransactionError extends ProducerError {
  override name = 'FatalTransactionError';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super('PRODUCER_TRANSACTIONS_OVER', message, options);
  }
}

/**
 * The coordinator has aborted a transaction that its producer has not ended.
 * @param openMs how long ago it was begun
 */
export function abortedByCoordinator(
  attempted: string,
  { openMs, timeoutMs, cause }: { readonly openMs: number; readonly timeoutMs: number; readonly cause: Error },
): AbortableTransactionError {
  const elapsed = Math.round(openMs);
  const hasTimedOut = elapsed >= timeoutMs;
  const why = hasTimedOut
    ? `it took longer than its ${timeoutMs} ms (transactionTimeoutMs), so its coordinator has aborted it; it was begun ${elapsed} ms ago`
    : `its coordinator has aborted it before its ${timeoutMs} ms (transactionTimeoutMs) were over, ${elapsed} ms after it was begun`;
  const mend = hasTimedOut
    ? 'abort it and do it again, in smaller transactions or with a higher transactionTimeoutMs'
    : 'abort it and do it again';
  return new AbortableTransactionError(`Cannot ${attempted} in the transaction: ${why}; ${mend} (${cause.message})`, {
    cause,
    hasTimedOut,
  });
}

export function noTransaction(): ProducerError {
  const message =
    'Cannot do this outside of a transaction: a producer with a transactionalId sends in producer.transaction(...) or after producer.begin()';
  return new ProducerError('PRODUCER_NO_TRANSACTION', message);
}

export function notTransactional(): ProducerError {
  const message = 'Cannot begin a transaction: the producer has no transactionalId';
  return new ProducerError('PRODUCER_NO_TRANSACTION', message);
}

export function transactionUnderWay(): ProducerError {
  const message =
    'Cannot begin a transaction while another one of this producer is under way: commit or abort that first';
  return new ProducerError('PRODUCER_TRANSACTION_UNDER_WAY', message);
}

export function producerClosed(attempt: string): ProducerError {
  return new ProducerError('PRODUCER_CLOSED', `Cannot ${attempt}: the producer is closed; make a new one`);
}

export function bufferFull(usedBytes: number, why: string): ProducerError {
  return new ProducerError(
    'PRODUCER_BUFFER_FULL',
    `no room for the record: ${usedBytes} bytes wait for acknowledgement and ${why}; await producer.ready() before sending, or raise bufferBytesMax`,
  );
}

export function recordTooLarge(topic: string, bytes: number, bytesMax: number): ProducerError {
  return new ProducerError(
    'PRODUCER_RECORD_TOO_LARGE',
    `a record for topic '${topic}' has ${bytes} bytes, more than requestBytesMax (${bytesMax}); raise it here and message.max.bytes at the broker, or send less`,
  );
}

/** @param topic undefined where the record has none that can be named */
export function invalidRecord(topic: string | undefined, why: string): ProducerError {
  const where = topic === undefined ? '' : ` to topic '${topic}'`;
  return new ProducerError('PRODUCER_INVALID_RECORD', `Cannot send a record${where}: ${why}`);
}

export function serializerFailed(topic: string, part: RecordPart, cause: unknown): ProducerError {
  const message = `Cannot send a record to topic '${topic}': ${part}Serializer failed: ${messageOf(cause)}`;
  return new ProducerError('PRODUCER_SERIALIZER_FAILED', message, { cause });
}

export function partitionerFailed(topic: string, cause: unknown): ProducerError {
  const message = `Cannot send a record to topic '${topic}': the partitioner failed: ${messageOf(cause)}`;
  return new ProducerError('PRODUCER_PARTITIONER_FAILED', message, { cause });
}

/** A batch as errors tell of it. */
export interface FailedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly recordCount: number;
  /** How often it has been sent. */
  readonly attempts: number;
}

/** A batch that cannot be built or compressed, which concerns its own records alone. */
export function batchFailed(batch: FailedBatch, cause: unknown): ProducerError {
  return new ProducerError(
    'PRODUCER_BATCH_FAILED',
    `Cannot build the batch of ${counted(batch.recordCount)} for partition ${batch.partition} of topic '${batch.topic}': ${messageOf(cause)}`,
    { cause },
  );
}

const TRIED = ['it was never sent', 'it was sent once', 'it was sent twice'];

/** @param lastError why it was not acknowledged before, where that is known */
export function deliveryTimeout(batch: FailedBatch, timeoutMs: number, lastError: Error | undefined): ProducerError {
  const tried = TRIED[batch.attempts] ?? `it was sent ${batch.attempts} times`;
  const why = lastError === undefined ? '' : `; the last error: ${lastError.message}`;
  return new ProducerError(
    'PRODUCER_DELIVERY_TIMED_OUT',
    `${counted(batch.recordCount)} for partition ${batch.partition} of topic '${batch.topic}' ${batch.recordCount === 1 ? 'was' : 'were'} not acknowledged within ${timeoutMs} ms (deliveryTimeoutMs); ${tried}${why}`,
    { cause: lastError },
  );
}

/** A record that never got as far as a batch. */
export function waitedTooLong(topic: string, waitedFor: string, timeoutMs: number): ProducerError {
  return new ProducerError(
    'PRODUCER_DELIVERY_TIMED_OUT',
    `A record for topic '${topic}' was not sent within ${timeoutMs} ms (deliveryTimeoutMs): it waited for ${waitedFor}`,
  );
}

/** What a broker answered for a batch, as an error for everybody who waits for one of its records. */
export function batchError(batch: FailedBatch, outcome: BatchOutcome): BrokerError {
  const attempted = `sending ${counted(batch.recordCount)} to partition ${batch.partition} of topic '${batch.topic}'`;
  return brokerError(outcome.errorCode, attempted, outcome.errorMessage);
}

/** Whatever was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(shown(thrown));
}

function counted(records: number): string {
  return records === 1 ? '1 record' : `${records} records`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : shown(thrown);
}
