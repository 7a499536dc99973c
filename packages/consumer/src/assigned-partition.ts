import { type BackoffSettings, backoffMs } from '@millrace/client';
import { type Clock, invariant, type Random } from '@millrace/ports';
import type { FetchedChunk } from './fetch/fetched-chunk.ts';
import type { MemberIdentity } from './member-identity.ts';
import type { AutoOffsetReset, TopicPartition } from './options.ts';

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

/** What a pause between two attempts is measured by. */
export interface RetryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: { readonly retryBackoffMs: number; readonly retryBackoffMsMax: number };
}

/** Who reads a partition at the moment, as far as the partition's state has to do with it. */
export interface PartitionReader {
  /** Nothing more is handed out; what is in hand may still be finished. */
  cancel(): void;
}

/** Where a log ends and begins, as a leader has told it; -1 where it has not. */
export interface LogEnds {
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
}

/**
 * What is known of one partition that this consumer reads, and the only place where it changes. Three offsets move over its log, in
 * this order at any time: `processedOffset` (all below was handled; what is committed) <= `position` (handed out next) <=
 * `fetchOffset` (fetched next). ARCHITECTURE.md has a drawing of its states.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  #status: PartitionStatus = 'finding';
  #lookup: OffsetLookup | undefined;
  #error: Error | undefined;
  #version = 0;
  #topicId: string | undefined;
  #topicGone = false;
  #fetchOffset = NO_OFFSET;
  #fetchEpoch = NO_EPOCH;
  #leaderEpoch = NO_EPOCH;
  #position = NO_OFFSET;
  #processedOffset = NO_OFFSET;
  #processedEpoch = NO_EPOCH;
  #committedOffset = NO_OFFSET;
  readonly #chunks: FetchedChunk[] = [];
  #bufferedBytes = 0;
  #reader: PartitionReader | undefined;
  #queued = false;
  #paused = false;
  #revoking = false;
  #held = false;
  #lostAs: MemberIdentity | undefined;
  #ends: LogEnds = { highWatermark: NO_OFFSET, lastStableOffset: NO_OFFSET, logStartOffset: NO_OFFSET };
  #preferredReplica: { readonly nodeId: number; readonly untilMs: number } | undefined;
  #retryAtMs = 0;
  #failures = 0;
  #corruptFetches = 0;
  /** The version for which a fetch is under way; -1 without. */
  #fetchingVersion = -1;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get status(): PartitionStatus {
    return this.#status;
  }

  /** What is to be looked up while the status is `finding`. */
  get lookup(): OffsetLookup | undefined {
    return this.#lookup;
  }

  /** Why nothing more is read, to be told to readers. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Rises whenever the partition is made to read elsewhere, so that answers to earlier questions are known as such. */
  get version(): number {
    return this.#version;
  }

  get fetchOffset(): number {
    return this.#fetchOffset;
  }

  /** The epoch of the record before `fetchOffset`, or the one that was committed with it. */
  get fetchEpoch(): number {
    return this.#fetchEpoch;
  }

  /** The leader's epoch that requests carry; a leader of another epoch refuses them. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  get position(): number {
    return this.#position;
  }

  get processedOffset(): number {
    return this.#processedOffset;
  }

  get processedEpoch(): number {
    return this.#processedEpoch;
  }

  /** What this consumer last committed or found committed. */
  get committedOffset(): number {
    return this.#committedOffset;
  }

  /** Whether there is something to be committed, and a topic that it belongs to. */
  get hasUncommitted(): boolean {
    return this.#processedOffset >= 0 && this.#processedOffset !== this.#committedOffset && !this.#topicGone;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get hasRecords(): boolean {
    return this.#chunks.length > 0;
  }

  /** What was fetched first of what is not handed out yet. */
  get firstChunk(): FetchedChunk | undefined {
    return this.#chunks[0];
  }

  get reader(): PartitionReader | undefined {
    return this.#reader;
  }

  /** By the user. */
  get paused(): boolean {
    return this.#paused;
  }

  /** About to be given up: nothing more is handed out. */
  get revoking(): boolean {
    return this.#revoking;
  }

  /** As whom the group's member had held the partition that is its no more; undefined while it is, and without a group. */
  get lostAs(): MemberIdentity | undefined {
    return this.#lostAs;
  }

  get highWatermark(): number {
    return this.#ends.highWatermark;
  }

  /** Not asked about before this moment, on the monotonic scale, after something went wrong. */
  get retryAtMs(): number {
    return this.#retryAtMs;
  }

  /** Whether a fetch is under way for where the partition is read now. */
  get isBeingFetched(): boolean {
    return this.#fetchingVersion === this.#version;
  }

  /** Where the log ends for this reader: -1 before the first answer. */
  endOffset(readCommitted: boolean): number {
    return readCommitted ? this.#ends.lastStableOffset : this.#ends.highWatermark;
  }

  /** Whether a reader may take the partition: for its records, or to learn why there are none. */
  get canHandOut(): boolean {
    return (
      !this.#paused &&
      !this.#revoking &&
      !this.#held &&
      this.#reader === undefined &&
      (this.#chunks.length > 0 || this.#error !== undefined)
    );
  }

  // Where it is read.

  /** Reads from `offset` on; what was fetched or handed out before is forgotten, and its completion no longer counts. */
  moveTo(offset: number, epoch: number): void {
    this.#startOver();
    this.#status = 'fetching';
    this.#lookup = undefined;
    this.#fetchOffset = offset;
    this.#fetchEpoch = epoch;
    this.#leaderEpoch = NO_EPOCH;
    this.#position = offset;
    this.#processedOffset = offset;
    this.#processedEpoch = epoch;
    this.#check();
  }

  /** Has the offset looked up; until it is found the partition has no position. */
  find(lookup: OffsetLookup): void {
    this.#startOver();
    this.#status = 'finding';
    this.#lookup = lookup;
    this.#fetchOffset = NO_OFFSET;
    this.#position = NO_OFFSET;
    this.#processedOffset = NO_OFFSET;
  }

  /** Takes what the group has committed as the place to read from. */
  foundCommitted(offset: number, epoch: number): void {
    this.moveTo(offset, epoch);
    this.#committedOffset = offset;
  }

  /** Nothing is that young: looks for the end instead, as part of the same lookup. */
  findEndInstead(): void {
    invariant(() => this.#status === 'finding', 'what is looked up is looked up for a partition that has no offset');
    this.#lookup = { from: 'end' };
  }

  /** Stops the partition until it is sought; readers are told why once they have read what is buffered. */
  fail(error: Error): void {
    this.#status = 'failed';
    this.#error = error;
  }

  /** What is buffered cannot be read: drops it and stops. */
  failUnreadable(error: Error): void {
    this.#dropBuffer();
    this.fail(error);
  }

  /**
   * Notes which topic of that name is read; true where it is another than before: it was deleted and made again, so that no offset
   * of before means anything in it, nor what is buffered or committed.
   */
  adoptTopic(topicId: string): boolean {
    const before = this.#topicId;
    this.#topicId = topicId;
    this.#topicGone = false;
    if (before === undefined || before === topicId) return false;
    this.#committedOffset = NO_OFFSET;
    this.#ends = { highWatermark: NO_OFFSET, lastStableOffset: NO_OFFSET, logStartOffset: NO_OFFSET };
    this.preferLeader();
    return true;
  }

  /** The cluster does not know the topic any more. Should one of its name come, this one's offsets must not get into it. */
  topicVanished(): void {
    if (this.#topicId !== undefined) this.#topicGone = true;
  }

  // Its leader.

  /** Takes note of the leader's epoch; false where the leader must first be asked whether it has what was read. */
  adoptLeader(leaderEpoch: number): boolean {
    if (leaderEpoch <= this.#leaderEpoch) return this.#status === 'fetching';
    this.#leaderEpoch = leaderEpoch;
    // What was read of this leader's own epoch it has, or it would not be of that epoch any more.
    const isSure = this.#fetchEpoch === NO_EPOCH || this.#fetchEpoch >= leaderEpoch;
    this.#status = isSure ? 'fetching' : 'validating';
    return isSure;
  }

  /** The leader has what was read. */
  validated(): void {
    this.#status = 'fetching';
    this.#failures = 0;
  }

  /** Reads from a replica that the leader said is nearer (KIP-392), for so long. */
  preferReplica(nodeId: number, untilMs: number): void {
    this.#preferredReplica = { nodeId, untilMs };
  }

  /** Reads from the leader, until that names a replica again. */
  preferLeader(): void {
    this.#preferredReplica = undefined;
  }

  /** The replica to read from instead of the leader; undefined without, or when it has been believed for long enough. */
  preferredReplica(nowMs: number): number | undefined {
    if (this.#preferredReplica === undefined) return undefined;
    if (this.#preferredReplica.untilMs > nowMs) return this.#preferredReplica.nodeId;
    this.#preferredReplica = undefined;
    return undefined;
  }

  // Fetching.

  /** A fetch is under way; gives the version that {@link fetchEnded} is to be told. */
  fetchBegins(): number {
    invariant(() => this.#status === 'fetching' && !this.isBeingFetched, 'a partition is fetched once at a time');
    this.#fetchingVersion = this.#version;
    return this.#version;
  }

  fetchEnded(version: number): void {
    if (this.#fetchingVersion === version) this.#fetchingVersion = -1;
  }

  /** A leader or replica has answered, with or without records. */
  heardOf({ highWatermark, lastStableOffset, logStartOffset }: LogEnds): void {
    const before = this.#ends;
    this.#ends = {
      highWatermark: highWatermark >= 0 ? highWatermark : before.highWatermark,
      lastStableOffset: lastStableOffset >= 0 ? lastStableOffset : before.lastStableOffset,
      logStartOffset: logStartOffset >= 0 ? logStartOffset : before.logStartOffset,
    };
  }

  /** Takes records into the buffer. */
  fetched(chunk: FetchedChunk): void {
    invariant(() => chunk.nextOffset >= this.#fetchOffset, 'what is fetched leads on');
    this.#corruptFetches = 0;
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.sizeBytes;
    this.#fetchOffset = chunk.nextOffset;
    this.#fetchEpoch = chunk.lastEpoch;
    this.#check();
  }

  /** What came was damaged; says how often in a row that was so. */
  fetchedDamaged(): number {
    this.#corruptFetches += 1;
    return this.#corruptFetches;
  }

  // Handing out.

  /** Stands in line from now on; false where it stands there already, or has nothing to hand out. */
  enqueue(): boolean {
    if (this.#queued || !this.canHandOut) return false;
    this.#queued = true;
    return true;
  }

  dequeued(): void {
    this.#queued = false;
  }

  /** Gives the partition to a reader: to one at a time, which is what keeps its records in order. */
  leaseTo(reader: PartitionReader): void {
    invariant(() => this.#reader === undefined, 'a partition has one reader');
    this.#reader = reader;
  }

  leaseEnded(reader: PartitionReader): void {
    if (this.#reader === reader) this.#reader = undefined;
  }

  /** All below `position` is in the hands of readers, or was. */
  handedOut(position: number): void {
    this.#position = position;
    // A comparison for every record; all the rest where it fails.
    if (position > this.#fetchOffset) this.#check();
  }

  /** The first chunk is used up; offsets at its end that nobody sees count as handed out. */
  dropChunk(): FetchedChunk | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    chunk.release();
    this.#bufferedBytes -= chunk.sizeBytes;
    this.handedOut(chunk.nextOffset);
    return chunk;
  }

  /** All below `offset` was handled. */
  processedUpTo(offset: number, epoch: number): void {
    this.#processedOffset = offset;
    this.#processedEpoch = epoch;
    if (offset > this.#position) this.#check();
  }

  /** What was handed out and not handled is to be handed out again. */
  handOutAgain(): void {
    if (this.#position > this.#processedOffset && this.#status !== 'failed') {
      this.moveTo(this.#processedOffset, this.#processedEpoch);
    }
  }

  // Commits.

  /** A commit is under way: should it fail, nobody knows what the coordinator has. */
  commitBegins(): void {
    this.#committedOffset = NO_OFFSET;
  }

  committed(offset: number): void {
    this.#committedOffset = offset;
  }

  // Whether it may be read at all.

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  /** The listener for its assignment is at work: nothing is handed out yet, and it may seek. */
  hold(): void {
    this.#held = true;
  }

  letGo(): void {
    this.#held = false;
  }

  /** Nothing more is handed out: the partition is about to be somebody else's. */
  revoke(): void {
    this.#revoking = true;
  }

  /** The partition is no longer this consumer's: answers and completions that are still to come find another version. */
  drop(heldAs: MemberIdentity | undefined): void {
    this.#lostAs = heldAs;
    this.#revoking = true;
    this.find({ from: 'end' });
  }

  // Pauses after failures.

  /** Asks no sooner than after a pause, which doubles with each failure in a row; says until when. */
  retryLater({ clock, random, settings }: RetryContext): number {
    const backoff: BackoffSettings = { backoffMs: settings.retryBackoffMs, backoffMsMax: settings.retryBackoffMsMax };
    this.#retryAtMs = clock.monotonic() + backoffMs(backoff, this.#failures, random);
    this.#failures += 1;
    return this.#retryAtMs;
  }

  /** What was asked was answered well. */
  succeeded(): void {
    this.#failures = 0;
  }

  #startOver(): void {
    this.#version += 1;
    this.#dropBuffer();
    this.#error = undefined;
    this.#failures = 0;
    this.#retryAtMs = 0;
    this.#corruptFetches = 0;
    this.#reader?.cancel();
  }

  #dropBuffer(): void {
    for (const chunk of this.#chunks) chunk.release();
    this.#chunks.length = 0;
    this.#bufferedBytes = 0;
  }

  #check(): void {
    invariant(
      () => this.#processedOffset <= this.#position && this.#position <= this.#fetchOffset && this.#bufferedBytes >= 0,
      'processedOffset <= position <= fetchOffset',
    );
  }
}
