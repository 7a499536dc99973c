import {
  type Assignment,
  type AssignmentInput,
  type AssignmentMember,
  type Assignor,
  compare,
  give,
  inAssignmentOrder,
  type TopicPartitionMap,
} from './assignor.ts';
import { readStickyUserData, writeCooperativeUserData, writeStickyUserData } from './sticky-user-data.ts';

/** A partition and who has it while the balance is worked out. */
interface Slot {
  readonly topic: string;
  readonly partition: number;
  owner: Share | undefined;
}

/** A member and how much it has. */
interface Share {
  readonly member: AssignmentMember;
  readonly topics: ReadonlySet<string>;
  readonly slots: Set<Slot>;
}

/**
 * As even as subscriptions allow, and with as few partitions as possible moved from who has them (KIP-54). Everything is
 * revoked during a rebalance, as with every eager assignor; use {@link cooperativeStickyAssignor} to avoid that.
 */
export const stickyAssignor: Assignor = {
  name: 'sticky',
  protocol: 'eager',
  subscriptionUserData: (owned, generationId) => writeStickyUserData(owned, generationId),
  assign: (input) => balance(input, (member) => readStickyUserData(member.userData)),
};

/**
 * The balance of {@link stickyAssignor} with cooperative rebalancing: a partition that moves is first taken from its owner,
 * and given to the next one in a second rebalance; all others are read without a pause (KIP-429).
 */
export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  protocol: 'cooperative',
  subscriptionUserData: (_owned, generationId) => writeCooperativeUserData(generationId),
  assign(input) {
    const ownedBy = (member: AssignmentMember) => ({
      owned: member.ownedPartitions,
      generationId: member.generationId,
    });
    return withoutPartitionsInMotion(balance(input, ownedBy), input.members);
  },
};

type Ownership = (member: AssignmentMember) => { owned: TopicPartitionMap; generationId: number };

function balance({ members, partitionCounts }: AssignmentInput, ownership: Ownership): Assignment {
  const shares = inAssignmentOrder(members).map(
    (member): Share => ({ member, topics: new Set(member.topics), slots: new Set() }),
  );
  const slots = slotsOf(partitionCounts, shares);
  keepWhatIsOwned(slots, shares, ownership);
  evenOut(slots, shares);
  const assignment: Assignment = new Map(members.map((member) => [member.memberId, new Map()]));
  for (const topicSlots of slots.values()) {
    for (const slot of topicSlots)
      if (slot.owner !== undefined) give(assignment, slot.owner.member.memberId, slot.topic, slot.partition);
  }
  return assignment;
}

function slotsOf(partitionCounts: ReadonlyMap<string, number>, shares: readonly Share[]): Map<string, Slot[]> {
  const slots = new Map<string, Slot[]>();
  for (const topic of [...partitionCounts.keys()].sort(compare)) {
    if (!shares.some((share) => share.topics.has(topic))) continue;
    const count = partitionCounts.get(topic)!;
    slots.set(
      topic,
      Array.from({ length: count }, (_, partition) => ({ topic, partition, owner: undefined })),
    );
  }
  return slots;
}

/**
 * Where two members claim a partition, the younger generation is right; of the same generation neither is, for one of
 * them must have lost it without noticing.
 */
function keepWhatIsOwned(slots: Map<string, Slot[]>, shares: readonly Share[], ownership: Ownership): void {
  const generations = new Map<Slot, number>();
  for (const share of shares) {
    const { owned, generationId } = ownership(share.member);
    for (const [topic, partitions] of owned) {
      if (!share.topics.has(topic)) continue;
      for (const partition of partitions) {
        const slot = slots.get(topic)?.[partition];
        if (slot === undefined) continue;
        const claimed = generations.get(slot);
        if (claimed !== undefined && claimed > generationId) continue;
        slot.owner?.slots.delete(slot);
        slot.owner = claimed === generationId ? undefined : share;
        slot.owner?.slots.add(slot);
        generations.set(slot, generationId);
      }
    }
  }
}

/** Hands out what nobody has, then moves partitions from who has more to who has two or more less, until nothing moves. */
function evenOut(slots: Map<string, Slot[]>, shares: readonly Share[]): void {
  const candidates = new Map<string, Share[]>();
  for (const topic of slots.keys())
    candidates.set(
      topic,
      shares.filter((share) => share.topics.has(topic)),
    );
  // Topics that few may read go first: later there might be nobody left with room for them.
  const topics = [...slots.keys()].sort(
    (a, b) => candidates.get(a)!.length - candidates.get(b)!.length || compare(a, b),
  );
  for (const topic of topics) {
    for (const slot of slots.get(topic)!) if (slot.owner === undefined) move(slot, leastLoaded(candidates.get(topic)!));
  }
  // Each move lowers the sum of the squares of the loads, so this ends.
  for (let moved = true; moved; ) {
    moved = false;
    for (const topic of topics) {
      for (const slot of slots.get(topic)!) {
        const target = leastLoaded(candidates.get(topic)!);
        if (slot.owner!.slots.size - target.slots.size < 2) continue;
        move(slot, target);
        moved = true;
      }
    }
  }
}

function move(slot: Slot, to: Share): void {
  slot.owner?.slots.delete(slot);
  slot.owner = to;
  to.slots.add(slot);
}

function leastLoaded(shares: readonly Share[]): Share {
  let least = shares[0]!;
  for (const share of shares) if (share.slots.size < least.slots.size) least = share;
  return least;
}

/** Leaves out what somebody else still owns: its owner learns that it is to give it up, and the next round assigns it. */
export function withoutPartitionsInMotion(assignment: Assignment, members: readonly AssignmentMember[]): Assignment {
  const ownerOf = new Map<string, string>();
  for (const member of members) {
    for (const [topic, partitions] of member.ownedPartitions) {
      for (const partition of partitions) ownerOf.set(`${topic}:${partition}`, member.memberId);
    }
  }
  for (const [memberId, topics] of assignment) {
    for (const [topic, partitions] of topics) {
      const settled = partitions.filter((partition) => (ownerOf.get(`${topic}:${partition}`) ?? memberId) === memberId);
      if (settled.length > 0) topics.set(topic, settled);
      else topics.delete(topic);
    }
  }
  return assignment;
}
