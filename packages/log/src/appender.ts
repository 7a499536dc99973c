import { ErrorCode } from '@millrace/protocol';
import {
  batchBaseOffset,
  batchIsControl,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerId,
  batchSizeBytes,
  checkBatch,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  RecordsError,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
  setBatchLogAppendTime,
} from '@millrace/records';
import {
  type AppendRefusal,
  checkAppend,
  checkReplicated,
  decompressedBytesMax,
  needsRecompression,
  targetCompression,
} from './append-checks.ts';
import { messageOf } from './errors.ts';
import type { LogCore } from './log-core.ts';
import type { AppendOptions, AppendResult } from './log-types.ts';
import type { CompletedTransaction } from './open-transactions.ts';
import type { ProducedBatch, ProducerEntry } from './producer-entry.ts';
import { indexedTimestamp, RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';

/**
 * Takes batches in: checks them, gives them their offsets, and hands them to the writer. All of it happens in the call, so
 * offsets are in call order, unless batches have to be recompressed elsewhere: then later appends wait for earlier ones.
 */
export class Appender {
  readonly #core: LogCore;
  /** The last append that waits for recompression. */
  #recompressing: Promise<unknown> | undefined;

  constructor(core: LogCore) {
    this.#core = core;
  }

  append(batches: Buffer, options: AppendOptions): Promise<AppendResult> {
    const recompress = options.origin !== 'replica' && needsRecompression(batches, this.#core.config);
    if (!recompress && this.#recompressing === undefined) return this.#appendNow(batches, options);
    return this.#appendRecompressed(batches, options, recompress);
  }

  async #appendRecompressed(batches: Buffer, options: AppendOptions, recompress: boolean): Promise<AppendResult> {
    const { config } = this.#core;
    // What is refused anyway must not cost a decompression first.
    const refusal = recompress
      ? checkAppend(batches, config, options.origin, this.#core.context.clock.now())
      : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    const before = this.#recompressing;
    const work = recompress ? this.#recompress(batches) : Promise.resolve(batches);
    const turn = Promise.allSettled([work, before]);
    this.#recompressing = turn;
    const [done] = await turn;
    if (this.#recompressing === turn) this.#recompressing = undefined;
    if (done.status === 'fulfilled') return this.#appendNow(done.value, options);
    if (!(done.reason instanceof RecordsError)) throw done.reason;
    return this.#core.refuse(ErrorCode.INVALID_RECORD, `The batch cannot be recompressed: ${messageOf(done.reason)}`);
  }

  async #recompress(batches: Buffer): Promise<Buffer> {
    const { config, context } = this.#core;
    const compression = targetCompression(config)!;
    const level = config.compressionLevel;
    const target = { compression, bytesMax: decompressedBytesMax(config), ...(level === undefined ? {} : { level }) };
    const results: Buffer[] = [];
    for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
      const batch = batches.subarray(at, at + batchSizeBytes(batches, at));
      results.push(needsRecompression(batch, config) ? await context.recompressor(batch, target) : batch);
    }
    return results.length === 1 ? results[0]! : Buffer.concat(results);
  }

  #appendNow(b: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    if (core.state !== 'online') {
      return Promise.resolve(
        core.refuse(ErrorCode.KAFKA_STORAGE_ERROR, `The log takes no records now: it is ${core.state}`),
      );
    }
    if (core.isFull) {
      return Promise.resolve(core.refuse(ErrorCode.KAFKA_STORAGE_ERROR, `The disk of ${core.folder} is full`));
    }
    return options.origin === 'replica' ? this.#appendReplicated(b, options) : this.#appendAsLeader(b, options);
  }

  #appendAsLeader(b: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    const { config } = core;
    const nowMs = core.context.clock.now();
    const refusal = checkAppend(b, config, options.origin, nowMs) ?? this.#checkFirstProducer(b, options);
    if (refusal !== undefined) return Promise.resolve(this.#refuse(refusal));
    const duplicate = options.origin === 'client' ? this.#findDuplicate(b) : undefined;
    if (duplicate !== undefined) return this.#answerDuplicate(duplicate);
    const logAppendTimeMs = config.messageTimestampType === 'LogAppendTime' ? nowMs : NO_TIMESTAMP;
    const segment = this.#segmentFor(b, core.nextOffset, logAppendTimeMs, nowMs);
    const baseOffset = core.nextOffset;
    const late = this.#assign(b, options, logAppendTimeMs);
    if (late !== undefined) return Promise.resolve(this.#refuse(late));
    return this.#commit(b, segment, baseOffset, logAppendTimeMs);
  }

  #appendReplicated(all: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    if (this.#spansStart(all)) return this.#appendAcrossStart(all, options);
    const part = checkReplicated(all, core.nextOffset, options.leaderEpoch);
    if ('errorCode' in part) return Promise.resolve(this.#refuse(part));
    if (part.sizeBytes === 0) return Promise.resolve(this.#nothingAppended());
    const b = part.sizeBytes === all.length ? all : all.subarray(0, part.sizeBytes);
    const baseOffset = batchBaseOffset(b, 0);
    const segment = this.#segmentFor(b, undefined, NO_TIMESTAMP, core.context.clock.now());
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) this.#noteProducer(b, at, segment);
    return this.#commit(b, segment, baseOffset, NO_TIMESTAMP);
  }

  /** Whether an empty log is given a batch in the middle of which it begins: the leader's log start lies there (DeleteRecords). */
  #spansStart(b: Buffer): boolean {
    const { logStartOffset, nextOffset } = this.#core;
    if (logStartOffset !== nextOffset || checkBatch(b, 0) !== undefined) return false;
    return batchBaseOffset(b, 0) < nextOffset && batchLastOffset(b, 0) >= nextOffset;
  }

  /** The log begins with the whole batch then, and its log start offset stays (KAFKA-6975). */
  async #appendAcrossStart(b: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    const { logStartOffset } = core;
    await core.truncateFullyAndStartAt(batchBaseOffset(b, 0));
    const result = await this.#appendNow(b, options);
    if (result.errorCode === ErrorCode.NONE) core.raiseLogStartOffset(Math.min(logStartOffset, core.nextOffset));
    return { ...result, logStartOffset: core.logStartOffset };
  }

  #nothingAppended(): AppendResult {
    const { nextOffset, logStartOffset } = this.#core;
    const ends = { baseOffset: nextOffset, lastOffset: nextOffset - 1 };
    return { errorCode: ErrorCode.NONE, ...ends, logAppendTimeMs: NO_TIMESTAMP, logStartOffset };
  }

  /** The segment for an append; a new one when the present one is full, old, or too far from the offsets. */
  #segmentFor(b: Buffer, firstOffset: number | undefined, logAppendTimeMs: number, nowMs: number): Segment {
    const core = this.#core;
    let lastOffset = (firstOffset ?? 0) - 1;
    let maxTimestamp = logAppendTimeMs;
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      lastOffset = firstOffset === undefined ? batchLastOffset(b, at) : lastOffset + batchLastOffsetDelta(b, at) + 1;
      if (logAppendTimeMs < 0) maxTimestamp = Math.max(maxTimestamp, batchMaxTimestamp(b, at));
    }
    const { active } = core.segments;
    if (!active.mustRollFor(b.length, lastOffset, maxTimestamp, nowMs, core.config)) return active;
    const isFar = lastOffset - core.nextOffset > RELATIVE_OFFSET_MAX;
    return core.roll(isFar ? batchBaseOffset(b, 0) : core.nextOffset);
  }

  /** Gives the batches their offsets, epoch and time, and notes their producers. Undoes that when one is refused. */
  #assign(b: Buffer, options: AppendOptions, logAppendTimeMs: number): AppendRefusal | undefined {
    const core = this.#core;
    let offset = core.nextOffset;
    let saved: Map<number, ProducerEntry | undefined> | undefined;
    const completed: CompletedTransaction[] = [];
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      // The first was checked already, before the segment could roll for nothing.
      const refusal = at === 0 ? undefined : this.#checkProducer(b, at, options);
      if (refusal !== undefined) {
        for (const [producerId, entry] of saved ?? []) core.producers.restore(producerId, entry);
        return refusal;
      }
      setBatchBaseOffset(b, at, offset);
      setBatchLeaderEpoch(b, at, options.leaderEpoch);
      if (logAppendTimeMs >= 0) setBatchLogAppendTime(b, at, logAppendTimeMs);
      offset += batchLastOffsetDelta(b, at) + 1;
      const producerId = batchProducerId(b, at);
      if (producerId === NO_PRODUCER_ID) continue;
      if (at + batchSizeBytes(b, at) < b.length || saved !== undefined) {
        saved ??= new Map();
        if (!saved.has(producerId)) saved.set(producerId, core.producers.save(producerId));
      }
      const ended = this.#noteInProducers(b, at);
      if (ended?.isAborted === true) completed.push(ended);
    }
    for (const transaction of completed) this.#noteAborted(transaction, core.segments.active);
    return undefined;
  }

  /** Puts batches that have their offsets at the end of the log. */
  #commit(b: Buffer, segment: Segment, baseOffset: number, logAppendTimeMs: number): Promise<AppendResult> {
    const core = this.#core;
    const { indexIntervalBytes } = core.config;
    let lastOffset = -1;
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      lastOffset = batchLastOffset(b, at);
      core.epochs.assign(batchLeaderEpoch(b, at), batchBaseOffset(b, at));
      segment.addBatch(lastOffset, indexedTimestamp(b, at), batchSizeBytes(b, at), indexIntervalBytes);
    }
    core.nextOffset = lastOffset + 1;
    const bytes = core.tail.add(b, baseOffset, core.nextOffset);
    const { logStartOffset } = core;
    const result = { errorCode: ErrorCode.NONE, baseOffset, lastOffset, logAppendTimeMs, logStartOffset };
    return core.writer.write(segment, bytes, core.nextOffset, result);
  }

  #checkFirstProducer(b: Buffer, options: AppendOptions): AppendRefusal | undefined {
    if (options.origin === 'client' && this.#findDuplicate(b) !== undefined) return undefined;
    return this.#checkProducer(b, 0, options);
  }

  #checkProducer(b: Buffer, at: number, options: AppendOptions): AppendRefusal | undefined {
    if (batchProducerId(b, at) === NO_PRODUCER_ID) return undefined;
    const { producers } = this.#core;
    if (batchIsControl(b, at)) return producers.checkMarker(b, at);
    return producers.checkBatch(b, at, options.origin === 'client');
  }

  /** The first batch of the append that was written before. */
  #findDuplicate(b: Buffer): ProducedBatch | undefined {
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      if (batchProducerId(b, at) === NO_PRODUCER_ID) continue;
      const duplicate = this.#core.producers.findDuplicate(b, at);
      if (duplicate !== undefined) return duplicate;
    }
    return undefined;
  }

  /** A duplicate is answered as the original was, and not before the original is durable. */
  #answerDuplicate(duplicate: ProducedBatch): Promise<AppendResult> {
    const core = this.#core;
    const isStamped = core.config.messageTimestampType === 'LogAppendTime';
    const result = {
      errorCode: ErrorCode.NONE,
      baseOffset: duplicate.firstOffset,
      lastOffset: duplicate.lastOffset,
      logAppendTimeMs: isStamped ? duplicate.timestamp : NO_TIMESTAMP,
      logStartOffset: core.logStartOffset,
    };
    if (duplicate.lastOffset < core.writer.durableEndOffset) return Promise.resolve(result);
    return core.writer.write(core.segments.active, NOTHING, core.nextOffset, result);
  }

  #noteProducer(b: Buffer, at: number, segment: Segment): void {
    if (batchProducerId(b, at) === NO_PRODUCER_ID) return;
    const completed = this.#noteInProducers(b, at);
    if (completed?.isAborted === true) this.#noteAborted(completed, segment);
  }

  #noteInProducers(b: Buffer, at: number): CompletedTransaction | undefined {
    const { producers } = this.#core;
    if (batchIsControl(b, at)) return producers.noteMarker(b, at);
    producers.noteBatch(b, at);
    return undefined;
  }

  #noteAborted(completed: CompletedTransaction, segment: Segment): void {
    segment.transactionIndex.append(completed);
    this.#core.hasAborted = true;
  }

  #refuse({ errorCode, message, recordErrors }: AppendRefusal): AppendResult {
    const refusal = this.#core.refuse(errorCode, message);
    return recordErrors === undefined ? refusal : { ...refusal, recordErrors };
  }
}

const NOTHING = Buffer.alloc(0);
