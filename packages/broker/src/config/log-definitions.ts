import { atLeast, between, boolean, double, int, list, long, string } from './definition.ts';
import { type TopicConfigName, topicDefinitions } from './topic-definitions.ts';

const UNLIMITED = Number.POSITIVE_INFINITY;
const HOUR_MS = 3_600_000;
const WIDE = { updateMode: 'cluster-wide' } as const;

/** A broker config that is a topic config for all topics: its type, default, check and meaning are that one's. */
function forAllTopics<Name extends TopicConfigName>(name: Name): (typeof topicDefinitions)[Name] {
  return { ...topicDefinitions[name], ...WIDE };
}

/** The broker configs that give topics their defaults, and those of the log as a whole (Kafka's `ServerLogConfigs`, `CleanerConfig`). */
export const logDefinitions = {
  'log.dir': string('data', 'The folder that holds the partitions where log.dirs is not set.'),
  'log.dirs': list(null, 'The folders that hold the partitions, separated by commas. Without it, log.dir counts.', {
    describedType: 'STRING',
  }),
  'num.partitions': int(1, 'How many partitions a topic gets when nobody says.', { check: atLeast(1) }),
  'default.replication.factor': int(1, 'How many replicas a topic gets when nobody says.', { check: atLeast(1) }),
  'auto.create.topics.enable': boolean(true, 'Whether a topic is created when a client first asks for it.'),
  'delete.topic.enable': boolean(true, 'Whether topics may be deleted.'),
  'num.recovery.threads.per.data.dir': int(1, 'How many logs of a folder are recovered at a time on start.', {
    check: atLeast(1),
    ...WIDE,
  }),
  'message.max.bytes': forAllTopics('max.message.bytes'),
  'compression.type': forAllTopics('compression.type'),
  'compression.gzip.level': forAllTopics('compression.gzip.level'),
  'compression.lz4.level': forAllTopics('compression.lz4.level'),
  'compression.zstd.level': forAllTopics('compression.zstd.level'),
  'min.insync.replicas': forAllTopics('min.insync.replicas'),
  'unclean.leader.election.enable': forAllTopics('unclean.leader.election.enable'),
  'log.segment.bytes': forAllTopics('segment.bytes'),
  'log.roll.ms': long(
    null,
    'A segment is closed at this age even if it is not full. Without it, log.roll.hours counts.',
    { check: atLeast(1), ...WIDE },
  ),
  'log.roll.hours': int(topicDefinitions['segment.ms'].defaultValue / HOUR_MS, 'As log.roll.ms, in hours.', {
    check: atLeast(1),
  }),
  'log.roll.jitter.ms': long(
    null,
    "The most that is taken off a segment's age limit at random. Without it, log.roll.jitter.hours counts.",
    { check: atLeast(0), ...WIDE },
  ),
  'log.roll.jitter.hours': int(
    topicDefinitions['segment.jitter.ms'].defaultValue / HOUR_MS,
    'As log.roll.jitter.ms, in hours.',
    { check: atLeast(0) },
  ),
  'log.retention.ms': long(
    null,
    'Segments whose newest record is older are dropped; -1 sets no limit. Without it, log.retention.minutes counts.',
    { check: atLeast(-1), ...WIDE },
  ),
  'log.retention.minutes': int(null, 'As log.retention.ms, in minutes. Without it, log.retention.hours counts.', {
    check: atLeast(-1),
  }),
  'log.retention.hours': int(
    topicDefinitions['retention.ms'].defaultValue / HOUR_MS,
    'As log.retention.ms, in hours.',
    { check: atLeast(-1) },
  ),
  'log.retention.bytes': forAllTopics('retention.bytes'),
  'log.retention.check.interval.ms': long(300_000, 'How often the broker looks for segments to drop.', {
    check: atLeast(1),
  }),
  'log.cleanup.policy': forAllTopics('cleanup.policy'),
  'log.index.size.max.bytes': forAllTopics('segment.index.bytes'),
  'log.index.interval.bytes': forAllTopics('index.interval.bytes'),
  'log.flush.interval.messages': long(
    topicDefinitions['flush.messages'].defaultValue,
    "A sync to disk is forced after this many records of a partition. With 1, the default here, an acknowledged record is on the disk; Kafka's default is 9223372036854775807, which leaves it to the system.",
    { check: atLeast(1), ...WIDE },
  ),
  'log.flush.interval.ms': long(
    null,
    'A sync to disk is forced when a written record has waited this long for one. Without it, log.flush.scheduler.interval.ms counts.',
    { check: atLeast(0), ...WIDE },
  ),
  'log.flush.scheduler.interval.ms': long(
    UNLIMITED,
    'How often the broker looks for records that have waited too long for a sync.',
    { check: atLeast(1) },
  ),
  'log.flush.offset.checkpoint.interval.ms': int(
    60_000,
    'How often the offsets up to which logs are on the disk are noted, so that recovery can begin there.',
    { check: atLeast(0) },
  ),
  'log.flush.start.offset.checkpoint.interval.ms': int(60_000, 'How often the offsets at which logs begin are noted.', {
    check: atLeast(0),
  }),
  'log.segment.delete.delay.ms': forAllTopics('file.delete.delay.ms'),
  'log.preallocate': forAllTopics('preallocate'),
  'log.message.timestamp.type': forAllTopics('message.timestamp.type'),
  'log.message.timestamp.before.max.ms': forAllTopics('message.timestamp.before.max.ms'),
  'log.message.timestamp.after.max.ms': forAllTopics('message.timestamp.after.max.ms'),
  'log.message.timestamp.difference.max.ms': forAllTopics('message.timestamp.difference.max.ms'),
  'log.message.format.version': string('3.0-IV1', topicDefinitions['message.format.version'].documentation, {
    check: topicDefinitions['message.format.version'].check,
  }),
  'log.message.downconversion.enable': forAllTopics('message.downconversion.enable'),
  'log.local.retention.bytes': forAllTopics('local.retention.bytes'),
  'log.local.retention.ms': forAllTopics('local.retention.ms'),
  'log.cleaner.enable': boolean(true, 'Whether topics with cleanup.policy=compact are compacted.'),
  'log.cleaner.backoff.ms': long(15_000, 'How long the cleaner waits when there is nothing to compact.', {
    check: atLeast(0),
    ...WIDE,
  }),
  'log.cleaner.dedupe.buffer.size': long(
    128 * 1024 * 1024,
    'The most memory for the keys of a log that is compacted, 24 bytes a key. With more keys it takes several goes.',
    { check: atLeast(1024), ...WIDE },
  ),
  'log.cleaner.io.buffer.load.factor': double(0.9, 'How full the memory for keys may get.', {
    check: between(0.1, 0.95),
    ...WIDE,
  }),
  'log.cleaner.io.max.bytes.per.second': double(
    Number.MAX_VALUE,
    'Compaction is held down so that it reads and writes no more than this, in all.',
    { check: atLeast(1024), ...WIDE },
  ),
  'log.cleaner.delete.retention.ms': forAllTopics('delete.retention.ms'),
  'log.cleaner.min.compaction.lag.ms': forAllTopics('min.compaction.lag.ms'),
  'log.cleaner.max.compaction.lag.ms': forAllTopics('max.compaction.lag.ms'),
  'log.cleaner.min.cleanable.ratio': forAllTopics('min.cleanable.dirty.ratio'),
} as const;
