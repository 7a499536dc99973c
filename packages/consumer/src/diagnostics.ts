import { type Channel, channel } from 'node:diagnostics_channel';
import type { TopicPartition } from './options.ts';

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
