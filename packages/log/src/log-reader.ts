import { ErrorCode } from '@millrace/protocol';
import { batchLastOffset, batchSizeBytes } from '@millrace/records';
import { CorruptLogError, isShortage, systemCodeOf } from './errors.ts';
import type { LogCore } from './log-core.ts';
import type { AbortedTransaction, ReadIsolation, ReadOptions, ReadResult, TimestampOffset } from './log-types.ts';
import type { Segment } from './segment.ts';

const NO_CHUNKS: readonly Buffer[] = [];
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
    const cached = core.tail.read(fromOffset, upperOffset, bytesMax, options.minOneBatch);
    if (cached === undefined) return this.#readFiles(fromOffset, upperOffset, bytesMax, options);
    if (options.isolation === 'committed' && core.hasAborted) {
      return this.#withAborted(fromOffset, cached.chunks, cached.sizeBytes);
    }
    return this.#result(ErrorCode.NONE, cached.chunks, cached.sizeBytes);
  }

  /** The first record at or after a timestamp, below the end of what is written. */
  async offsetForTimestamp(timestamp: number): Promise<TimestampOffset | undefined> {
    const core = this.#core;
    for (const segment of core.segments.all) {
      const largest = await segment.largestTimestamp();
      if (largest.timestamp < timestamp) continue;
      const found = await segment.findTimestamp(timestamp, core.logStartOffset, core.writer.durableEndOffset);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The record with the largest timestamp; the first of them when there are several. */
  async maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    const core = this.#core;
    let best: { segment: Segment; timestamp: number } | undefined;
    for (const segment of core.segments.all) {
      const { timestamp } = await segment.largestTimestamp();
      if (timestamp >= 0 && timestamp > (best?.timestamp ?? -1)) best = { segment, timestamp };
    }
    if (best === undefined) return undefined;
    const end = core.writer.durableEndOffset;
    return best.segment.findTimestamp(best.timestamp, core.logStartOffset, end);
  }

  #upperOffset(isolation: ReadIsolation): number {
    const core = this.#core;
    if (isolation === 'logEnd') return core.writer.durableEndOffset;
    return isolation === 'highWatermark' ? core.highWatermark : core.lastStableOffset;
  }

  async #readFiles(
    fromOffset: number,
    upperOffset: number,
    bytesMax: number,
    options: ReadOptions,
  ): Promise<ReadResult> {
    const core = this.#core;
    let segment = core.segments.at(Math.max(core.segments.indexOf(fromOffset), 0));
    try {
      for (; segment !== undefined; segment = core.segments.after(segment)) {
        const bytes = await segment.read(fromOffset, upperOffset, bytesMax, options.minOneBatch);
        if (bytes === undefined) break;
        if (bytes.length === 0) continue;
        if (options.isolation === 'committed' && core.hasAborted) {
          return await this.#withAborted(fromOffset, [bytes], bytes.length);
        }
        return this.#result(ErrorCode.NONE, [bytes], bytes.length);
      }
      return this.#result(ErrorCode.NONE);
    } catch (error) {
      return this.#failure(fromOffset, error);
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

  async #withAborted(fromOffset: number, chunks: readonly Buffer[], sizeBytes: number): Promise<ReadResult> {
    const endOffset = endOffsetOf(chunks) ?? fromOffset;
    const aborted = await this.#abortedWithin(fromOffset, endOffset);
    return { ...this.#result(ErrorCode.NONE, chunks, sizeBytes), abortedTransactions: aborted };
  }

  /** The aborted transactions with records in a range of offsets (Kafka's `TransactionIndex.collectAbortedTxns`). */
  async #abortedWithin(fromOffset: number, endOffset: number): Promise<AbortedTransaction[]> {
    const { segments } = this.#core;
    const found: AbortedTransaction[] = [];
    for (let index = Math.max(segments.indexOf(fromOffset), 0); index < segments.count; index++) {
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
