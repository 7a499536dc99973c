import type {
  AppendOrigin,
  AppendResult,
  EpochEndOffset,
  LogConfig,
  PartitionLog,
  ProducerDescription,
  ReadOptions,
  ReadResult,
  TimestampOffset,
  VerificationGuard,
} from '@millrace/log';
import { type Clock, invariant } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { NO_LEADER, type ReplicaState } from '../cluster/broker-channel.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { plausibleEpoch } from '../store/found-logs.ts';
import { type FetchedFromLeader, FollowerRole } from './follower-role.ts';
import type { IsrChanges } from './isr-changes.ts';
import { type FollowerFetch, LeaderRole } from './leader-role.ts';
import type { TopicTraffic } from './partition-traffic.ts';

/** Something that waits for a partition to move on: a Fetch that has too few bytes, a Produce that wants all replicas. */
export interface PartitionWaiter {
  /**
   * `sizeBytes` of records have become durable here; what followers wait for. They are counted when they are handed to the log, so a
   * few of the next group commit may be among them.
   */
  appended?(partition: Partition, sizeBytes: number): void;
  /** The high watermark has moved on by `sizeBytes` of records, counted in the same way; what consumers wait for. */
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

/** What partitions share. */
export interface PartitionSurroundings {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly guard: Guard;
  readonly logger: Logger;
  /** `replica.lag.time.max.ms` */
  readonly lagMsMax: number;
  /** Whether a broker is registered, as far as this one knows. */
  readonly isAlive: (brokerId: number) => boolean;
  readonly isrChanges: IsrChanges;
  /** A controller speaks of an earlier leader epoch than a log knows: what it goes by is older than that. */
  readonly onBehind: () => void;
  /** There was no room for an append, and has been none for so long. */
  readonly onShort: (partition: Partition, lastedMs: number) => void;
  /** In-sync replicas have come or gone; for metrics and the log. */
  readonly onIsrCommitted: (partition: Partition, before: readonly number[], now: readonly number[]) => void;
}

/** How a deletion of records ended: the lowest offset that any live replica still has. */
export interface DeletedRecords {
  readonly errorCode: number;
  readonly lowWatermark: number;
}

/** How many replicas must have a record before it is acknowledged: none is waited for, the leader, all in sync. */
export type RequiredAcks = 0 | 1 | -1;

/** How an append is to be done. */
export interface PartitionAppend {
  readonly origin: AppendOrigin;
  readonly acks: RequiredAcks;
  /** How long the other replicas may take. */
  readonly timeoutMs: number;
  /** What was asked before the first batch of a transaction; see the log's `AppendOptions`. */
  readonly guard?: VerificationGuard | undefined;
  /** Of a marker: the producer's epoch was raised for it. */
  readonly isRaised?: boolean | undefined;
}

/**
 * One replica on this broker: its log, and what it does with it, which is to lead, to follow, or to wait for somebody who says so.
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
  readonly #surroundings: PartitionSurroundings;
  readonly #waiters = new Set<PartitionWaiter>();
  /** Deletions of records that wait for followers; each looks whether it is done. */
  readonly #deletions = new Set<() => void>();
  #state: ReplicaState | undefined;
  #leading: LeaderRole | undefined;
  #following: FollowerRole | undefined;
  /** Counts the times that this replica began to lead: as long as it does, whatever the epoch, nothing of its log goes. */
  #leadership = 0;
  /** The broker's registration for which a controller last said of this replica what it goes by; -1 where it told none. */
  #confirmedIn = -1;
  /** Bytes that were handed to the log; those of appends under way and of refused ones are in it too. */
  #appendedBytes = 0;
  /** How much of that the waiters have been told is durable. */
  #durableBytes = 0;
  /** How much of that the waiters have been told is below the high watermark. */
  #announcedBytes = 0;

  constructor(
    identity: PartitionIdentity,
    log: PartitionLog,
    surroundings: PartitionSurroundings,
    traffic: TopicTraffic,
  ) {
    this.topic = identity.topic;
    this.topicId = identity.topicId;
    this.partition = identity.partition;
    this.#brokerId = identity.brokerId;
    this.log = log;
    this.traffic = traffic;
    this.#surroundings = surroundings;
    log.onAppended(() => this.#becameDurable());
    log.onFailed(() => this.#tellChanged());
    log.onShort((lastedMs) => surroundings.onShort(this, lastedMs));
  }

  /** What this replica does while it leads; undefined while it does not. */
  get leading(): LeaderRole | undefined {
    return this.#leading;
  }

  /** What this replica does while another leads; undefined while none does. */
  get following(): FollowerRole | undefined {
    return this.#following;
  }

  get isLeader(): boolean {
    return this.#leading !== undefined;
  }

  /** The broker that leads; -1 when none does or it is not known. */
  get leaderId(): number {
    return this.#state?.leader ?? -1;
  }

  get leaderEpoch(): number {
    return this.#state?.leaderEpoch ?? -1;
  }

  /**
   * Whether a state of this epoch is none to take over: this replica knows it, or a later one, or its log holds records of a later one. Of
   * two leaders of one epoch no follower could tell the records apart.
   */
  isPast(leaderEpoch: number): boolean {
    if (leaderEpoch <= this.leaderEpoch) return true;
    if (leaderEpoch >= plausibleEpoch(this.log.latestEpoch)) return false;
    this.#surroundings.onBehind();
    return true;
  }

  /** Version of the state znode that this replica knows. */
  get partitionEpoch(): number {
    return this.#leading?.partitionEpoch ?? this.#state?.partitionEpoch ?? -1;
  }

  /** The in-sync replicas as the leader knows them; a follower does not. */
  get isr(): readonly number[] {
    return this.#leading?.isr ?? [];
  }

  get replicas(): readonly number[] {
    return this.#state?.replicas ?? [];
  }

  get isUnderReplicated(): boolean {
    return this.#leading?.isUnderReplicated ?? false;
  }

  /** Whether replicas are being added or taken away. */
  get isReassigning(): boolean {
    const state = this.#leading === undefined ? undefined : this.#state;
    return state !== undefined && state.addingReplicas.length + state.removingReplicas.length > 0;
  }

  get isUnderMinIsr(): boolean {
    return this.#leading?.isUnderMinIsr ?? false;
  }

  /**
   * Why a request that believes in `currentLeaderEpoch` (-1: in none) is refused here, by the leader or by any replica; 0 when it is
   * not.
   */
  epochError(currentLeaderEpoch: number): number {
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.leaderEpoch) return ErrorCode.NONE;
    return currentLeaderEpoch < this.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
  }

  /**
   * Why a request that must reach the leader, and believes in `currentLeaderEpoch` (-1: in none), is refused here; 0 when it
   * is not.
   */
  leaderError(currentLeaderEpoch: number): number {
    const epochError = this.epochError(currentLeaderEpoch);
    if (epochError !== ErrorCode.NONE) return epochError;
    // Also when the controller has had somebody else lead, or nobody: it is what this broker can say for certain, as Kafka's says it.
    if (this.log.state === 'failed') return ErrorCode.KAFKA_STORAGE_ERROR;
    return this.isLeader ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  /** As {@link leaderError}, for a request that any replica may serve. */
  replicaError(currentLeaderEpoch: number): number {
    const epochError = this.epochError(currentLeaderEpoch);
    if (epochError !== ErrorCode.NONE) return epochError;
    if (this.log.state === 'failed') return ErrorCode.KAFKA_STORAGE_ERROR;
    const hasRole = this.#leading !== undefined || this.#following !== undefined;
    return hasRole ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  /**
   * Takes over what the controller decided. A state of the epoch that is known, or of an older one, is left alone; false then: whatever
   * else is in it may be older than what the controller has told a leader since (KIP-497).
   *
   * Nothing may be under way that a follower does to the log.
   */
  applyState(state: ReplicaState): boolean {
    if (this.#state !== undefined && state.leaderEpoch <= this.#state.leaderEpoch) return false;
    const before = this.#leading;
    const former = { leading: before, isr: before?.isr ?? this.#state?.isr ?? [] };
    const leads = state.leader === this.#brokerId;
    const leading = leads ? new LeaderRole(state, this.#leaderOptions(), former) : undefined;
    const { logger } = this.#surroundings;
    const following = leads ? undefined : new FollowerRole(state.leader, state.leaderEpoch, this.log, logger);
    // From here on all of it is done, or, where a role could not begin, nothing.
    before?.end();
    if (leads && before === undefined) this.#leadership += 1;
    this.#state = state;
    this.#leading = leading;
    this.#following = following;
    this.#tellChanged();
    this.#advanceHighWatermark();
    this.#check();
    return true;
  }

  /** A controller has said of this replica what it goes by, to the broker in this registration (-1: it tells none). */
  confirm(registration: number): void {
    this.#confirmedIn = registration < 0 ? -1 : Math.max(this.#confirmedIn, registration);
  }

  /**
   * Whether another broker may lead for all that this one knows: when its registration ended the controller took it for gone, and in the
   * present one it has not been told yet who leads. Where there is no other replica nobody else can.
   */
  isInDoubt(registration: number): boolean {
    return this.replicas.length > 1 && this.#confirmedIn >= 0 && this.#confirmedIn < registration;
  }

  /**
   * Leads no more, since an epoch later than its own is known to have begun. Whom it follows then the controller says, when it reaches
   * this broker again.
   */
  resign(): void {
    if (this.#leading === undefined || this.#state === undefined) return;
    this.#leading.end();
    this.#leading = undefined;
    this.#state = { ...this.#state, leader: NO_LEADER };
    this.#tellChanged();
    this.#check();
  }

  /**
   * Appends what a producer or coordinator sent. What happens before the first `await` happens in call order, offsets
   * included; resolves once as many replicas as asked for have it.
   */
  append(batches: Buffer, append: PartitionAppend): Promise<AppendResult> | AppendResult {
    const { origin, acks, timeoutMs, guard, isRaised } = append;
    const refusal = this.#appendError(acks);
    if (refusal !== ErrorCode.NONE) return refused(refusal, this.log.logStartOffset);
    this.#appendedBytes += batches.length;
    const appended = this.log.append(batches, { leaderEpoch: this.leaderEpoch, origin, guard, isRaised });
    // The durable end of a single replica is the high watermark, so there is nothing to wait for beside the append.
    return acks === -1 && this.replicas.length > 1 ? this.#whenReplicated(appended, timeoutMs) : appended;
  }

  /** Appends what was fetched of the leader; see {@link FollowerRole.take}. */
  async follow(role: FollowerRole, fetched: FetchedFromLeader): Promise<number> {
    this.#appendedBytes += fetched.records.length;
    const before = this.log.highWatermark;
    const errorCode = await role.take(fetched);
    if (this.log.highWatermark > before) this.#tellHighWatermark();
    return errorCode;
  }

  /**
   * Forgets the records before an offset (-1: before the high watermark), here at once, and resolves when all live replicas have, or
   * with REQUEST_TIMED_OUT (`DelayedDeleteRecords`).
   */
  deleteRecordsBefore(offset: number, timeoutMs: number): Promise<DeletedRecords> | DeletedRecords {
    const refusal = this.leaderError(-1);
    if (refusal !== ErrorCode.NONE) return { errorCode: refusal, lowWatermark: -1 };
    const before = this.log.logStartOffset;
    const { errorCode, logStartOffset } = this.log.deleteRecordsBefore(offset);
    if (errorCode !== ErrorCode.NONE) return { errorCode, lowWatermark: -1 };
    // Followers learn of it by their fetches, which would otherwise wait for records.
    if (logStartOffset > before) this.#tellChanged();
    return this.#deleted(logStartOffset) ?? this.#whenDeleted(logStartOffset, timeoutMs);
  }

  /** The topic's configs as its log goes by them now. */
  get config(): LogConfig {
    return this.log.config;
  }

  get logStartOffset(): number {
    return this.log.logStartOffset;
  }

  get logEndOffset(): number {
    return this.log.logEndOffset;
  }

  /** See `PartitionLog.durableEndOffset`. */
  get durableEndOffset(): number {
    return this.log.durableEndOffset;
  }

  get highWatermark(): number {
    return this.log.highWatermark;
  }

  /** Behind it are records of transactions that have not ended. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset;
  }

  get sizeBytes(): number {
    return this.log.sizeBytes;
  }

  /** The one of `log.dirs` that the log lies in. */
  get logDir(): string {
    return this.log.folder.slice(0, this.log.folder.lastIndexOf('/'));
  }

  /** Where the log begins, and in which leader epoch what is there was written. */
  earliest(): Pick<TimestampOffset, 'offset' | 'leaderEpoch'> {
    const { logStartOffset: offset } = this.log;
    return { offset, leaderEpoch: this.log.epochAt(offset) };
  }

  /** See `PartitionLog.offsetForTimestamp`. */
  offsetForTimestamp(timestamp: number): Promise<TimestampOffset | undefined> {
    return this.log.offsetForTimestamp(timestamp);
  }

  /** See `PartitionLog.maxTimestampOffset`. */
  maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    return this.log.maxTimestampOffset();
  }

  /** See `PartitionLog.segmentOffsetsBefore`. */
  segmentOffsetsBefore(timestamp: number | undefined): Promise<number[]> {
    return this.log.segmentOffsetsBefore(timestamp);
  }

  /** Where a leader epoch ends here, or the last one before it that there is. */
  endOffsetForEpoch(epoch: number): EpochEndOffset {
    return this.log.endOffsetForEpoch(epoch);
  }

  describeProducers(): ProducerDescription[] {
    return this.log.describeProducers();
  }

  /** What comes behind what a fetch was given, for one that has converted all of that into nothing; see `PartitionLog.read`. */
  readOn(offset: number, bytesMax: number, options: ReadOptions): ReadResult | Promise<ReadResult> {
    return this.log.read(offset, bytesMax, options);
  }

  /** Stored batches as messages for clients before Kafka 0.11; see `PartitionLog.convertDown`. */
  convertDown(...batches: Parameters<PartitionLog['convertDown']>): ReturnType<PartitionLog['convertDown']> {
    return this.log.convertDown(...batches);
  }

  /** Whether a broker may fetch as a follower: the controller has assigned it. */
  isFollower(brokerId: number): boolean {
    return this.#leading?.isReplica(brokerId) === true;
  }

  /** Whether an in-sync follower (or any) has yet to fetch for the first time since this broker leads in its present epoch. */
  awaits(brokerId?: number): boolean {
    return this.#leading?.awaits(brokerId) === true;
  }

  /** Notes how far a follower has fetched, once the fetch has been read without an error. */
  followerFetched(brokerId: number, fetch: FollowerFetch): void {
    this.#leading?.followerFetched(brokerId, fetch);
    this.#advanceHighWatermark();
    for (const look of this.#deletions) look();
  }

  /** Gives up on followers that have lagged for too long. To be called every now and then. */
  checkFollowers(): void {
    this.#leading?.maybeShrink();
    // A follower that lags and was never in sync holds the high watermark up no longer.
    this.#advanceHighWatermark();
  }

  addWaiter(waiter: PartitionWaiter): void {
    this.#waiters.add(waiter);
  }

  removeWaiter(waiter: PartitionWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** Takes no more requests; the log stays as it is. */
  close(): void {
    this.#leading?.end();
    this.#leading = undefined;
    this.#following = undefined;
    this.#tellChanged();
    this.#check();
  }

  #leaderOptions(): ConstructorParameters<typeof LeaderRole>[1] {
    const { clock, guard, lagMsMax, isAlive, isrChanges, onIsrCommitted } = this.#surroundings;
    return {
      brokerId: this.#brokerId,
      topicId: this.topicId,
      log: this.log,
      clock,
      guard,
      lagMsMax,
      isAlive,
      isrChanges,
      onIsrCommitted: (before, now) => {
        onIsrCommitted(this, before, now);
        this.#advanceHighWatermark();
      },
      onIsrRefused: () => this.#advanceHighWatermark(),
    };
  }

  #appendError(acks: RequiredAcks): number {
    const refusal = this.leaderError(-1);
    if (refusal !== ErrorCode.NONE) return refusal;
    return acks === -1 && this.isUnderMinIsr ? ErrorCode.NOT_ENOUGH_REPLICAS : ErrorCode.NONE;
  }

  /** Resolves once the high watermark has passed the append, or this broker can no longer say so. */
  async #whenReplicated(appended: Promise<AppendResult>, timeoutMs: number): Promise<AppendResult> {
    const leadership = this.#leadership;
    const result = await appended;
    if (result.errorCode !== ErrorCode.NONE) return result;
    const { lastOffset } = result;
    const outcome = this.#passed(leadership, lastOffset) ?? (await this.#whenPassed(leadership, lastOffset, timeoutMs));
    return outcome === ErrorCode.NONE ? result : refused(outcome, result.logStartOffset);
  }

  /**
   * Resolves with NONE once all before an offset is on every in-sync replica, however many those are, or with why that cannot be waited for:
   * what a leader finds in its log when it begins may be there alone.
   */
  async whenCommitted(offset: number, timeoutMs: number): Promise<number> {
    const leadership = this.#leadership;
    if (this.log.highWatermark >= offset) return ErrorCode.NONE;
    const outcome = this.#passed(leadership, offset - 1) ?? (await this.#whenPassed(leadership, offset - 1, timeoutMs));
    return outcome === ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND ? ErrorCode.NONE : outcome;
  }

  /** What an append is answered with; undefined while that is open. */
  #passed(leadership: number, offset: number): number | undefined {
    const role = this.#leading;
    // If somebody else led in between, the offset may be another record's, wherever the high watermark is.
    if (role === undefined || leadership !== this.#leadership) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (this.log.state === 'failed') return ErrorCode.KAFKA_STORAGE_ERROR;
    if (this.log.highWatermark <= offset) return undefined;
    return role.maximalIsr.length < role.minIsr ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND : ErrorCode.NONE;
  }

  #whenPassed(leadership: number, offset: number, timeoutMs: number): Promise<number> {
    const { deadlines } = this.#surroundings;
    return new Promise((resolve) => {
      const finish = (errorCode: number): void => {
        this.removeWaiter(waiter);
        deadlines.cancel(deadline);
        resolve(errorCode);
      };
      const look = (): void => {
        const errorCode = this.#passed(leadership, offset);
        if (errorCode !== undefined) finish(errorCode);
      };
      const deadline = new Deadline(() => finish(ErrorCode.REQUEST_TIMED_OUT));
      const waiter: PartitionWaiter = { highWatermarkAdvanced: look, partitionChanged: look };
      this.addWaiter(waiter);
      deadlines.set(deadline, timeoutMs);
    });
  }

  /** What a deletion is answered with; undefined while that is open. */
  #deleted(offset: number): DeletedRecords | undefined {
    const lowWatermark = this.#leading?.lowWatermark;
    if (lowWatermark === undefined) return { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, lowWatermark: -1 };
    return lowWatermark >= offset ? { errorCode: ErrorCode.NONE, lowWatermark } : undefined;
  }

  #whenDeleted(offset: number, timeoutMs: number): Promise<DeletedRecords> {
    const { deadlines } = this.#surroundings;
    return new Promise((resolve) => {
      const finish = (result: DeletedRecords): void => {
        this.#deletions.delete(look);
        deadlines.cancel(deadline);
        resolve(result);
      };
      const look = (): void => {
        const result = this.#deleted(offset);
        if (result !== undefined) finish(result);
      };
      const deadline = new Deadline(() =>
        finish({ errorCode: ErrorCode.REQUEST_TIMED_OUT, lowWatermark: this.#leading?.lowWatermark ?? -1 }),
      );
      this.#deletions.add(look);
      deadlines.set(deadline, timeoutMs);
    });
  }

  #becameDurable(): void {
    const sizeBytes = this.#appendedBytes - this.#durableBytes;
    this.#durableBytes = this.#appendedBytes;
    // Followers first: what they fetch now is what the high watermark waits for.
    for (const waiter of this.#waiters) waiter.appended?.(this, sizeBytes);
    this.#advanceHighWatermark();
  }

  /** Moves the high watermark to what all in-sync replicas have, and wakes who waits for that. */
  #advanceHighWatermark(): void {
    const leading = this.#leading;
    if (leading === undefined || !this.log.advanceHighWatermark(leading.commonEndOffset())) return;
    invariant(
      () => this.log.highWatermark <= this.log.durableEndOffset,
      'what consumers may read is durable at the leader',
    );
    this.#tellHighWatermark();
  }

  /** What holds whenever a role begins or ends. */
  #check(): void {
    const [state, leading, following] = [this.#state, this.#leading, this.#following];
    const role = leading ?? following;
    invariant(() => leading === undefined || following === undefined, 'a replica leads or follows');
    invariant(() => role === undefined || role.epoch === state?.leaderEpoch, "a role is of the state's epoch");
    invariant(
      () => leading === undefined || (state?.leader === this.#brokerId && leading.isr.includes(this.#brokerId)),
      'the leader is the one that the state names, and in sync with itself',
    );
    // Not that only replicas are in sync: one that leaves stands among these for a moment longer, until the controller has taken it out.
    invariant(() => leading !== undefined || this.#deletions.size === 0, 'only a leader waits for others to delete');
  }

  #tellHighWatermark(): void {
    const sizeBytes = this.#appendedBytes - this.#announcedBytes;
    this.#announcedBytes = this.#appendedBytes;
    for (const waiter of this.#waiters) waiter.highWatermarkAdvanced(this, sizeBytes);
  }

  /** Whoever cannot be told must not keep others from being told, nor the role from changing. */
  #tellChanged(): void {
    const { guard } = this.#surroundings;
    const what = `Telling who waits for ${this.topic}-${this.partition} that it has changed`;
    for (const waiter of this.#waiters) guard.run(what, () => waiter.partitionChanged(this));
    for (const look of this.#deletions) guard.run(what, look);
  }
}

/** An append of which nothing is kept. */
export function refused(errorCode: number, logStartOffset: number, errorMessage?: string): AppendResult {
  const result = { errorCode, baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, logStartOffset };
  return errorMessage === undefined ? result : { ...result, errorMessage };
}
