import {
  BATCH_PREFIX_BYTES,
  BatchFault,
  batchBaseOffset,
  batchIsControl,
  batchLastOffset,
  batchSizeBytes,
  checkBatch,
  RecordCursor,
  RecordsError,
  type RecordsErrorCode,
} from '@millrace/records';
import type { AbortedEntry } from '../transaction-index.ts';
import { BatchCleaner, type CleaningCounts, checkOrder, NOTHING_COUNTED } from './batch-cleaner.ts';
import { CleanedTransactions, type TransactionsState } from './cleaned-transactions.ts';
import { OffsetMap, type OffsetMapMemory } from './offset-map.ts';
import { ProducerEnds, SharedAborted } from './shared-lists.ts';

/**
 * The part of a cleaning that costs the processor's time, cut into slices: bytes in, bytes out. No file is touched, no clock is read,
 * and all that goes in and comes out can go between threads, so that the same code runs in the calling thread and in a worker's.
 */

/** What all slices of a cleaning work with: memory that threads share, and numbers. */
export interface CleaningShared {
  readonly keys: OffsetMapMemory;
  /** For {@link SharedAborted}. */
  readonly aborted: SharedArrayBuffer;
  /** For {@link ProducerEnds}. */
  readonly producers: SharedArrayBuffer;
  readonly nowMs: number;
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number;
}

/** Bytes of a segment, from the start of a batch on, and where the cleaning stands there. */
export interface CleaningSlice {
  /** Handed over: whoever gives it away must not look at it again. */
  readonly chunk: Uint8Array<ArrayBuffer>;
  /** Whether the segment ends where the chunk does. */
  readonly isLast: boolean;
  readonly transactions: TransactionsState;
  readonly shared: CleaningShared;
  readonly work: IndexingWork | RewritingWork;
}

/** Notes the newest offset of each key. */
export interface IndexingWork {
  readonly phase: 'indexing';
  /** Where the dirty part begins. */
  readonly from: number;
  /** Up to this offset, every record is noted. */
  readonly knownUpTo: number;
}

/** Leaves out what is outdated. */
export interface RewritingWork {
  readonly phase: 'rewriting';
  /** Up to this offset, the keys tell of all records. */
  readonly knownUpTo: number;
  /** Whether the segment is the last of those that become one. */
  readonly endsGroup: boolean;
}

/** What became of a slice. What is wrong with the log is a value: the class of an error does not survive the way between threads. */
export interface SliceOutcome {
  /** Bytes of the chunk that are done; it may end in the middle of a batch. */
  readonly bytesDone: number;
  /** How long a chunk has to be for its first batch, when that is larger than this one. */
  readonly bytesWanted: number;
  /** What is wrong with the batch at `bytesDone`. */
  readonly fault: BatchFault | undefined;
  /** A batch whose records cannot be read. */
  readonly failure: { readonly code: RecordsErrorCode; readonly message: string } | undefined;
  readonly transactions: TransactionsState;
  /** Indexing: as in {@link IndexingWork}. */
  readonly knownUpTo: number;
  /** Indexing: there was no room for a key. */
  readonly isFull: boolean;
  /** Rewriting: the batches that stay, one behind the other. */
  readonly output: Uint8Array<ArrayBuffer>;
  /** Rewriting: aborted transactions whose markers stay. */
  readonly aborted: readonly AbortedEntry[];
  readonly counts: CleaningCounts;
}

/** Does a slice, in whichever thread. */
export type SliceCleaner = (slice: CleaningSlice) => SliceOutcome | Promise<SliceOutcome>;

/** Does a slice in the calling thread. Nobody else may work with the same `shared` meanwhile. */
export function cleanSlice(slice: CleaningSlice): SliceOutcome {
  return new SliceRun(slice).run();
}

class SliceRun {
  readonly #slice: CleaningSlice;
  readonly #chunk: Buffer;
  readonly #transactions: CleanedTransactions;
  readonly #newest: OffsetMap;
  readonly #aborted: AbortedEntry[] = [];
  readonly #kept: Buffer[] = [];
  readonly #cleaner: BatchCleaner | undefined;
  #bytesDone = 0;
  #knownUpTo: number;
  #isFull = false;

  constructor(slice: CleaningSlice) {
    const { chunk, shared, transactions, work } = slice;
    this.#slice = slice;
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#transactions = new CleanedTransactions(new SharedAborted(shared.aborted), transactions);
    this.#transactions.onKept = (entry) => this.#aborted.push(entry);
    this.#newest = new OffsetMap(shared.keys);
    this.#knownUpTo = work.knownUpTo;
    if (work.phase === 'rewriting') {
      this.#cleaner = new BatchCleaner({
        newest: this.#newest,
        knownUpTo: work.knownUpTo,
        transactions: this.#transactions,
        producers: new ProducerEnds(shared.producers),
        nowMs: shared.nowMs,
        deleteRetentionMs: shared.deleteRetentionMs,
      });
    }
  }

  run(): SliceOutcome {
    try {
      const fault = this.#goThrough();
      return this.#outcome(fault === BatchFault.TRUNCATED && !this.#slice.isLast ? undefined : fault, undefined);
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      return this.#outcome(undefined, { code: error.code, message: error.message });
    }
  }

  #goThrough(): BatchFault | undefined {
    const { work } = this.#slice;
    while (this.#bytesDone < this.#chunk.length && !this.#isFull) {
      const fault = checkBatch(this.#chunk, this.#bytesDone, { crc: true });
      if (fault !== undefined) return fault;
      const at = this.#bytesDone;
      if (work.phase === 'indexing') this.#index(at, work.from);
      else this.#rewrite(at, work.endsGroup);
      this.#bytesDone += batchSizeBytes(this.#chunk, at);
    }
    return undefined;
  }

  #rewrite(at: number, endsGroup: boolean): void {
    const { isLast } = this.#slice;
    const isEnd = endsGroup && isLast && at + batchSizeBytes(this.#chunk, at) === this.#chunk.length;
    const cleaned = this.#cleaner!.clean(this.#chunk, at, isEnd);
    if (cleaned !== undefined) this.#kept.push(cleaned);
  }

  #index(at: number, from: number): void {
    const chunk = this.#chunk;
    if (batchIsControl(chunk, at)) this.#transactions.isObsoleteMarker(chunk, at);
    // What an aborted transaction wrote replaces nothing.
    else if (!this.#transactions.isAborted(chunk, at)) this.#noteRecords(at, from);
    if (!this.#isFull) this.#knownUpTo = batchLastOffset(chunk, at);
  }

  #noteRecords(at: number, from: number): void {
    const cursor = readableRecords(this.#chunk.subarray(at, at + batchSizeBytes(this.#chunk, at)));
    // What nobody can read replaces nothing that somebody can.
    if (cursor === undefined) return;
    this.#knownUpTo = Math.max(from, batchBaseOffset(this.#chunk, at)) - 1;
    while (cursor.next()) {
      const key = cursor.key();
      if (cursor.offset >= from && key !== null && !this.#newest.put(key, cursor.offset)) {
        this.#isFull = true;
        return;
      }
      this.#knownUpTo = Math.max(cursor.offset, from - 1);
    }
  }

  #outcome(fault: BatchFault | undefined, failure: SliceOutcome['failure']): SliceOutcome {
    const chunk = this.#chunk;
    const isBatchLarger = this.#bytesDone === 0 && !this.#isFull && chunk.length >= BATCH_PREFIX_BYTES;
    return {
      bytesDone: this.#bytesDone,
      bytesWanted: isBatchLarger ? batchSizeBytes(chunk, 0) : 0,
      fault,
      failure,
      transactions: this.#transactions.state,
      knownUpTo: this.#knownUpTo,
      isFull: this.#isFull,
      output: joined(this.#kept),
      aborted: this.#aborted,
      counts: this.#cleaner?.counts ?? NOTHING_COUNTED,
    };
  }
}

/** The records of a batch, before the first; undefined where not all of them can be read. */
function readableRecords(batch: Buffer): RecordCursor | undefined {
  try {
    const cursor = new RecordCursor(batch);
    checkOrder(cursor, batch);
    cursor.rewind();
    return cursor;
  } catch (error) {
    if (error instanceof RecordsError) return undefined;
    throw error;
  }
}

/** In memory of its own, that can be handed over. */
function joined(batches: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(batches.reduce((sum, batch) => sum + batch.length, 0));
  let at = 0;
  for (const batch of batches) {
    bytes.set(batch, at);
    at += batch.length;
  }
  return bytes;
}
