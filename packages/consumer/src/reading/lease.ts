import type { AssignedPartition, PartitionReader } from '../assigned-partition.ts';
import { corruptBatch, messageOf } from '../errors.ts';
import type { FetchedChunk } from '../fetch/fetched-chunk.ts';
import type { ConsumerSettings } from '../options.ts';
import type { ConsumerRecord, IsWanted } from '../record.ts';

/** Records that a lease handed out together. */
export interface RecordRun {
  readonly records: readonly ConsumerRecord<unknown, unknown>[];
  /** What is processed when all of them are. */
  readonly nextOffset: number;
}

/** What of the consumer's settings matters to who reads. */
export type ReadingSettings = Pick<ConsumerSettings, 'partitionBytesMax' | 'readCommitted'>;

/**
 * The right of one reader to read one partition for a while. A partition has one lease at most, which is what keeps its records
 * in order. Asking for the next record says that the one before is done: that moves what is committed.
 */
export class Lease implements PartitionReader {
  readonly state: AssignedPartition;
  /** Whether a handler of `run` has it, and not a loop. */
  ofRun = false;
  readonly #version: number;
  readonly #settings: ReadingSettings;
  readonly #onRoom: (state: AssignedPartition) => void;
  #cancelled = false;
  /** Made when somebody asks for the signal, which most handlers do not. */
  #abort: AbortController | undefined;
  /** What came with one fetch is read: the lease is to be given back, so that other partitions have their turn. */
  #turnOver = false;
  #released: (() => void)[] | undefined;
  /** The offset after the record that is in the reader's hands; -1 when there is none. */
  #inHand = -1;
  #inHandEpoch = -1;
  /** Rises whenever the reader shows that it is alive. */
  progress = 0;
  /** What the watch of slow handlers last saw of `progress`, and when it was new. */
  seenProgress = 0;
  seenMs: number;

  constructor(
    state: AssignedPartition,
    nowMs: number,
    settings: ReadingSettings,
    onRoom: (state: AssignedPartition) => void,
  ) {
    this.state = state;
    this.#settings = settings;
    this.#version = state.version;
    this.seenMs = nowMs;
    this.#onRoom = onRoom;
  }

  /** Where the log ended for this reader when it was last heard of: at the last stable offset for one of what is committed. */
  get endOffset(): number {
    return this.state.endOffset(this.#settings.readCommitted);
  }

  /** Whether nothing more may be handed out: the partition is given up, sought elsewhere, or the consumer ends. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Ends the handing out. What is in hand may still be finished; that counts unless the partition was moved. */
  cancel(): void {
    this.#cancelled = true;
    this.#abort?.abort();
  }

  /** Fires when the lease is cancelled. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#cancelled) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /**
   * Finishes the record in hand and gives the next; undefined at the end of what came with one fetch, which is when the other
   * partitions have their turn, and when the lease is cancelled.
   * @throws ConsumerError `CONSUMER_CORRUPT_BATCH`; the partition then stands still until it is sought.
   */
  next(): ConsumerRecord<never, never> | undefined {
    const { state } = this;
    this.finish();
    if (this.#isOver) return undefined;
    const record = this.#read();
    if (record !== undefined) {
      this.#inHand = record.offset + 1;
      this.#inHandEpoch = record.leaderEpoch;
      state.handedOut(this.#inHand);
      return record;
    }
    const chunk = this.#dropChunk();
    if (chunk !== undefined) this.#finish(chunk.nextOffset, chunk.lastEpoch);
    return undefined;
  }

  /**
   * Finishes what is in hand and gives up to `recordsMax` records of what came with one fetch, or with several where no more came
   * with all of them than one may bring: a reader that is slower than records come gets more of them at a time, and catches up.
   * Undefined as with `next`.
   * @throws ConsumerError `CONSUMER_CORRUPT_BATCH`
   */
  nextRun(recordsMax: number): RecordRun | undefined {
    const first = this.next();
    if (first === undefined) return undefined;
    const records = [first];
    const { state } = this;
    let sizeBytes = 0;
    for (let chunk = state.firstChunk; chunk !== undefined; chunk = state.firstChunk) {
      sizeBytes += chunk.sizeBytes;
      // What is damaged behind the first is told to who asks next: what stands before it is good.
      const isFirst = sizeBytes === chunk.sizeBytes;
      if (!isFirst && (records.length >= recordsMax || sizeBytes > this.#settings.partitionBytesMax)) break;
      if (!this.#readInto(records, recordsMax, isFirst) || !chunk.exhausted) break;
      this.#dropChunk();
      this.#inHand = chunk.nextOffset;
      this.#inHandEpoch = chunk.lastEpoch;
    }
    state.handedOut(this.#inHand);
    return { records, nextOffset: this.#inHand };
  }

  /**
   * Finishes what is in hand and goes through what is left of what came with one fetch, making those records alone that are wanted:
   * there may be none. Undefined where nothing is left.
   * @throws ConsumerError `CONSUMER_CORRUPT_BATCH`
   */
  scan(isWanted: IsWanted): RecordRun | undefined {
    this.finish();
    if (this.#isOver || !this.state.hasRecords) return undefined;
    const records: ConsumerRecord<never, never>[] = [];
    for (let record = this.#read(isWanted); record !== undefined; record = this.#read(isWanted)) records.push(record);
    const chunk = this.#dropChunk();
    // Whoever was asked whether a record is wanted may have sought elsewhere: what was being read is gone then.
    if (chunk === undefined) return undefined;
    this.#inHand = chunk.nextOffset;
    this.#inHandEpoch = chunk.lastEpoch;
    return { records, nextOffset: chunk.nextOffset };
  }

  get #isOver(): boolean {
    return this.#cancelled || this.#turnOver || this.state.paused;
  }

  /** Adds what is left of the first chunk; false where that is damaged and nobody is to be told yet. */
  #readInto(records: ConsumerRecord<never, never>[], recordsMax: number, throws: boolean): boolean {
    try {
      while (records.length < recordsMax) {
        const record = this.#read();
        if (record === undefined) return true;
        records.push(record);
        this.#inHand = record.offset + 1;
        this.#inHandEpoch = record.leaderEpoch;
      }
      return true;
    } catch (error) {
      if (throws) throw error;
      return false;
    }
  }

  /** Finishes a part of a run: all below `offset` is processed. */
  finishUpTo(offset: number, epoch: number): void {
    this.progress += 1;
    if (offset > this.state.processedOffset && offset <= this.#inHand) this.#finish(offset, epoch);
  }

  /** Finishes what is in hand without asking for more. */
  finish(): void {
    this.progress += 1;
    if (this.#inHand >= 0) this.#finish(this.#inHand, this.#inHandEpoch);
    this.#inHand = -1;
  }

  /** Gives back what is in hand, unprocessed: it will be handed out again. */
  abandon(): void {
    if (this.#inHand >= 0 && this.#isCurrent) this.state.handOutAgain();
    this.#inHand = -1;
  }

  /** Calls back once the reader has let go. */
  onReleased(listener: () => void): void {
    this.#released ??= [];
    this.#released.push(listener);
  }

  /** For {@link Delivery} alone. */
  released(): void {
    this.#cancelled = true;
    const listeners = this.#released;
    this.#released = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  get #isCurrent(): boolean {
    return this.state.version === this.#version;
  }

  #finish(offset: number, epoch: number): void {
    if (this.#isCurrent) this.state.processedUpTo(offset, epoch);
  }

  #read(isWanted?: IsWanted): ConsumerRecord<never, never> | undefined {
    const { state } = this;
    try {
      return state.firstChunk?.next(isWanted);
    } catch (cause) {
      const { topic, partition, position } = state;
      const error = corruptBatch(topic, partition, position, messageOf(cause), cause);
      state.failUnreadable(error);
      throw error;
    }
  }

  #dropChunk(): FetchedChunk | undefined {
    const { state } = this;
    this.#turnOver = true;
    const chunk = state.dropChunk();
    if (chunk !== undefined) this.#onRoom(state);
    return chunk;
  }
}
