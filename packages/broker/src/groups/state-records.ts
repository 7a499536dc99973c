/**
 * The records of `__consumer_offsets`, in the versions that Kafka 3.9 writes: OffsetCommitKey 1 and OffsetCommitValue 3,
 * GroupMetadataKey 2 and GroupMetadataValue 3. Older and newer ones are read.
 */
import {
  decodeVersioned,
  encodeVersioned,
  GroupMetadataKey,
  GroupMetadataValue,
  OffsetCommitKey,
  OffsetCommitValue,
} from '@millrace/protocol';
import type { StateRecord } from '../coordinators/write-queue.ts';
import type { Group, GroupSnapshot } from './group.ts';
import type { CommittedOffset, OffsetCommit, TopicPartition } from './group-offsets.ts';
import { Member } from './member.ts';
import { NO_BYTES } from './results.ts';

const OFFSET_KEY_VERSION = 1;
const OFFSET_VALUE_VERSION = 3;
/** The one version that can say when an offset expires. */
const OFFSET_VALUE_VERSION_WITH_EXPIRY = 1;
const GROUP_KEY_VERSION = 2;
const GROUP_VALUE_VERSION = 3;

export function offsetRecord(groupId: string, commit: OffsetCommit): StateRecord {
  const version = commit.expireTimestampMs < 0 ? OFFSET_VALUE_VERSION : OFFSET_VALUE_VERSION_WITH_EXPIRY;
  return {
    key: offsetKey(groupId, commit),
    value: encodeVersioned(OffsetCommitValue, version, {
      offset: commit.offset,
      leaderEpoch: commit.leaderEpoch,
      metadata: commit.metadata,
      commitTimestamp: commit.commitTimestampMs,
      expireTimestamp: commit.expireTimestampMs,
    }),
  };
}

export function offsetTombstone(groupId: string, at: TopicPartition): StateRecord {
  return { key: offsetKey(groupId, at), value: null };
}

/** A group with the given assignments, which may not be the ones its members have yet. */
export function groupRecord(group: Group, assignments: ReadonlyMap<string, Buffer>): StateRecord {
  const protocolName = group.protocolName;
  return {
    key: encodeVersioned(GroupMetadataKey, GROUP_KEY_VERSION, { group: group.id }),
    value: encodeVersioned(GroupMetadataValue, GROUP_VALUE_VERSION, {
      protocolType: group.protocolType ?? '',
      generation: group.generationId,
      protocol: protocolName,
      leader: group.leaderId,
      currentStateTimestamp: group.stateTimestampMs ?? -1,
      members: Array.from(group.members, (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadata(protocolName ?? '') ?? NO_BYTES,
        assignment: assignments.get(member.memberId) ?? NO_BYTES,
      })),
    }),
  };
}

export function groupTombstone(groupId: string): StateRecord {
  return { key: encodeVersioned(GroupMetadataKey, GROUP_KEY_VERSION, { group: groupId }), value: null };
}

/** What a record's key speaks of; undefined for keys of newer versions, which belong to other kinds of groups. */
export type StateKey =
  | { readonly kind: 'offset'; readonly groupId: string; readonly topic: string; readonly partition: number }
  | { readonly kind: 'group'; readonly groupId: string };

export function decodeKey(key: Buffer): StateKey | undefined {
  const version = key.length >= 2 ? key.readInt16BE(0) : -1;
  if (version === 0 || version === OFFSET_KEY_VERSION) {
    const { group, topic, partition } = decodeVersioned(OffsetCommitKey, key);
    return { kind: 'offset', groupId: group, topic, partition };
  }
  if (version === GROUP_KEY_VERSION) return { kind: 'group', groupId: decodeVersioned(GroupMetadataKey, key).group };
  return undefined;
}

/** Decodes a commit that stands in `data` from `start` to `end`. */
export function decodeOffset(data: Buffer, start = 0, end: number = data.length): CommittedOffset {
  const value = decodeVersioned(OffsetCommitValue, data, start, end);
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = value;
  return { offset, leaderEpoch, metadata, commitTimestampMs: commitTimestamp, expireTimestampMs: expireTimestamp };
}

/** Restores a group; what it keeps of `value` is copied. */
export function decodeGroup(value: Buffer): GroupSnapshot {
  const version = value.readInt16BE(0);
  const stored = decodeVersioned(GroupMetadataValue, value);
  const protocolName = stored.protocol ?? '';
  const members = stored.members.map(
    (member) =>
      new Member({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        // Version 0 had no rebalance timeout: members were waited for as long as their sessions last.
        rebalanceTimeoutMs: version === 0 ? member.sessionTimeout : member.rebalanceTimeout,
        sessionTimeoutMs: member.sessionTimeout,
        protocols: [{ name: protocolName, metadata: Buffer.from(member.subscription) }],
        assignment: Buffer.from(member.assignment),
      }),
  );
  return {
    generationId: stored.generation,
    protocolType: stored.protocolType,
    protocolName: stored.protocol,
    leaderId: stored.leader,
    stateTimestampMs: stored.currentStateTimestamp < 0 ? undefined : stored.currentStateTimestamp,
    members,
  };
}

function offsetKey(groupId: string, { topic, partition }: TopicPartition): Buffer {
  return encodeVersioned(OffsetCommitKey, OFFSET_KEY_VERSION, { group: groupId, topic, partition });
}
