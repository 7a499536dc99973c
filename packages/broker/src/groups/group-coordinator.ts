import type { Clock, Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { CoordinatorPartitions } from '../coordinators/coordinator-partitions.ts';
import type { StateRecord } from '../coordinators/write-queue.ts';
import type { CoordinatorLog, CoordinatorPartitionListener } from '../replicas/coordinator-log.ts';
import { Deadline, Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import type { GroupConfig } from './config.ts';
import { type DescribedGroup, describeGroup, type ListedGroup, unknownGroup } from './description.ts';
import { expiredOffsets } from './expiry.ts';
import { Group } from './group.ts';
import { GroupMemory, MEMBER_METADATA_BYTES_MAX } from './group-memory.ts';
import type { TopicPartition } from './group-offsets.ts';
import { type GroupPartition, groupsOwner } from './group-partition.ts';
import { GroupState } from './group-state.ts';
import type { EndedTransaction, Groups } from './groups.ts';
import { type MemberProtocol, metadataBytes } from './member.ts';
import {
  type HeartbeatRequest,
  type JoinRequest,
  type LeavingMember,
  Membership,
  type SyncRequest,
} from './membership.ts';
import {
  type CommitRequest,
  checkOffsetDelete,
  type FetchedTopic,
  mayDeleteOffsets,
  OffsetCommits,
  type TopicPartitions,
  type TransactionalCommit,
} from './offset-commits.ts';
import { Rebalancing, type StoreDone } from './rebalancing.ts';
import {
  groupStoreError,
  type JoinResult,
  joinError,
  type SyncResult,
  syncError,
  UNKNOWN_MEMBER_ID,
} from './results.ts';
import { groupRecord } from './state-records.ts';

/** The one type of group there is so far, as ListGroups calls it (KIP-848). */
export const CLASSIC_GROUP_TYPE = 'classic';

/** The longest string of a record, and what the coordinator appends to a name to make a member id of it. */
const STRING_BYTES_MAX = 0x7fff;
const MEMBER_ID_SUFFIX_BYTES = '-'.length + 36;

export interface GroupCoordinatorOptions {
  readonly config: GroupConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many partitions `__consumer_offsets` has; undefined while there is no such topic, or that is not known. */
  readonly partitionCount: () => number | undefined;
  /** Opens the log of `__consumer_offsets`; the listener hears from then on which of its partitions this broker leads. */
  readonly openLog: (listener: CoordinatorPartitionListener) => CoordinatorLog;
}

/** How many groups there are in each state, and how many offsets they keep. */
export interface GroupCounts {
  readonly groups: ReadonlyMap<GroupState, number>;
  readonly offsets: number;
}

/** The engine hashes longer strings by their length alone: among many of those no group would be found in bounded time. */
const GROUP_ID_LENGTH_MAX = 16_383;

/**
 * The groups that this broker coordinates: those whose partition of `__consumer_offsets` it leads. Each request finds its
 * group here; the rest is done by `Membership`, `Rebalancing` and `OffsetCommits`.
 *
 * Everything happens on one thread and at once, except for writes to the log; nobody gets an answer that depends on a
 * write before it is durable.
 */
export class GroupCoordinator {
  readonly #config: GroupConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #guard: Guard;
  readonly #memory = new GroupMemory();
  readonly #deadlines: Deadlines;
  readonly #partitions: CoordinatorPartitions<Groups>;
  readonly #rebalancing: Rebalancing;
  readonly #membership: Membership;
  readonly #commits: OffsetCommits;
  readonly #retentionCheck: Deadline = new Deadline(() => this.#checkRetention());

  constructor(options: GroupCoordinatorOptions) {
    const { config, clock, random, logger } = options;
    this.#config = config;
    this.#clock = clock;
    this.#logger = logger;
    this.#guard = new Guard(logger);
    this.#deadlines = new Deadlines(clock, this.#guard);
    const store = this.#store.bind(this);
    const rebalancing = new Rebalancing({ config, deadlines: this.#deadlines, logger, store });
    this.#rebalancing = rebalancing;
    this.#membership = new Membership({ config, random, logger, rebalancing, store });
    this.#commits = new OffsetCommits(config, rebalancing);
    this.#partitions = new CoordinatorPartitions({
      clock,
      logger,
      guard: this.#guard,
      owner: groupsOwner(rebalancing, this.#memory, clock, logger),
      deadlines: this.#deadlines,
      writeTimeoutMs: config.offsetsCommitTimeoutMs,
      partitionCount: options.partitionCount,
      openLog: options.openLog,
    });
    this.#deadlines.set(this.#retentionCheck, config.offsetsRetentionCheckIntervalMs);
  }

  /** Tells everyone who waits to look for another coordinator, and takes no more requests. */
  stop(): void {
    this.#partitions.close();
    this.#deadlines.close();
  }

  /** How many timeouts run; for tests and metrics. */
  get deadlineCount(): number {
    return this.#deadlines.size;
  }

  join(request: JoinRequest): Promise<JoinResult> {
    const { groupId, memberId, sessionTimeoutMs } = request;
    const home = this.#find(groupId, false);
    if (isRefusal(home)) return Promise.resolve(joinError(memberId, home.errorCode));
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#config;
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return Promise.resolve(joinError(memberId, ErrorCode.INVALID_SESSION_TIMEOUT));
    }
    const refusal = this.#refusalOf(request);
    if (refusal !== ErrorCode.NONE) return Promise.resolve(joinError(memberId, refusal));
    let group = home.state.get(groupId);
    if (group === undefined) {
      if (memberId !== UNKNOWN_MEMBER_ID) return Promise.resolve(joinError(memberId, ErrorCode.UNKNOWN_MEMBER_ID));
      group = this.#create(home, groupId);
    }
    const known = group;
    const kept = { ...request, protocols: keepProtocols(request.protocols) };
    return new Promise((resolve) => this.#membership.join(known, kept, resolve));
  }

  /** What cannot be written down, or is more than can be kept, is refused before anything is noted. */
  #refusalOf({ clientId, groupInstanceId, protocols, groupId }: JoinRequest): number {
    const longest = Math.max(Buffer.byteLength(clientId), Buffer.byteLength(groupInstanceId ?? ''));
    if (longest + MEMBER_ID_SUFFIX_BYTES > STRING_BYTES_MAX) return ErrorCode.INVALID_REQUEST;
    const bytes = metadataBytes(protocols);
    if (bytes > MEMBER_METADATA_BYTES_MAX) return ErrorCode.INVALID_REQUEST;
    if (this.#memory.hasRoomFor(bytes)) return ErrorCode.NONE;
    this.#logger.warn({ group: groupId, bytes: this.#memory.bytes }, 'No room for what another member says of itself');
    return ErrorCode.GROUP_MAX_SIZE_REACHED;
  }

  sync(request: SyncRequest): Promise<SyncResult> {
    const home = this.#find(request.groupId, false);
    if (isRefusal(home)) {
      // The rebalance was lost with the old coordinator. Clients of old know this error here, and not the other.
      const isLoading = home.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return Promise.resolve(syncError(isLoading ? ErrorCode.REBALANCE_IN_PROGRESS : home.errorCode));
    }
    const group = home.state.get(request.groupId);
    if (group === undefined) return Promise.resolve(syncError(ErrorCode.UNKNOWN_MEMBER_ID));
    return new Promise((resolve) => this.#membership.sync(group, request, resolve));
  }

  heartbeat(request: HeartbeatRequest): number {
    const home = this.#find(request.groupId, false);
    if (isRefusal(home)) {
      // Whoever heartbeats while the group is being read is a member for all we know.
      return home.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS ? ErrorCode.NONE : home.errorCode;
    }
    const group = home.state.get(request.groupId);
    return group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : this.#membership.heartbeat(group, request);
  }

  /** Takes members out; one error code for the request as a whole, and one for each member. */
  leave(groupId: string, leaving: readonly LeavingMember[]): { errorCode: number; members: readonly number[] } {
    const home = this.#find(groupId, false);
    if (isRefusal(home)) return { errorCode: home.errorCode, members: [] };
    const group = home.state.get(groupId);
    const members = leaving.map((member) =>
      group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : this.#membership.leave(group, member),
    );
    return { errorCode: ErrorCode.NONE, members };
  }

  /** Resolves with one error code per offset, once those that were taken are durable. */
  commitOffsets(request: CommitRequest): Promise<number[]> | number[] {
    const { groupId, generationId, offsets } = request;
    const home = this.#find(groupId, true);
    if (isRefusal(home)) return offsets.map(() => home.errorCode);
    let group = home.state.get(groupId);
    if (group === undefined) {
      if (generationId >= 0) return offsets.map(() => ErrorCode.ILLEGAL_GENERATION);
      group = this.#create(home, groupId);
    }
    return this.#commits.commit(home, group, request);
  }

  /** Resolves with one error code per offset, once those that were taken are durable; they count when their transaction commits. */
  commitTransactional(request: TransactionalCommit): Promise<number[]> | number[] {
    const { groupId, generationId, offsets } = request;
    const home = this.#find(groupId, true);
    if (isRefusal(home)) return offsets.map(() => home.errorCode);
    let group = home.state.get(groupId);
    if (group === undefined) {
      if (generationId >= 0) return offsets.map(() => ErrorCode.ILLEGAL_GENERATION);
      group = this.#create(home, groupId);
    }
    return this.#commits.commitTransactional(home, group, request);
  }

  /** Which partition of `__consumer_offsets` holds a group, if it is coordinated here; otherwise why that cannot be said. */
  partitionOf(groupId: string): number | Refusal {
    const home = this.#find(groupId, true);
    return isRefusal(home) ? home : home.index;
  }

  /** Whether the groups of a partition of `__consumer_offsets` are coordinated here and known. */
  knows(index: number): boolean {
    return !isRefusal(this.#partitions.at(index));
  }

  /** A transaction has ended in a partition of `__consumer_offsets`: its offsets count, or go. False where its groups are not known. */
  endTransaction(index: number, ended: EndedTransaction): boolean {
    const home = this.#partitions.at(index);
    if (isRefusal(home)) return false;
    home.state.endTransaction(ended);
    return true;
  }

  /** The offsets of some partitions of a group, or all that it has (`topics` null). */
  fetchOffsets(
    groupId: string,
    topics: readonly TopicPartitions[] | null,
    requireStable: boolean,
  ): { errorCode: number; topics: readonly FetchedTopic[] } {
    const home = this.#find(groupId, true);
    if (isRefusal(home)) return { errorCode: home.errorCode, topics: [] };
    return {
      errorCode: ErrorCode.NONE,
      topics: this.#commits.fetch(home.state.get(groupId), topics, requireStable),
    };
  }

  /** Deletes groups without members, with all their offsets; one error code for each. */
  deleteGroups(groupIds: readonly string[]): Promise<number[]> {
    return Promise.all(groupIds.map((groupId) => this.#deleteGroup(groupId)));
  }

  /** Deletes offsets that nobody in the group needs; an error code for the request, or one for each partition. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<{ errorCode: number; partitions: readonly number[] }> {
    const home = this.#find(groupId, false);
    if (isRefusal(home)) return { errorCode: home.errorCode, partitions: [] };
    const group = home.state.get(groupId);
    if (group === undefined) return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, partitions: [] };
    if (!mayDeleteOffsets(group)) return { errorCode: ErrorCode.NON_EMPTY_GROUP, partitions: [] };
    const checks = partitions.map(({ topic }) => checkOffsetDelete(group, topic));
    const removable = partitions.filter((_partition, index) => checks[index] === ErrorCode.NONE);
    const outcome = removable.length === 0 ? ErrorCode.NONE : await this.#commits.remove(home, group, removable);
    return {
      errorCode: ErrorCode.NONE,
      partitions: checks.map((check) => (check === ErrorCode.NONE ? outcome : check)),
    };
  }

  describe(groupId: string): DescribedGroup {
    const home = this.#find(groupId, true);
    if (isRefusal(home)) return unknownGroup(groupId, '', home.errorCode);
    const group = home.state.get(groupId);
    // Kafka shows groups that it does not know as dead ones.
    return group === undefined ? unknownGroup(groupId, GroupState.DEAD, ErrorCode.NONE) : describeGroup(group);
  }

  /** The groups in the given states (all where none is given), compared without regard to case. */
  list(states: readonly string[], types: readonly string[]): { errorCode: number; groups: readonly ListedGroup[] } {
    const groups: ListedGroup[] = [];
    const wanted = new Set(states.map((state) => state.toLowerCase()));
    const isTypeWanted = types.length === 0 || types.some((type) => type.toLowerCase() === CLASSIC_GROUP_TYPE);
    if (isTypeWanted) {
      for (const { id, protocolType, state } of this.#all()) {
        if (wanted.size > 0 && !wanted.has(state.toLowerCase())) continue;
        groups.push({ groupId: id, protocolType: protocolType ?? '', state, type: CLASSIC_GROUP_TYPE });
      }
    }
    const errorCode = this.#partitions.isLoading ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.NONE;
    return { errorCode, groups };
  }

  /** Forgets the offsets of topics that were deleted: a topic of the same name begins anew. */
  forgetTopics(topics: ReadonlySet<string>): void {
    for (const home of this.#partitions.loaded()) {
      for (const group of [...home.state.values()]) {
        const gone = group.offsets.allPartitions().filter(({ topic }) => topics.has(topic));
        if (gone.length > 0) this.#forget(home, group, gone);
      }
    }
  }

  /**
   * Ends a member's session as if its timeout had passed; for tests of other people's consumers.
   * Returns false when there is no such member.
   */
  expireMember(groupId: string, memberId: string): boolean {
    const home = this.#find(groupId, false);
    const group = isRefusal(home) ? undefined : home.state.get(groupId);
    const member = group?.member(memberId);
    if (group === undefined || member === undefined) return false;
    this.#rebalancing.remove(group, member, `session of ${memberId} was ended by hand`);
    return true;
  }

  counts(): GroupCounts {
    const groups = new Map<GroupState, number>(Object.values(GroupState).map((state) => [state, 0]));
    let offsets = 0;
    for (const group of this.#all()) {
      groups.set(group.state, groups.get(group.state)! + 1);
      offsets += group.offsets.count;
    }
    return { groups, offsets };
  }

  /**
   * Where a group lives, or the error code. Requests that only keep offsets here may name the empty group, as consumers
   * without `group.id` once did; members may not.
   */
  #find(groupId: string, allowsEmptyId: boolean): GroupPartition | Refusal {
    if ((groupId === '' && !allowsEmptyId) || groupId.length > GROUP_ID_LENGTH_MAX) {
      return Refusal.of(ErrorCode.INVALID_GROUP_ID);
    }
    return this.#partitions.find(groupId);
  }

  *#all(): Generator<Group> {
    for (const home of this.#partitions.loaded()) yield* home.state.values();
  }

  #create(home: GroupPartition, groupId: string): Group {
    const group = new Group(groupId, () => this.#clock.now(), this.#memory);
    home.state.set(groupId, group);
    return group;
  }

  async #deleteGroup(groupId: string): Promise<number> {
    const home = this.#find(groupId, true);
    if (isRefusal(home)) return home.errorCode;
    const group = home.state.get(groupId);
    if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
    if (!group.is(GroupState.EMPTY)) return ErrorCode.NON_EMPTY_GROUP;
    this.#rebalancing.kill(group, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    return this.#commits.remove(home, group, group.offsets.allPartitions());
  }

  #store(group: Group, assignments: ReadonlyMap<string, Buffer>, done: StoreDone): void {
    const home = this.#find(group.id, false);
    if (isRefusal(home) || home.state.get(group.id) !== group) {
      done(ErrorCode.NOT_COORDINATOR, true);
      return;
    }
    let record: StateRecord;
    try {
      record = groupRecord(group, assignments);
    } catch (error) {
      this.#guard.report(`Writing down group ${group.id}`, error);
      done(ErrorCode.UNKNOWN_SERVER_ERROR, true);
      return;
    }
    home.writes.push({
      records: [record],
      done: (errorCode) => done(groupStoreError(errorCode), true),
      timedOut: () => done(groupStoreError(ErrorCode.REQUEST_TIMED_OUT), false),
    });
  }

  /** Forgets offsets that nobody waits to hear of. */
  #forget(home: GroupPartition, group: Group, partitions: readonly TopicPartition[]): void {
    this.#guard.settle(`Forgetting offsets of group ${group.id}`, this.#commits.remove(home, group, partitions));
  }

  #checkRetention(): void {
    this.#deadlines.set(this.#retentionCheck, this.#config.offsetsRetentionCheckIntervalMs);
    const nowMs = this.#clock.now();
    let removed = 0;
    for (const home of this.#partitions.loaded()) {
      for (const group of [...home.state.values()]) {
        const expired = expiredOffsets(group, nowMs, this.#config.offsetsRetentionMs);
        const isForgotten = group.is(GroupState.EMPTY) && group.offsets.isEmpty;
        if (expired.length === 0 && !isForgotten) continue;
        removed += expired.length;
        this.#forget(home, group, expired);
      }
    }
    if (removed > 0) this.#logger.info({ offsets: removed }, 'Removed offsets whose retention time is over');
  }
}

/** The protocols of a JoinGroup as a group keeps them: each once, and copied, so that no request frame stays alive. */
function keepProtocols(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
  const kept = new Map<string, MemberProtocol>();
  for (const { name, metadata } of protocols) {
    if (!kept.has(name)) kept.set(name, { name, metadata: Buffer.from(metadata) });
  }
  return [...kept.values()];
}
