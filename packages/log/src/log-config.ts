/** How long a log is kept, where `-1` in `retention.ms` and `retention.bytes` stands for "without limit". */
export const UNLIMITED = -1;

/** What is done with old records: drop whole segments, or keep the newest record of each key. */
export type CleanupPolicy = 'delete' | 'compact';

/** Whose timestamps a topic's records carry. */
export type MessageTimestampType = 'CreateTime' | 'LogAppendTime';

/** The codec that a topic's batches are stored in; `producer` keeps what the producer chose. */
export type TopicCompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/**
 * The topic configs in typed form: Kafka's names in camel case, bytes and milliseconds as numbers. A Java `Long.MAX_VALUE`
 * is `Infinity` here. Meanings and defaults are those of Kafka 3.9's `TopicConfig` except `flushMessages` (see there).
 */
export interface LogConfig {
  /** A segment is closed before it would grow beyond this. Default 1 GiB. */
  readonly segmentBytes: number;
  /** A segment is closed when a record arrives that is this much younger than its first. Default 7 days. */
  readonly segmentMs: number;
  /** Up to this much is taken off `segmentMs` at random, so that segments do not all roll at once. Default 0. */
  readonly segmentJitterMs: number;
  /** The largest offset index; decides how many index entries a segment may have. Default 10 MiB. */
  readonly segmentIndexBytes: number;
  /** Bytes of log between two index entries. Default 4096. */
  readonly indexIntervalBytes: number;
  /** Segments whose newest record is older are dropped; -1 keeps them. Default 7 days. */
  readonly retentionMs: number;
  /** Oldest segments are dropped while the others still hold this much; -1 keeps them. Default -1. */
  readonly retentionBytes: number;
  /** Default `['delete']`. */
  readonly cleanupPolicy: readonly CleanupPolicy[];
  /** The largest record batch taken from a client, in bytes as stored. Default 1,048,588. */
  readonly maxMessageBytes: number;
  /** Default `CreateTime`. */
  readonly messageTimestampType: MessageTimestampType;
  /** How far in the past a record's timestamp may lie (CreateTime). Default `Infinity`. */
  readonly messageTimestampBeforeMaxMs: number;
  /** How far in the future a record's timestamp may lie (CreateTime). Default `Infinity`. */
  readonly messageTimestampAfterMaxMs: number;
  /** Default `producer`. */
  readonly compressionType: TopicCompressionType;
  /** The level for the codec of `compressionType`; the codec's own default when left out. */
  readonly compressionLevel?: number;
  /**
   * An fdatasync is forced when this many records were written since the last. With 1, the default here, an acknowledgement
   * follows the sync. With more (Kafka's default is `Infinity`) it follows the write.
   */
  readonly flushMessages: number;
  /** An fdatasync is forced when a written record has waited this long for one. Default `Infinity`. */
  readonly flushMs: number;
  /** Files that are no longer needed stay this long, for readers that are in the middle of them. Default 60,000. */
  readonly fileDeleteDelayMs: number;
  /** Kept here for the replica manager, which refuses acks=all below it. Default 1. */
  readonly minInSyncReplicas: number;
  /** Kept here for Fetch: whether clients before 0.11 have batches converted for them. Default true. */
  readonly messageDownconversionEnable: boolean;
  /** Kept here for the controller. Default false. */
  readonly uncleanLeaderElectionEnable: boolean;
  /** How long compaction keeps a tombstone. Default 1 day. */
  readonly deleteRetentionMs: number;
  /** A record is not compacted before this age. Default 0. */
  readonly minCompactionLagMs: number;
  /** A record does not stay uncompacted beyond this age. Default `Infinity`. */
  readonly maxCompactionLagMs: number;
  /** The share of a log that must be uncompacted before the cleaner takes it up. Default 0.5. */
  readonly minCleanableDirtyRatio: number;
}

/** The value of every topic config that nobody has set. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  retentionMs: 604_800_000,
  retentionBytes: UNLIMITED,
  cleanupPolicy: ['delete'],
  maxMessageBytes: 1_048_588,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  messageTimestampAfterMaxMs: Number.POSITIVE_INFINITY,
  compressionType: 'producer',
  flushMessages: 1,
  flushMs: Number.POSITIVE_INFINITY,
  fileDeleteDelayMs: 60_000,
  minInSyncReplicas: 1,
  messageDownconversionEnable: true,
  uncleanLeaderElectionEnable: false,
  deleteRetentionMs: 86_400_000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.POSITIVE_INFINITY,
  minCleanableDirtyRatio: 0.5,
};
