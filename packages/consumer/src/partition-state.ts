import type { FetchedChunk } from './fetch/fetched-chunk.ts';
import type { AutoOffsetReset, TopicPartition } from './options.ts';
import type { Lease } from './reading/lease.ts';

/** How a partition comes to the offset at which it is read. */
export type OffsetLookup =
  | { readonly from: 'committed' }
  | { readonly from: 'policy'; readonly policy: AutoOffsetReset; readonly outOfRange: number | undefined }
  | { readonly from: 'beginning' }
  | { readonly from: 'end' }
  | { readonly from: 'timestamp'; readonly timestamp: number };

/**
 * - `finding`: the offset to start at is looked up.
 * - `validating`: there is a new leader, and whether it has the log that was read is being asked (KIP-320).
 * - `fetching`: records can be fetched.
 * - `failed`: `error` waits for a reader; only a seek brings the partition back.
 */
export type PartitionStatus = 'finding' | 'validating' | 'fetching' | 'failed';

/** An offset that is not known. */
export const NO_OFFSET = -1;
export const NO_EPOCH = -1;

/**
 * What is known of one partition that this consumer reads. Three offsets move over its log, in this order at any time:
 * `processedOffset` (all below was handled; what is committed) <= `position` (handed out next) <= `fetchOffset` (fetched next).
 */
export class PartitionState implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  status: PartitionStatus = 'finding';
  lookup: OffsetLookup | undefined;
  error: Error | undefined;
  /** Rises whenever the partition is made to read elsewhere, so that answers to earlier questions are known as such. */
  version = 0;
  fetchOffset = NO_OFFSET;
  /** The epoch of the record before `fetchOffset`, or the one that was committed with it. */
  fetchEpoch = NO_EPOCH;
  /** The leader's epoch that requests carry; a leader of another epoch refuses them. */
  leaderEpoch = NO_EPOCH;
  position = NO_OFFSET;
  processedOffset = NO_OFFSET;
  processedEpoch = NO_EPOCH;
  /** What this consumer last committed or found committed. */
  committedOffset = NO_OFFSET;
  /** Fetched, not yet handed out. */
  readonly chunks: FetchedChunk[] = [];
  bufferedBytes = 0;
  lease: Lease | undefined;
  /** Whether the partition stands in the line of those that a reader may take. */
  queued = false;
  /** By the user. */
  paused = false;
  /** About to be given up: nothing more is handed out. */
  revoking = false;
  /** The listener for its assignment is still at work: nothing is handed out yet, and it may seek. */
  held = false;
  highWatermark = NO_OFFSET;
  lastStableOffset = NO_OFFSET;
  logStartOffset = NO_OFFSET;
  /** A replica that the leader said is nearer (KIP-392), and until when to believe it. */
  preferredReplica: { readonly nodeId: number; readonly untilMs: number } | undefined;
  /** Not asked about before this moment, on the monotonic scale, after something went wrong. */
  retryAtMs = 0;
  /** Failures in a row. */
  failures = 0;
  /** Fetches of the same damaged batch in a row. */
  corruptFetches = 0;
  /** The version for which a fetch is under way; -1 without. */
  fetchingVersion = -1;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** Reads from `offset` on; what was fetched or handed out before is forgotten, and its completion no longer counts. */
  moveTo(offset: number, epoch: number): void {
    this.#startOver();
    this.status = 'fetching';
    this.lookup = undefined;
    this.fetchOffset = offset;
    this.fetchEpoch = epoch;
    this.leaderEpoch = NO_EPOCH;
    this.position = offset;
    this.processedOffset = offset;
    this.processedEpoch = epoch;
  }

  /** Has the offset looked up; until it is found the partition has no position. */
  find(lookup: OffsetLookup): void {
    this.#startOver();
    this.status = 'finding';
    this.lookup = lookup;
    this.fetchOffset = NO_OFFSET;
    this.position = NO_OFFSET;
    this.processedOffset = NO_OFFSET;
  }

  /** Stops the partition until it is sought; readers are told why once they have read what is buffered. */
  fail(error: Error): void {
    this.status = 'failed';
    this.error = error;
  }

  /** Lets go of what is buffered. */
  dropBuffer(): void {
    for (const chunk of this.chunks) chunk.release();
    this.chunks.length = 0;
    this.bufferedBytes = 0;
  }

  /** Whether a reader may take the partition: for its records, or to learn why there are none. */
  get canHandOut(): boolean {
    return (
      !this.paused &&
      !this.revoking &&
      !this.held &&
      this.lease === undefined &&
      (this.chunks.length > 0 || this.error !== undefined)
    );
  }

  /** Where the log ends for this reader: -1 before the first answer. */
  endOffset(readCommitted: boolean): number {
    return readCommitted ? this.lastStableOffset : this.highWatermark;
  }

  #startOver(): void {
    this.version++;
    this.dropBuffer();
    this.error = undefined;
    this.failures = 0;
    this.retryAtMs = 0;
    this.corruptFetches = 0;
    this.lease?.cancel();
  }
}
