import {
  batchBaseOffset,
  batchIsControl,
  batchLeaderEpoch,
  batchProducerId,
  checkBatch,
  NO_PRODUCER_ID,
} from '@millrace/records';
import type { BatchVisitor } from './batch-scan.ts';
import { decodeEpochCheckpoint, readIfThere } from './checkpoint-file.ts';
import { finishSwaps } from './compaction/finish-swaps.ts';
import { MalformedFileError } from './errors.ts';
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  LEADER_EPOCH_CHECKPOINT,
  LOG_SUFFIX,
  offsetFileName,
  offsetOfFileName,
  PRODUCER_SNAPSHOT_SUFFIX,
  SWAP_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './file-names.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import type { LogContext } from './log-context.ts';
import type { LogRecovery } from './log-types.ts';
import { decodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import { Segment } from './segment.ts';
import { SegmentList } from './segment-list.ts';
import { scanPastDamage } from './segment-search.ts';

/** How much of a log before a snapshot is looked through for batches that the snapshot does not tell of. */
const EARLIER_BATCHES_BYTES = 256 * 1024;

/** What is known of a partition's log before it is opened. */
export interface LoadOptions {
  readonly folder: string;
  readonly config: LogConfig;
  /** From the checkpoint; undefined when there is none. */
  readonly recoveryPoint: number | undefined;
  /** From the checkpoint; undefined when there is none. */
  readonly logStartOffset: number | undefined;
  /** Whether the log directory was closed in order, so that nothing needs to be scanned. */
  readonly isClean: boolean;
  /** Told before a damaged end is cut off: when it is gone, nobody can find out any more. */
  readonly onCut?: (recovery: LogRecovery) => void;
}

/** A log as it was found (and put right) on the disk. */
export interface LoadedLog {
  readonly segments: SegmentList;
  readonly producers: ProducerStates;
  readonly epochs: LeaderEpochs;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Offsets of the producer snapshots, ascending. */
  readonly snapshots: number[];
  readonly recovery: LogRecovery;
}

/**
 * Opens a partition's folder (Kafka's `LogLoader`): removes what an interrupted deletion or compaction left, scans what lies
 * behind the recovery point after an unclean stop, cuts the log at the first damaged batch, and brings indexes, leader
 * epochs and producer state in line with what is left.
 */
export async function loadLog(context: LogContext, options: LoadOptions): Promise<LoadedLog> {
  const names = await putNamesRight(context, options.folder);
  const segments = await findSegments(context, options, names);
  const epochs = await loadEpochs(context, options.folder);
  const recovery = await recoverSegments(context, options, segments, epochs);
  epochs.scanEnded();
  const logEndOffset = recovery.logEndOffset;
  epochs.truncateFromEnd(logEndOffset);
  const logStartOffset = Math.max(options.logStartOffset ?? 0, segments.first.baseOffset);
  const snapshots = offsetsOf(names, PRODUCER_SNAPSHOT_SUFFIX);
  const producers = await loadProducers(context, options.folder, segments, snapshots, logEndOffset);
  for (const segment of segments.all) await segment.transactionIndex.flush({ sync: true });
  return { segments, producers, epochs, logStartOffset, logEndOffset, snapshots, recovery };
}

/**
 * Producer state at an offset: the last usable snapshot at or before it, and what was written between the two. Snapshots
 * that cannot be read, or lie behind the offset, are removed, from the disk and from `snapshots`.
 */
export async function loadProducers(
  context: LogContext,
  folder: string,
  segments: SegmentList,
  snapshots: number[],
  endOffset: number,
): Promise<ProducerStates> {
  const found = await readLastSnapshot(context, folder, snapshots, endOffset);
  const producers = found?.producers ?? new ProducerStates(undefined, context.producerIdsMax);
  if (found !== undefined && producers.size > 0) await noteEarlierBatches(segments, producers, found.offset);
  const from = found?.offset ?? segments.first.baseOffset;
  for (let index = Math.max(segments.indexOf(from), 0); index < segments.count; index++) {
    const segment = segments.at(index)!;
    if (segment.sizeBytes === 0 || from >= endOffset) continue;
    await replayProducers(segment, producers, from, endOffset);
  }
  producers.removeExpired(context.clock.now(), context.producerIdExpirationMs);
  return producers;
}

/**
 * A snapshot tells only the newest batch of each producer, in Kafka's format as in ours. But a producer that has lost its
 * connection to a broker that stopped sends all again that it had under way, and must be told that it is there.
 */
async function noteEarlierBatches(segments: SegmentList, producers: ProducerStates, offset: number): Promise<void> {
  const stretches: { segment: Segment; start: number; end: number }[] = [];
  let bytesLeft = EARLIER_BATCHES_BYTES;
  for (let index = segments.indexOf(offset - 1); index >= 0 && bytesLeft > 0; index--) {
    const segment = segments.at(index)!;
    const end = await segment.positionOf(offset);
    const start = await segment.batchStartBefore(end - bytesLeft);
    stretches.push({ segment, start, end });
    bytesLeft -= end - start;
  }
  for (const { segment, start, end } of stretches.toReversed()) {
    await scanPastDamage(
      segment,
      start,
      (buffer, at, position) => {
        if (position >= end) return false;
        const isOfProducer = batchProducerId(buffer, at) !== NO_PRODUCER_ID && !batchIsControl(buffer, at);
        if (isOfProducer) producers.noteEarlierBatch(buffer, at);
        return true;
      },
      { crc: true, chunkBytes: EARLIER_BATCHES_BYTES },
    );
  }
}

async function replayProducers(
  segment: Segment,
  producers: ProducerStates,
  from: number,
  endOffset: number,
): Promise<void> {
  await segment.transactionIndex.truncateFrom(from);
  const start = from <= segment.baseOffset ? 0 : await segment.positionOf(from);
  await scanPastDamage(
    segment,
    start,
    (buffer, at) => {
      // Nothing of the log lies there: the offset, which no CRC covers, is damaged, and those behind it are not.
      if (batchBaseOffset(buffer, at) >= endOffset) return true;
      if (batchProducerId(buffer, at) === NO_PRODUCER_ID) return true;
      if (!batchIsControl(buffer, at)) {
        producers.noteBatch(buffer, at);
        return true;
      }
      const completed = producers.noteMarker(buffer, at);
      if (completed?.isAborted === true) segment.transactionIndex.append(completed);
      return true;
    },
    { crc: false },
  );
}

async function readLastSnapshot(
  context: LogContext,
  folder: string,
  snapshots: number[],
  endOffset: number,
): Promise<{ offset: number; producers: ProducerStates } | undefined> {
  for (let offset = snapshots.at(-1); offset !== undefined; offset = snapshots.at(-1)) {
    const path = `${folder}/${offsetFileName(offset, PRODUCER_SNAPSHOT_SUFFIX)}`;
    if (offset <= endOffset) {
      try {
        const bytes = await context.disk.readFile(path);
        return { offset, producers: new ProducerStates(decodeProducerSnapshot(bytes, path), context.producerIdsMax) };
      } catch (error) {
        if (!(error instanceof MalformedFileError)) throw error;
      }
    }
    snapshots.pop();
    await context.disk.remove(path);
  }
  return undefined;
}

/** What ends the name of a file that a process was not done with. */
const UNFINISHED_SUFFIXES = [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX, '.tmp'];

/** Ends what was interrupted, deletion and compaction, and gives the names that are there then. */
async function putNamesRight({ disk }: LogContext, folder: string): Promise<string[]> {
  const names = await disk.list(folder);
  if (!names.some((name) => UNFINISHED_SUFFIXES.some((suffix) => name.endsWith(suffix)))) return names;
  await finishSwaps(disk, folder, names);
  for (const name of names) {
    if (name.endsWith(DELETED_SUFFIX) || name.endsWith('.tmp')) await disk.remove(`${folder}/${name}`);
  }
  return disk.list(folder);
}

async function findSegments(context: LogContext, options: LoadOptions, names: string[]): Promise<SegmentList> {
  const { folder, config } = options;
  const withTransactions = new Set(offsetsOf(names, TRANSACTION_INDEX_SUFFIX));
  const segments: Segment[] = [];
  for (const baseOffset of offsetsOf(names, LOG_SUFFIX)) {
    const stat = await context.disk.stat(`${folder}/${offsetFileName(baseOffset, LOG_SUFFIX)}`);
    const stored = {
      sizeBytes: stat?.sizeBytes ?? 0,
      modifiedMs: stat?.modifiedMs ?? 0,
      hasTransactions: withTransactions.has(baseOffset),
    };
    segments.push(newSegment(context, folder, baseOffset, config, stored));
  }
  if (segments.length === 0) segments.push(newSegment(context, folder, options.logStartOffset ?? 0, config));
  return new SegmentList(segments);
}

/** A segment with a jitter of its own. Without `stored` it is new and has no files yet. */
export function newSegment(
  context: LogContext,
  folder: string,
  baseOffset: number,
  config: LogConfig,
  stored?: ConstructorParameters<typeof Segment>[3]['stored'],
): Segment {
  const jitterMs =
    config.segmentJitterMs > 0 ? context.random.nextInt(Math.min(config.segmentJitterMs, 2 ** 31 - 1)) : 0;
  const nowMs = context.clock.now();
  return new Segment(
    folder,
    baseOffset,
    context,
    stored === undefined ? { nowMs, jitterMs } : { nowMs, jitterMs, stored },
  );
}

async function loadEpochs(context: LogContext, folder: string): Promise<LeaderEpochs> {
  const path = `${folder}/${LEADER_EPOCH_CHECKPOINT}`;
  const bytes = await readIfThere(context.disk, path);
  return new LeaderEpochs(bytes === undefined ? [] : decodeEpochCheckpoint(bytes, path));
}

/** Scans what must be scanned; afterwards the last segment can be appended to. */
async function recoverSegments(
  context: LogContext,
  options: LoadOptions,
  segments: SegmentList,
  epochs: LeaderEpochs,
): Promise<LogRecovery> {
  const { config, isClean } = options;
  if (isClean) {
    const end = await openActive(segments.active, config, epochs);
    if (end !== undefined) return { logEndOffset: end, scannedBytes: 0, truncatedBytes: 0, fault: undefined };
  }
  const trusted = isClean ? segments.active.baseOffset : (options.recoveryPoint ?? 0);
  return recoverFrom(context, options, segments, epochs, trusted);
}

/** After a clean stop: the end of the log; undefined when the segment is not as a clean stop leaves it. */
async function openActive(active: Segment, config: LogConfig, epochs: LeaderEpochs): Promise<number | undefined> {
  const tracker = new ScanTracker(epochs);
  const end = await active.recover(Number.POSITIVE_INFINITY, config, false, tracker.visit);
  // Where the log goes on depends on its last batch: that one must be as it was written.
  return end.fault === undefined && tracker.isLastGood ? end.endOffset : undefined;
}

async function recoverFrom(
  context: LogContext,
  options: LoadOptions,
  segments: SegmentList,
  epochs: LeaderEpochs,
  recoveryPoint: number,
): Promise<LogRecovery> {
  const { config, folder } = options;
  let endOffset = segments.first.baseOffset;
  let scannedBytes = 0;
  // The segment before a recovery point that stands between two may have been closed in memory only.
  for (let index = Math.max(segments.indexOf(recoveryPoint - 1), 0); index < segments.count; index++) {
    const segment = segments.at(index)!;
    const tracker = new ScanTracker(epochs);
    const end = await segment.recover(recoveryPoint, config, true, tracker.visit, segments.at(index + 1)?.baseOffset);
    endOffset = end.endOffset;
    scannedBytes += end.position - end.start;
    // The process before may have died of a sync that failed, and then the system need not write what we have just read.
    await segment.rewrite(end.start, end.position);
    if (end.fault !== undefined) {
      const fault = { path: segment.log.path, position: end.position, fault: end.fault };
      const dropped = segments.removeFrom(segment.baseOffset + 1);
      const truncatedBytes =
        segment.sizeBytes - end.position + dropped.reduce((sum, other) => sum + other.sizeBytes, 0);
      const recovery = { logEndOffset: endOffset, scannedBytes, truncatedBytes, fault };
      options.onCut?.(recovery);
      // The later segments go first, the last before the others: a crash half way must not leave a hole in the middle.
      for (const other of dropped.toReversed()) await removeSegmentFiles(context, other);
      await context.disk.syncFolder(folder);
      await segment.truncateFile(end.position);
      // Damage below the recovery point: what the indexes say of it was trusted, and must not be.
      if (endOffset < recoveryPoint) await segment.recover(endOffset, config, true, () => true);
      await segment.flushIndexes({ sync: true });
      return recovery;
    }
    if (segment !== segments.active) segment.closeTimeIndex();
    if (segment.writtenBytes > 0) await segment.syncLog();
    await segment.flushIndexes({ sync: true });
  }
  return { logEndOffset: endOffset, scannedBytes, truncatedBytes: 0, fault: undefined };
}

/** Follows a scan: which leader epochs begin, and what its last batch is. A scan may begin anew from further back. */
class ScanTracker {
  readonly visit: BatchVisitor;
  #last: { readonly buffer: Buffer; readonly at: number } | undefined;

  constructor(epochs: LeaderEpochs) {
    this.visit = (buffer, at) => {
      this.#last = { buffer, at };
      epochs.scanned(batchLeaderEpoch(buffer, at), batchBaseOffset(buffer, at));
      return true;
    };
  }

  /** Whether the last batch of the scan has its CRC. */
  get isLastGood(): boolean {
    return this.#last === undefined || checkBatch(this.#last.buffer, this.#last.at) === undefined;
  }
}

async function removeSegmentFiles(context: LogContext, segment: Segment): Promise<void> {
  segment.release();
  for (const file of segment.files) await context.disk.remove(file.path);
}

function offsetsOf(names: readonly string[], suffix: string): number[] {
  return names
    .map((name) => offsetOfFileName(name, suffix))
    .filter((offset) => offset !== undefined)
    .sort((a, b) => a - b);
}
