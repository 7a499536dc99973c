import type { ClientOptions } from '@millrace/client';
import type { Deserializer } from '@millrace/serdes';
import type { Assignor } from './assignors/assignor.ts';
import { rangeAssignor } from './assignors/range.ts';
import { cooperativeStickyAssignor } from './assignors/sticky.ts';
import { invalidOption } from './errors.ts';

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Where to read a partition from when the group has no offset for it, or one that its log does not hold any more: its end, its
 * beginning, nowhere (an error with `CONSUMER_NO_OFFSET`), or the first record of the last `durationMs`.
 */
export type AutoOffsetReset = 'latest' | 'earliest' | 'none' | { readonly durationMs: number };

/** Whether records of transactions are seen before, and if, the transactions are committed. */
export type IsolationLevel = 'read_uncommitted' | 'read_committed';

/** Told of partitions that come or go. What it returns is awaited; the rebalance goes on after. */
export type RebalanceListener = (partitions: readonly TopicPartition[]) => void | Promise<void>;

/** Settings of a consumer; those of the connection are in `ClientOptions`. */
export interface ConsumerOptions<K = Buffer, V = Buffer> extends ClientOptions {
  /** The group whose members share the partitions and whose offsets are committed. Without it, only `assign` can be used. */
  readonly groupId?: string | undefined;
  /** Makes the member static: a restart within `sessionTimeoutMs` causes no rebalance (KIP-345). Unique in the group. */
  readonly groupInstanceId?: string | undefined;
  /**
   * How partitions are divided, best first; the group uses one that all members offer. Cooperative sticky and range by default:
   * the first wherever all members know it, the second together with members that know nothing else.
   */
  readonly assignors?: readonly Assignor[] | undefined;
  /** A member of which nothing is heard for this long is thrown out, in milliseconds. 45,000 by default. */
  readonly sessionTimeoutMs?: number | undefined;
  /** How often the member tells that it is alive, whatever its handlers do, in milliseconds. 3,000 by default. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long the group waits for its members to give up partitions and join again, in milliseconds. `maxPollIntervalMs` by default. */
  readonly rebalanceTimeoutMs?: number | undefined;
  /** A handler that makes no progress for this long makes the member leave the group, in milliseconds. 300,000 by default. */
  readonly maxPollIntervalMs?: number | undefined;
  /** Whether what was processed is committed by and by, before partitions are given up, and on close. True by default with a group. */
  readonly autoCommit?: boolean | undefined;
  /** In milliseconds. 5,000 by default. */
  readonly autoCommitIntervalMs?: number | undefined;
  /** `'latest'` by default, as in Kafka. */
  readonly autoOffsetReset?: AutoOffsetReset | undefined;
  /** `'read_uncommitted'` by default, as in Kafka. */
  readonly isolationLevel?: IsolationLevel | undefined;
  /** A fetch is answered as soon as there is this much, in bytes. 1 by default. */
  readonly fetchMinBytes?: number | undefined;
  /** The longest that a fetch waits for `fetchMinBytes`, in milliseconds. 500 by default. */
  readonly fetchWaitMsMax?: number | undefined;
  /** The most that one fetch brings, in bytes; a first batch that is larger comes all the same. 16 MiB by default: more brings no speed. */
  readonly fetchBytesMax?: number | undefined;
  /** The most that one fetch brings of one partition, in bytes, likewise. 1 MiB by default. */
  readonly partitionBytesMax?: number | undefined;
  /** The most that is fetched ahead of the handlers, in bytes. 64 MiB by default. */
  readonly prefetchBytesMax?: number | undefined;
  /** The most of it for one partition, in bytes. 4 MiB by default; less where many partitions share `prefetchBytesMax`. */
  readonly prefetchPartitionBytesMax?: number | undefined;
  /** Where this consumer is, so that it may read from a replica nearby (KIP-392), and for assignors. None by default. */
  readonly rackId?: string | undefined;
  /** Whether the checksum of every batch is verified. True by default; false gains little. */
  readonly checkCrcs?: boolean | undefined;
  /** Whether a regular expression may match Kafka's own topics, such as `__consumer_offsets`. False by default. */
  readonly includeInternalTopics?: boolean | undefined;
  /** How long `close` waits for handlers and for the group, in milliseconds. 30,000 by default. */
  readonly closeTimeoutMs?: number | undefined;
  /** Makes keys of bytes, when they are asked for. Without it they are buffers. */
  readonly keyDeserializer?: Deserializer<K> | undefined;
  /** Makes values of bytes, when they are asked for. Without it they are buffers. */
  readonly valueDeserializer?: Deserializer<V> | undefined;
  /** After partitions were added, before the first record of them is handed out. */
  readonly onPartitionsAssigned?: RebalanceListener | undefined;
  /** When partitions are about to go: their records are processed and committed, and nobody else has them yet. */
  readonly onPartitionsRevoked?: RebalanceListener | undefined;
  /** When partitions are gone already: somebody else may have them. `onPartitionsRevoked` is called where this is not given. */
  readonly onPartitionsLost?: RebalanceListener | undefined;
}

/** The options with everything filled in, as the parts of the consumer take them. */
export interface ConsumerSettings {
  readonly groupId: string | undefined;
  readonly groupInstanceId: string | null;
  readonly assignors: readonly Assignor[];
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxPollIntervalMs: number;
  readonly autoCommit: boolean;
  readonly autoCommitIntervalMs: number;
  readonly autoOffsetReset: AutoOffsetReset;
  readonly readCommitted: boolean;
  readonly fetchMinBytes: number;
  readonly fetchWaitMsMax: number;
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  readonly prefetchBytesMax: number;
  readonly prefetchPartitionBytesMax: number;
  readonly rackId: string;
  readonly checkCrcs: boolean;
  readonly includeInternalTopics: boolean;
  readonly closeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly apiTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMsMax: number;
  readonly metadataMaxAgeMs: number;
}

const MIB = 1024 * 1024;

/**
 * Fills in the defaults and refuses what contradicts itself.
 * @throws ConsumerError `CONSUMER_INVALID_OPTION`
 */
export function consumerSettings(options: ConsumerOptions<never, never>): ConsumerSettings {
  const number = (name: keyof ConsumerOptions, fallback: number, min: number): number => {
    const value = options[name] ?? fallback;
    if (typeof value !== 'number' || !(value >= min)) {
      throw invalidOption(`${name} must be a number of at least ${min}, not ${String(value)}`);
    }
    return value;
  };
  const maxPollIntervalMs = number('maxPollIntervalMs', 300_000, 1);
  const prefetchBytesMax = number('prefetchBytesMax', 64 * MIB, 1);
  const settings: ConsumerSettings = {
    groupId: options.groupId,
    groupInstanceId: options.groupInstanceId ?? null,
    assignors: options.assignors ?? [cooperativeStickyAssignor, rangeAssignor],
    sessionTimeoutMs: number('sessionTimeoutMs', 45_000, 1),
    heartbeatIntervalMs: number('heartbeatIntervalMs', 3_000, 1),
    rebalanceTimeoutMs: number('rebalanceTimeoutMs', maxPollIntervalMs, 1),
    maxPollIntervalMs,
    autoCommit: options.autoCommit ?? options.groupId !== undefined,
    autoCommitIntervalMs: number('autoCommitIntervalMs', 5_000, 1),
    autoOffsetReset: options.autoOffsetReset ?? 'latest',
    readCommitted: options.isolationLevel === 'read_committed',
    fetchMinBytes: number('fetchMinBytes', 1, 0),
    fetchWaitMsMax: number('fetchWaitMsMax', 500, 0),
    fetchBytesMax: number('fetchBytesMax', 16 * MIB, 1),
    partitionBytesMax: number('partitionBytesMax', MIB, 1),
    prefetchBytesMax,
    prefetchPartitionBytesMax: number('prefetchPartitionBytesMax', 4 * MIB, 1),
    rackId: options.rackId ?? '',
    checkCrcs: options.checkCrcs ?? true,
    includeInternalTopics: options.includeInternalTopics ?? false,
    closeTimeoutMs: number('closeTimeoutMs', 30_000, 0),
    requestTimeoutMs: number('requestTimeoutMs', 30_000, 1),
    apiTimeoutMs: number('apiTimeoutMs', 60_000, 1),
    retryBackoffMs: number('retryBackoffMs', 100, 0),
    retryBackoffMsMax: number('retryBackoffMsMax', 1_000, 0),
    metadataMaxAgeMs: number('metadataMaxAgeMs', 300_000, 1),
  };
  refuseContradictions(settings, options);
  return settings;
}

function refuseContradictions(settings: ConsumerSettings, options: ConsumerOptions<never, never>): void {
  if (settings.groupId === '') throw invalidOption('groupId is empty');
  if (settings.groupId === undefined && options.autoCommit === true) throw invalidOption('autoCommit needs a groupId');
  if (settings.groupId === undefined && settings.groupInstanceId !== null) {
    throw invalidOption('groupInstanceId needs a groupId');
  }
  if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs) {
    throw invalidOption(
      `heartbeatIntervalMs (${settings.heartbeatIntervalMs}) must be below sessionTimeoutMs (${settings.sessionTimeoutMs})`,
    );
  }
  if (settings.assignors.length === 0) throw invalidOption('assignors is empty');
  const names = settings.assignors.map(({ name }) => name);
  if (new Set(names).size < names.length) throw invalidOption(`assignors has a name twice (${names.join(', ')})`);
  const reset = settings.autoOffsetReset;
  if (typeof reset === 'object' ? !(reset.durationMs >= 0) : !['latest', 'earliest', 'none'].includes(reset)) {
    throw invalidOption(`autoOffsetReset must be 'latest', 'earliest', 'none' or { durationMs }`);
  }
}
