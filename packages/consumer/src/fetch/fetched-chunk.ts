import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  BatchFault,
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLeaderEpoch,
  batchProducerId,
  batchSizeBytes,
  ControlRecordType,
  checkBatch,
  NO_PRODUCER_ID,
  RecordCursor,
  readEndTxnMarker,
} from '@millrace/records';
import { ConsumerRecord, type IsWanted, type RecordDecoders, type RecordSource } from '../record.ts';
import type { Detachable, ResponseMemory } from './response-memory.ts';

/** A transaction that was aborted, as Fetch responses list them: records of the producer from that offset on, up to its marker. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** How fetched bytes are taken in. */
export interface ChunkContext {
  readonly topic: string;
  readonly partition: number;
  /** Records below it were asked for by nobody: a batch comes whole. */
  readonly fromOffset: number;
  /** With `read_committed`, what the response listed; undefined with `read_uncommitted`. */
  readonly abortedTransactions: readonly AbortedTransaction[] | undefined;
  readonly checkCrcs: boolean;
  readonly decoders: RecordDecoders;
}

/** What is wrong with fetched bytes, and from which offset on. */
export interface ChunkFault {
  readonly fault: BatchFault;
  readonly offset: number;
}

/** What came of one partition's bytes: what can be read of them, and what is wrong with the rest. */
export interface TakenIn {
  readonly chunk: FetchedChunk | undefined;
  readonly fault: ChunkFault | undefined;
}

/**
 * Checks the bytes of one partition, batch by batch up to the first that is damaged. A last batch that is cut off is no fault: a
 * response ends where its size limit is.
 */
export function takeIn(bytes: Buffer, context: ChunkContext): TakenIn {
  const limits = { crc: context.checkCrcs };
  let at = 0;
  let nextOffset = context.fromOffset;
  let lastEpoch = -1;
  let fault: ChunkFault | undefined;
  while (bytes.length - at >= BATCH_PREFIX_BYTES) {
    const found = checkBatch(bytes, at, limits);
    if (found !== undefined) {
      if (found !== BatchFault.TRUNCATED) {
        fault = { fault: found, offset: Math.max(nextOffset, batchBaseOffset(bytes, at)) };
      }
      break;
    }
    nextOffset = Math.max(nextOffset, batchLastOffset(bytes, at) + 1);
    lastEpoch = batchLeaderEpoch(bytes, at);
    at += batchSizeBytes(bytes, at);
  }
  const chunk = at === 0 ? undefined : new FetchedChunk(bytes.subarray(0, at), context, nextOffset, lastEpoch);
  return { chunk, fault };
}

/**
 * Records of one partition that came with one response, read one by one. Control batches and what belongs to aborted
 * transactions are passed over; the offsets of what is passed over are covered by `nextOffset` all the same.
 */
export class FetchedChunk implements Detachable {
  readonly sizeBytes: number;
  /** The offset after the chunk's last batch. */
  readonly nextOffset: number;
  /** The epoch of the last batch. */
  readonly lastEpoch: number;
  #bytes: Buffer;
  #memory: ResponseMemory | undefined;
  readonly #context: ChunkContext;
  readonly #aborted: AbortedTransactions | undefined;
  #at = 0;
  #cursor: RecordCursor | undefined;
  #source: RecordSource | undefined;
  readonly #fromOffset: number;

  /** Made by {@link takeIn}, for batches that are whole and sound. */
  constructor(bytes: Buffer, context: ChunkContext, nextOffset: number, lastEpoch: number) {
    this.sizeBytes = bytes.length;
    this.nextOffset = nextOffset;
    this.lastEpoch = lastEpoch;
    this.#bytes = bytes;
    this.#context = context;
    this.#fromOffset = context.fromOffset;
    if (context.abortedTransactions !== undefined && context.abortedTransactions.length > 0) {
      this.#aborted = new AbortedTransactions(context.abortedTransactions);
    }
  }

  /**
   * The next record, of those that are wanted where somebody says which; undefined after the last.
   * @throws RecordsError when a batch cannot be decompressed or a record leads out of its batch, though the checksum fits;
   *   RangeError for an offset beyond the batch's last.
   */
  next(isWanted?: IsWanted): ConsumerRecord<never, never> | undefined {
    for (;;) {
      const cursor = this.#cursor;
      if (cursor !== undefined) {
        if (cursor.next()) {
          // The one comparison that every record costs.
          if (cursor.offset >= this.nextOffset) throw beyondItsBatch(cursor.offset);
          const source = this.#source as RecordSource;
          if (isWanted !== undefined && !isWanted(cursor, source)) continue;
          return new ConsumerRecord(source, cursor);
        }
        this.#cursor = undefined;
      }
      if (!this.#openBatch()) return undefined;
    }
  }

  /** Notes that the chunk shares memory with others. */
  shareMemory(memory: ResponseMemory): void {
    this.#memory = memory;
    memory.add(this);
  }

  /** Copies the bytes that are still to be read out of what is shared. What was handed out stays where it is. */
  detach(): void {
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#at));
    this.#at = 0;
    this.#memory = undefined;
  }

  /** The chunk is read, or not wanted any more. */
  release(): void {
    this.#memory?.release(this);
  }

  /** Whether all was read. True only after `next` has said so. */
  get exhausted(): boolean {
    return this.#cursor === undefined && this.#at >= this.#bytes.length;
  }

  /** Goes to the next batch whose records are to be seen; false when there is none. */
  #openBatch(): boolean {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      const at = this.#at;
      const sizeBytes = batchSizeBytes(bytes, at);
      this.#at = at + sizeBytes;
      if (this.#isHidden(at) || sizeBytes <= BATCH_HEADER_BYTES) continue;
      const { topic, partition, decoders } = this.#context;
      const leaderEpoch = batchLeaderEpoch(bytes, at);
      const isTransactional = batchIsTransactional(bytes, at);
      this.#source = { topic, partition, leaderEpoch, isTransactional, decoders };
      this.#cursor = new RecordCursor(bytes.subarray(at, this.#at));
      if (batchBaseOffset(bytes, at) < this.#fromOffset) passOver(this.#cursor, this.#fromOffset);
      return true;
    }
    return false;
  }

  #isHidden(at: number): boolean {
    const bytes = this.#bytes;
    const isControl = batchIsControl(bytes, at);
    const producerId = batchProducerId(bytes, at);
    if (this.#aborted === undefined || producerId === NO_PRODUCER_ID) return isControl;
    this.#aborted.advanceTo(batchLastOffset(bytes, at));
    if (isControl) {
      const marker = readEndTxnMarker(bytes.subarray(at, this.#at));
      if (marker?.type === ControlRecordType.ABORT) this.#aborted.ended(producerId);
      return true;
    }
    return batchIsTransactional(bytes, at) && this.#aborted.has(producerId);
  }
}

/** Has the cursor stand before the first record that is not below `offset`. Only the batch where a fetch begins has such. */
function passOver(cursor: RecordCursor, offset: number): void {
  let below = 0;
  while (cursor.next() && cursor.offset < offset) below += 1;
  cursor.rewind();
  for (let left = below; left > 0; left -= 1) cursor.next();
}

function beyondItsBatch(offset: number): RangeError {
  return new RangeError(`record ${offset} lies beyond its batch`);
}

/**
 * Which producers are, at the batch that is being read, within a transaction that was aborted. A producer may have aborted
 * several in one response: each begins at its own offset and ends at its own marker.
 */
class AbortedTransactions {
  readonly #byFirstOffset: readonly AbortedTransaction[];
  readonly #open = new Set<number>();
  #next = 0;

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#byFirstOffset = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  advanceTo(offset: number): void {
    for (;;) {
      const transaction = this.#byFirstOffset[this.#next];
      if (transaction === undefined || transaction.firstOffset > offset) return;
      this.#open.add(transaction.producerId);
      this.#next += 1;
    }
  }

  ended(producerId: number): void {
    this.#open.delete(producerId);
  }

  has(producerId: number): boolean {
    return this.#open.has(producerId);
  }
}
