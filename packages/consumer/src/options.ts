import type { ClientOptions, TopicPartition } from '@millrace/client';
import {
  aBoolean,
  aFunction,
  anyText,
  clientOptionFields,
  type FieldRules,
  faultOf,
  foreignClientOptions,
  milliseconds,
  objectWith,
  oneOf,
  type Shape,
  someName,
  type ValueRule,
  wholeNumber,
} from '@millrace/client/internal';
import type { AsyncDeserializer, Deserializer } from '@millrace/serdes';
import type { Assignor } from './assignors/assignor.ts';
import { rangeAssignor } from './assignors/range.ts';
import { cooperativeStickyAssignor } from './assignors/sticky.ts';
import { invalidOption } from './errors.ts';

export type { TopicPartition };

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
  readonly keyDeserializer?: Deserializer<K> | AsyncDeserializer<K> | undefined;
  /**
   * Makes values of bytes, when they are asked for. Without it they are buffers. One that has to wait (`async: true`) has decoded before
   * the record is handed out.
   */
  readonly valueDeserializer?: Deserializer<V> | AsyncDeserializer<V> | undefined;
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

const assignorList: ValueRule = {
  expects: 'an array of assignors, each an object with name and assign()',
  accepts: (value) =>
    Array.isArray(value) &&
    value.every((one) => typeof one?.name === 'string' && one.name !== '' && typeof one.assign === 'function'),
};

const resetPolicy: ValueRule = {
  expects: "'latest', 'earliest', 'none' or { durationMs }",
  accepts: (value) =>
    typeof value === 'object' && value !== null
      ? wholeNumber(0, Number.MAX_SAFE_INTEGER).accepts((value as { durationMs?: unknown }).durationMs)
      : ['latest', 'earliest', 'none'].includes(value as string),
};

const bytes = wholeNumber(1);
const memoryBytes = wholeNumber(1, Number.MAX_SAFE_INTEGER);

type OwnOptions = Omit<ConsumerOptions<never, never>, keyof ClientOptions>;

const ownFields: FieldRules<OwnOptions> = {
  groupId: someName,
  groupInstanceId: someName,
  assignors: assignorList,
  sessionTimeoutMs: milliseconds(1),
  heartbeatIntervalMs: milliseconds(1),
  rebalanceTimeoutMs: milliseconds(1),
  maxPollIntervalMs: milliseconds(1),
  autoCommit: aBoolean,
  autoCommitIntervalMs: milliseconds(1),
  autoOffsetReset: resetPolicy,
  isolationLevel: oneOf('read_uncommitted', 'read_committed'),
  fetchMinBytes: wholeNumber(0),
  fetchWaitMsMax: milliseconds(),
  fetchBytesMax: bytes,
  partitionBytesMax: bytes,
  prefetchBytesMax: memoryBytes,
  prefetchPartitionBytesMax: memoryBytes,
  rackId: anyText,
  checkCrcs: aBoolean,
  includeInternalTopics: aBoolean,
  closeTimeoutMs: milliseconds(),
  keyDeserializer: objectWith('deserialize'),
  valueDeserializer: objectWith('deserialize'),
  onPartitionsAssigned: aFunction,
  onPartitionsRevoked: aFunction,
  onPartitionsLost: aFunction,
};

const optionShape: Shape = {
  noun: 'option of a consumer',
  fields: { ...clientOptionFields, ...ownFields },
  foreign: {
    ...foreignClientOptions,
    fromBeginning: "use autoOffsetReset: 'earliest'",
    sessionTimeout: 'it is called sessionTimeoutMs',
    heartbeatInterval: 'it is called heartbeatIntervalMs',
    rebalanceTimeout: 'it is called rebalanceTimeoutMs',
    partitionAssigners: 'it is called assignors',
    metadataMaxAge: 'it is called metadataMaxAgeMs',
    minBytes: 'it is called fetchMinBytes',
    maxBytes: 'it is called fetchBytesMax',
    maxBytesPerPartition: 'it is called partitionBytesMax',
    maxWaitTimeInMs: 'it is called fetchWaitMsMax',
    readUncommitted: "use isolationLevel: 'read_uncommitted', which is the default",
    clientRack: 'it is called rackId',
    'group.id': 'it is called groupId',
    'client.rack': 'it is called rackId',
    'auto.offset.reset': 'it is called autoOffsetReset',
    'enable.auto.commit': 'it is called autoCommit',
    'max.poll.records': 'batchRecordsMax of run() and recordsMax of batches() say it',
  },
};

/**
 * Fills in the defaults and refuses unknown names, values of the wrong kind, and what contradicts itself.
 * @throws ConsumerError `CONSUMER_INVALID_OPTION`
 */
export function consumerSettings(options: ConsumerOptions<never, never>): ConsumerSettings {
  const fault = faultOf(options, optionShape);
  if (fault !== undefined) throw invalidOption(fault);
  const maxPollIntervalMs = options.maxPollIntervalMs ?? 300_000;
  const settings: ConsumerSettings = {
    groupId: options.groupId,
    groupInstanceId: options.groupInstanceId ?? null,
    assignors: options.assignors ?? [cooperativeStickyAssignor, rangeAssignor],
    sessionTimeoutMs: options.sessionTimeoutMs ?? 45_000,
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 3_000,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? maxPollIntervalMs,
    maxPollIntervalMs,
    autoCommit: options.autoCommit ?? options.groupId !== undefined,
    autoCommitIntervalMs: options.autoCommitIntervalMs ?? 5_000,
    autoOffsetReset: options.autoOffsetReset ?? 'latest',
    readCommitted: options.isolationLevel === 'read_committed',
    fetchMinBytes: options.fetchMinBytes ?? 1,
    fetchWaitMsMax: options.fetchWaitMsMax ?? 500,
    fetchBytesMax: options.fetchBytesMax ?? 16 * MIB,
    partitionBytesMax: options.partitionBytesMax ?? MIB,
    prefetchBytesMax: options.prefetchBytesMax ?? 64 * MIB,
    prefetchPartitionBytesMax: options.prefetchPartitionBytesMax ?? 4 * MIB,
    rackId: options.rackId ?? '',
    checkCrcs: options.checkCrcs ?? true,
    includeInternalTopics: options.includeInternalTopics ?? false,
    closeTimeoutMs: options.closeTimeoutMs ?? 30_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    apiTimeoutMs: options.apiTimeoutMs ?? 60_000,
    retryBackoffMs: options.retryBackoffMs ?? 100,
    retryBackoffMsMax: options.retryBackoffMsMax ?? 1_000,
    metadataMaxAgeMs: options.metadataMaxAgeMs ?? 300_000,
  };
  refuseContradictions(settings, options);
  return settings;
}

function refuseContradictions(settings: ConsumerSettings, options: ConsumerOptions<never, never>): void {
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
}
