import type { Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Logger } from '../shared/logger.ts';
import { uuidV4 } from '../shared/uuid.ts';
import { type GroupConfig, PENDING_MEMBERS_MAX } from './config.ts';
import type { Group } from './group.ts';
import { GroupState } from './group-state.ts';
import { Member, type MemberProtocol } from './member.ts';
import type { Rebalancing, RebalancingOptions } from './rebalancing.ts';
import { type JoinResult, joinError, type SyncResult, syncError, UNKNOWN_MEMBER_ID } from './results.ts';

/** A JoinGroup, with what its version means already filled in. */
export interface JoinRequest {
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** From version 4 on a dynamic member is first given an id and joins with it then (KIP-394). */
  readonly requireKnownMemberId: boolean;
  /** From version 9 on a returning static leader can be told to skip the assignment (KIP-814). */
  readonly supportsSkippingAssignment: boolean;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** Why the client joins; for the log (KIP-800). */
  readonly reason: string | null;
}

export interface SyncRequest {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface HeartbeatRequest {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface LeavingMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly reason: string | null;
}

export interface MembershipOptions {
  readonly config: GroupConfig;
  readonly random: Random;
  readonly logger: Logger;
  readonly rebalancing: Rebalancing;
  readonly store: RebalancingOptions['store'];
}

type Reply<T> = (result: T) => void;

/** What members of one group ask for: to join, to get their share, to be known to live, to leave (GroupCoordinator). */
export class Membership {
  readonly #config: GroupConfig;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #rebalancing: Rebalancing;
  readonly #store: RebalancingOptions['store'];

  constructor(options: MembershipOptions) {
    this.#config = options.config;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#rebalancing = options.rebalancing;
    this.#store = options.store;
  }

  join(group: Group, request: JoinRequest, reply: Reply<JoinResult>): void {
    if (!this.#hasRoom(group, request.memberId)) {
      this.#turnAway(group, request.memberId);
      reply(joinError(UNKNOWN_MEMBER_ID, ErrorCode.GROUP_MAX_SIZE_REACHED));
    } else if (group.is(GroupState.DEAD)) {
      reply(joinError(request.memberId, ErrorCode.COORDINATOR_NOT_AVAILABLE));
    } else if (!group.supports(request.protocolType, request.protocols)) {
      reply(joinError(request.memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL));
    } else if (request.memberId === UNKNOWN_MEMBER_ID) {
      this.#joinNew(group, request, reply);
    } else {
      this.#joinKnown(group, request, reply);
    }
    this.#rebalancing.maybeCompleteJoin(group);
  }

  sync(group: Group, request: SyncRequest, reply: Reply<SyncResult>): void {
    const errorCode = checkSync(group, request);
    if (errorCode !== ErrorCode.NONE) {
      reply(syncError(errorCode));
      return;
    }
    const member = group.member(request.memberId)!;
    switch (group.state) {
      case GroupState.PREPARING_REBALANCE:
        reply(syncError(ErrorCode.REBALANCE_IN_PROGRESS));
        break;
      case GroupState.COMPLETING_REBALANCE:
        group.awaitSync(member, reply);
        this.#rebalancing.synced(group, member.memberId);
        if (group.isLeader(member.memberId)) this.#takeAssignment(group, request);
        break;
      case GroupState.STABLE:
        this.#rebalancing.synced(group, member.memberId);
        reply(group.syncResult(member));
        this.#rebalancing.heardOf(group, member);
        break;
      default:
        reply(syncError(ErrorCode.UNKNOWN_MEMBER_ID));
    }
  }

  heartbeat(group: Group, request: HeartbeatRequest): number {
    if (group.is(GroupState.DEAD)) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const errorCode = checkMember(group, request.memberId, request.groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
    this.#rebalancing.heardOf(group, group.member(request.memberId)!);
    return group.is(GroupState.PREPARING_REBALANCE) ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** Takes a member out at its own wish, or a static one at an administrator's; returns the error for it. */
  leave(group: Group, leaving: LeavingMember): number {
    const { memberId, groupInstanceId } = leaving;
    let leavingId = memberId;
    if (memberId === UNKNOWN_MEMBER_ID) {
      const staticMemberId = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId);
      if (staticMemberId === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      leavingId = staticMemberId;
    } else if (group.pendingMembers.has(memberId)) {
      this.#rebalancing.removePending(group, memberId);
      return ErrorCode.NONE;
    } else {
      const errorCode = checkMember(group, memberId, groupInstanceId);
      if (errorCode !== ErrorCode.NONE) return errorCode;
    }
    this.#rebalancing.remove(
      group,
      group.member(leavingId)!,
      `${leavingId} left (${leaving.reason ?? 'no reason given'})`,
    );
    return ErrorCode.NONE;
  }

  /**
   * New members are taken up to `group.max.size`. During a rebalance those who wait are counted, not those who belong: so
   * a group that is too large loses whoever comes back last.
   */
  #hasRoom(group: Group, memberId: string): boolean {
    const maxSize = this.#config.maxSize;
    switch (group.state) {
      case GroupState.PREPARING_REBALANCE:
        return group.member(memberId)?.isAwaitingJoin === true || group.awaitingJoinCount < maxSize;
      case GroupState.COMPLETING_REBALANCE:
      case GroupState.STABLE:
        return group.has(memberId) || group.size < maxSize;
      default:
        return true;
    }
  }

  #turnAway(group: Group, memberId: string): void {
    const member = group.member(memberId);
    if (member !== undefined) this.#rebalancing.forget(group, member);
    else this.#rebalancing.forgetPending(group, memberId);
  }

  #joinNew(group: Group, request: JoinRequest, reply: Reply<JoinResult>): void {
    const { groupInstanceId } = request;
    const memberId = `${groupInstanceId ?? request.clientId}-${uuidV4(this.#random)}`;
    const known = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId);
    if (known !== undefined) {
      this.#replaceStatic(group, group.member(known)!, memberId, request, reply);
    } else if (groupInstanceId !== null || !request.requireKnownMemberId) {
      this.#addMember(group, memberId, request, reply);
    } else if (group.pendingMembers.size >= PENDING_MEMBERS_MAX) {
      reply(joinError(UNKNOWN_MEMBER_ID, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS));
    } else {
      this.#rebalancing.expectPendingMember(group, memberId, request.sessionTimeoutMs);
      reply(joinError(memberId, ErrorCode.MEMBER_ID_REQUIRED));
    }
  }

  #joinKnown(group: Group, request: JoinRequest, reply: Reply<JoinResult>): void {
    const { memberId, groupInstanceId } = request;
    if (group.pendingMembers.has(memberId)) {
      // An id that was given to a dynamic member cannot become a static one's.
      if (groupInstanceId !== null) reply(joinError(memberId, ErrorCode.UNKNOWN_MEMBER_ID));
      else this.#addMember(group, memberId, request, reply);
      return;
    }
    const errorCode = checkMember(group, memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) {
      reply(joinError(memberId, errorCode));
      return;
    }
    const member = group.member(memberId)!;
    // A leader that joins again wants to assign anew, for reasons of its own such as new partitions. Others who have
    // nothing new to say may only have missed an answer, and get it once more.
    const leaderWantsToAssign = group.is(GroupState.STABLE) && group.isLeader(memberId);
    const isRepeat = !group.is(GroupState.PREPARING_REBALANCE) && member.matches(request.protocols);
    if (isRepeat && !leaderWantsToAssign) {
      reply(group.joinResult(memberId));
      return;
    }
    group.update(member, request.protocols, request.rebalanceTimeoutMs, request.sessionTimeoutMs);
    group.awaitJoin(member, reply);
    this.#rebalancing.maybePrepare(group, `${memberId} joins again (${request.reason ?? 'no reason given'})`);
  }

  #addMember(group: Group, memberId: string, request: JoinRequest, reply: Reply<JoinResult>): void {
    const member = new Member({ ...request, memberId });
    member.isNew = true;
    this.#rebalancing.forgetPending(group, memberId);
    if (group.is(GroupState.PREPARING_REBALANCE) && group.generationId === 0) group.newMemberAdded = true;
    group.add(member, request.protocolType, reply);
    this.#rebalancing.expectNewMember(group, member);
    this.#rebalancing.maybePrepare(group, `${memberId} joins (${request.reason ?? 'no reason given'})`);
  }

  /** A static member is back under a new member id and takes the place of its former self. */
  #replaceStatic(
    group: Group,
    member: Member,
    newMemberId: string,
    request: JoinRequest,
    reply: Reply<JoinResult>,
  ): void {
    const before = { leader: group.leaderId ?? '', memberId: member.memberId, ...pick(member) };
    this.#logger.info({ group: group.id, instance: member.groupInstanceId, newMemberId }, 'Static member is back');
    group.replaceStatic(member, newMemberId);
    group.update(member, request.protocols, request.rebalanceTimeoutMs, request.sessionTimeoutMs);
    group.awaitJoin(member, reply);
    this.#rebalancing.heardOf(group, member);
    if (group.is(GroupState.STABLE) && group.selectProtocol() === group.protocolName) {
      this.#keepGeneration(group, member, before, request);
    } else {
      // During CompletingRebalance the leader may be assigning to the old id, so everyone must start over.
      this.#rebalancing.maybePrepare(group, `static member ${member.groupInstanceId} is back and changes the protocol`);
    }
  }

  /** Nobody's work changes: only the new id is written, and the generation goes on. */
  #keepGeneration(
    group: Group,
    member: Member,
    before: ReturnType<typeof pick> & { leader: string; memberId: string },
    request: JoinRequest,
  ): void {
    const { memberId } = member;
    const { generationId } = group;
    const assignments = new Map(Array.from(group.members, (each) => [each.memberId, each.assignment]));
    this.#store(group, assignments, (errorCode, isCertain) => {
      // If a rebalance began meanwhile, the member waits for that, and it writes the group itself.
      const stillWaits = group.member(memberId) === member && member.isAwaitingJoin;
      if (!stillWaits || !group.is(GroupState.STABLE) || group.generationId !== generationId) return;
      if (errorCode !== ErrorCode.NONE) {
        group.answerJoin(member, { ...group.joinResult(UNKNOWN_MEMBER_ID), leader: before.leader, errorCode });
        // A write that may still succeed must not be followed by a group that says otherwise.
        if (!isCertain) return;
        group.update(member, before.protocols, before.rebalanceTimeoutMs, before.sessionTimeoutMs);
        group.replaceStatic(member, before.memberId);
        this.#rebalancing.heardOf(group, member);
        return;
      }
      const result = group.joinResult(memberId);
      if (request.supportsSkippingAssignment) {
        group.answerJoin(member, { ...result, skipAssignment: group.isLeader(memberId) });
      } else {
        // A client before version 9 that takes itself for the leader would assign anew, and nobody would hear of it: it
        // is told that its former self leads.
        group.answerJoin(member, { ...result, leader: before.leader, members: [] });
      }
      this.#rebalancing.heardOf(group, member);
    });
  }

  #takeAssignment(group: Group, request: SyncRequest): void {
    const { generationId } = group;
    const assignments = new Map<string, Buffer>();
    // Copies: a view would keep the whole request frame alive as long as the group.
    for (const { memberId, assignment } of request.assignments) {
      if (group.has(memberId)) assignments.set(memberId, Buffer.from(assignment));
    }
    this.#store(group, assignments, (errorCode) => {
      // Somebody may have joined or left while the group was being written.
      if (!group.is(GroupState.COMPLETING_REBALANCE) || group.generationId !== generationId) return;
      if (errorCode === ErrorCode.NONE) {
        this.#rebalancing.assign(group, assignments);
      } else {
        this.#rebalancing.failAssignment(group, errorCode);
        this.#rebalancing.maybePrepare(group, `the assignment could not be written (error ${errorCode})`);
      }
    });
  }
}

/** Whether a member of this id, and where it is static of this instance, belongs to the group. */
export function checkMember(group: Group, memberId: string, groupInstanceId: string | null): number {
  if (groupInstanceId !== null) {
    const current = group.staticMemberId(groupInstanceId);
    if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (current !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}

function checkSync(group: Group, request: SyncRequest): number {
  if (group.is(GroupState.DEAD)) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  const errorCode = checkMember(group, request.memberId, request.groupInstanceId);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  const { protocolType, protocolName } = request;
  const isConsistent =
    (protocolType === null || protocolType === group.protocolType) &&
    (protocolName === null || protocolName === group.protocolName);
  return isConsistent ? ErrorCode.NONE : ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
}

function pick(member: Member): Pick<Member, 'protocols' | 'rebalanceTimeoutMs' | 'sessionTimeoutMs'> {
  const { protocols, rebalanceTimeoutMs, sessionTimeoutMs } = member;
  return { protocols, rebalanceTimeoutMs, sessionTimeoutMs };
}
