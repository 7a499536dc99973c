import { channel } from 'node:diagnostics_channel';
import type { RecordHeaderInput } from '@millrace/records';
import type { ProduceBatch } from './produce-batch.ts';
import { checkHeaders } from './record.ts';

/**
 * What `millrace:producer:send` tells of every record, before it is written into its batch. Subscribers may add to
 * `headers`: that is how the context of a trace travels with a record.
 *
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel';
 * import { context, propagation } from '@opentelemetry/api';
 *
 * subscribe('millrace:producer:send', ({ headers }) => {
 *   propagation.inject(context.active(), headers, { set: (list, key, value) => list.push({ key, value }) });
 * });
 * ```
 */
export interface SendEvent {
  readonly topic: string;
  readonly partition: number;
  readonly headers: RecordHeaderInput[];
}

/** What `millrace:producer:batch` tells of every batch that was acknowledged, or failed. */
export interface BatchEvent {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
  /** Before compression, in bytes. */
  readonly bytes: number;
  /** How often it was sent. */
  readonly attempts: number;
  /** Undefined for a batch that was acknowledged. */
  readonly error: Error | undefined;
}

const sendChannel = channel('millrace:producer:send');
const batchChannel = channel('millrace:producer:batch');

/**
 * Tells subscribers of a record, and returns its headers with what they have added. Costs nothing without subscribers.
 * @throws ProducerError `PRODUCER_INVALID_RECORD` where a subscriber has added what is no header
 */
export function headersToSend(
  topic: string,
  partition: number,
  headers: readonly RecordHeaderInput[] | undefined,
): readonly RecordHeaderInput[] | undefined {
  if (!sendChannel.hasSubscribers) return headers;
  const event: SendEvent = { topic, partition, headers: headers === undefined ? [] : [...headers] };
  sendChannel.publish(event);
  checkHeaders(topic, event.headers);
  return event.headers;
}

/** Tells subscribers that a batch is done. */
export function publishBatch(batch: ProduceBatch, error: Error | undefined): void {
  if (!batchChannel.hasSubscribers) return;
  const { topic, partition, recordCount, sizeBytes, attempts } = batch;
  const event: BatchEvent = { topic, partition, records: recordCount, bytes: sizeBytes, attempts, error };
  batchChannel.publish(event);
}
