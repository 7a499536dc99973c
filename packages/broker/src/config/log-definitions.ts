import { atLeast, between, boolean, double, int, list, long, oneOf, string } from './definition.ts';
import { topicDefinitions } from './topic-definitions.ts';

const UNLIMITED = Number.POSITIVE_INFINITY;
const DAY_MS = 86_400_000;
const WIDE = { updateMode: 'cluster-wide' } as const;

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
  'message.max.bytes': int(1_048_588, 'The largest record batch that is taken, as it is stored.', {
    check: atLeast(0),
    ...WIDE,
  }),
  'compression.type': string('producer', topicDefinitions['compression.type'].documentation, {
    check: topicDefinitions['compression.type'].check,
    ...WIDE,
  }),
  'compression.gzip.level': int(-1, topicDefinitions['compression.gzip.level'].documentation, {
    check: topicDefinitions['compression.gzip.level'].check,
    ...WIDE,
  }),
  'compression.lz4.level': int(9, topicDefinitions['compression.lz4.level'].documentation, {
    check: between(1, 17),
    ...WIDE,
  }),
  'compression.zstd.level': int(3, topicDefinitions['compression.zstd.level'].documentation, {
    check: between(-131_072, 22),
    ...WIDE,
  }),
  'min.insync.replicas': int(1, topicDefinitions['min.insync.replicas'].documentation, { check: atLeast(1), ...WIDE }),
  'unclean.leader.election.enable': boolean(
    false,
    topicDefinitions['unclean.leader.election.enable'].documentation,
    WIDE,
  ),
  'log.segment.bytes': int(1_073_741_824, 'A segment is closed before it grows beyond this.', {
    check: atLeast(14),
    ...WIDE,
  }),
  'log.roll.ms': long(
    null,
    'A segment is closed at this age even if it is not full. Without it, log.roll.hours counts.',
    { check: atLeast(1), ...WIDE },
  ),
  'log.roll.hours': int(168, 'As log.roll.ms, in hours.', { check: atLeast(1) }),
  'log.roll.jitter.ms': long(
    null,
    "The most that is taken off a segment's age limit at random. Without it, log.roll.jitter.hours counts.",
    { check: atLeast(0), ...WIDE },
  ),
  'log.roll.jitter.hours': int(0, 'As log.roll.jitter.ms, in hours.', { check: atLeast(0) }),
  'log.retention.ms': long(
    null,
    'Segments whose newest record is older are dropped; -1 sets no limit. Without it, log.retention.minutes counts.',
    { check: atLeast(-1), ...WIDE },
  ),
  'log.retention.minutes': int(null, 'As log.retention.ms, in minutes. Without it, log.retention.hours counts.', {
    check: atLeast(-1),
  }),
  'log.retention.hours': int(168, 'As log.retention.ms, in hours.', { check: atLeast(-1) }),
  'log.retention.bytes': long(
    -1,
    'Old segments are dropped while a partition holds more than this; -1 sets no limit.',
    WIDE,
  ),
  'log.retention.check.interval.ms': long(300_000, 'How often the broker looks for segments to drop.', {
    check: atLeast(1),
  }),
  'log.cleanup.policy': list(['delete'], topicDefinitions['cleanup.policy'].documentation, {
    check: oneOf('compact', 'delete'),
    ...WIDE,
  }),
  'log.index.size.max.bytes': int(10_485_760, "The largest size of a segment's offset index.", {
    check: atLeast(4),
    ...WIDE,
  }),
  'log.index.interval.bytes': int(4096, 'Bytes of log between two entries of the offset index.', {
    check: atLeast(0),
    ...WIDE,
  }),
  'log.flush.interval.messages': long(
    1,
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
  'log.segment.delete.delay.ms': long(60_000, 'How long a file that is no longer needed stays on disk.', {
    check: atLeast(0),
    ...WIDE,
  }),
  'log.preallocate': boolean(false, topicDefinitions.preallocate.documentation, WIDE),
  'log.message.timestamp.type': string('CreateTime', topicDefinitions['message.timestamp.type'].documentation, {
    check: oneOf('CreateTime', 'LogAppendTime'),
    ...WIDE,
  }),
  'log.message.timestamp.before.max.ms': long(
    UNLIMITED,
    topicDefinitions['message.timestamp.before.max.ms'].documentation,
    { check: atLeast(0), ...WIDE },
  ),
  'log.message.timestamp.after.max.ms': long(
    UNLIMITED,
    topicDefinitions['message.timestamp.after.max.ms'].documentation,
    { check: atLeast(0), ...WIDE },
  ),
  'log.message.timestamp.difference.max.ms': long(
    UNLIMITED,
    topicDefinitions['message.timestamp.difference.max.ms'].documentation,
    { check: atLeast(0), ...WIDE },
  ),
  'log.message.format.version': string('3.0-IV1', topicDefinitions['message.format.version'].documentation, {
    check: topicDefinitions['message.format.version'].check,
  }),
  'log.message.downconversion.enable': boolean(
    true,
    topicDefinitions['message.downconversion.enable'].documentation,
    WIDE,
  ),
  'log.local.retention.bytes': long(-2, topicDefinitions['local.retention.bytes'].documentation, {
    check: atLeast(-2),
    ...WIDE,
  }),
  'log.local.retention.ms': long(-2, topicDefinitions['local.retention.ms'].documentation, {
    check: atLeast(-2),
    ...WIDE,
  }),
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
  'log.cleaner.delete.retention.ms': long(DAY_MS, topicDefinitions['delete.retention.ms'].documentation, {
    check: atLeast(0),
    ...WIDE,
  }),
  'log.cleaner.min.compaction.lag.ms': long(0, topicDefinitions['min.compaction.lag.ms'].documentation, {
    check: atLeast(0),
    ...WIDE,
  }),
  'log.cleaner.max.compaction.lag.ms': long(UNLIMITED, topicDefinitions['max.compaction.lag.ms'].documentation, {
    check: atLeast(1),
    ...WIDE,
  }),
  'log.cleaner.min.cleanable.ratio': double(0.5, topicDefinitions['min.cleanable.dirty.ratio'].documentation, {
    check: between(0, 1),
    ...WIDE,
  }),
} as const;
