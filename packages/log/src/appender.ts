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
  isOldFormat,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  type RecordFault,
  RecordsError,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
  setBatchLogAppendTime,
  setBatchMaxTimestamp,
} from '@millrace/records';
import {
  type AppendRefusal,
  checkAppend,
  checkReplicated,
  decompressedBytesMax,
  isWithoutTime,
  needsRecompression,
  recordLimitsOf,
  refusalOfRecords,
  targetCompression,
  tooLargeForSegment,
} from './append-checks.ts';
import { messageOf } from './errors.ts';
import type { LogCore } from './log-core.ts';
import type { AppendOptions, AppendResult } from './log-types.ts';
import type { CompletedTransaction } from './open-transactions.ts';
import type { ProducedBatch } from './producer-entry.ts';
import type { ProducersAhead } from './producer-states.ts';
import { indexedTimestamp, RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';

/** Batches of one log that are looked into at a time; what comes then waits, so that other logs get their turn. */
const LOOKS_MAX = 4;

/**
 * Takes batches in: checks them, gives them their offsets, and hands them to the writer. All of it happens in the call, so
 * offsets are in call order, unless somebody has to look into batches elsewhere, or to recompress them: then later appends wait
 * for earlier ones.
 */
export class Appender {
  readonly #core: LogCore;
  /** The last append that waits for its batches. */
  #line: Promise<unknown> | undefined;
  #looking = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(core: LogCore) {
    this.#core = core;
  }

  append(b: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    const offline = this.#offline();
    if (offline !== undefined) return Promise.resolve(offline);
    if (options.origin === 'replica') return this.#inLine(undefined, () => this.#appendReplicated(b, options));
    if (isOldFormat(b)) return this.#appendPrepared(this.#convert(b, options), options);
    const refusal = checkAppend(b, core.config, options.origin);
    if (refusal !== undefined) return Promise.resolve(this.#refuse(refusal));
    const refused = options.origin === 'client' ? this.#look(b) : undefined;
    if (refused !== undefined && !(refused instanceof Promise)) return Promise.resolve(this.#refuse(refused));
    if (refused === undefined && !needsRecompression(b, core.config)) {
      return this.#inLine(undefined, () => this.#appendAsLeader(b, options));
    }
    return this.#appendPrepared(this.#prepare(b, refused), options);
  }

  /** At once, or behind those that wait for their batches, and behind `work` of its own. */
  #inLine(work: Promise<unknown> | undefined, append: () => Promise<AppendResult>): Promise<AppendResult> {
    const before = this.#line;
    if (work === undefined && before === undefined) return append();
    const turn = Promise.allSettled([work, before]);
    this.#line = turn;
    return turn.then(() => {
      if (this.#line === turn) this.#line = undefined;
      const offline = this.#offline();
      return offline === undefined ? append() : offline;
    });
  }

  #appendPrepared(prepared: Promise<Buffer | AppendRefusal>, options: AppendOptions): Promise<AppendResult> {
    return this.#inLine(prepared, async () => {
      const ready = await prepared;
      return Buffer.isBuffer(ready) ? this.#appendAsLeader(ready, options) : this.#refuse(ready);
    });
  }

  /** Messages of a format before magic 2 as a batch that may be appended. */
  async #convert(messages: Buffer, { origin }: AppendOptions): Promise<Buffer | AppendRefusal> {
    const { config, context } = this.#core;
    if (messages.length > config.segmentBytes) return tooLargeForSegment(messages, config);
    let batch: Buffer;
    try {
      batch = await this.#inTurn(() => context.batchWork.convertUp(messages, decompressedBytesMax(config)));
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      const errorCode = error.code === 'RECORDS_CORRUPT' ? ErrorCode.CORRUPT_MESSAGE : ErrorCode.INVALID_RECORD;
      return { errorCode, message: messageOf(error) };
    }
    return checkAppend(batch, config, origin) ?? this.#prepare(batch, this.#look(batch));
  }

  /** Waits for what was looked for in batches, and has them recompressed where the topic asks for it. */
  async #prepare(
    b: Buffer,
    refused: AppendRefusal | Promise<AppendRefusal | undefined> | undefined,
  ): Promise<Buffer | AppendRefusal> {
    const { config } = this.#core;
    const refusal = await refused;
    if (refusal !== undefined) return refusal;
    if (!needsRecompression(b, config)) return b;
    try {
      const recompressed = await this.#recompress(b);
      // What has become another batch is held against the topic's rules again: it may be larger.
      return checkAppend(recompressed, config, 'coordinator') ?? recompressed;
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      const message = `The batch cannot be recompressed: ${messageOf(error)}`;
      return { errorCode: ErrorCode.INVALID_RECORD, message };
    }
  }

  /** Looks into the batches whose headers do not tell enough; at once where that is little. */
  #look(b: Buffer): AppendRefusal | Promise<AppendRefusal | undefined> | undefined {
    const { config, context } = this.#core;
    const nowMs = context.clock.now();
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      if (isWithoutTime(b, at)) setBatchMaxTimestamp(b, at, NO_TIMESTAMP);
      const limits = recordLimitsOf(b, at, config, { nowMs, always: context.checksRecords });
      if (limits === undefined) continue;
      if (this.#looking >= LOOKS_MAX) return this.#lookElsewhere(b, at, nowMs);
      const faults = context.batchWork.check(b.subarray(at, at + batchSizeBytes(b, at)), limits);
      if (faults instanceof Promise) return this.#lookElsewhere(b, at, nowMs, faults);
      const refusal = refusalOfRecords(faults);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Goes on looking from a batch on, whose faults are perhaps being looked for. */
  async #lookElsewhere(
    b: Buffer,
    from: number,
    nowMs: number,
    first?: Promise<readonly RecordFault[]>,
  ): Promise<AppendRefusal | undefined> {
    const { config, context } = this.#core;
    for (let at = from; at < b.length; at += batchSizeBytes(b, at)) {
      const limits = recordLimitsOf(b, at, config, { nowMs, always: context.checksRecords });
      if (limits === undefined) continue;
      const batch = b.subarray(at, at + batchSizeBytes(b, at));
      const isFirst = at === from && first !== undefined;
      const faults = await this.#inTurn(() => (isFirst ? first : context.batchWork.check(batch, limits)), isFirst);
      const refusal = refusalOfRecords(faults);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Does work when few others of this log's are under way; `atOnce` for what is under way already. */
  async #inTurn<T>(work: () => T | Promise<T>, atOnce = false): Promise<T> {
    if (!atOnce && this.#looking >= LOOKS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#looking += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#looking -= 1;
      else next();
    }
  }

  async #recompress(batches: Buffer): Promise<Buffer> {
    const { config, context } = this.#core;
    const compression = targetCompression(config)!;
    const level = config.compressionLevel;
    const target = { compression, bytesMax: decompressedBytesMax(config), ...(level === undefined ? {} : { level }) };
    const results: Buffer[] = [];
    for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
      const batch = batches.subarray(at, at + batchSizeBytes(batches, at));
      const isOther = needsRecompression(batch, config);
      results.push(isOther ? await this.#inTurn(() => context.batchWork.recompress(batch, target)) : batch);
    }
    return results.length === 1 ? results[0]! : Buffer.concat(results);
  }

  #offline(): AppendResult | undefined {
    const core = this.#core;
    const { state } = core;
    const { reason: shortOf } = core.short;
    const refuse = (message: string): AppendResult => core.refuse(ErrorCode.KAFKA_STORAGE_ERROR, message);
    // A log that goes back for want of room says so, not what it does about it.
    if (shortOf !== undefined && (state === 'online' || state === 'truncating')) {
      return refuse(`${core.folder} takes no records until there is room again: ${shortOf}`);
    }
    return state === 'online' ? undefined : refuse(`The log takes no records now: it is ${state}`);
  }

  #appendAsLeader(b: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    if (options.leaderEpoch < core.leaderEpochMin) {
      const message = `The leadership of epoch ${options.leaderEpoch} was over before the records could be appended`;
      return Promise.resolve(core.refuse(ErrorCode.NOT_LEADER_OR_FOLLOWER, message));
    }
    const duplicate = options.origin === 'client' ? this.#findDuplicate(b) : undefined;
    if (duplicate !== undefined) return this.#answerDuplicate(duplicate);
    const refusal = this.#checkProducers(b, options);
    if (refusal !== undefined) return Promise.resolve(this.#refuse(refusal));
    const nowMs = core.context.clock.now();
    const logAppendTimeMs = core.config.messageTimestampType === 'LogAppendTime' ? nowMs : NO_TIMESTAMP;
    return this.#certainly(() => {
      const segment = this.#segmentFor(b, core.nextOffset, logAppendTimeMs, nowMs);
      this.#assign(b, options.leaderEpoch, logAppendTimeMs);
      return this.#commit(b, segment, logAppendTimeMs);
    });
  }

  /** Nothing of an append that throws half way stays: the log goes back to where it ended, and says so. */
  #certainly(append: () => Promise<AppendResult>): Promise<AppendResult> {
    const core = this.#core;
    const { nextOffset } = core;
    try {
      return append();
    } catch (error) {
      core.goBackBehindQueue(nextOffset);
      const message = `The append failed in the broker, and nothing of it was kept: ${messageOf(error)}`;
      return Promise.resolve(core.refuse(ErrorCode.UNKNOWN_SERVER_ERROR, message));
    }
  }

  #appendReplicated(all: Buffer, options: AppendOptions): Promise<AppendResult> {
    const core = this.#core;
    if (this.#spansStart(all)) return this.#appendAcrossStart(all, options);
    const part = checkReplicated(all, core.nextOffset, options.leaderEpoch);
    if ('errorCode' in part) return Promise.resolve(this.#refuse(part));
    if (part.sizeBytes === 0) return Promise.resolve(this.#nothingAppended());
    const b = part.sizeBytes === all.length ? all : all.subarray(0, part.sizeBytes);
    return this.#certainly(() => {
      const segment = this.#segmentFor(b, undefined, NO_TIMESTAMP, core.context.clock.now());
      return this.#commit(b, segment, NO_TIMESTAMP);
    });
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
    const result = this.#offline() ?? (await this.#appendReplicated(b, options));
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

  /** Gives the batches their offsets, epoch and time. */
  #assign(b: Buffer, leaderEpoch: number, logAppendTimeMs: number): void {
    let offset = this.#core.nextOffset;
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      setBatchBaseOffset(b, at, offset);
      setBatchLeaderEpoch(b, at, leaderEpoch);
      if (logAppendTimeMs >= 0) setBatchLogAppendTime(b, at, logAppendTimeMs);
      offset += batchLastOffsetDelta(b, at) + 1;
    }
  }

  /** Puts batches that have their offsets at the end of the log. Producers are noted last, when nothing can be refused any more. */
  #commit(b: Buffer, segment: Segment, logAppendTimeMs: number): Promise<AppendResult> {
    const core = this.#core;
    const { indexIntervalBytes } = core.config;
    const baseOffset = batchBaseOffset(b, 0);
    let lastOffset = -1;
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      lastOffset = batchLastOffset(b, at);
      segment.addBatch(lastOffset, indexedTimestamp(b, at), batchSizeBytes(b, at), indexIntervalBytes);
    }
    const bytes = core.tail.add(b, baseOffset, lastOffset + 1);
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      core.epochs.assign(batchLeaderEpoch(b, at), batchBaseOffset(b, at));
      this.#noteProducer(b, at, segment);
    }
    core.nextOffset = lastOffset + 1;
    const { logStartOffset } = core;
    const result = { errorCode: ErrorCode.NONE, baseOffset, lastOffset, logAppendTimeMs, logStartOffset };
    return core.writer.write(segment, bytes, core.nextOffset, result);
  }

  /** Each batch against what its producer wrote before, in this append too. Nothing is noted yet. */
  #checkProducers(b: Buffer, { origin, guard, isRaised = false }: AppendOptions): AppendRefusal | undefined {
    const { producers } = this.#core;
    let ahead: ProducersAhead | undefined;
    for (let at = 0; at < b.length; at += batchSizeBytes(b, at)) {
      if (batchProducerId(b, at) === NO_PRODUCER_ID) continue;
      const isControl = batchIsControl(b, at);
      const refusal = isControl
        ? producers.checkMarker(b, at, isRaised, ahead)
        : (producers.checkBatch(b, at, origin === 'client', ahead) ?? producers.checkGuard(b, at, guard, ahead));
      if (refusal !== undefined) return refusal;
      if (at + batchSizeBytes(b, at) === b.length) continue;
      ahead ??= producers.lookAhead();
      if (isControl) ahead.noteMarker(b, at);
      else ahead.noteBatch(b, at);
    }
    return undefined;
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
    const { producers } = this.#core;
    if (!batchIsControl(b, at)) {
      producers.noteBatch(b, at);
      return;
    }
    const completed = producers.noteMarker(b, at);
    if (completed?.isAborted === true) this.#noteAborted(completed, segment);
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
