import { ErrorCode } from '@millrace/protocol';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Logger } from '../shared/logger.ts';
import { type GroupConfig, NEW_MEMBER_JOIN_TIMEOUT_MS } from './config.ts';
import type { Group } from './group.ts';
import { GroupState } from './group-state.ts';
import type { Member } from './member.ts';
import { joinError, NO_BYTES, syncError } from './results.ts';

/**
 * Told how writing a group went, by an error code for its members. Where the log does not answer in time this is not yet
 * certain: then it is told again when the outcome is known.
 */
export type StoreDone = (errorCode: number, isCertain: boolean) => void;

/** When it is tried again to complete a join, in milliseconds, where that has failed. */
const JOIN_AGAIN_MS = 100;

export interface RebalancingOptions {
  readonly config: GroupConfig;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  /** Writes a group as it stands to the log. */
  readonly store: (group: Group, assignments: ReadonlyMap<string, Buffer>, done: StoreDone) => void;
}

/**
 * How a group goes from one generation to the next, and what its timeouts do (GroupCoordinator, DelayedJoin,
 * DelayedSync, DelayedHeartbeat).
 */
export class Rebalancing {
  readonly #config: GroupConfig;
  readonly #deadlines: Deadlines;
  readonly #logger: Logger;
  readonly #store: RebalancingOptions['store'];

  constructor(options: RebalancingOptions) {
    this.#config = options.config;
    this.#deadlines = options.deadlines;
    this.#logger = options.logger;
    this.#store = options.store;
  }

  /** Notes that a member was heard of: its session starts anew. */
  heardOf(group: Group, member: Member): void {
    this.#expect(group, member, member.sessionTimeoutMs);
  }

  /** Gives a new member as long as its first JoinGroup may wait. */
  expectNewMember(group: Group, member: Member): void {
    this.#expect(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
  }

  /** Lets a member id that nobody has joined with yet lapse after the session timeout. */
  expectPendingMember(group: Group, memberId: string, sessionTimeoutMs: number): void {
    const deadline = new Deadline(() => {
      this.#logger.info({ group: group.id, member: memberId }, 'Member id was never used to join; taking it back');
      this.removePending(group, memberId);
    });
    group.pendingMembers.set(memberId, deadline);
    this.#deadlines.set(deadline, sessionTimeoutMs);
  }

  /** Forgets a pending member without looking at what its group waits for. */
  forgetPending(group: Group, memberId: string): void {
    const deadline = group.pendingMembers.get(memberId);
    if (deadline === undefined) return;
    this.#deadlines.cancel(deadline);
    group.pendingMembers.delete(memberId);
  }

  removePending(group: Group, memberId: string): void {
    this.forgetPending(group, memberId);
    this.maybeCompleteJoin(group);
  }

  /** Takes a member out of its group without looking at what the group does then. */
  forget(group: Group, member: Member): void {
    if (member.sessionDeadline !== undefined) this.#deadlines.cancel(member.sessionDeadline);
    group.remove(member);
  }

  /** Takes a member out; the rest divides its work anew. */
  remove(group: Group, member: Member, reason: string): void {
    this.forget(group, member);
    if (group.is(GroupState.STABLE, GroupState.COMPLETING_REBALANCE)) this.maybePrepare(group, reason);
    else this.maybeCompleteJoin(group);
  }

  /** A member's session is over; false when it waits for our answer and so cannot be silent. */
  expire(group: Group, member: Member): boolean {
    if (group.member(member.memberId) !== member || !member.mayExpire) return false;
    this.#logger.info({ group: group.id, member: member.memberId }, 'Member was not heard of in time; removing it');
    this.remove(group, member, `session of ${member.memberId} expired`);
    return true;
  }

  maybePrepare(group: Group, reason: string): void {
    if (group.is(GroupState.STABLE, GroupState.COMPLETING_REBALANCE, GroupState.EMPTY)) this.prepare(group, reason);
  }

  /** Calls the members together. */
  prepare(group: Group, reason: string): void {
    if (group.is(GroupState.COMPLETING_REBALANCE)) this.failAssignment(group, ErrorCode.REBALANCE_IN_PROGRESS);
    this.endSyncWait(group);
    const wasEmpty = group.is(GroupState.EMPTY);
    group.transitionTo(GroupState.PREPARING_REBALANCE);
    this.#logger.info({ group: group.id, generation: group.generationId, reason }, 'Rebalance begins');
    if (!wasEmpty) {
      this.#waitForJoins(group, group.rebalanceTimeoutMs);
      this.maybeCompleteJoin(group);
      return;
    }
    // The first members of a group usually come one after the other; waiting for all saves a rebalance for each.
    const delayMs = this.#config.initialRebalanceDelayMs;
    group.initialDelayLeftMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0);
    this.#waitForJoins(group, delayMs);
  }

  /** Goes on with the rebalance if there is nobody left to wait for. A brand-new group always waits its delay. */
  maybeCompleteJoin(group: Group): void {
    if (!group.is(GroupState.PREPARING_REBALANCE) || group.initialDelayLeftMs !== undefined) return;
    if (group.hasAllJoined) this.#completeJoin(group);
  }

  /** A member has sent SyncGroup. */
  synced(group: Group, memberId: string): void {
    group.pendingSyncs.delete(memberId);
    if (group.pendingSyncs.size === 0) this.endSyncWait(group);
  }

  endSyncWait(group: Group): void {
    group.pendingSyncs.clear();
    if (group.syncDeadline !== undefined) this.#deadlines.cancel(group.syncDeadline);
  }

  /** Hands out the leader's decision. */
  assign(group: Group, assignments: ReadonlyMap<string, Buffer>): void {
    for (const member of group.members) member.assignment = assignments.get(member.memberId) ?? NO_BYTES;
    group.transitionTo(GroupState.STABLE);
    for (const member of group.members) {
      if (group.answerSync(member, group.syncResult(member))) this.heardOf(group, member);
    }
  }

  /** Tells everyone who waits for an assignment that there will be none. */
  failAssignment(group: Group, errorCode: number): void {
    for (const member of group.members) {
      member.assignment = NO_BYTES;
      if (group.answerSync(member, syncError(errorCode))) this.heardOf(group, member);
    }
  }

  /** Takes up a group that was read from the log: its members have a session's time to be heard of. */
  resume(group: Group): void {
    if (group.size > this.#config.maxSize) this.prepare(group, 'group is larger than group.max.size');
    for (const member of group.members) this.heardOf(group, member);
  }

  /** Ends a group here: everyone who waits is told to look for the coordinator, and no timeout is left. */
  kill(group: Group, errorCode: number): void {
    if (!group.is(GroupState.DEAD)) group.transitionTo(GroupState.DEAD);
    this.endSyncWait(group);
    if (group.joinDeadline !== undefined) this.#deadlines.cancel(group.joinDeadline);
    for (const memberId of [...group.pendingMembers.keys()]) this.forgetPending(group, memberId);
    for (const member of group.members) {
      if (member.sessionDeadline !== undefined) this.#deadlines.cancel(member.sessionDeadline);
      group.answerJoin(member, joinError(member.memberId, errorCode));
      group.answerSync(member, syncError(errorCode));
    }
  }

  #expect(group: Group, member: Member, timeoutMs: number): void {
    member.sessionDeadline ??= new Deadline(() => void this.expire(group, member));
    this.#deadlines.set(member.sessionDeadline, timeoutMs);
  }

  #waitForJoins(group: Group, timeoutMs: number): void {
    group.joinDeadline ??= new Deadline(() => this.#joinTimeOver(group));
    this.#deadlines.set(group.joinDeadline, timeoutMs);
  }

  #joinTimeOver(group: Group): void {
    if (!group.is(GroupState.PREPARING_REBALANCE)) return;
    const leftMs = group.initialDelayLeftMs;
    if (leftMs !== undefined && leftMs > 0 && group.newMemberAdded) {
      group.newMemberAdded = false;
      const delayMs = Math.min(this.#config.initialRebalanceDelayMs, leftMs);
      group.initialDelayLeftMs = Math.max(leftMs - delayMs, 0);
      this.#waitForJoins(group, delayMs);
      return;
    }
    // Whatever goes wrong: members wait for their answers, and nothing else comes of itself.
    this.#waitForJoins(group, JOIN_AGAIN_MS);
    this.#completeJoin(group);
  }

  #completeJoin(group: Group): void {
    group.initialDelayLeftMs = undefined;
    // Static members keep their place until their session ends, so that a restart does not move their work (KIP-345).
    for (const member of [...group.members]) {
      if (!member.isAwaitingJoin && member.groupInstanceId === null) this.forget(group, member);
    }
    if (!group.electJoinedLeader() && group.size > 0) {
      this.#logger.warn({ group: group.id }, 'No member has joined again; waiting until their sessions end');
      this.#waitForJoins(group, group.rebalanceTimeoutMs);
      return;
    }
    group.startGeneration();
    if (group.joinDeadline !== undefined) this.#deadlines.cancel(group.joinDeadline);
    if (group.is(GroupState.EMPTY)) this.#finishEmpty(group);
    else this.#finishJoin(group);
  }

  #finishEmpty(group: Group): void {
    this.#logger.info({ group: group.id, generation: group.generationId }, 'Group is empty now');
    // Where this fails and the broker restarts, the generation before comes back and its members expire again.
    this.#store(group, new Map(), (errorCode) => {
      if (errorCode !== ErrorCode.NONE) {
        this.#logger.warn({ group: group.id, errorCode }, 'Could not write that the group is empty');
      }
    });
  }

  #finishJoin(group: Group): void {
    this.#logger.info(
      { group: group.id, generation: group.generationId, members: group.size, protocol: group.protocolName },
      'All members have joined; the leader assigns',
    );
    group.syncDeadline ??= new Deadline(() => this.#syncTimeOver(group));
    this.#deadlines.set(group.syncDeadline, group.rebalanceTimeoutMs);
    for (const member of group.members) {
      group.pendingSyncs.add(member.memberId);
      member.isNew = false;
    }
    for (const member of group.members) {
      group.answerJoin(member, group.joinResult(member.memberId));
      this.heardOf(group, member);
    }
  }

  /** Members that took the generation and never asked for their assignment hold up the work they were given. */
  #syncTimeOver(group: Group): void {
    if (!group.is(GroupState.COMPLETING_REBALANCE, GroupState.STABLE) || group.pendingSyncs.size === 0) return;
    const silent = [...group.pendingSyncs];
    this.#logger.info({ group: group.id, members: silent }, 'Members did not send SyncGroup in time; removing them');
    for (const memberId of silent) {
      const member = group.member(memberId);
      if (member !== undefined) this.forget(group, member);
    }
    this.prepare(group, 'members did not send SyncGroup in time');
  }
}
