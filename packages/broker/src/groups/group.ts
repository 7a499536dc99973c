import { ErrorCode } from '@millrace/protocol';
import type { Deadline } from '../shared/deadlines.ts';
import { GroupMemory } from './group-memory.ts';
import { GroupOffsets } from './group-offsets.ts';
import { GroupState, mayFollow } from './group-state.ts';
import { type Member, type MemberProtocol, metadataBytes } from './member.ts';
import { type JoinResult, type JoinResultMember, joinError, type SyncResult, syncError } from './results.ts';
import { CONSUMER_PROTOCOL_TYPE, subscribedTopicsOf } from './subscription.ts';

/** What a group is restored from. */
export interface GroupSnapshot {
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leaderId: string | null;
  readonly stateTimestampMs: number | undefined;
  readonly members: readonly Member[];
}

/**
 * One group: its members, its generation and its offsets. It keeps itself consistent and answers whoever waits in a
 * JoinGroup or SyncGroup exactly once; when things happen is decided by `Rebalancing` and `Membership`.
 */
export class Group {
  readonly id: string;
  /** Set anew only while the group is being read from the log. */
  offsets: GroupOffsets = new GroupOffsets();
  /** Members that were given an id and have not joined with it yet, with what takes the id away again. */
  readonly pendingMembers: Map<string, Deadline> = new Map();
  /** Members of this generation that have not sent SyncGroup yet. */
  readonly pendingSyncs: Set<string> = new Set();
  /** A member was added while a brand-new group waits for its first members. */
  newMemberAdded = false;
  /** Ends the wait for members to join. */
  joinDeadline: Deadline | undefined;
  /** Ends the wait for members to sync. */
  syncDeadline: Deadline | undefined;
  /** How long a new group may still be held open for further members; undefined once it rebalances normally. */
  initialDelayLeftMs: number | undefined;
  readonly #now: () => number;
  readonly #members = new Map<string, Member>();
  readonly #staticMembers = new Map<string, string>();
  readonly #protocolCounts = new Map<string, number>();
  #state: GroupState = GroupState.EMPTY;
  #stateTimestampMs: number | undefined;
  #generationId = 0;
  #protocolType: string | null = null;
  #protocolName: string | null = null;
  #leaderId: string | null = null;
  #subscribedTopics: ReadonlySet<string> | undefined;
  #awaitingJoin = 0;
  readonly #memory: GroupMemory;
  /** What of the memory this group's members take. */
  #metadataBytes = 0;

  constructor(id: string, now: () => number, memory: GroupMemory = new GroupMemory()) {
    this.id = id;
    this.#now = now;
    this.#memory = memory;
    this.#stateTimestampMs = now();
  }

  /** Makes a new group what the log tells: stable with its members, or empty. */
  restore(snapshot: GroupSnapshot): this {
    this.#generationId = snapshot.generationId;
    this.#protocolType = snapshot.protocolType === '' ? null : snapshot.protocolType;
    this.#protocolName = snapshot.protocolName;
    this.#stateTimestampMs = snapshot.stateTimestampMs;
    for (const member of snapshot.members) this.#enter(member);
    this.#leaderId = snapshot.leaderId;
    this.#state = snapshot.members.length === 0 ? GroupState.EMPTY : GroupState.STABLE;
    this.#updateSubscribedTopics();
    return this;
  }

  get state(): GroupState {
    return this.#state;
  }

  /** When the state was entered, on the wall clock; undefined for one restored from a log that did not say. */
  get stateTimestampMs(): number | undefined {
    return this.#stateTimestampMs;
  }

  get generationId(): number {
    return this.#generationId;
  }

  get protocolType(): string | null {
    return this.#protocolType;
  }

  get protocolName(): string | null {
    return this.#protocolName;
  }

  get leaderId(): string | null {
    return this.#leaderId;
  }

  get size(): number {
    return this.#members.size;
  }

  get staticSize(): number {
    return this.#staticMembers.size;
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoin;
  }

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  is(...states: readonly GroupState[]): boolean {
    return states.includes(this.#state);
  }

  has(memberId: string): boolean {
    return this.#members.has(memberId);
  }

  member(memberId: string): Member | undefined {
    return this.#members.get(memberId);
  }

  isLeader(memberId: string): boolean {
    return this.#leaderId === memberId;
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.#staticMembers.get(groupInstanceId);
  }

  /** Whether all who belong to it wait in JoinGroup; one who holds an id but has not joined yet is waited for. */
  get hasAllJoined(): boolean {
    return this.#members.size === this.#awaitingJoin && this.pendingMembers.size === 0;
  }

  /** The longest that any member wants to be waited for. */
  get rebalanceTimeoutMs(): number {
    let timeoutMs = 0;
    for (const member of this.#members.values()) timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs);
    return timeoutMs;
  }

  /** Whether it is known not to read a topic; a group whose subscriptions are unknown may read any. */
  isSubscribedTo(topic: string): boolean {
    return this.#subscribedTopics === undefined || this.#subscribedTopics.has(topic);
  }

  /** The topics its members subscribe to; undefined where they cannot be known. */
  get subscribedTopics(): ReadonlySet<string> | undefined {
    return this.#subscribedTopics;
  }

  /** Whether a member with these protocols can work with the others. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#state === GroupState.EMPTY) return protocolType !== '' && protocols.length > 0;
    return (
      this.#protocolType === protocolType &&
      protocols.some((protocol) => (this.#protocolCounts.get(protocol.name) ?? 0) === this.#members.size)
    );
  }

  transitionTo(state: GroupState): void {
    if (!mayFollow(this.#state, state)) {
      throw new Error(
        `Group ${this.id} cannot go from ${this.#state} to ${state}: this is a defect of the coordinator`,
      );
    }
    // Asked first: what fails here has changed nothing.
    const nowMs = this.#now();
    this.#state = state;
    this.#stateTimestampMs = nowMs;
    if (state === GroupState.DEAD) this.#countBytes(-this.#metadataBytes);
  }

  /** Adds a member that waits in JoinGroup. */
  add(member: Member, protocolType: string, replyJoin: (result: JoinResult) => void): void {
    if (this.#members.size === 0) this.#protocolType = protocolType;
    this.#enter(member);
    if (this.#leaderId === null) this.#leaderId = member.memberId;
    member.replyJoin = replyJoin;
    this.#awaitingJoin += 1;
  }

  /** Takes a member out; whoever waits for its JoinGroup or SyncGroup is told that it is unknown. */
  remove(member: Member): void {
    this.answerJoin(member, joinError('', ErrorCode.UNKNOWN_MEMBER_ID));
    this.answerSync(member, syncError(ErrorCode.UNKNOWN_MEMBER_ID));
    if (!this.#members.delete(member.memberId)) return;
    this.#countProtocols(member.protocols, -1);
    if (member.groupInstanceId !== null) this.#staticMembers.delete(member.groupInstanceId);
    this.pendingSyncs.delete(member.memberId);
    if (this.#leaderId === member.memberId) {
      const next = this.#members.keys().next();
      this.#leaderId = next.done === true ? null : next.value;
    }
  }

  /**
   * Gives a static member's place to a new member id (KIP-345). Whoever still waits under the old one is fenced.
   */
  replaceStatic(member: Member, newMemberId: string): void {
    const oldMemberId = member.memberId;
    this.answerJoin(member, joinError(oldMemberId, ErrorCode.FENCED_INSTANCE_ID));
    this.answerSync(member, syncError(ErrorCode.FENCED_INSTANCE_ID));
    this.#members.delete(oldMemberId);
    member.memberId = newMemberId;
    this.#members.set(newMemberId, member);
    if (member.groupInstanceId !== null) this.#staticMembers.set(member.groupInstanceId, newMemberId);
    if (this.#leaderId === oldMemberId) this.#leaderId = newMemberId;
    if (this.pendingSyncs.delete(oldMemberId)) this.pendingSyncs.add(newMemberId);
  }

  /** Takes over what a member says of itself when it joins again. */
  update(
    member: Member,
    protocols: readonly MemberProtocol[],
    rebalanceTimeoutMs: number,
    sessionTimeoutMs: number,
  ): void {
    this.#countProtocols(member.protocols, -1);
    member.protocols = protocols;
    this.#countProtocols(protocols, 1);
    member.rebalanceTimeoutMs = rebalanceTimeoutMs;
    member.sessionTimeoutMs = sessionTimeoutMs;
  }

  /** Lets a member wait for the rebalance; an older JoinGroup of it that waits still is sent round again. */
  awaitJoin(member: Member, replyJoin: (result: JoinResult) => void): void {
    this.answerJoin(member, joinError(member.memberId, ErrorCode.REBALANCE_IN_PROGRESS));
    member.replyJoin = replyJoin;
    this.#awaitingJoin += 1;
  }

  answerJoin(member: Member, result: JoinResult): boolean {
    const reply = member.replyJoin;
    if (reply === undefined) return false;
    member.replyJoin = undefined;
    this.#awaitingJoin -= 1;
    reply(result);
    return true;
  }

  /** Lets a member wait for its assignment; an older SyncGroup of it that waits still is sent round again. */
  awaitSync(member: Member, replySync: (result: SyncResult) => void): void {
    this.answerSync(member, syncError(ErrorCode.REBALANCE_IN_PROGRESS));
    member.replySync = replySync;
  }

  answerSync(member: Member, result: SyncResult): boolean {
    const reply = member.replySync;
    if (reply === undefined) return false;
    member.replySync = undefined;
    reply(result);
    return true;
  }

  /** Sees to it that the leader is one who has joined; false when nobody has. */
  electJoinedLeader(): boolean {
    if (this.#leaderId === null) return false;
    if (this.#members.get(this.#leaderId)?.isAwaitingJoin === true) return true;
    for (const member of this.#members.values()) {
      if (!member.isAwaitingJoin) continue;
      this.#leaderId = member.memberId;
      return true;
    }
    return false;
  }

  /** Starts the next generation with the members there are. */
  startGeneration(): void {
    this.#generationId += 1;
    this.pendingSyncs.clear();
    this.newMemberAdded = false;
    const empty = this.#members.size === 0;
    this.#protocolName = empty ? null : this.selectProtocol();
    this.#updateSubscribedTopics();
    this.transitionTo(empty ? GroupState.EMPTY : GroupState.COMPLETING_REBALANCE);
  }

  /** The protocol that all members know and most of them like best; of equals, the one that was named first. */
  selectProtocol(): string {
    const candidates = new Set<string>();
    for (const [name, count] of this.#protocolCounts) if (count === this.#members.size) candidates.add(name);
    const votes = new Map<string, number>();
    for (const member of this.#members.values()) {
      const choice = member.vote(candidates);
      if (choice !== undefined) votes.set(choice, (votes.get(choice) ?? 0) + 1);
    }
    let chosen: string | undefined;
    for (const [name, count] of votes) if (chosen === undefined || count > votes.get(chosen)!) chosen = name;
    if (chosen === undefined) {
      throw new Error(`Group ${this.id} has no protocol that all members know: this is a defect of the coordinator`);
    }
    return chosen;
  }

  /** The JoinGroup answer for a member of the current generation. */
  joinResult(memberId: string): JoinResult {
    return {
      errorCode: ErrorCode.NONE,
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#leaderId ?? '',
      skipAssignment: false,
      memberId,
      members: this.isLeader(memberId) ? this.memberMetadata() : [],
    };
  }

  /** The SyncGroup answer for a member of the current generation. */
  syncResult(member: Member): SyncResult {
    return {
      errorCode: ErrorCode.NONE,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      assignment: member.assignment,
    };
  }

  /** All members with their metadata of the chosen protocol, as the leader needs it. */
  memberMetadata(): JoinResultMember[] {
    const protocolName = this.#protocolName ?? '';
    return Array.from(this.#members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadata(protocolName)!,
    }));
  }

  #enter(member: Member): void {
    this.#members.set(member.memberId, member);
    if (member.groupInstanceId !== null) this.#staticMembers.set(member.groupInstanceId, member.memberId);
    this.#countProtocols(member.protocols, 1);
  }

  #countProtocols(protocols: readonly MemberProtocol[], by: 1 | -1): void {
    if (this.#state !== GroupState.DEAD) this.#countBytes(by * metadataBytes(protocols));
    for (const { name } of protocols) {
      const count = (this.#protocolCounts.get(name) ?? 0) + by;
      if (count === 0) this.#protocolCounts.delete(name);
      else this.#protocolCounts.set(name, count);
    }
  }

  #countBytes(bytes: number): void {
    this.#metadataBytes += bytes;
    this.#memory.bytes += bytes;
  }

  #updateSubscribedTopics(): void {
    if (this.#protocolType !== CONSUMER_PROTOCOL_TYPE) {
      this.#subscribedTopics = undefined;
    } else if (this.#members.size === 0) {
      this.#subscribedTopics = new Set();
    } else {
      const protocolName = this.#protocolName ?? '';
      this.#subscribedTopics = subscribedTopicsOf(
        Array.from(this.#members.values(), (member) => member.metadata(protocolName)),
      );
    }
  }
}
