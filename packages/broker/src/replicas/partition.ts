import type { AppendOrigin, AppendResult, PartitionLog } from '@millrace/log';
import { ErrorCode } from '@millrace/protocol';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { TopicTraffic } from './partition-traffic.ts';

/** Something that waits for a partition to move on: a Fetch that has too few bytes, a Produce that wants all replicas. */
export interface PartitionWaiter {
  /**
   * The high watermark has moved on by `sizeBytes` of records. They are counted when they are handed to the log, so a few
   * of the next group commit may be among them.
   */
  highWatermarkAdvanced(partition: Partition, sizeBytes: number): void;
  /** The partition is led elsewhere, deleted or failed: whoever waits asks again and learns why. */
  partitionChanged(partition: Partition): void;
}

/** What names a replica for good. */
export interface PartitionIdentity {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly brokerId: number;
}

/** What a follower's fetches have told the leader. */
interface Follower {
  logEndOffset: number;
}

/** How many replicas must have a record before it is acknowledged: none is waited for, the leader, all in sync. */
export type RequiredAcks = 0 | 1 | -1;

/** How an append is to be done. */
export interface PartitionAppend {
  readonly origin: AppendOrigin;
  readonly acks: RequiredAcks;
  /** How long the other replicas may take. */
  readonly timeoutMs: number;
}

/**
 * One replica on this broker: its log, and whether it leads.
 *
 * The high watermark is the lowest offset that all in-sync replicas have made durable. With a single replica that is the
 * log's own durable end; followers' ends come in with their fetches.
 */
export class Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly log: PartitionLog;
  readonly traffic: TopicTraffic;
  readonly #brokerId: number;
  readonly #deadlines: Deadlines;
  readonly #waiters = new Set<PartitionWaiter>();
  readonly #followers = new Map<number, Follower>();
  #state: ReplicaState | undefined;
  #isClosed = false;
  /** Bytes that were handed to the log; those of appends under way and of refused ones are in it too. */
  #appendedBytes = 0;
  /** How much of that the waiters have been told of. */
  #announcedBytes = 0;

  constructor(identity: PartitionIdentity, log: PartitionLog, deadlines: Deadlines, traffic: TopicTraffic) {
    this.topic = identity.topic;
    this.topicId = identity.topicId;
    this.partition = identity.partition;
    this.#brokerId = identity.brokerId;
    this.log = log;
    this.traffic = traffic;
    this.#deadlines = deadlines;
    log.onAppended(() => this.#advanceHighWatermark());
    log.onFailed(() => this.#tellChanged());
  }

  get isLeader(): boolean {
    return this.#state?.leader === this.#brokerId && !this.#isClosed;
  }

  /** The broker that leads; -1 when none does or it is not known. */
  get leaderId(): number {
    return this.#state?.leader ?? -1;
  }

  get leaderEpoch(): number {
    return this.#state?.leaderEpoch ?? -1;
  }

  /** Version of the state znode that this replica knows. */
  get partitionEpoch(): number {
    return this.#state?.partitionEpoch ?? -1;
  }

  get isr(): readonly number[] {
    return this.#state?.isr ?? [];
  }

  get replicas(): readonly number[] {
    return this.#state?.replicas ?? [];
  }

  get isUnderReplicated(): boolean {
    return this.isLeader && this.isr.length < this.replicas.length;
  }

  get isUnderMinIsr(): boolean {
    return this.isLeader && this.isr.length < this.log.config.minInSyncReplicas;
  }

  /**
   * Why a request that must reach the leader, and believes in `currentLeaderEpoch` (-1: in none), is refused here; 0 when it
   * is not.
   */
  leaderError(currentLeaderEpoch: number): number {
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== this.leaderEpoch) {
      return currentLeaderEpoch < this.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
    }
    if (!this.isLeader) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    return this.log.state === 'failed' ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE;
  }

  /** Takes over what the controller decided. A state that is older than the one known is left alone; false then. */
  applyState(state: ReplicaState): boolean {
    const before = this.#state;
    if (before !== undefined && state.leaderEpoch < before.leaderEpoch) return false;
    this.#state = state;
    const isNewLeadership = before?.leaderEpoch !== state.leaderEpoch;
    if (isNewLeadership || !this.isLeader) this.#followers.clear();
    if (isNewLeadership && this.isLeader) this.log.assignEpoch(state.leaderEpoch);
    if (isNewLeadership || !this.isLeader) this.#tellChanged();
    this.#advanceHighWatermark();
    return true;
  }

  /**
   * Appends what a producer or coordinator sent. What happens before the first `await` happens in call order, offsets
   * included; resolves once as many replicas as asked for have it.
   */
  append(batches: Buffer, { origin, acks, timeoutMs }: PartitionAppend): Promise<AppendResult> | AppendResult {
    const refusal = this.#appendError(acks);
    if (refusal !== ErrorCode.NONE) return refused(refusal, this.log.logStartOffset);
    this.#appendedBytes += batches.length;
    const appended = this.log.append(batches, { leaderEpoch: this.leaderEpoch, origin });
    return acks === -1 && this.isr.length > 1 ? this.#whenReplicated(appended, timeoutMs) : appended;
  }

  /** Notes how far a follower has fetched; false when the broker is none that the controller assigned. */
  followerFetched(brokerId: number, logEndOffset: number): boolean {
    if (!this.replicas.includes(brokerId)) return false;
    const follower = this.#followers.get(brokerId);
    if (follower === undefined) this.#followers.set(brokerId, { logEndOffset });
    else follower.logEndOffset = logEndOffset;
    this.#advanceHighWatermark();
    return true;
  }

  addWaiter(waiter: PartitionWaiter): void {
    this.#waiters.add(waiter);
  }

  removeWaiter(waiter: PartitionWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** Takes no more requests; the log stays as it is. */
  close(): void {
    this.#isClosed = true;
    this.#tellChanged();
  }

  #appendError(acks: RequiredAcks): number {
    const refusal = this.leaderError(-1);
    if (refusal !== ErrorCode.NONE) return refusal;
    return acks === -1 && this.isUnderMinIsr ? ErrorCode.NOT_ENOUGH_REPLICAS : ErrorCode.NONE;
  }

  /** Resolves once the high watermark has passed the append, or this broker can no longer say so. */
  async #whenReplicated(appended: Promise<AppendResult>, timeoutMs: number): Promise<AppendResult> {
    const result = await appended;
    if (result.errorCode !== ErrorCode.NONE || this.log.highWatermark > result.lastOffset) return result;
    const errorCode = await this.#whenPassed(result.lastOffset, timeoutMs);
    return errorCode === ErrorCode.NONE ? result : refused(errorCode, result.logStartOffset);
  }

  #whenPassed(offset: number, timeoutMs: number): Promise<number> {
    const leaderEpoch = this.leaderEpoch;
    return new Promise((resolve) => {
      const finish = (errorCode: number): void => {
        this.removeWaiter(waiter);
        this.#deadlines.cancel(deadline);
        resolve(errorCode);
      };
      const deadline = new Deadline(() => finish(ErrorCode.REQUEST_TIMED_OUT));
      const waiter: PartitionWaiter = {
        highWatermarkAdvanced: () => {
          if (this.log.highWatermark <= offset) return;
          finish(this.isUnderMinIsr ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND : ErrorCode.NONE);
        },
        partitionChanged: () => {
          if (!this.isLeader || this.leaderEpoch !== leaderEpoch) finish(ErrorCode.NOT_LEADER_OR_FOLLOWER);
        },
      };
      this.addWaiter(waiter);
      this.#deadlines.set(deadline, timeoutMs);
    });
  }

  /** Moves the high watermark to what all in-sync replicas have, and wakes who waits for that. */
  #advanceHighWatermark(): void {
    if (!this.isLeader) return;
    let common = this.log.durableEndOffset;
    for (const id of this.isr) {
      if (id === this.#brokerId) continue;
      common = Math.min(common, this.#followers.get(id)?.logEndOffset ?? this.log.highWatermark);
    }
    if (!this.log.advanceHighWatermark(common)) return;
    const sizeBytes = this.#appendedBytes - this.#announcedBytes;
    this.#announcedBytes = this.#appendedBytes;
    for (const waiter of this.#waiters) waiter.highWatermarkAdvanced(this, sizeBytes);
  }

  #tellChanged(): void {
    for (const waiter of this.#waiters) waiter.partitionChanged(this);
  }
}

/** An append of which nothing is kept. */
export function refused(errorCode: number, logStartOffset: number, errorMessage?: string): AppendResult {
  const result = { errorCode, baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, logStartOffset };
  return errorMessage === undefined ? result : { ...result, errorMessage };
}
