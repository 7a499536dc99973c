import type { PartitionLog } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import type { Guard } from '../shared/guard.ts';
import type { IsrChange, IsrChanges, IsrOutcome } from './isr-changes.ts';

/**
 * One whom the controller has just left out is not let in before: it is about to stop, for the most part, and fetches on until it has been
 * told of the new leader and has closed. Whoever waited for it would wait until all know that it is gone.
 */
const LEFT_OUT_MS = 500;

/** What a leader knows of a follower by its fetches. */
interface Progress {
  /** The offset that it asked for last: it has everything below, and durably. -1 before its first fetch of this leadership. */
  endOffset: number;
  logStartOffset: number;
  /** Whether it has fetched in this epoch. */
  hasFetched: boolean;
  lastFetchMs: number;
  /** Where this log ended when the last fetch was read. */
  leaderEndAtLastFetch: number;
  /** When the follower last had everything that this leader had. */
  lastCaughtUpMs: number;
  /** Until when it is neither waited for nor let in, since the controller has left it out. */
  leftOutUntilMs: number;
}

/** A follower's fetch that was read without an error. */
export interface FollowerFetch {
  readonly fetchOffset: number;
  readonly logStartOffset: number;
  /** This log's durable end before the fetch was read. */
  readonly leaderEndOffset: number;
}

/** What a leader works with. */
export interface LeaderRoleOptions {
  readonly brokerId: number;
  readonly topicId: string;
  readonly log: PartitionLog;
  readonly clock: Clock;
  readonly guard: Guard;
  /** `replica.lag.time.max.ms` */
  readonly lagMsMax: number;
  readonly isAlive: (brokerId: number) => boolean;
  readonly isrChanges: IsrChanges;
  /** The in-sync replicas have changed, and the high watermark may move because of it. */
  readonly onIsrCommitted: (before: readonly number[], now: readonly number[]) => void;
  /** Those who were proposed are not, and the high watermark may move because they are no longer waited for. */
  readonly onIsrRefused: () => void;
}

/** What there was before a role began. */
export interface FormerRole {
  /** Where this broker led already: its followers are known. */
  readonly leading: LeaderRole | undefined;
  /** The in-sync replicas that this broker knew of; empty where it knew of none. */
  readonly isr: readonly number[];
}

/**
 * What a partition does while this broker leads it: it knows how far its followers are, who is in sync, and so how far the
 * high watermark may go (`kafka.cluster.Partition`).
 *
 * A change to the in-sync replicas is proposed to the controller and counts when it has agreed. Until then the larger of both sets
 * counts for the high watermark, since nobody here knows which of them a new leader would be chosen from (KIP-497).
 */
export class LeaderRole {
  readonly epoch: number;
  readonly #options: LeaderRoleOptions;
  readonly #begunAt: number;
  readonly #replicas: readonly number[];
  readonly #followers = new Map<number, Progress>();
  #isr: readonly number[];
  #partitionEpoch: number;
  #recoveryState: number;
  /** What the controller was asked to make of the in-sync replicas. */
  #proposed: readonly number[] | undefined;
  /** The proposal of that. */
  #change: IsrChange | undefined;
  #isOver = false;

  constructor(state: ReplicaState, options: LeaderRoleOptions, before: FormerRole) {
    this.#options = options;
    this.epoch = state.leaderEpoch;
    this.#begunAt = options.log.logEndOffset;
    this.#replicas = state.replicas;
    this.#isr = state.isr;
    this.#partitionEpoch = state.partitionEpoch;
    this.#recoveryState = state.leaderRecoveryState;
    const nowMs = options.clock.monotonic();
    for (const id of state.replicas) {
      if (id === options.brokerId) continue;
      const known = before.leading === undefined ? undefined : before.leading.#followers.get(id);
      const isLeftOut = before.isr.includes(id) && !state.isr.includes(id);
      // One that is not in sync begins anew: what it had caught up with before this epoch must not hold the high watermark up.
      const caughtUpMs = state.isr.includes(id) ? nowMs : Number.NEGATIVE_INFINITY;
      this.#followers.set(id, {
        endOffset: known?.endOffset ?? -1,
        logStartOffset: known?.logStartOffset ?? -1,
        hasFetched: false,
        lastFetchMs: known === undefined ? Number.NEGATIVE_INFINITY : caughtUpMs,
        leaderEndAtLastFetch: known === undefined ? -1 : options.log.durableEndOffset,
        lastCaughtUpMs: caughtUpMs,
        leftOutUntilMs: isLeftOut ? nowMs + LEFT_OUT_MS : (known?.leftOutUntilMs ?? Number.NEGATIVE_INFINITY),
      });
    }
    // So that a first record is not read as one of the epoch before (KIP-101).
    options.log.assignEpoch(state.leaderEpoch);
  }

  /**
   * Where this leadership began. A follower that has not come so far may lack records that were committed before. Nobody has to come
   * further than this log, which may have gone back since because its disk was full.
   */
  get epochStartOffset(): number {
    return Math.min(this.#begunAt, this.#options.log.logEndOffset);
  }

  /** The in-sync replicas that the controller has agreed to. */
  get isr(): readonly number[] {
    return this.#isr;
  }

  /** Version of the state znode that this leader knows. */
  get partitionEpoch(): number {
    return this.#partitionEpoch;
  }

  get recoveryState(): number {
    return this.#recoveryState;
  }

  /** All who may be in sync by now: those agreed to, and those who were proposed beside them. */
  get maximalIsr(): readonly number[] {
    const proposed = this.#proposed;
    if (proposed === undefined || proposed.length < this.#isr.length) return this.#isr;
    return proposed;
  }

  /** Whether a change of the in-sync replicas is under way. */
  get isChangingIsr(): boolean {
    return this.#proposed !== undefined;
  }

  /** `min.insync.replicas`, which asks for no more replicas than there are. */
  get minIsr(): number {
    return Math.min(this.#options.log.config.minInSyncReplicas, this.#replicas.length);
  }

  get isUnderMinIsr(): boolean {
    return this.#isr.length < this.minIsr;
  }

  get isUnderReplicated(): boolean {
    return this.#isr.length < this.#replicas.length;
  }

  /** The lowest log start offset of this and all live followers: nobody that counts has records below it. */
  get lowWatermark(): number {
    let lowest = this.#options.log.logStartOffset;
    for (const [id, { logStartOffset }] of this.#followers) {
      if (this.#options.isAlive(id)) lowest = Math.min(lowest, logStartOffset);
    }
    return lowest;
  }

  /** Whether a broker may fetch as a follower. */
  isReplica(brokerId: number): boolean {
    return this.#followers.has(brokerId);
  }

  /** Whether a follower that is in sync (or any such) has not fetched in this epoch yet. */
  awaits(brokerId?: number): boolean {
    return this.#isr.some((id) => {
      if (brokerId !== undefined && id !== brokerId) return false;
      return this.#followers.get(id)?.hasFetched === false && this.#options.isAlive(id);
    });
  }

  /** In-sync followers that hold the record at an offset, or end there; for consumers that read from them (KIP-392). */
  *followersWith(offset: number): Generator<{ readonly id: number; readonly endOffset: number }> {
    for (const [id, { endOffset, logStartOffset }] of this.#followers) {
      const holds = logStartOffset >= 0 && logStartOffset <= offset && offset <= endOffset;
      if (holds && this.#isr.includes(id) && this.#options.isAlive(id)) yield { id, endOffset };
    }
  }

  /** How many records the follower that lags most is behind. */
  get maxLag(): number {
    const endOffset = this.#options.log.durableEndOffset;
    let lag = 0;
    for (const progress of this.#followers.values()) lag = Math.max(lag, endOffset - Math.max(progress.endOffset, 0));
    return lag;
  }

  /** Notes how far a follower is. The caller advances the high watermark then. */
  followerFetched(brokerId: number, fetch: FollowerFetch): void {
    const progress = this.#followers.get(brokerId);
    if (progress === undefined) return;
    progress.hasFetched = true;
    const { log, clock } = this.#options;
    const nowMs = clock.monotonic();
    const { fetchOffset } = fetch;
    // What lies there is not what this log is going to have there: one that has yet to go back from what there was no room for, say.
    if (fetchOffset > log.durableEndOffset) return;
    const isLeftOut = nowMs < progress.leftOutUntilMs && !this.#isr.includes(brokerId);
    if (isLeftOut) progress.lastCaughtUpMs = Number.NEGATIVE_INFINITY;
    else if (fetchOffset >= log.durableEndOffset) progress.lastCaughtUpMs = nowMs;
    else if (progress.leaderEndAtLastFetch >= 0 && fetchOffset >= progress.leaderEndAtLastFetch) {
      progress.lastCaughtUpMs = Math.max(progress.lastCaughtUpMs, progress.lastFetchMs);
    }
    progress.endOffset = fetchOffset;
    progress.logStartOffset = fetch.logStartOffset;
    progress.lastFetchMs = nowMs;
    progress.leaderEndAtLastFetch = fetch.leaderEndOffset;
    if (!isLeftOut) this.#maybeExpand(brokerId, progress);
  }

  /** Where the high watermark may go: what all have who may be in sync, or are about to be. */
  commonEndOffset(): number {
    const { log } = this.#options;
    // With fewer in sync than were asked for, what they have is not safe enough to be called committed (KIP-966).
    if (this.isUnderMinIsr) return log.highWatermark;
    const maximal = this.maximalIsr;
    let common = log.durableEndOffset;
    for (const [id, progress] of this.#followers) {
      if (!maximal.includes(id) && !this.#isAboutToJoin(id, progress)) continue;
      common = Math.min(common, progress.endOffset >= 0 ? progress.endOffset : log.highWatermark);
    }
    return common;
  }

  /** Proposes to go on without followers that have lagged for too long. To be called every now and then. */
  maybeShrink(): void {
    // A leader whose log has failed is about to be replaced, and must not leave itself as the only one (KAFKA-7837).
    if (this.#proposed !== undefined || this.#isOver || this.#options.log.state === 'failed') return;
    const lagging = this.#isr.filter((id) => this.#lags(id));
    if (lagging.length > 0) this.#propose(this.#isr.filter((id) => !lagging.includes(id)));
  }

  /** Another has taken over, or this role has: what the controller answers does not count any more. */
  end(): void {
    this.#isOver = true;
    if (this.#proposed !== undefined && this.#change !== undefined) this.#options.isrChanges.withdraw(this.#change);
    this.#proposed = undefined;
  }

  #lags(id: number): boolean {
    const progress = this.#followers.get(id);
    if (progress === undefined) return false;
    const { log, clock, lagMsMax } = this.#options;
    if (progress.endOffset === log.durableEndOffset) return false;
    return clock.monotonic() - progress.lastCaughtUpMs > lagMsMax;
  }

  #isAboutToJoin(id: number, progress: Progress): boolean {
    const { clock, lagMsMax, isAlive } = this.#options;
    return clock.monotonic() - progress.lastCaughtUpMs <= lagMsMax && isAlive(id);
  }

  #maybeExpand(id: number, progress: Progress): void {
    if (this.#proposed !== undefined || this.#isOver || this.#isr.includes(id)) return;
    if (this.#hasAllCommitted(progress) && this.#options.isAlive(id)) this.#propose([...this.#isr, id]);
  }

  #hasAllCommitted({ endOffset, logStartOffset }: Progress): boolean {
    const { log } = this.#options;
    // What was deleted here is in no epoch that this log can tell the end of, so a follower may still have others there than were committed.
    if (logStartOffset < log.logStartOffset) return false;
    // The high watermark alone would let it in that lacks what was committed before this leadership (KAFKA-7128).
    return endOffset >= log.highWatermark && endOffset >= this.epochStartOffset;
  }

  #propose(isr: readonly number[]): void {
    this.#proposed = isr;
    const change: IsrChange = {
      topic: this.#options.log.topic,
      topicId: this.#options.topicId,
      partition: this.#options.log.partition,
      leaderEpoch: this.epoch,
      partitionEpoch: this.#partitionEpoch,
      isr,
      // Whoever is in sync with a leader that recovers has what it has, so growing ends it.
      leaderRecoveryState: 0,
    };
    this.#change = change;
    const { guard, isrChanges } = this.#options;
    const taken = isrChanges.propose(change).then((outcome) => this.#answered(change, outcome));
    guard.settle(`Taking over the in-sync replicas of ${change.topic}-${change.partition}`, taken);
  }

  #answered(change: IsrChange, outcome: IsrOutcome | undefined): void {
    if (this.#isOver || outcome === undefined || this.#proposed !== change.isr) return;
    const { errorCode } = outcome;
    if (errorCode === ErrorCode.OPERATION_NOT_ATTEMPTED || errorCode === ErrorCode.INELIGIBLE_REPLICA) {
      // What was there counts, and is proposed again after a while.
      this.#proposed = undefined;
      this.#leaveOut(change.isr);
      this.#options.onIsrRefused();
      return;
    }
    // Whatever else it is (another epoch, another version): a LeaderAndIsr is on its way, and until then the larger set counts.
    if (errorCode !== ErrorCode.NONE) return;
    if (outcome.leaderEpoch !== this.epoch || outcome.partitionEpoch < this.#partitionEpoch) return;
    const before = this.#isr;
    this.#isr = outcome.isr;
    this.#partitionEpoch = outcome.partitionEpoch;
    this.#recoveryState = outcome.leaderRecoveryState;
    this.#proposed = undefined;
    this.#options.onIsrCommitted(before, this.#isr);
  }

  /** The controller lets nobody in of these who is not in sync already: a broker stops, or is gone. */
  #leaveOut(refused: readonly number[]): void {
    const untilMs = this.#options.clock.monotonic() + LEFT_OUT_MS;
    for (const [id, progress] of this.#followers) {
      if (!refused.includes(id) || this.#isr.includes(id)) continue;
      progress.leftOutUntilMs = untilMs;
      progress.lastCaughtUpMs = Number.NEGATIVE_INFINITY;
    }
  }
}
