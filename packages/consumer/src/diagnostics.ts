import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import type { TopicPartition } from './options.ts';
import type { ConsumerBatch } from './reading/consumer-batch.ts';
import type { ConsumerRecord } from './record.ts';

/** Published on `millrace:consumer:fetch` when a fetch was answered or has failed. */
export interface FetchEvent {
  readonly nodeId: number;
  readonly partitions: number;
  readonly durationMs: number;
  readonly answered: boolean;
}

/** Published on `millrace:consumer:rebalance` when partitions were assigned, revoked or lost. */
export interface RebalanceEvent {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
  readonly kind: 'assigned' | 'revoked' | 'lost';
  readonly partitions: readonly TopicPartition[];
}

/** Published on `millrace:consumer:commit` when offsets were committed, or could not be. */
export interface CommitEvent {
  readonly groupId: string;
  readonly partitions: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

export const fetchChannel: Channel = channel('millrace:consumer:fetch');
export const rebalanceChannel: Channel = channel('millrace:consumer:rebalance');
export const commitChannel: Channel = channel('millrace:consumer:commit');

/**
 * What the tracing channel `millrace:consumer:process` tells of every call of a handler of `run`, when it starts, ends and fails.
 * The context of a trace that came with a record is in its headers.
 *
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { propagation, ROOT_CONTEXT } from '@opentelemetry/api';
 *
 * const getter = { get: (record, name) => record.header(name)?.toString(), keys: (record) => record.headers.map(({ key }) => key) };
 * tracingChannel('millrace:consumer:process').start.bindStore(parentContext, ({ record }) =>
 *   record === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, record, getter),
 * );
 * ```
 */
export interface ProcessEvent {
  readonly groupId: string | undefined;
  /** What the handler was called with: one of the two. */
  readonly record?: ConsumerRecord<unknown, unknown>;
  readonly batch?: ConsumerBatch<unknown, unknown>;
}

export const processChannel: TracingChannel<object, ProcessEvent> = tracingChannel('millrace:consumer:process');
