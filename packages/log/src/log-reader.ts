import { ErrorCode } from '@millrace/protocol';
import { batchLastOffset, batchSizeBytes } from '@millrace/records';
import { decompressedBytesMax } from './append-checks.ts';
import { CorruptLogError, isShortage, systemCodeOf } from './errors.ts';
import type { LogCore } from './log-core.ts';
import type { AbortedTransaction, ReadIsolation, ReadOptions, ReadResult, TimestampOffset } from './log-types.ts';
import { ReadChunk } from './read-memory.ts';
import type { Segment } from './segment.ts';
import { chunkAtHand, NO_BATCHES, readAhead, readSegment, type SegmentReadRequest } from './segment-read.ts';
import { largestTimestamp } from './segment-search.ts';
import { findLargestFrom, findTimestamp, type TimestampRange } from './timestamp-search.ts';

const NO_CHUNKS: readonly Buffer[] = [];
/** There is a batch, and it does not fit: other than with nothing, looking again would not help. */
const NO_ROOM = 'no room';
const NONE_ABORTED: readonly AbortedTransaction[] = [];

/** Reads a log: from the tail cache at once, from the files otherwise. Never changes anything. */
export class LogReader {
  readonly #core: LogCore;

  constructor(core: LogCore) {
    this.#core = core;
  }

  read(fromOffset: number, bytesMax: number, options: ReadOptions): ReadResult | Promise<ReadResult> {
    const core = this.#core;
    if (core.state === 'failed' || core.state === 'closed') return this.#result(ErrorCode.KAFKA_STORAGE_ERROR);
    if (fromOffset < core.logStartOffset || fromOffset > core.nextOffset) {
      return this.#result(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    const upperOffset = this.#upperOffset(options.isolation);
    if (fromOffset >= upperOffset) return this.#result(ErrorCode.NONE);
    if (options.isolation === 'committed' && core.hasAborted) {
      return this.#readCommitted(fromOffset, upperOffset, bytesMax, options);
    }
    return this.#readBatches(fromOffset, upperOffset, bytesMax, options);
  }

  /** The first record at or after a timestamp, below the end of what is written. @throws CorruptLogError */
  async offsetForTimestamp(timestamp: number): Promise<TimestampOffset | undefined> {
    const core = this.#core;
    return this.#lookUp(async () => {
      for (const segment of core.segments.all) {
        const largest = await largestTimestamp(segment);
        if (largest.timestamp < timestamp) continue;
        const found = await findTimestamp(segment, timestamp, this.#rangeOf(segment));
        if (found !== undefined) return found;
      }
      return undefined;
    });
  }

  /** The record with the largest timestamp; the first of them when there are several. @throws CorruptLogError */
  async maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    return this.#lookUp(() => this.#findMaxTimestamp());
  }

  /** Looks for something, and tells of damage that was met. */
  async #lookUp<T>(look: () => Promise<T>): Promise<T> {
    try {
      return await this.#steadily(look);
    } catch (error) {
      if (error instanceof CorruptLogError) this.#core.damaged(error);
      throw error;
    }
  }

  async #findMaxTimestamp(): Promise<TimestampOffset | undefined> {
    const { segments, logStartOffset } = this.#core;
    const first = this.#segmentOf(logStartOffset);
    let best: { segment: Segment; timestamp: number } | undefined;
    for (const segment of segments.all.slice(Math.max(segments.indexOf(logStartOffset), 0))) {
      const { timestamp } = await largestTimestamp(segment);
      if (timestamp >= 0 && timestamp > (best?.timestamp ?? -1)) best = { segment, timestamp };
    }
    if (best === undefined) return undefined;
    const found = await findTimestamp(best.segment, best.timestamp, this.#rangeOf(best.segment));
    if (found !== undefined || first === undefined || best.segment !== first) return found;
    // The record with that timestamp lies before the log's start.
    let largest = await findLargestFrom(first, this.#rangeOf(first));
    for (let segment = segments.after(first); segment !== undefined; segment = segments.after(segment)) {
      const { timestamp } = await largestTimestamp(segment);
      if (timestamp <= (largest?.timestamp ?? -1)) continue;
      largest = (await findTimestamp(segment, timestamp, this.#rangeOf(segment))) ?? largest;
    }
    return largest;
  }

  async segmentOffsetsBefore(timestamp: number | undefined): Promise<number[]> {
    const { segments, logStartOffset, context, nextOffset } = this.#core;
    const nowMs = context.clock.now();
    const offsets: number[] = [];
    if (segments.active.sizeBytes > 0 && (timestamp === undefined || nowMs <= timestamp)) offsets.push(nextOffset);
    let isReached = timestamp === undefined;
    for (const segment of segments.all.toReversed()) {
      if (!isReached) {
        const stat = await context.disk.stat(segment.log.path);
        isReached = (stat?.modifiedMs ?? nowMs) <= timestamp!;
      }
      if (isReached) offsets.push(Math.max(segment.baseOffset, logStartOffset));
    }
    return offsets;
  }

  #upperOffset(isolation: ReadIsolation): number {
    const core = this.#core;
    if (isolation === 'logEnd') return core.writer.durableEndOffset;
    return isolation === 'highWatermark' ? core.highWatermark : core.lastStableOffset;
  }

  /** At once from memory, or with a promise from the files. */
  #readBatches(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    options: ReadOptions,
  ): ReadResult | Promise<ReadResult> {
    const cached = this.#core.tail.read(fromOffset, upperOffset, bytesMax, options.minOneBatch);
    if (cached !== undefined) return this.#result(ErrorCode.NONE, cached.chunks, cached.sizeBytes);
    const segment = this.#segmentOf(fromOffset);
    const chunk = segment && chunkAtHand(segment, this.#requestTo(segment, fromOffset, upperOffset, bytesMax, options));
    if (segment === undefined || chunk === undefined) {
      return this.#readFiles(fromOffset, upperOffset, bytesMax, options);
    }
    this.#readAhead(segment, chunk, upperOffset, options);
    return this.#chunkResult(chunk);
  }

  async #readFiles(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    options: ReadOptions,
  ): Promise<ReadResult> {
    try {
      const read = await this.#steadily(() => this.#readSegments(fromOffset, upperOffset, bytesMax, options));
      return read instanceof ReadChunk ? this.#chunkResult(read) : this.#result(ErrorCode.NONE);
    } catch (error) {
      return this.#failure(fromOffset, error);
    }
  }

  /**
   * Batches with the aborted transactions in them. Compaction takes an aborted transaction's records and its index entry away
   * together, so both must be from before it or both from after it.
   */
  async #readCommitted(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    options: ReadOptions,
  ): Promise<ReadResult> {
    const core = this.#core;
    try {
      for (;;) {
        const { replacements } = core.segments;
        const result = await this.#readBatches(fromOffset, upperOffset, bytesMax, options);
        if (result.errorCode !== ErrorCode.NONE) return result;
        const endOffset = endOffsetOf(result.chunks) ?? fromOffset;
        const abortedTransactions = await this.#steadily(() => this.#abortedWithin(fromOffset, endOffset)).catch(
          (error: unknown) => {
            result.release?.();
            throw error;
          },
        );
        if (core.segments.replacements === replacements) return { ...result, abortedTransactions };
        result.release?.();
      }
    } catch (error) {
      return this.#failure(fromOffset, error);
    }
  }

  async #readSegments(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    options: ReadOptions,
  ): Promise<ReadChunk | typeof NO_BATCHES | typeof NO_ROOM> {
    const { segments } = this.#core;
    for (let segment = this.#segmentOf(fromOffset); segment !== undefined; segment = segments.after(segment)) {
      const read = await readSegment(segment, this.#requestTo(segment, fromOffset, upperOffset, bytesMax, options));
      await this.#mendIndexes(segment);
      if (read === undefined) return NO_ROOM;
      if (read === NO_BATCHES) continue;
      this.#readAhead(segment, read, upperOffset, options);
      return read;
    }
    return NO_BATCHES;
  }

  /** Has what comes behind a chunk read before it is asked for, unless the tail cache has it. */
  #readAhead(segment: Segment, { nextOffset, bytesMax }: ReadChunk, upperOffset: number, options: ReadOptions): void {
    if (nextOffset >= upperOffset || this.#core.tail.has(nextOffset)) return;
    readAhead(segment, this.#requestTo(segment, nextOffset, upperOffset, bytesMax, options));
  }

  #segmentOf(offset: number): Segment | undefined {
    const { segments } = this.#core;
    return segments.at(Math.max(segments.indexOf(offset), 0));
  }

  #requestTo(
    segment: Segment,
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    { minOneBatch }: ReadOptions,
  ): SegmentReadRequest {
    return { fromOffset, upperOffset, bytesMax, minOneBatch, endOffset: this.#endOf(segment) };
  }

  #rangeOf(segment: Segment): TimestampRange {
    const { logStartOffset, writer, context, config } = this.#core;
    return {
      startOffset: logStartOffset,
      upperOffset: writer.durableEndOffset,
      endOffset: this.#endOf(segment),
      work: context.batchWork,
      bytesMax: decompressedBytesMax(config),
    };
  }

  #endOf(segment: Segment): () => number {
    const { segments } = this.#core;
    return () => segments.after(segment)?.baseOffset ?? this.#core.nextOffset;
  }

  /** Without an index every read starts at the beginning of the segment. The one that is appended to has its own way of indexing. */
  async #mendIndexes(segment: Segment): Promise<void> {
    if (!segment.areIndexesWrong || segment === this.#core.segments.active) return;
    await segment.rebuildIndexes();
  }

  /**
   * Reads again when compaction has put other segments in place meanwhile and the old ones did not yield anything: their files
   * may be gone, or what is looked for may have come to lie in a segment that was passed over.
   */
  async #steadily<T>(read: () => Promise<T>): Promise<T> {
    const { segments } = this.#core;
    for (;;) {
      const { replacements } = segments;
      try {
        const result = await read();
        const isEmpty = result === undefined || result === NO_BATCHES;
        if (!isEmpty || segments.replacements === replacements) return result;
      } catch (error) {
        if (segments.replacements === replacements) throw error;
      }
    }
  }

  /** A file that went away under the reader was deleted by retention; damaged bytes are told as such; the rest is the disk. */
  #failure(fromOffset: number, error: unknown): ReadResult {
    const core = this.#core;
    if (fromOffset < core.logStartOffset || fromOffset > core.nextOffset) {
      return this.#result(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    if (error instanceof CorruptLogError) {
      core.damaged(error);
      return this.#result(ErrorCode.CORRUPT_MESSAGE);
    }
    if (systemCodeOf(error) === undefined) throw error;
    if (!isShortage(error)) core.failed(error);
    return this.#result(ErrorCode.KAFKA_STORAGE_ERROR);
  }

  /** The aborted transactions with records in a range of offsets (Kafka's `TransactionIndex.collectAbortedTxns`). */
  async #abortedWithin(fromOffset: number, endOffset: number): Promise<AbortedTransaction[]> {
    const { segments } = this.#core;
    const found: AbortedTransaction[] = [];
    for (let index = Math.max(segments.indexOf(fromOffset), 0); index < segments.count; index += 1) {
      const { transactionIndex } = segments.at(index)!;
      if (transactionIndex.isEmpty) continue;
      for (const entry of await transactionIndex.entries()) {
        if (entry.lastOffset >= fromOffset && entry.firstOffset < endOffset) {
          found.push({ producerId: entry.producerId, firstOffset: entry.firstOffset });
        }
        // From here on, every transaction begins behind the range.
        if (entry.lastStableOffset >= endOffset) return found.sort(byFirstOffset);
      }
    }
    return found.sort(byFirstOffset);
  }

  #chunkResult(chunk: ReadChunk): ReadResult {
    const { bytes } = chunk;
    return { ...this.#result(ErrorCode.NONE, [bytes], bytes.length), release: () => chunk.release() };
  }

  #result(errorCode: number, chunks: readonly Buffer[] = NO_CHUNKS, sizeBytes = 0): ReadResult {
    const { highWatermark, lastStableOffset, logStartOffset } = this.#core;
    return {
      errorCode,
      chunks,
      sizeBytes,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      abortedTransactions: NONE_ABORTED,
      release: undefined,
    };
  }
}

function byFirstOffset(a: AbortedTransaction, b: AbortedTransaction): number {
  return a.firstOffset - b.firstOffset;
}

function endOffsetOf(chunks: readonly Buffer[]): number | undefined {
  const last = chunks.at(-1);
  if (last === undefined) return undefined;
  let end: number | undefined;
  for (let at = 0; at < last.length; at += batchSizeBytes(last, at)) end = batchLastOffset(last, at) + 1;
  return end;
}
