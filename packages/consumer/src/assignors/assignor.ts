/** Partition numbers by topic. */
export type TopicPartitionMap = ReadonlyMap<string, readonly number[]>;

/** A member of a group, as the leader sees it when it assigns. */
export interface AssignmentMember {
  readonly memberId: string;
  /** The name a static member keeps over restarts (KIP-345). */
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
  /** What the member says it owns (KIP-429); empty with eager assignors, whose members revoke everything first. */
  readonly ownedPartitions: TopicPartitionMap;
  /** The generation in which the member got what it owns; -1 when it does not say. */
  readonly generationId: number;
  /** What the member's own assignor put beside its subscription. */
  readonly userData: Buffer | null;
  readonly rackId: string | null;
}

/** What an assignor works from. */
export interface AssignmentInput {
  readonly members: readonly AssignmentMember[];
  /** How many partitions each subscribed topic has; topics that do not exist are not in it. */
  readonly partitionCounts: ReadonlyMap<string, number>;
}

/** Partitions by topic, for every member by its id. Members without partitions may be left out. */
export type Assignment = Map<string, Map<string, number[]>>;

/**
 * How a rebalance goes: `eager` members give up everything and wait, `cooperative` ones keep what stays theirs and give up
 * only what moves, in a second rebalance (KIP-429).
 */
export type RebalanceProtocol = 'eager' | 'cooperative';

/** Divides the partitions among the members of a group. All members must offer an assignor of the same name. */
export interface Assignor {
  /** The name that the members vote with. */
  readonly name: string;
  readonly protocol: RebalanceProtocol;
  /** Bytes that travel with this member's subscription to the leader's assignor; none by default. */
  subscriptionUserData?(owned: TopicPartitionMap, generationId: number): Uint8Array | null;
  /** Called on the group's leader alone. The same input must give the same result. */
  assign(input: AssignmentInput): Assignment;
}

/** Members in the order in which assignors take them: static ones by their name, the others by their id (KIP-345). */
export function inAssignmentOrder(members: readonly AssignmentMember[]): AssignmentMember[] {
  return [...members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId);
    if (a.groupInstanceId !== null) return -1;
    if (b.groupInstanceId !== null) return 1;
    return compare(a.memberId, b.memberId);
  });
}

/** Gives a partition to a member. */
export function give(assignment: Assignment, memberId: string, topic: string, partition: number): void {
  let topics = assignment.get(memberId);
  if (topics === undefined) {
    topics = new Map();
    assignment.set(memberId, topics);
  }
  const partitions = topics.get(topic);
  if (partitions === undefined) topics.set(topic, [partition]);
  else partitions.push(partition);
}

/** The order of UTF-16 code units, as Java's `String.compareTo`, so that every client's leader decides alike. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
