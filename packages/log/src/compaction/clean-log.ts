import { batchBaseOffset, batchIsControl, batchLastOffset, batchSizeBytes, RecordCursor } from '@millrace/records';
import { CorruptLogError } from '../errors.ts';
import type { LogCore } from '../log-core.ts';
import type { Segment } from '../segment.ts';
import type { AbortedEntry } from '../transaction-index.ts';
import { BatchCleaner, type CleaningRules } from './batch-cleaner.ts';
import type { Cleanable } from './cleanable.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import { OffsetMap } from './offset-map.ts';
import { groupSegments } from './segment-groups.ts';
import { SegmentRewrite } from './segment-rewrite.ts';
import type { Throttle } from './throttle.ts';

/** What a cleaning is doing, for who wants to watch it. */
export interface CleaningProgress {
  phase: 'indexing' | 'rewriting';
  /** Bytes of the log that this phase has been over, and those it has to go over. */
  bytesDone: number;
  bytesTotal: number;
}

/** How a cleaning goes about its work. */
export interface CleanOptions {
  /** Memory for the keys (`log.cleaner.dedupe.buffer.size`), in bytes. */
  readonly dedupeBufferBytes: number;
  /** How full that may get (`log.cleaner.io.buffer.load.factor`). */
  readonly dedupeBufferLoadFactor: number;
  /** Bytes that are read, looked at and written before others get their turn (`log.cleaner.io.buffer.size`). */
  readonly ioBufferBytes: number;
  readonly throttle: Throttle;
  /** Asked after every slice: whether to leave off. */
  readonly isStopped: () => boolean;
  readonly progress: CleaningProgress;
}

/** What a cleaning has done. */
export interface CleanResult {
  /** Everything below is clean now. */
  readonly cleanedOffset: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes of the segments that were gone over, before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly segmentsBefore: number;
  readonly segmentsAfter: number;
}

/** Thrown where a cleaning has to leave off: it is to stop, or the log has changed under it. */
export class CleaningStopped extends Error {}

/**
 * Cleans a log once (Kafka's `Cleaner.doClean`): notes the newest offset of each key in the dirty part, as far as the memory
 * for keys goes, then writes all segments below anew without what is outdated, in groups that make one segment each.
 *
 * @throws CleaningStopped; CorruptLogError or RecordsError when the log is damaged; the disk's error
 */
export async function cleanLog(core: LogCore, cleanable: Cleanable, options: CleanOptions): Promise<CleanResult> {
  return new Cleaning(core, options).run(cleanable);
}

class Cleaning {
  readonly #core: LogCore;
  readonly #options: CleanOptions;
  readonly #truncations: number;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(core: LogCore, options: CleanOptions) {
    this.#core = core;
    this.#truncations = core.truncations;
    this.#options = options;
  }

  async run({ firstDirtyOffset, firstUncleanableOffset }: Cleanable): Promise<CleanResult> {
    const core = this.#core;
    const aborted = await this.#abortedBelow(firstUncleanableOffset);
    const { newest, knownUpTo } = await this.#indexKeys(firstDirtyOffset, firstUncleanableOffset, aborted);
    const segments = core.segments.all.filter(({ baseOffset }) => baseOffset <= knownUpTo);
    const transactions = new CleanedTransactions(aborted);
    const cleaner = new BatchCleaner({ ...this.#rules(), newest, knownUpTo, transactions });
    const bytesBefore = sizeOf(segments);
    this.#begin('rewriting', bytesBefore);
    let bytesAfter = 0;
    let segmentsAfter = 0;
    for (const group of groupSegments(segments, core.config, firstUncleanableOffset)) {
      bytesAfter += await this.#rewrite(group, cleaner, transactions);
      segmentsAfter++;
    }
    core.cleanedOffset = knownUpTo + 1;
    const { recordsRead, recordsKept } = cleaner.counts;
    return {
      cleanedOffset: knownUpTo + 1,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      bytesBefore,
      bytesAfter,
      recordsRead,
      recordsKept,
      segmentsBefore: segments.length,
      segmentsAfter,
    };
  }

  #rules(): Pick<CleaningRules, 'producers' | 'nowMs' | 'deleteRetentionMs'> {
    const { producers, context, config } = this.#core;
    return { producers: producers.entries, nowMs: context.clock.now(), deleteRetentionMs: config.deleteRetentionMs };
  }

  /** Aborted transactions that began below an offset; their markers may lie behind it. */
  async #abortedBelow(offset: number): Promise<AbortedEntry[]> {
    const found: AbortedEntry[] = [];
    for (const { transactionIndex } of this.#core.segments.all) {
      if (transactionIndex.isEmpty) continue;
      for (const entry of await transactionIndex.entries()) if (entry.firstOffset < offset) found.push(entry);
    }
    return found.sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** The newest offset of each key in the dirty part, up to where the memory for keys is full. */
  async #indexKeys(
    from: number,
    to: number,
    aborted: readonly AbortedEntry[],
  ): Promise<{ newest: OffsetMap; knownUpTo: number }> {
    const { dedupeBufferBytes, dedupeBufferLoadFactor } = this.#options;
    const newest = new OffsetMap(to - from, dedupeBufferBytes, dedupeBufferLoadFactor);
    const keys = new KeyIndexer(newest, from, new CleanedTransactions(aborted));
    const { segments } = this.#core;
    const dirty = segments.all.slice(Math.max(segments.indexOf(from), 0)).filter(({ baseOffset }) => baseOffset < to);
    this.#begin('indexing', sizeOf(dirty));
    for (const segment of dirty) {
      const start = from <= segment.baseOffset ? 0 : await segment.positionOf(from);
      await this.#eachSlice(segment, start, (buffer, at) => keys.visit(buffer, at), undefined);
      if (keys.isFull) break;
    }
    // What was seen whole ends where the last segment does, even when its last records are gone.
    return { newest, knownUpTo: keys.isFull ? keys.knownUpTo : to - 1 };
  }

  /** Writes a group of segments as one and puts that in their place. Gives its size. */
  async #rewrite(group: readonly Segment[], cleaner: BatchCleaner, transactions: CleanedTransactions): Promise<number> {
    const rewrite = await SegmentRewrite.begin(this.#core, group);
    const changedBefore = cleaner.counts.batchesChanged;
    try {
      transactions.onKept = (entry) => rewrite.segment.transactionIndex.append(entry);
      for (const segment of group) {
        const endsGroup = segment === group.at(-1);
        await this.#eachSlice(
          segment,
          0,
          (buffer, at, position) => {
            const isLast = endsGroup && position + batchSizeBytes(buffer, at) === segment.writtenBytes;
            const cleaned = cleaner.clean(buffer, at, isLast);
            if (cleaned !== undefined) rewrite.add(cleaned);
            return true;
          },
          () => rewrite.write(),
        );
      }
      // What would be put in place of itself may as well stay.
      if (group.length > 1 || cleaner.counts.batchesChanged > changedBefore) {
        return await rewrite.finish(() => this.#mayGoOn(group));
      }
    } catch (error) {
      await rewrite.abandon();
      throw error;
    }
    await rewrite.abandon();
    return sizeOf(group);
  }

  /** Shows a segment's batches slice by slice, and lets others have their turn in between. `visit` ends it with `false`. */
  async #eachSlice(
    segment: Segment,
    start: number,
    visit: (buffer: Buffer, at: number, position: number) => boolean,
    afterSlice: (() => Promise<number>) | undefined,
  ): Promise<void> {
    const { ioBufferBytes, throttle, progress } = this.#options;
    let position = start;
    let isEnded = false;
    while (position < segment.writtenBytes && !isEnded) {
      const from = position;
      const end = await segment.scan(
        from,
        (buffer, at, batchPosition) => {
          if (batchPosition - from >= ioBufferBytes) return false;
          isEnded = !visit(buffer, at, batchPosition);
          return !isEnded;
        },
        { crc: true, chunkBytes: ioBufferBytes },
      );
      if (end.fault !== undefined) throw new CorruptLogError(segment.log.path, end.position, end.fault);
      position = end.position;
      this.#bytesRead += position - from;
      progress.bytesDone += position - from;
      const writtenBytes = (await afterSlice?.()) ?? 0;
      this.#bytesWritten += writtenBytes;
      await throttle.spend(position - from + writtenBytes);
      await new Promise((resolve) => setImmediate(resolve));
      this.#mayGoOn([segment]);
    }
  }

  /** @throws CleaningStopped when segments are not the log's any more, or somebody wants the cleaning to end */
  #mayGoOn(segments: readonly Segment[]): void {
    const core = this.#core;
    const isSame = core.state === 'online' && core.truncations === this.#truncations;
    const isStill = isSame && segments.every((segment) => core.segments.has(segment));
    if (!isStill || this.#options.isStopped()) throw new CleaningStopped(`Cleaning ${core.folder} was left off`);
  }

  #begin(phase: CleaningProgress['phase'], bytesTotal: number): void {
    Object.assign(this.#options.progress, { phase, bytesDone: 0, bytesTotal });
  }
}

/** Notes the newest offset of each key, batch after batch. */
class KeyIndexer {
  readonly #newest: OffsetMap;
  readonly #from: number;
  readonly #transactions: CleanedTransactions;
  /** Up to this offset, every record is noted. */
  knownUpTo: number;
  isFull = false;

  constructor(newest: OffsetMap, from: number, transactions: CleanedTransactions) {
    this.#newest = newest;
    this.#from = from;
    this.#transactions = transactions;
    this.knownUpTo = from - 1;
  }

  /** False when there was no room for a key. */
  visit(buffer: Buffer, at: number): boolean {
    if (batchIsControl(buffer, at)) this.#transactions.isObsoleteMarker(buffer, at);
    // What an aborted transaction wrote replaces nothing.
    else if (!this.#transactions.isAborted(buffer, at)) this.#noteRecords(buffer, at);
    if (!this.isFull) this.knownUpTo = batchLastOffset(buffer, at);
    return !this.isFull;
  }

  #noteRecords(buffer: Buffer, at: number): void {
    const cursor = new RecordCursor(buffer.subarray(at, at + batchSizeBytes(buffer, at)));
    this.knownUpTo = Math.max(this.#from, batchBaseOffset(buffer, at)) - 1;
    while (cursor.next()) {
      const key = cursor.key();
      if (cursor.offset >= this.#from && key !== null && !this.#newest.put(key, cursor.offset)) {
        this.isFull = true;
        return;
      }
      this.knownUpTo = Math.max(cursor.offset, this.#from - 1);
    }
  }
}

function sizeOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
}
