import { atLeast, between, boolean, type ConfigValues, double, int, list, long, oneOf, string } from './definition.ts';

const UNLIMITED = Number.POSITIVE_INFINITY;
const DAY_MS = 86_400_000;

/** What a list of throttled replicas looks like: `*` or `partition:broker` pairs. */
const throttledReplicas = {
  check: (value: unknown): string | undefined =>
    Array.isArray(value) && (value.join(',') === '*' || value.every((each) => /^\d+:\d+$/.test(String(each))))
      ? undefined
      : "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
};

/**
 * The topic configs of Kafka 3.9 (`LogConfig`, `TopicConfig`) with their types, defaults and checks. The defaults here are
 * those of a broker on which nothing is set; a broker's own settings come in through {@link topicConfigSynonyms}.
 */
export const topicDefinitions = {
  'cleanup.policy': list(
    ['delete'],
    'What happens to old data: "delete" drops old segments, "compact" keeps the newest record of each key, both do both.',
    {
      check: oneOf('compact', 'delete'),
    },
  ),
  'compression.gzip.level': int(
    -1,
    "The level of gzip where compression.type is gzip; -1 is the codec's own default.",
    {
      check: (value) =>
        value === -1 || between(1, 9)(value) === undefined ? undefined : 'Value must be between 1 and 9 or equal to -1',
    },
  ),
  'compression.lz4.level': int(9, 'The level of lz4 where compression.type is lz4.', { check: between(1, 17) }),
  'compression.type': string(
    'producer',
    'The codec that batches are stored with; "producer" keeps what the producer chose.',
    {
      check: oneOf('uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'),
    },
  ),
  'compression.zstd.level': int(3, 'The level of zstd where compression.type is zstd.', {
    check: between(-131_072, 22),
  }),
  'delete.retention.ms': long(DAY_MS, 'How long a compacted topic keeps the markers of deleted keys.', {
    check: atLeast(0),
  }),
  'file.delete.delay.ms': long(
    60_000,
    'How long a file that is no longer needed stays on disk, for readers in the middle of it.',
    { check: atLeast(0) },
  ),
  'flush.messages': long(
    1,
    "A sync to disk is forced after this many records. With 1 an acknowledged record is on the disk; Kafka's own default is no limit.",
    {
      check: atLeast(1),
    },
  ),
  'flush.ms': long(UNLIMITED, 'A sync to disk is forced when a written record has waited this long for one.', {
    check: atLeast(0),
  }),
  'follower.replication.throttled.replicas': list(
    [],
    'Replicas whose follower side is throttled: * or partition:broker pairs.',
    throttledReplicas,
  ),
  'index.interval.bytes': int(4096, 'Bytes of log between two entries of the offset index.', { check: atLeast(0) }),
  'leader.replication.throttled.replicas': list(
    [],
    'Replicas whose leader side is throttled: * or partition:broker pairs.',
    throttledReplicas,
  ),
  'local.retention.bytes': long(-2, 'Bytes kept locally where tiered storage is on; -2 follows retention.bytes.', {
    check: atLeast(-2),
  }),
  'local.retention.ms': long(-2, 'How long data stays local where tiered storage is on; -2 follows retention.ms.', {
    check: atLeast(-2),
  }),
  'max.compaction.lag.ms': long(UNLIMITED, 'A record does not stay out of compaction for longer than this.', {
    check: atLeast(1),
  }),
  'max.message.bytes': int(1_048_588, 'The largest record batch that is taken, as it is stored.', {
    check: atLeast(0),
  }),
  'message.downconversion.enable': boolean(
    true,
    'Whether records may be rewritten for consumers that only know formats 0 and 1. Without effect: those formats are not served.',
  ),
  'message.format.version': string(
    '3.0-IV1',
    'The format of records in the log, by the version of Kafka that brought it. Without effect since Kafka 3.0: it is always the newest.',
    {
      check: (value) =>
        /^(0\.(8\.[0-2]|9\.0|10\.[0-2]|11\.0)|[1-4]\.\d)(\.\d+)?(-IV\d)?$/.test(String(value))
          ? undefined
          : `Version ${String(value)} is not a valid version`,
    },
  ),
  'message.timestamp.after.max.ms': long(
    UNLIMITED,
    "How far ahead of the broker's clock a record's timestamp may be, for CreateTime.",
    { check: atLeast(0) },
  ),
  'message.timestamp.before.max.ms': long(
    UNLIMITED,
    "How far behind the broker's clock a record's timestamp may be, for CreateTime.",
    { check: atLeast(0) },
  ),
  'message.timestamp.difference.max.ms': long(
    UNLIMITED,
    "How far a record's timestamp may be from the broker's clock, for CreateTime, where message.timestamp.before.max.ms and message.timestamp.after.max.ms are not set.",
    { check: atLeast(0) },
  ),
  'message.timestamp.type': string(
    'CreateTime',
    'Whether records carry the time of their creation or of their appending to the log.',
    {
      check: oneOf('CreateTime', 'LogAppendTime'),
    },
  ),
  'min.cleanable.dirty.ratio': double(0.5, 'The share of a log that is not yet compacted before compaction starts.', {
    check: between(0, 1),
  }),
  'min.compaction.lag.ms': long(0, 'A record younger than this is not compacted.', { check: atLeast(0) }),
  'min.insync.replicas': int(1, 'How many replicas must be in sync for a write with acks=all to be taken.', {
    check: atLeast(1),
  }),
  preallocate: boolean(
    false,
    'Whether segment files are allocated in full when they are made. Without effect on most file systems.',
  ),
  'remote.log.copy.disable': boolean(
    false,
    'Whether segments go to tiered storage no more. Without effect: this broker has none.',
  ),
  'remote.log.delete.on.disable': boolean(
    false,
    'Whether what is in tiered storage goes with it when a topic turns it off. Without effect: this broker has none.',
  ),
  'remote.storage.enable': boolean(
    false,
    'Whether old segments go to tiered storage, which this broker does not have.',
  ),
  'retention.bytes': long(-1, 'Old segments are dropped while a partition holds more than this; -1 sets no limit.'),
  'retention.ms': long(7 * DAY_MS, 'Segments whose newest record is older than this are dropped; -1 sets no limit.', {
    check: atLeast(-1),
  }),
  'segment.bytes': int(1_073_741_824, 'A segment is closed before it grows beyond this.', { check: atLeast(14) }),
  'segment.index.bytes': int(10_485_760, "The largest size of a segment's offset index.", { check: atLeast(4) }),
  'segment.jitter.ms': long(
    0,
    'The most that is taken off segment.ms at random, so that segments do not all close at once.',
    { check: atLeast(0) },
  ),
  'segment.ms': long(7 * DAY_MS, 'A segment is closed at this age even if it is not full.', { check: atLeast(1) }),
  'unclean.leader.election.enable': boolean(
    false,
    'Whether a replica that is not in sync may become leader when no other is left, losing data.',
  ),
} as const;

/** Names of topic configs. */
export type TopicConfigName = keyof typeof topicDefinitions;

/** Typed values of all topic configs. */
export type TopicConfigValues = ConfigValues<typeof topicDefinitions>;

/** A broker config that sets the default of a topic config, and what turns its value into the topic config's. */
export interface TopicConfigSynonym {
  readonly name: string;
  readonly multiplier: number;
}

const same = (name: string): readonly TopicConfigSynonym[] => [{ name, multiplier: 1 }];

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/**
 * Which broker configs give a topic config its default, the strongest first (`ServerTopicConfigSynonyms`). Topic configs that
 * are not here have none.
 */
export const topicConfigSynonyms: Readonly<Partial<Record<TopicConfigName, readonly TopicConfigSynonym[]>>> = {
  'cleanup.policy': same('log.cleanup.policy'),
  'compression.gzip.level': same('compression.gzip.level'),
  'compression.lz4.level': same('compression.lz4.level'),
  'compression.type': same('compression.type'),
  'compression.zstd.level': same('compression.zstd.level'),
  'delete.retention.ms': same('log.cleaner.delete.retention.ms'),
  'file.delete.delay.ms': same('log.segment.delete.delay.ms'),
  'flush.messages': same('log.flush.interval.messages'),
  'flush.ms': [...same('log.flush.interval.ms'), ...same('log.flush.scheduler.interval.ms')],
  'index.interval.bytes': same('log.index.interval.bytes'),
  'local.retention.bytes': same('log.local.retention.bytes'),
  'local.retention.ms': same('log.local.retention.ms'),
  'max.compaction.lag.ms': same('log.cleaner.max.compaction.lag.ms'),
  'max.message.bytes': same('message.max.bytes'),
  'message.downconversion.enable': same('log.message.downconversion.enable'),
  'message.timestamp.after.max.ms': same('log.message.timestamp.after.max.ms'),
  'message.timestamp.before.max.ms': same('log.message.timestamp.before.max.ms'),
  'message.timestamp.difference.max.ms': same('log.message.timestamp.difference.max.ms'),
  'message.format.version': same('log.message.format.version'),
  'message.timestamp.type': same('log.message.timestamp.type'),
  'min.cleanable.dirty.ratio': same('log.cleaner.min.cleanable.ratio'),
  'min.compaction.lag.ms': same('log.cleaner.min.compaction.lag.ms'),
  'min.insync.replicas': same('min.insync.replicas'),
  preallocate: same('log.preallocate'),
  'retention.bytes': same('log.retention.bytes'),
  'retention.ms': [
    ...same('log.retention.ms'),
    { name: 'log.retention.minutes', multiplier: MINUTE_MS },
    { name: 'log.retention.hours', multiplier: HOUR_MS },
  ],
  'segment.bytes': same('log.segment.bytes'),
  'segment.index.bytes': same('log.index.size.max.bytes'),
  'segment.jitter.ms': [...same('log.roll.jitter.ms'), { name: 'log.roll.jitter.hours', multiplier: HOUR_MS }],
  'segment.ms': [...same('log.roll.ms'), { name: 'log.roll.hours', multiplier: HOUR_MS }],
  'unclean.leader.election.enable': same('unclean.leader.election.enable'),
};
