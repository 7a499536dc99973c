import type { PartitionLog } from '@millrace/log';
import { ErrorCode } from '@millrace/protocol';
import { BATCH_HEADER_BYTES, batchBaseOffset, batchLeaderEpoch, batchSizeBytes } from '@millrace/records';
import type { Logger } from '../shared/logger.ts';

/** What a leader answered about a partition. */
export interface FetchedFromLeader {
  readonly records: Buffer;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/**
 * What a partition does while another broker leads it: its log becomes the leader's, byte for byte. One call at a time; whoever ends
 * the role waits for the call that is under way.
 */
export class FollowerRole {
  /** -1 while nobody leads. */
  readonly leaderId: number;
  readonly epoch: number;
  readonly #log: PartitionLog;
  readonly #logger: Logger;
  #leaderHighWatermark = -1;

  constructor(leaderId: number, epoch: number, log: PartitionLog, logger: Logger) {
    this.leaderId = leaderId;
    this.epoch = epoch;
    this.#log = log;
    this.#logger = logger;
    log.fenceEpochsBelow(epoch);
  }

  /**
   * The offset to fetch next: what lies below is as durable as the topic asks, and the leader counts on that. The log may end later, while
   * it has yet to go back from what there was no room for.
   */
  get fetchOffset(): number {
    return this.#log.durableEndOffset;
  }

  /** The newest epoch that this log knows of, even where it has no records of it; -1 before the first. */
  get lastFetchedEpoch(): number {
    return this.#log.latestEpoch;
  }

  /** How many committed records this log lacks, as far as the leader has told. */
  get lag(): number {
    return Math.max(0, this.#leaderHighWatermark - this.#log.durableEndOffset);
  }

  get logStartOffset(): number {
    return this.#log.logStartOffset;
  }

  /**
   * Appends what was fetched, then takes over the leader's high watermark and log start offset.
   * @returns 0, or why nothing was taken.
   */
  async take(fetched: FetchedFromLeader): Promise<number> {
    const records = batchesOfEpoch(fetched.records, this.epoch);
    if (records.length > 0) {
      if (this.#endsWithinDeleted(records, fetched.logStartOffset)) await this.startOverAt(fetched.logStartOffset);
      const { errorCode } = await this.#log.append(records, { leaderEpoch: this.epoch, origin: 'replica' });
      if (errorCode !== ErrorCode.NONE) return errorCode;
    }
    this.#leaderHighWatermark = fetched.highWatermark;
    this.#log.followLeader(fetched);
    return ErrorCode.NONE;
  }

  /**
   * Whether the first batch begins before this log's end, and the leader has deleted all before that end on demand. What is here may be
   * other records than the batch's first ones were, which no epoch tells any more, for the leader's begin with its log.
   */
  #endsWithinDeleted(records: Buffer, leaderStartOffset: number): boolean {
    const { fetchOffset } = this;
    return (
      records.length >= BATCH_HEADER_BYTES &&
      batchBaseOffset(records, 0) < fetchOffset &&
      leaderStartOffset >= fetchOffset &&
      this.#log.logStartOffset < fetchOffset
    );
  }

  /**
   * The leader has other records than this log behind where `epoch` ends there: cuts to the last offset that both can have. It may
   * take several rounds, each with an older epoch (KIP-101, KIP-279, KIP-595).
   */
  async truncateTo(epoch: number, endOffset: number, leaderStartOffset: number): Promise<void> {
    const { offset } = this.#log.truncationFor({ leaderEpoch: epoch, endOffset });
    await this.cutTo(offset, leaderStartOffset);
  }

  /**
   * Cuts the log. Even where nothing goes, epochs that begin at the offset do. A log that begins behind the offset begins anew with the
   * leader's: what that has before the offset this log would lack for good, and be taken for in sync. One that begins at the offset has all
   * that was committed there, and it was deleted on demand: it stays as it is, for others count on where it ends.
   */
  async cutTo(offset: number, leaderStartOffset: number): Promise<void> {
    const { logStartOffset } = this.#log;
    const isEmptied = offset < logStartOffset && leaderStartOffset >= 0 && leaderStartOffset < offset;
    await (isEmptied ? this.startOverAt(leaderStartOffset) : this.#log.truncateTo(offset));
  }

  /** Everything here lies before what the leader still has: the log begins anew there. */
  async startOverAt(offset: number): Promise<void> {
    const { topic, partition } = this.#log;
    this.#logger.info(
      { topic, partition, from: this.fetchOffset, to: offset },
      'Nothing is left that the leader and this follower both have; its log begins anew',
    );
    await this.#log.truncateFullyAndStartAt(offset);
  }
}

/**
 * The whole batches at the front that are of `epoch` or older. A batch of a newer epoch comes from a leader that this role does not
 * follow, in an answer that was long under way (KAFKA-18723); a last batch that is cut off comes again.
 */
function batchesOfEpoch(records: Buffer, epoch: number): Buffer {
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= records.length) {
    const sizeBytes = batchSizeBytes(records, at);
    // What makes no sense is for the log to refuse, which says what is wrong with it.
    if (sizeBytes < BATCH_HEADER_BYTES) return records;
    if (at + sizeBytes > records.length || batchLeaderEpoch(records, at) > epoch) break;
    at += sizeBytes;
  }
  return records.subarray(0, at);
}
