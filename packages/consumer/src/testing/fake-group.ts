/** A group's coordinator for tests, as Kafka's classic protocol has it, on a clock that the test moves. Not part of the package. */
import type { Clock, Timer } from '@millrace/ports';
import {
  ErrorCode,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type JoinGroupResponseInput,
  type LeaveGroupRequest,
  type OffsetCommitRequest,
  type SyncGroupRequest,
  type SyncGroupResponseInput,
} from '@millrace/protocol';

interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  protocols: readonly { name: string; metadata: Buffer }[];
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  session: Timer | undefined;
  joining: ((response: JoinGroupResponseInput) => void) | undefined;
  syncing: ((response: SyncGroupResponseInput) => void) | undefined;
  assignment: Buffer;
}

type GroupState = 'empty' | 'preparing' | 'completing' | 'stable';

const NOTHING = Buffer.alloc(0);

export class FakeGroup {
  readonly committed = new Map<string, { offset: number; leaderEpoch: number; metadata: string | null }>();
  readonly members = new Map<string, Member>();
  state: GroupState = 'empty';
  generationId = 0;
  protocol = '';
  leader = '';
  /** Called with what is about to be committed. */
  onCommit: ((topic: string, partition: number, offset: number) => void) | undefined;
  readonly #clock: Clock;
  readonly #pendingIds = new Set<string>();
  #deadline: Timer | undefined;
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(request: JoinGroupRequest): Promise<JoinGroupResponseInput> | JoinGroupResponseInput {
    const { groupInstanceId } = request;
    let { memberId } = request;
    const refuse = (errorCode: number): JoinGroupResponseInput => ({ errorCode, memberId, leader: '', members: [] });
    const before = groupInstanceId === null ? undefined : this.#byInstance(groupInstanceId);
    if (memberId === '') {
      memberId = `member-${String(++this.#lastId).padStart(3, '0')}`;
      if (groupInstanceId === null) {
        this.#pendingIds.add(memberId);
        return refuse(ErrorCode.MEMBER_ID_REQUIRED);
      }
      if (before !== undefined) return this.#replace(before, memberId, request);
    } else if (before !== undefined && before.id !== memberId) {
      return refuse(ErrorCode.FENCED_INSTANCE_ID);
    } else if (!this.members.has(memberId) && !this.#pendingIds.delete(memberId)) {
      return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
    }
    const others = [...this.members.values()].filter((one) => one.id !== memberId);
    const names = request.protocols.map(({ name }) => name);
    if (others.length > 0 && !names.some((name) => others.every((one) => one.protocols.some((p) => p.name === name)))) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    return this.#await(this.#memberFor(memberId, request), request);
  }

  sync(request: SyncGroupRequest): Promise<SyncGroupResponseInput> | SyncGroupResponseInput {
    const { member, errorCode } = this.#check(request);
    if (member === undefined) return { errorCode, assignment: NOTHING };
    if (this.state === 'preparing') return { errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NOTHING };
    if (this.state === 'stable') return { errorCode: 0, assignment: member.assignment };
    return new Promise((resolve) => {
      member.syncing = resolve;
      if (member.id !== this.leader) return;
      for (const { memberId, assignment } of request.assignments) {
        const one = this.members.get(memberId);
        if (one !== undefined) one.assignment = assignment;
      }
      this.state = 'stable';
      for (const one of this.members.values()) {
        one.syncing?.({ errorCode: 0, assignment: one.assignment });
        one.syncing = undefined;
        this.#keepAlive(one);
      }
    });
  }

  heartbeat(request: HeartbeatRequest): number {
    const { member, errorCode } = this.#check(request);
    if (member === undefined) return errorCode;
    this.#keepAlive(member);
    return this.state === 'preparing' ? ErrorCode.REBALANCE_IN_PROGRESS : 0;
  }

  leave(request: LeaveGroupRequest): void {
    for (const { memberId } of request.members) if (this.members.has(memberId)) this.remove(memberId);
  }

  commit(request: OffsetCommitRequest): number {
    const { memberId, generationIdOrMemberEpoch: generationId } = request;
    if (generationId >= 0 || this.members.size > 0) {
      const { member, errorCode } = this.#check({ ...request, generationId, memberId });
      if (member === undefined) return errorCode;
      if (this.state === 'completing') return ErrorCode.REBALANCE_IN_PROGRESS;
      this.#keepAlive(member);
    }
    for (const { name, partitions } of request.topics) {
      for (const { partitionIndex, committedOffset: offset, committedLeaderEpoch, committedMetadata } of partitions) {
        this.onCommit?.(name, partitionIndex, offset);
        const committed = { offset, leaderEpoch: committedLeaderEpoch, metadata: committedMetadata };
        this.committed.set(`${name}/${partitionIndex}`, committed);
      }
    }
    return 0;
  }

  /** Throws a member out, as when its session is over. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member === undefined) return;
    member.session?.cancel();
    this.members.delete(memberId);
    member.joining?.({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, memberId, leader: '', members: [] });
    if (this.members.size === 0) {
      this.state = 'empty';
      this.#deadline?.cancel();
      this.#deadline = undefined;
    } else if (this.state === 'preparing') {
      this.#completeIfAllJoined();
    } else {
      this.rebalance();
    }
  }

  /** Has all members join anew. */
  rebalance(): void {
    if (this.state === 'preparing') return;
    this.state = 'preparing';
    for (const member of this.members.values()) {
      member.syncing?.({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NOTHING });
      member.syncing = undefined;
    }
    const timeoutMs = Math.max(0, ...[...this.members.values()].map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs));
    this.#deadline?.cancel();
    this.#deadline = this.#clock.schedule(timeoutMs, () => {
      for (const member of [...this.members.values()]) {
        if (member.joining !== undefined) continue;
        member.session?.cancel();
        this.members.delete(member.id);
      }
      this.#completeIfAllJoined();
    });
  }

  #byInstance(instanceId: string): Member | undefined {
    return [...this.members.values()].find((member) => member.instanceId === instanceId);
  }

  /** A static member that comes back takes the place of what it was (KIP-345, KIP-814). */
  #replace(
    before: Member,
    memberId: string,
    request: JoinGroupRequest,
  ): Promise<JoinGroupResponseInput> | JoinGroupResponseInput {
    before.session?.cancel();
    this.members.delete(before.id);
    const member = this.#memberFor(memberId, request);
    member.assignment = before.assignment;
    const wasLeader = this.leader === before.id;
    if (wasLeader) this.leader = memberId;
    if (this.state !== 'stable') return this.#await(member, request);
    this.#keepAlive(member);
    return {
      ...this.#joined(member),
      members: wasLeader ? this.#memberList() : [],
      skipAssignment: wasLeader,
    };
  }

  #memberFor(id: string, request: JoinGroupRequest): Member {
    let member = this.members.get(id);
    if (member === undefined) {
      member = {
        id,
        instanceId: request.groupInstanceId,
        protocols: [],
        sessionTimeoutMs: 0,
        rebalanceTimeoutMs: 0,
        session: undefined,
        joining: undefined,
        syncing: undefined,
        assignment: NOTHING,
      };
      this.members.set(id, member);
    }
    member.protocols = request.protocols;
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    return member;
  }

  #await(member: Member, _request: JoinGroupRequest): Promise<JoinGroupResponseInput> {
    member.session?.cancel();
    return new Promise((resolve) => {
      member.joining = resolve;
      this.rebalance();
      this.#completeIfAllJoined();
    });
  }

  #completeIfAllJoined(): void {
    const members = [...this.members.values()];
    if (members.length === 0 || members.some(({ joining }) => joining === undefined)) return;
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.generationId += 1;
    this.state = 'completing';
    if (!this.members.has(this.leader)) this.leader = (members[0] as Member).id;
    this.protocol = this.#vote(members);
    for (const member of members) {
      member.assignment = NOTHING;
      member.joining?.({
        ...this.#joined(member),
        members: member.id === this.leader ? this.#memberList() : [],
      });
      member.joining = undefined;
      this.#keepAlive(member);
    }
  }

  #vote(members: readonly Member[]): string {
    const votes = new Map<string, number>();
    for (const member of members) {
      const name = member.protocols.find((p) =>
        members.every((one) => one.protocols.some((q) => q.name === p.name)),
      )?.name;
      if (name !== undefined) votes.set(name, (votes.get(name) ?? 0) + 1);
    }
    return [...votes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
  }

  #joined(member: Member): JoinGroupResponseInput {
    return {
      errorCode: 0,
      generationId: this.generationId,
      protocolType: 'consumer',
      protocolName: this.protocol,
      leader: this.leader,
      memberId: member.id,
      members: [],
    };
  }

  #memberList() {
    return [...this.members.values()].map(({ id, instanceId, protocols }) => ({
      memberId: id,
      groupInstanceId: instanceId,
      metadata: protocols.find(({ name }) => name === this.protocol)?.metadata ?? NOTHING,
    }));
  }

  #check({
    memberId,
    generationId,
    groupInstanceId,
  }: Pick<HeartbeatRequest, 'memberId' | 'generationId' | 'groupInstanceId'>) {
    if (groupInstanceId !== null) {
      const current = this.#byInstance(groupInstanceId);
      if (current !== undefined && current.id !== memberId) {
        return { member: undefined, errorCode: ErrorCode.FENCED_INSTANCE_ID };
      }
    }
    const member = this.members.get(memberId);
    if (member === undefined) return { member, errorCode: ErrorCode.UNKNOWN_MEMBER_ID };
    if (generationId !== this.generationId) return { member: undefined, errorCode: ErrorCode.ILLEGAL_GENERATION };
    return { member, errorCode: 0 };
  }

  #keepAlive(member: Member): void {
    member.session?.cancel();
    member.session = this.#clock.schedule(member.sessionTimeoutMs, () => this.remove(member.id));
  }
}
