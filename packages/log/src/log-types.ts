import type { EpochStart } from './checkpoint-file.ts';

/** Who appends: decides what is checked. */
export type AppendOrigin =
  /** A producer: everything is checked, offsets are assigned. */
  | 'client'
  /** A coordinator of this broker: offsets are assigned; control batches may be written; sequences are not checked. */
  | 'coordinator'
  /** A follower storing what it fetched: offsets and epochs stay as the leader wrote them. */
  | 'replica';

/** What goes with an append. */
export interface AppendOptions {
  /**
   * The epoch of this broker's leadership; written into each batch. For `replica` that of the leader that is followed: batches of
   * later epochs are another leader's, and stay out (KAFKA-18723).
   */
  readonly leaderEpoch: number;
  readonly origin: AppendOrigin;
  /**
   * For the first batch of a transaction: what {@link PartitionLog.beginVerification} gave before the coordinator was asked whether the
   * transaction is open. If anything of this producer has been written since, the answer is stale, and the batch is refused. For those
   * behind it: what {@link PartitionLog.goOnWithTransaction} gave. Left out: nobody was asked, and the batch is taken.
   */
  readonly guard?: VerificationGuard | undefined;
  /**
   * For a transaction's end marker: its epoch was raised for it, so that it ends nothing that was begun under that epoch. One that comes
   * late, or twice, would tear the next transaction otherwise (KAFKA-19999).
   */
  readonly isRaised?: boolean | undefined;
}

/** Ties the question whether a transaction is open to the append that follows it; means nothing but itself. */
export interface VerificationGuard {
  readonly producerId: number;
  /**
   * The producer's epoch is raised with each transaction, so that each begins with sequence number 0 (KIP-890): of one that is not known
   * here, no other batch may be the first, for those before it are still on their way.
   */
  readonly isRaising: boolean;
}

/** What a producer wants to begin a transaction with. */
export interface VerifiedBatch {
  readonly producerId: number;
  readonly epoch: number;
  /** -1 where there is none. */
  readonly baseSequence: number;
  /** See {@link VerificationGuard}. */
  readonly isRaising: boolean;
}

/** A record that a batch was refused for (Produce response v8 and up). */
export interface RecordError {
  /** Which record of the append, from 0. */
  readonly batchIndex: number;
  readonly message: string;
}

/** How an append ended. Refusals are values with Kafka's error code; nothing of a refused append is kept. */
export interface AppendResult {
  /** 0 when the batches are kept (or were already: a duplicate of an idempotent producer). */
  readonly errorCode: number;
  /** Offset of the first record; of the original for a duplicate; -1 when refused. */
  readonly baseOffset: number;
  /** Offset of the last record; -1 when refused. */
  readonly lastOffset: number;
  /** The broker's time for topics with LogAppendTime; -1 with CreateTime. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly errorMessage?: string;
  readonly recordErrors?: readonly RecordError[];
}

/** How far a read may go. */
export type ReadIsolation =
  /** All that has been written here; for followers. */
  | 'logEnd'
  /** Up to the high watermark; for consumers. */
  | 'highWatermark'
  /** Up to the last stable offset; for consumers with read_committed. */
  | 'committed';

/** How a read is done. */
export interface ReadOptions {
  readonly isolation: ReadIsolation;
  /** Gives the first batch even when it alone is larger than `bytesMax`, so that a reader always gets on. */
  readonly minOneBatch: boolean;
}

/** A transaction that was aborted and whose records lie in what was read (Fetch response, KIP-98). */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** What a read gave. */
export interface ReadResult {
  /** 0, OFFSET_OUT_OF_RANGE (1), CORRUPT_MESSAGE (2) or KAFKA_STORAGE_ERROR (56). */
  readonly errorCode: number;
  /** Whole batches, in order; the first may begin below the offset asked for. Views: do not write into them. */
  readonly chunks: readonly Buffer[];
  readonly sizeBytes: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** For `committed` reads: ordered by first offset. Empty otherwise. */
  readonly abortedTransactions: readonly AbortedTransaction[];
  /**
   * Says, once, that nobody looks at the chunks any more, so that their memory may be used again. It must be said sooner or later:
   * until then they are kept for others who read the same. Undefined where there is nothing to give back.
   */
  readonly release: (() => void) | undefined;
}

/** Where a timestamp lookup ended. */
export interface TimestampOffset {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** What a leader tells a follower with what it gives. */
export interface LeaderOffsets {
  readonly highWatermark: number;
  /** -1 where the leader did not tell (Fetch before version 5). */
  readonly logStartOffset: number;
}

/** The answer to OffsetForLeaderEpoch: the largest epoch that is not above the one asked for, and where it ended. */
export interface EpochEndOffset {
  /** -1 when the log knows no such epoch. */
  readonly leaderEpoch: number;
  /** The first offset after that epoch; -1 when the log knows no such epoch. */
  readonly endOffset: number;
}

/** What DescribeProducers tells of one producer. */
export interface ProducerDescription {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  /** -1 without an open transaction. */
  readonly currentTxnStartOffset: number;
}

/** Where a log stands. `failed` is final until the broker starts anew. */
export type LogState = 'online' | 'truncating' | 'failed' | 'closed';

/** What opening a log found and did. */
export interface LogRecovery {
  readonly logEndOffset: number;
  /** Bytes that were scanned with their CRC. */
  readonly scannedBytes: number;
  /** Bytes cut off, whole segments included. */
  readonly truncatedBytes: number;
  /** The first damage found, where the log was cut; a torn last write is the usual one. */
  readonly fault: { readonly path: string; readonly position: number; readonly fault: string } | undefined;
  /** What was kept of the bytes that were cut off; undefined where no batch among them is whole. */
  readonly setAside?: SetAside | undefined;
  /**
   * Up to which offset everything had been synced, where the log ends before it: files were taken or cut behind the broker's back, or the
   * disk has lost what it had confirmed. Undefined where nothing is missing, and where a fault says what is.
   */
  readonly syncedTo?: number | undefined;
}

/** A log that was there when the broker stopped, and is not when it starts. */
export interface MissingLog {
  /** Topic and partition as its folder was named, such as `orders-0`. */
  readonly name: string;
  /** The log directory that had it. */
  readonly directory: string;
  /** Everything below this offset had been synced. */
  readonly syncedTo: number;
}

/** Bytes that a recovery has cut off a log and kept in files of their own. */
export interface SetAside {
  /** In the order of the log. */
  readonly paths: readonly string[];
  readonly sizeBytes: number;
  /** Why nothing could be kept. */
  readonly error: unknown;
}

/** What is written when the recovery point moves: as it was when the decision was taken, since appends go on meanwhile. */
export interface Checkpoint {
  readonly offset: number;
  /** Undefined when there is one of this offset already. */
  readonly snapshot: Buffer | undefined;
  /** Undefined when the file is up to date. */
  readonly epochs: readonly EpochStart[] | undefined;
}
