import { KafkaError } from '@millrace/client';
import { errorInfo } from '@millrace/protocol';
import type { ProduceBatch } from './produce-batch.ts';
import type { BatchOutcome } from './produce-transport.ts';

/** What a producer itself finds wrong. */
export type ProducerErrorCode =
  | 'PRODUCER_CLOSED'
  | 'PRODUCER_BUFFER_FULL'
  | 'PRODUCER_RECORD_TOO_LARGE'
  | 'PRODUCER_INVALID_OPTION'
  | 'PRODUCER_INVALID_RECORD'
  | 'PRODUCER_DELIVERY_TIMED_OUT'
  | 'PRODUCER_RECORDS_LOST'
  | 'PRODUCER_NO_IDENTITY'
  | 'PRODUCER_SERIALIZER_FAILED';

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

export function producerClosed(attempt: string): ProducerError {
  return new ProducerError('PRODUCER_CLOSED', `cannot ${attempt}: the producer is closed; make a new one`);
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

export function deliveryTimeout(batch: ProduceBatch, timeoutMs: number): ProducerError {
  const tried = batch.attempts === 0 ? 'it was never sent' : `it was sent ${batch.attempts} times`;
  return new ProducerError(
    'PRODUCER_DELIVERY_TIMED_OUT',
    `${batch.recordCount} records for partition ${batch.partition} of topic '${batch.topic}' were not acknowledged within ${timeoutMs} ms; ${tried}`,
  );
}

/** What a broker answered for a batch, as an error for everybody who waits for one of its records. */
export function batchError(batch: ProduceBatch, outcome: BatchOutcome): KafkaError {
  const { name, retriable } = errorInfo(outcome.errorCode);
  const detail = outcome.errorMessage === null ? '' : `: ${outcome.errorMessage}`;
  return new KafkaError(
    `the broker refused ${batch.recordCount} records for partition ${batch.partition} of topic '${batch.topic}' with ${name}${detail}`,
    { code: `KAFKA_${name}`, retriable, errorCode: outcome.errorCode },
  );
}
