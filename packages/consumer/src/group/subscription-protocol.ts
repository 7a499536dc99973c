import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
  decodeVersioned,
  encodeVersioned,
  type JoinGroupResponseMember,
} from '@millrace/protocol';
import type { AssignmentMember, Assignor, TopicPartitionMap } from '../assignors/assignor.ts';

/** The name under which consumers share a group; other kinds of members have others. */
export const PROTOCOL_TYPE = 'consumer';

/** What a member says of itself when it joins. */
export interface MemberSubscription {
  readonly topics: readonly string[];
  readonly owned: TopicPartitionMap;
  /** The generation in which it got what it owns; -1 when it owns nothing. */
  readonly generationId: number;
  readonly rackId: string;
}

/** The member's metadata for every assignor that it offers, in the order of its liking. */
export function encodeSubscriptions(
  assignors: readonly Assignor[],
  { topics, owned, generationId, rackId }: MemberSubscription,
): { name: string; metadata: Buffer }[] {
  const ownedPartitions = [...owned].map(([topic, partitions]) => ({ topic, partitions }));
  return assignors.map((assignor) => ({
    name: assignor.name,
    metadata: encodeVersioned(ConsumerProtocolSubscription, ConsumerProtocolSubscription.maxVersion, {
      topics: [...topics].sort(),
      userData: assignor.subscriptionUserData?.(owned, generationId) ?? null,
      ownedPartitions,
      generationId,
      rackId: rackId === '' ? null : rackId,
    }),
  }));
}

/** What the leader's assignor sees of the members. */
export function decodeMembers(members: readonly JoinGroupResponseMember[]): AssignmentMember[] {
  return members.map(({ memberId, groupInstanceId, metadata }) => {
    const subscription = decodeVersioned(ConsumerProtocolSubscription, metadata);
    return {
      memberId,
      groupInstanceId,
      topics: subscription.topics,
      ownedPartitions: new Map(subscription.ownedPartitions.map(({ topic, partitions }) => [topic, partitions])),
      generationId: subscription.generationId,
      userData: subscription.userData,
      rackId: subscription.rackId,
    };
  });
}

/** What the leader tells a member that it has. */
export function encodeAssignment(partitions: TopicPartitionMap | undefined): Buffer {
  return encodeVersioned(ConsumerProtocolAssignment, ConsumerProtocolAssignment.maxVersion, {
    assignedPartitions: [...(partitions ?? [])].map(([topic, list]) => ({ topic, partitions: [...list] })),
    userData: null,
  });
}

/** Partitions by topic; no bytes at all are no partitions. */
export function decodeAssignment(bytes: Buffer): Map<string, number[]> {
  if (bytes.length === 0) return new Map();
  const { assignedPartitions } = decodeVersioned(ConsumerProtocolAssignment, bytes);
  return new Map(assignedPartitions.map(({ topic, partitions }) => [topic, partitions]));
}
