import type { AbortedTransaction, ReadIsolation, ReadResult } from '@millrace/log';
import { ErrorCode } from '@millrace/protocol';
import type { FetchTarget } from '../fetch-sessions/fetch-target.ts';
import { isRefusal } from '../shared/refusal.ts';
import { neverPause, type Pause } from '../shared/turns.ts';
import type { Partition } from './partition.ts';
import type { ReplicaManager } from './replica-manager.ts';

/** How much a fetch may take and from where; the same for all its partitions. */
export interface FetchLimits {
  /** The most bytes in all. A first batch that is larger is given all the same, unless `hardBytesMax`. */
  readonly bytesMax: number;
  /** Fetch v0 to v2 promised never to give more than was asked for. */
  readonly hardBytesMax: boolean;
  readonly isolation: ReadIsolation;
  /** The follower's broker id; -1 for consumers. */
  readonly replicaId: number;
  /** Whether followers may serve it too, up to their own high watermark: consumers since Fetch 11 (KIP-392). */
  readonly mayReadFollower: boolean;
  /** Where a consumer should rather read a partition from an offset on; -1 for here. */
  readonly preferredReplica: (partition: Partition, offset: number) => number;
  /** Whether this reads again what was read before a wait: how far a follower is has been noted then (KAFKA-8400). */
  readonly isAgain: boolean;
  /** Why the reader may not have a partition, asked before he is told whether it exists; 0 where he may. */
  readonly refusalOf: (target: FetchTarget, partition: Partition | undefined) => number;
}

/** What was read of one partition. Offsets are -1 where there is an error, as in Kafka. */
export interface PartitionFetch {
  readonly target: FetchTarget;
  /** Undefined where this broker has no such replica. */
  readonly partition: Partition | undefined;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** How far the reader could have read. */
  readonly readableEndOffset: number;
  readonly chunks: readonly Buffer[];
  readonly sizeBytes: number;
  /** There are records, but the first batch is larger than what this partition may give (see `hardBytesMax`). */
  readonly isCutOff: boolean;
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
  /** The replica that a consumer should read from instead; -1 for none. */
  readonly preferredReplica: number;
  /** Where the fetcher's log and this one part (KIP-320), when they do. */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined;
}

/** What a whole fetch has read. */
export interface FetchReading {
  readonly fetches: readonly PartitionFetch[];
  readonly sizeBytes: number;
  /** Whether there is something to tell at once, whatever the bytes: an error or a divergence. */
  isUrgent: boolean;
  /** Whether memory waits for {@link release}. */
  readonly mustRelease: boolean;
  /** Says, once, that nobody looks at what was read any more. */
  release(): void;
}

/**
 * Reads partitions one after the other until `bytesMax` is used up. At once where the tail caches have what is asked for;
 * with a promise from the first partition on that has to go to the disk, or once `pause` says that others shall have their turn.
 */
export function readTargets(
  replicas: ReplicaManager,
  targets: Iterable<FetchTarget>,
  limits: FetchLimits,
  pause: Pause = neverPause,
): FetchReading | Promise<FetchReading> {
  return new Reading(replicas, targets[Symbol.iterator](), limits, pause).run();
}

const NO_CHUNKS: readonly Buffer[] = [];

/** What a follower is told that has heard of a partition before this broker did. */
const EARLY: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
]);

/** It is asked once in so many partitions whether others shall have their turn: a fetch of a few must not pay for it. */
const PARTITIONS_PER_PAUSE = 32;

class Reading implements FetchReading {
  readonly fetches: PartitionFetch[] = [];
  sizeBytes = 0;
  isUrgent = false;
  readonly #releases: (() => void)[] = [];
  readonly #replicas: ReplicaManager;
  readonly #targets: Iterator<FetchTarget>;
  readonly #limits: FetchLimits;
  readonly #pause: () => Promise<void> | undefined;
  #count = 0;

  constructor(
    replicas: ReplicaManager,
    targets: Iterator<FetchTarget>,
    limits: FetchLimits,
    pause: () => Promise<void> | undefined,
  ) {
    this.#replicas = replicas;
    this.#targets = targets;
    this.#limits = limits;
    this.#pause = pause;
  }

  run(): FetchReading | Promise<FetchReading> {
    for (let next = this.#targets.next(); next.done !== true; next = this.#targets.next()) {
      const target = next.value;
      this.#count += 1;
      const pause = this.#count % PARTITIONS_PER_PAUSE === 0 ? this.#pause() : undefined;
      if (pause !== undefined) return pause.then(() => this.#runOn(target), this.#giveUp);
      const reading = this.#one(target);
      if (reading !== undefined) return reading;
    }
    return this;
  }

  /** Goes on with a target, and with those behind it. */
  #runOn(target: FetchTarget): FetchReading | Promise<FetchReading> {
    return this.#one(target) ?? this.run();
  }

  /** Reads one target at once; or gives a promise of the whole where it must be waited for. */
  #one(target: FetchTarget): Promise<FetchReading> | undefined {
    const found = this.#replicas.lookUp(target);
    const refusal = this.#limits.refusalOf(target, isRefusal(found) ? undefined : found);
    if (refusal !== ErrorCode.NONE) return this.#fail(target, undefined, refusal);
    if (isRefusal(found)) return this.#fail(target, undefined, found.errorCode);
    const read = this.#read(target, found);
    if (read instanceof Promise) {
      return read.then((result) => {
        this.#take(target, found, result);
        return this.run();
      }, this.#giveUp);
    }
    if (read !== undefined) this.#take(target, found, read);
    return undefined;
  }

  readonly #giveUp = (error: unknown): never => {
    this.release();
    throw error;
  };

  get mustRelease(): boolean {
    return this.#releases.length > 0;
  }

  release(): void {
    for (const release of this.#releases) release();
    this.#releases.length = 0;
  }

  /** Undefined when the partition was refused and that is noted. */
  #read(target: FetchTarget, partition: Partition): ReadResult | Promise<ReadResult> | undefined {
    const { replicaId } = this.#limits;
    const refusal = this.#refusal(target, partition);
    if (refusal !== ErrorCode.NONE) return this.#fail(target, partition, refusal);
    const { log } = partition;
    if (target.lastFetchedEpoch >= 0) {
      // An offset that retention has taken away is told of first: there is nothing to cut back to (KAFKA-12996).
      if (target.fetchOffset < log.logStartOffset) return this.#fail(target, partition, ErrorCode.OFFSET_OUT_OF_RANGE);
      if (this.#diverges(target, partition)) return undefined;
    }
    const preferred = replicaId < 0 ? this.#limits.preferredReplica(partition, target.fetchOffset) : -1;
    if (preferred >= 0) return this.#redirect(target, partition, preferred);
    const leaderEndOffset = log.durableEndOffset;
    if (replicaId >= 0 && this.#mustWait(partition, replicaId)) {
      return this.#holdBack(target, partition, leaderEndOffset);
    }
    const read = log.read(target.fetchOffset, this.#bytesFor(target, partition), {
      isolation: this.#limits.isolation,
      minOneBatch: this.sizeBytes === 0 && !this.#limits.hardBytesMax,
    });
    if (replicaId < 0 || this.#limits.isAgain) return read;
    const note = (result: ReadResult): ReadResult => {
      this.#noteFollower(target, partition, result, leaderEndOffset);
      return result;
    };
    return read instanceof Promise ? read.then(note) : note(read);
  }

  /**
   * How much of a partition is read. A follower of Kafka appends all that it is given at once, and refuses more than fits into a segment
   * (`UnifiedLog.appendAsFollower`), for Kafka's leaders never read beyond one: so replicas are given no more, or they would never come into sync.
   */
  #bytesFor({ maxBytes }: FetchTarget, { config }: Partition): number {
    const { replicaId, bytesMax } = this.#limits;
    const bytesLeft = Math.max(0, bytesMax - this.sizeBytes);
    return Math.min(maxBytes, bytesLeft, replicaId < 0 ? bytesLeft : config.segmentBytes);
  }

  #refusal(target: FetchTarget, partition: Partition): number {
    const { replicaId } = this.#limits;
    const { currentLeaderEpoch } = target;
    const refusal = this.#limits.mayReadFollower
      ? partition.replicaError(currentLeaderEpoch)
      : partition.leaderError(currentLeaderEpoch);
    if (refusal !== ErrorCode.NONE || replicaId < 0 || partition.isFollower(replicaId)) return refusal;
    // A broker that knows this epoch knows its replicas too, so it has heard of a newer assignment than this one has.
    return target.currentLeaderEpoch >= 0 ? ErrorCode.UNKNOWN_LEADER_EPOCH : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  /** What could not be read says nothing about where the follower is, nor does what belongs to another epoch by now. */
  #noteFollower(target: FetchTarget, partition: Partition, read: ReadResult, leaderEndOffset: number): void {
    if (read.errorCode !== ErrorCode.NONE || this.#refusal(target, partition) !== ErrorCode.NONE) return;
    partition.followerFetched(this.#limits.replicaId, {
      fetchOffset: target.fetchOffset,
      logStartOffset: target.followerLogStartOffset,
      leaderEndOffset,
    });
  }

  /** Whether a follower that is not in sync has to wait, because the throttled ones have had their bytes (KIP-73). */
  #mustWait(partition: Partition, replicaId: number): boolean {
    const { leader } = this.#replicas.throttle;
    if (!leader.isOn || partition.isr.includes(replicaId)) return false;
    return leader.isThrottled(partition.topic, partition.partition) && leader.isExceeded;
  }

  /** Gives a follower nothing now. Where it is has been noted all the same. */
  #holdBack(target: FetchTarget, partition: Partition, leaderEndOffset: number): undefined {
    const { fetchOffset, followerLogStartOffset: logStartOffset } = target;
    if (fetchOffset <= leaderEndOffset && !this.#limits.isAgain) {
      partition.followerFetched(this.#limits.replicaId, { fetchOffset, logStartOffset, leaderEndOffset });
    }
    this.fetches.push(this.#empty(target, partition));
  }

  /** Sends a consumer to another replica, at once and without records. */
  #redirect(target: FetchTarget, partition: Partition, preferredReplica: number): undefined {
    this.isUrgent = true;
    this.fetches.push({ ...this.#empty(target, partition), preferredReplica });
  }

  /** Tells a fetcher whose last record is not in this log where the two logs part (KIP-320, KIP-595). */
  #diverges(target: FetchTarget, partition: Partition): boolean {
    const { log } = partition;
    const end = log.endOffsetForEpoch(target.lastFetchedEpoch);
    if (end.endOffset < 0) {
      this.#fail(target, partition, ErrorCode.OFFSET_OUT_OF_RANGE);
      return true;
    }
    if (end.leaderEpoch >= target.lastFetchedEpoch && end.endOffset >= target.fetchOffset) return false;
    this.isUrgent = true;
    const diverging = { epoch: end.leaderEpoch, endOffset: end.endOffset };
    this.fetches.push({ ...this.#empty(target, partition), diverging });
    return true;
  }

  /** An answer without records. */
  #empty(target: FetchTarget, partition: Partition): PartitionFetch {
    const { highWatermark, lastStableOffset, logStartOffset, durableEndOffset } = partition.log;
    return {
      target,
      partition,
      errorCode: ErrorCode.NONE,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      readableEndOffset: durableEndOffset,
      chunks: NO_CHUNKS,
      sizeBytes: 0,
      isCutOff: false,
      abortedTransactions: null,
      preferredReplica: -1,
      diverging: undefined,
    };
  }

  #take(target: FetchTarget, partition: Partition, read: ReadResult): void {
    if (read.errorCode !== ErrorCode.NONE) {
      this.#fail(target, partition, read.errorCode);
      return;
    }
    if (read.release !== undefined) this.#releases.push(read.release);
    const readableEndOffset = readableEnd(this.#limits.isolation, partition, read);
    const isCutOff = this.#isCutOff(target, read.sizeBytes, readableEndOffset);
    // Who waited for more bytes would wait for ever.
    if (isCutOff) this.isUrgent = true;
    this.sizeBytes += read.sizeBytes;
    this.fetches.push({
      target,
      partition,
      errorCode: ErrorCode.NONE,
      highWatermark: read.highWatermark,
      lastStableOffset: read.lastStableOffset,
      logStartOffset: read.logStartOffset,
      readableEndOffset,
      chunks: read.chunks,
      sizeBytes: read.sizeBytes,
      isCutOff,
      abortedTransactions: this.#limits.isolation === 'committed' ? read.abortedTransactions : null,
      preferredReplica: -1,
      diverging: undefined,
    });
  }

  /** Whether it is this partition's own limit that keeps even its first batch back, and not what others have taken. */
  #isCutOff(target: FetchTarget, sizeBytes: number, readableEndOffset: number): boolean {
    const { hardBytesMax, bytesMax } = this.#limits;
    if (!hardBytesMax || sizeBytes > 0 || target.maxBytes <= 0) return false;
    return target.fetchOffset < readableEndOffset && target.maxBytes <= bytesMax - this.sizeBytes;
  }

  #fail(target: FetchTarget, partition: Partition | undefined, errorCode: number): undefined {
    const isEarly = this.#limits.replicaId >= 0 && EARLY.has(errorCode);
    // The controller tells one broker after the other, so a follower may wait until this one has been told, too.
    if (!isEarly) this.isUrgent = true;
    this.fetches.push({
      target,
      partition,
      errorCode,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      readableEndOffset: -1,
      chunks: NO_CHUNKS,
      sizeBytes: 0,
      isCutOff: false,
      // As Kafka: what it refuses without a look at the log has a list.
      abortedTransactions: partition === undefined ? [] : null,
      preferredReplica: -1,
      diverging: undefined,
    });
  }
}

/** How far a reader could have read. */
function readableEnd(isolation: FetchLimits['isolation'], { log }: Partition, read: ReadResult): number {
  if (isolation === 'logEnd') return log.durableEndOffset;
  return isolation === 'committed' ? read.lastStableOffset : read.highWatermark;
}
