import type { Group } from './group.ts';
import type { TopicPartition } from './group-offsets.ts';
import { GroupState } from './group-state.ts';
import { CONSUMER_PROTOCOL_TYPE } from './subscription.ts';

/**
 * The offsets of a group whose time is over (KIP-211, GroupMetadata.removeExpiredOffsets):
 *
 * - a group without members loses them when it has been empty for the retention time,
 * - a stable consumer group loses those of topics that nobody in it subscribes to, counted from the commit,
 * - a group that only keeps offsets here loses each, counted from its commit.
 *
 * An offset that was committed with a time of its own (OffsetCommit 2 to 4) goes by that.
 */
export function expiredOffsets(group: Group, nowMs: number, retentionMs: number): TopicPartition[] {
  const { protocolType, subscribedTopics, stateTimestampMs } = group;
  const isOver = (fromMs: number, expireTimestampMs: number): boolean =>
    expireTimestampMs >= 0 ? nowMs >= expireTimestampMs : nowMs - fromMs >= retentionMs;

  if (protocolType === null) {
    return group.offsets.expired((_topic, { commitTimestampMs, expireTimestampMs }) =>
      isOver(commitTimestampMs, expireTimestampMs),
    );
  }
  if (group.is(GroupState.EMPTY)) {
    return group.offsets.expired((_topic, { commitTimestampMs, expireTimestampMs }) =>
      isOver(stateTimestampMs ?? commitTimestampMs, expireTimestampMs),
    );
  }
  if (protocolType === CONSUMER_PROTOCOL_TYPE && group.is(GroupState.STABLE) && subscribedTopics !== undefined) {
    return group.offsets.expired(
      (topic, { commitTimestampMs, expireTimestampMs }) =>
        !subscribedTopics.has(topic) && isOver(commitTimestampMs, expireTimestampMs),
    );
  }
  return [];
}
