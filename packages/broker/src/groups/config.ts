import type { BrokerConfig } from '../config/broker-config.ts';
import type { CoordinatorLogLimits } from '../replicas/coordinator-log.ts';

const MINUTE_MS = 60_000;

/** What the coordinator is configured with; each field is Kafka's setting of the name beside it. */
export interface GroupConfig {
  /** `group.min.session.timeout.ms` */
  readonly minSessionTimeoutMs: number;
  /** `group.max.session.timeout.ms` */
  readonly maxSessionTimeoutMs: number;
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: number;
  /** `group.max.size` */
  readonly maxSize: number;
  /** `offset.metadata.max.bytes` */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms` */
  readonly offsetsRetentionCheckIntervalMs: number;
  /** `offsets.commit.timeout.ms` */
  readonly offsetsCommitTimeoutMs: number;
}

/** The settings of the group coordinator, out of the broker's. */
export function groupConfigOf(config: BrokerConfig): GroupConfig {
  return {
    minSessionTimeoutMs: config.groupMinSessionTimeoutMs,
    maxSessionTimeoutMs: config.groupMaxSessionTimeoutMs,
    initialRebalanceDelayMs: config.groupInitialRebalanceDelayMs,
    maxSize: config.groupMaxSize,
    offsetMetadataMaxBytes: config.offsetMetadataMaxBytes,
    offsetsRetentionMs: config.offsetsRetentionMinutes * MINUTE_MS,
    offsetsRetentionCheckIntervalMs: config.offsetsRetentionCheckIntervalMs,
    offsetsCommitTimeoutMs: config.offsetsCommitTimeoutMs,
  };
}

/** What the settings say about the log of groups. */
export function groupLogLimitsOf(config: BrokerConfig): CoordinatorLogLimits {
  return { loadBytes: config.offsetsLoadBufferSize, commitTimeoutMs: config.offsetsCommitTimeoutMs };
}

/**
 * How long a new member may wait in its first JoinGroup. It has no member id to heartbeat with yet, so the session
 * timeout cannot speak for it, and a client that retries would leave one dead member behind with every attempt
 * (GroupCoordinator.NewMemberJoinTimeoutMs).
 */
export const NEW_MEMBER_JOIN_TIMEOUT_MS: number = 5 * 60 * 1000;

/** How many members of one group may hold a member id that they have not joined with yet (KIP-394). */
export const PENDING_MEMBERS_MAX = 10_000;
