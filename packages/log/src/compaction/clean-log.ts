import { nextTurn } from '@millrace/ports';
import { RecordsError } from '@millrace/records';
import { CorruptLogError, messageOf } from '../errors.ts';
import type { LogCore } from '../log-core.ts';
import type { Segment } from '../segment.ts';
import { positionOf } from '../segment-search.ts';
import type { Throttle } from '../throttle.ts';
import type { AbortedEntry } from '../transaction-index.ts';
import { type CleaningCounts, NOTHING_COUNTED } from './batch-cleaner.ts';
import type { Cleanable } from './cleanable.ts';
import { NO_TRANSACTIONS_YET, type TransactionsState } from './cleaned-transactions.ts';
import { OffsetMap } from './offset-map.ts';
import { groupSegments } from './segment-groups.ts';
import { SegmentRewrite } from './segment-rewrite.ts';
import { ProducerEnds, SharedAborted } from './shared-lists.ts';
import type { CleaningShared, CleaningSlice, SliceCleaner, SliceOutcome } from './slice.ts';

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
  /** Does what costs the processor's time. */
  readonly cleanSlice: SliceCleaner;
  /** Asked after every slice: whether to leave off. */
  readonly isStopped: () => boolean;
  readonly progress: CleaningProgress;
}

/** What a cleaning has done. */
export interface CleanResult {
  /** Everything below is clean now. */
  readonly cleanedOffset: number;
  readonly bytesRead: number;
  /** Batches whose records nobody can read, which stay as they are. */
  readonly batchesUnread: number;
  readonly bytesWritten: number;
  /** Bytes of the segments that were gone over, before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly segmentsBefore: number;
  readonly segmentsAfter: number;
}

/** Thrown where a slice could not be done for a reason that has nothing to do with the log: a thread that ended, say. */
export class SliceFailed extends Error {}

/** Thrown where a cleaning has to leave off: it is to stop, or the log has changed under it. */
export class CleaningStopped extends Error {}

/**
 * Cleans a log once (Kafka's `Cleaner.doClean`): notes the newest offset of each key in the dirty part, as far as the memory
 * for keys goes, then writes all segments below anew without what is outdated, in groups that make one segment each.
 *
 * @throws CleaningStopped; SliceFailed; CorruptLogError or RecordsError when the log is damaged; the disk's error
 */
export async function cleanLog(core: LogCore, cleanable: Cleanable, options: CleanOptions): Promise<CleanResult> {
  return new Cleaning(core, options).run(cleanable);
}

/** A slice's share of what is to be done, beside the bytes. */
type SliceWork = Omit<CleaningSlice, 'chunk' | 'isLast' | 'transactions' | 'shared'>['work'];

class Cleaning {
  readonly #core: LogCore;
  readonly #options: CleanOptions;
  readonly #truncations: number;
  readonly #moves: number;
  #transactions: TransactionsState = NO_TRANSACTIONS_YET;
  readonly #counts: CleaningCounts = { ...NOTHING_COUNTED };
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(core: LogCore, options: CleanOptions) {
    this.#core = core;
    this.#truncations = core.truncations;
    this.#moves = core.moves;
    this.#options = options;
  }

  async run({ firstDirtyOffset, firstUncleanableOffset }: Cleanable): Promise<CleanResult> {
    const core = this.#core;
    const shared = await this.#share(firstDirtyOffset, firstUncleanableOffset);
    const knownUpTo = await this.#indexKeys(firstDirtyOffset, firstUncleanableOffset, shared);
    const segments = core.segments.all.filter(({ baseOffset }) => baseOffset <= knownUpTo);
    const bytesBefore = sizeOf(segments);
    this.#begin('rewriting', bytesBefore);
    let bytesAfter = 0;
    let segmentsAfter = 0;
    for (const group of groupSegments(segments, core.config, firstUncleanableOffset)) {
      bytesAfter += await this.#rewrite(group, knownUpTo, shared);
      segmentsAfter += 1;
    }
    core.cleanedOffset = knownUpTo + 1;
    return {
      cleanedOffset: knownUpTo + 1,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      bytesBefore,
      bytesAfter,
      recordsRead: this.#counts.recordsRead,
      recordsKept: this.#counts.recordsKept,
      batchesUnread: this.#counts.batchesUnread,
      segmentsBefore: segments.length,
      segmentsAfter,
    };
  }

  async #share(from: number, to: number): Promise<CleaningShared> {
    const { producers, context, config } = this.#core;
    const { dedupeBufferBytes, dedupeBufferLoadFactor } = this.#options;
    return {
      keys: OffsetMap.memory(to - from, dedupeBufferBytes, dedupeBufferLoadFactor),
      aborted: SharedAborted.memory(await this.#abortedBelow(to)),
      producers: ProducerEnds.memory(producers.entries.values()),
      nowMs: context.clock.now(),
      deleteRetentionMs: config.deleteRetentionMs,
    };
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

  /** Notes the newest offset of each key in the dirty part, up to where the memory for keys is full. Gives up to where. */
  async #indexKeys(from: number, to: number, shared: CleaningShared): Promise<number> {
    const { segments } = this.#core;
    const dirty = segments.all.slice(Math.max(segments.indexOf(from), 0)).filter(({ baseOffset }) => baseOffset < to);
    this.#begin('indexing', sizeOf(dirty));
    let knownUpTo = from - 1;
    for (const segment of dirty) {
      const start = from <= segment.baseOffset ? 0 : await positionOf(segment, from);
      let isFull = false;
      const work = (): SliceWork => ({ phase: 'indexing', from, knownUpTo });
      await this.#eachSlice(segment, start, shared, work, async (outcome) => {
        ({ knownUpTo, isFull } = outcome);
        return 0;
      });
      if (isFull) return knownUpTo;
    }
    // What was seen whole ends where the last segment does, even when its last records are gone.
    return to - 1;
  }

  /** Writes a group of segments as one and puts that in their place. Gives its size. */
  async #rewrite(group: readonly Segment[], knownUpTo: number, shared: CleaningShared): Promise<number> {
    const rewrite = await SegmentRewrite.begin(this.#core, group);
    const changedBefore = this.#counts.batchesChanged;
    try {
      for (const segment of group) {
        const endsGroup = segment === group.at(-1);
        const work = (): SliceWork => ({ phase: 'rewriting', knownUpTo, endsGroup });
        await this.#eachSlice(segment, 0, shared, work, ({ output, aborted, counts }) => {
          this.#count(counts);
          return rewrite.write(output, aborted);
        });
      }
      // What would be put in place of itself may as well stay.
      if (group.length > 1 || this.#counts.batchesChanged > changedBefore) {
        return await rewrite.finish(() => this.#mayGoOn(group));
      }
    } catch (error) {
      await rewrite.abandon();
      // What is not where it was, because the log has been moved, is no fault of the disk.
      this.#mayGoOn(group);
      throw error;
    }
    await rewrite.abandon();
    return sizeOf(group);
  }

  #count({ recordsRead, recordsKept, batchesChanged, batchesUnread }: CleaningCounts): void {
    this.#counts.batchesUnread += batchesUnread;
    this.#counts.recordsRead += recordsRead;
    this.#counts.recordsKept += recordsKept;
    this.#counts.batchesChanged += batchesChanged;
  }

  /** Has a segment done slice by slice, and lets others have their turn in between. `done` gives the bytes that it wrote. */
  async #eachSlice(
    segment: Segment,
    start: number,
    shared: CleaningShared,
    work: () => SliceWork,
    done: (outcome: SliceOutcome) => Promise<number>,
  ): Promise<void> {
    const { ioBufferBytes, throttle, progress } = this.#options;
    let position = start;
    let wantedBytes = ioBufferBytes;
    while (position < segment.writtenBytes) {
      const chunk = await segment.read(position, wantedBytes);
      const isLast = chunk.length === 0 || position + chunk.length >= segment.writtenBytes;
      const outcome = await this.#slice({
        chunk: chunk as Uint8Array<ArrayBuffer>,
        isLast,
        transactions: this.#transactions,
        shared,
        work: work(),
      });
      const { bytesDone, fault, failure } = outcome;
      if (fault !== undefined) throw new CorruptLogError(segment.log.path, position + bytesDone, fault);
      if (failure !== undefined) throw new RecordsError(failure.code, failure.message);
      if (bytesDone === 0 && isLast) throw new CorruptLogError(segment.log.path, position, 'TRUNCATED');
      this.#transactions = outcome.transactions;
      wantedBytes = Math.max(ioBufferBytes, outcome.bytesWanted);
      position += bytesDone;
      this.#bytesRead += bytesDone;
      progress.bytesDone += bytesDone;
      const writtenBytes = await done(outcome);
      this.#bytesWritten += writtenBytes;
      await throttle.spend(bytesDone + writtenBytes);
      await nextTurn();
      this.#mayGoOn([segment]);
      if (outcome.isFull) return;
    }
  }

  async #slice(slice: CleaningSlice): Promise<SliceOutcome> {
    try {
      return await this.#options.cleanSlice(slice);
    } catch (cause) {
      throw new SliceFailed(`Compacting a slice of ${this.#core.folder}: ${messageOf(cause)}`, { cause });
    }
  }

  /** @throws CleaningStopped when segments are not the log's any more, or somebody wants the cleaning to end */
  #mayGoOn(segments: readonly Segment[]): void {
    const core = this.#core;
    const isSame = core.truncations === this.#truncations && core.moves === this.#moves;
    const isStill = isSame && core.state === 'online' && segments.every((segment) => core.segments.has(segment));
    if (!isStill || this.#options.isStopped()) throw new CleaningStopped(`Cleaning ${core.folder} was left off`);
  }

  #begin(phase: CleaningProgress['phase'], bytesTotal: number): void {
    // Each phase goes over the log from where it begins.
    this.#transactions = NO_TRANSACTIONS_YET;
    Object.assign(this.#options.progress, { phase, bytesDone: 0, bytesTotal });
  }
}

function sizeOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
}
