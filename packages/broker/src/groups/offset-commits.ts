import { ErrorCode } from '@millrace/protocol';
import type { TransactionalProducer } from '../coordinators/write-queue.ts';
import type { GroupConfig } from './config.ts';
import type { Group } from './group.ts';
import type { CommittedOffset, OffsetCommit, TopicPartition } from './group-offsets.ts';
import type { GroupPartition } from './group-partition.ts';
import { GroupState } from './group-state.ts';
import { checkMember } from './membership.ts';
import type { Rebalancing } from './rebalancing.ts';
import { commitStoreError, UNKNOWN_MEMBER_ID } from './results.ts';
import { groupTombstone, offsetRecord, offsetTombstone } from './state-records.ts';
import { CONSUMER_PROTOCOL_TYPE } from './subscription.ts';

export interface CommitRequest {
  readonly groupId: string;
  /** -1 from one who does not take part in the group: an administrator, or a consumer that only keeps its offsets here. */
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly offsets: readonly OffsetCommit[];
}

/** A commit within a transaction. */
export interface TransactionalCommit extends CommitRequest {
  readonly producer: TransactionalProducer;
}

/** What OffsetFetch says of one partition; `offset` -1 where none is committed. */
export interface FetchedOffset {
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

export interface FetchedTopic {
  readonly topic: string;
  readonly partitions: readonly FetchedOffset[];
}

export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** Commits, reads and removes the offsets of one group (GroupCoordinator, GroupMetadataManager). */
export class OffsetCommits {
  readonly #config: GroupConfig;
  readonly #rebalancing: Rebalancing;

  constructor(config: GroupConfig, rebalancing: Rebalancing) {
    this.#config = config;
    this.#rebalancing = rebalancing;
  }

  /** Resolves with one error code per offset, when they are kept. */
  commit(home: GroupPartition, group: Group, request: CommitRequest): Promise<number[]> | number[] {
    const errorCode = checkCommit(group, request);
    if (errorCode !== ErrorCode.NONE) return request.offsets.map(() => errorCode);
    if (group.is(GroupState.COMPLETING_REBALANCE)) return request.offsets.map(() => ErrorCode.REBALANCE_IN_PROGRESS);
    const member = group.member(request.memberId);
    if (member !== undefined) this.#rebalancing.heardOf(group, member);
    const checks = request.offsets.map((commit) => this.#check(commit));
    const accepted = request.offsets.filter((_commit, index) => checks[index] === ErrorCode.NONE);
    if (accepted.length === 0) return checks;
    return this.#append(home, group, accepted).then((outcome) =>
      checks.map((check) => (check === ErrorCode.NONE ? outcome : check)),
    );
  }

  /**
   * Puts offsets in store that count once their transaction commits. A rebalance that is under way is no reason to refuse them: whoever
   * gets the partitions next waits for the transaction (KIP-447).
   */
  commitTransactional(home: GroupPartition, group: Group, request: TransactionalCommit): Promise<number[]> | number[] {
    const errorCode = checkTransactional(group, request);
    if (errorCode !== ErrorCode.NONE) return request.offsets.map(() => errorCode);
    const member = group.member(request.memberId);
    if (member !== undefined) this.#rebalancing.heardOf(group, member);
    const checks = request.offsets.map((commit) => this.#check(commit));
    const accepted = request.offsets.filter((_commit, index) => checks[index] === ErrorCode.NONE);
    if (accepted.length === 0) return checks;
    return this.#appendTransactional(home, group, accepted, request.producer).then((outcome) =>
      checks.map((check) => (check === ErrorCode.NONE ? outcome : check)),
    );
  }

  #appendTransactional(
    home: GroupPartition,
    group: Group,
    commits: readonly OffsetCommit[],
    producer: TransactionalProducer,
  ): Promise<number> {
    const { offsets } = group;
    const { producerId } = producer;
    const groups = home.state;
    const records = commits.map((commit) => offsetRecord(group.id, commit));
    for (const { topic, partition } of commits) offsets.beginPending(topic, partition);
    groups.beginAppend(producerId);
    return new Promise((resolve) =>
      home.writes.push({
        records,
        producer,
        done: (errorCode, baseOffset) => {
          groups.appended(producerId, errorCode === ErrorCode.NONE ? baseOffset : -1, () => {
            for (const { topic, partition } of commits) offsets.endPending(topic, partition);
            if (errorCode !== ErrorCode.NONE || group.is(GroupState.DEAD)) return;
            for (const commit of commits) {
              offsets.applyTransactional(producerId, commit.topic, commit.partition, commit, baseOffset);
            }
            groups.noteTransactional(producerId, group);
          });
          resolve(commitStoreError(errorCode));
        },
        timedOut: () => resolve(ErrorCode.REQUEST_TIMED_OUT),
      }),
    );
  }

  /** The committed offsets of some partitions, or of all (`topics` null). */
  fetch(group: Group | undefined, topics: readonly TopicPartitions[] | null, requireStable: boolean): FetchedTopic[] {
    if (topics !== null) {
      return topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map((partition) =>
          requireStable && group?.offsets.isUnstable(topic, partition) === true
            ? unstable(partition)
            : fetched(partition, group?.offsets.get(topic, partition)),
        ),
      }));
    }
    if (group === undefined) return [];
    return Array.from(group.offsets.topics(), ([topic, offsets]) => ({
      topic,
      partitions: Array.from(offsets, ([partition, committed]) =>
        requireStable && group.offsets.isUnstable(topic, partition)
          ? unstable(partition)
          : fetched(partition, committed),
      ),
    }));
  }

  /**
   * Forgets offsets; a group that is left with nothing goes too. Resolves with the error code of the write.
   */
  async remove(home: GroupPartition, group: Group, partitions: readonly TopicPartition[]): Promise<number> {
    const { offsets } = group;
    const removed = partitions.filter(({ topic, partition }) => {
      const isOnItsWay = offsets.isUnstable(topic, partition);
      return offsets.remove(topic, partition) || isOnItsWay;
    });
    const records = removed.map((at) => offsetTombstone(group.id, at));
    if (group.is(GroupState.EMPTY) && group.offsets.isEmpty && group.pendingMembers.size === 0) {
      this.#rebalancing.kill(group, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    if (group.is(GroupState.DEAD) && home.state.get(group.id) === group) {
      home.state.delete(group.id);
      // A group of generation 0 never had a record of its own: it only kept offsets.
      if (group.generationId > 0) records.push(groupTombstone(group.id));
    }
    if (records.length === 0) return ErrorCode.NONE;
    return new Promise((resolve) =>
      home.writes.push({
        records,
        done: (errorCode) => {
          // A commit that went into the log before the tombstone has been applied since.
          for (const { topic, partition } of removed) offsets.removeCommitted(topic, partition);
          resolve(commitStoreError(errorCode));
        },
        timedOut: () => resolve(ErrorCode.REQUEST_TIMED_OUT),
      }),
    );
  }

  /** What a record of the log cannot hold is refused here: numbers beyond 2^53 have been rounded already. */
  #check({ metadata, offset, commitTimestampMs, expireTimestampMs }: OffsetCommit): number {
    if (metadata.length > this.#config.offsetMetadataMaxBytes) return ErrorCode.OFFSET_METADATA_TOO_LARGE;
    const isStorable = [offset, commitTimestampMs, expireTimestampMs].every(Number.isSafeInteger);
    return isStorable ? ErrorCode.NONE : ErrorCode.INVALID_COMMIT_OFFSET_SIZE;
  }

  #append(home: GroupPartition, group: Group, commits: readonly OffsetCommit[]): Promise<number> {
    const { offsets } = group;
    // First what may throw: a mark for a commit that was never sent would stay for ever.
    const records = commits.map((commit) => offsetRecord(group.id, commit));
    for (const { topic, partition } of commits) offsets.beginPending(topic, partition);
    return new Promise((resolve) =>
      home.writes.push({
        records,
        done: (errorCode, baseOffset) => {
          for (const commit of commits) {
            offsets.endPending(commit.topic, commit.partition);
            if (errorCode === ErrorCode.NONE && !group.is(GroupState.DEAD)) {
              offsets.apply(commit.topic, commit.partition, commit, baseOffset);
            }
          }
          resolve(commitStoreError(errorCode));
        },
        timedOut: () => resolve(ErrorCode.REQUEST_TIMED_OUT),
      }),
    );
  }
}

/** Who may commit: members of the current generation, and anybody while the group has no members. */
function checkCommit(group: Group, request: CommitRequest): number {
  const { generationId, memberId, groupInstanceId } = request;
  if (group.is(GroupState.DEAD)) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  if (generationId < 0 && group.is(GroupState.EMPTY)) return ErrorCode.NONE;
  if (generationId < 0 && memberId === UNKNOWN_MEMBER_ID && groupInstanceId === null) {
    return ErrorCode.UNKNOWN_MEMBER_ID;
  }
  const errorCode = checkMember(group, memberId, groupInstanceId);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  return generationId === group.generationId ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
}

/**
 * Who may commit in a transaction (GroupCoordinator.validateOffsetCommit): as without one, but that clients of before KIP-447, which do not
 * say who they are, may always. Whoever says anything of himself has to be what he says: it is what fences a consumer that was counted out.
 */
function checkTransactional(group: Group, request: CommitRequest): number {
  const { generationId, memberId, groupInstanceId } = request;
  const isNobody = generationId < 0 && memberId === UNKNOWN_MEMBER_ID && groupInstanceId === null;
  return isNobody && !group.is(GroupState.DEAD) ? ErrorCode.NONE : checkCommit(group, request);
}

/** Which of the partitions may be forgotten while the group lives, as an error for each (OffsetDelete, KIP-496). */
export function checkOffsetDelete(group: Group, topic: string): number {
  if (group.is(GroupState.EMPTY)) return ErrorCode.NONE;
  return group.isSubscribedTo(topic) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE;
}

/** Whether offsets of a group may be deleted at all: only of consumers can it be known what they read. */
export function mayDeleteOffsets(group: Group): boolean {
  return group.is(GroupState.EMPTY) || group.protocolType === CONSUMER_PROTOCOL_TYPE;
}

function fetched(partition: number, committed: CommittedOffset | undefined): FetchedOffset {
  return {
    partition,
    offset: committed?.offset ?? -1,
    leaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode: ErrorCode.NONE,
  };
}

function unstable(partition: number): FetchedOffset {
  return { partition, offset: -1, leaderEpoch: -1, metadata: '', errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT };
}
