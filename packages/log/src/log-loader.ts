import { batchBaseOffset, batchLeaderEpoch, checkBatch } from '@millrace/records';
import type { BatchVisitor } from './batch-scan.ts';
import { decodeEpochCheckpoint, encodeEpochCheckpoint, readIfThere } from './checkpoint-file.ts';
import { finishSwaps } from './compaction/finish-swaps.ts';
import { epochsOf, knowEpochsBefore } from './epochs-of-batches.ts';
import { isShortage } from './errors.ts';
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
import { newSegment } from './new-segment.ts';
import { loadProducers } from './producer-loader.ts';
import type { ProducerStates } from './producer-states.ts';
import type { Segment } from './segment.ts';
import { SegmentList } from './segment-list.ts';
import { type RecoveryEnd, recoverSegment, rewriteBatches } from './segment-recovery.ts';
import { setAside } from './set-aside.ts';

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
  /** Up to where the next start may trust what it finds without a scan. */
  readonly recoveryPoint: number;
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
  const stored = await loadEpochs(context, options.folder);
  const isAnyStored = stored.starts.length > 0;
  const recovery = withLoss(await recoverSegments(context, options, segments, stored), options);
  stored.scanEnded();
  const epochs = isAnyStored ? stored : await epochsOf(segments.all);
  const logEndOffset = recovery.logEndOffset;
  const logStartOffset = Math.max(options.logStartOffset ?? 0, segments.first.baseOffset);
  epochs.truncateFromEnd(logEndOffset);
  if (isAnyStored) await knowEpochsBefore(epochs, segments.all, logStartOffset);
  else epochs.truncateFromStart(logStartOffset);
  const areEpochsStored = await storeEpochs(context, options.folder, epochs, logEndOffset);
  // What a scan has found of epochs must be in their file before a later start passes over what was scanned.
  const recoveryPoint = areEpochsStored ? logEndOffset : Math.min(options.recoveryPoint ?? 0, logEndOffset);
  const snapshots = offsetsOf(names, PRODUCER_SNAPSHOT_SUFFIX);
  const producers = await loadProducers(context, options.folder, segments, snapshots, logEndOffset);
  for (const segment of segments.all) await segment.transactionIndex.flush({ sync: true });
  return { segments, producers, epochs, logStartOffset, logEndOffset, recoveryPoint, snapshots, recovery };
}

/** A checkpoint is lowered before a log is cut, so that no log ends before its recovery point but by what was done to its files. */
function withLoss(recovery: LogRecovery, { recoveryPoint = 0 }: LoadOptions): LogRecovery {
  const isShort = recovery.fault === undefined && recovery.logEndOffset < recoveryPoint;
  return isShort ? { ...recovery, syncedTo: recoveryPoint } : recovery;
}

/** Whether the epochs' file holds what a scan has found; without room on the disk it cannot, and the next start scans again. */
async function storeEpochs(
  { disk }: LogContext,
  folder: string,
  epochs: LeaderEpochs,
  logEndOffset: number,
): Promise<boolean> {
  const starts = epochs.unstored(logEndOffset);
  if (starts === undefined) return true;
  try {
    await disk.replaceFile(`${folder}/${LEADER_EPOCH_CHECKPOINT}`, encodeEpochCheckpoint(starts));
    epochs.stored(starts);
    return true;
  } catch (error) {
    if (!isShortage(error)) throw error;
    return false;
  }
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
  const end = await recoverSegment(active, Number.POSITIVE_INFINITY, config, false, tracker.visit);
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
  const { config } = options;
  let endOffset = segments.first.baseOffset;
  let scannedBytes = 0;
  // The segment before a recovery point that stands between two may have been closed in memory only.
  for (let index = Math.max(segments.indexOf(recoveryPoint - 1), 0); index < segments.count; index += 1) {
    const segment = segments.at(index)!;
    const tracker = new ScanTracker(epochs);
    const end = await recoverSegment(
      segment,
      recoveryPoint,
      config,
      true,
      tracker.visit,
      segments.at(index + 1)?.baseOffset,
    );
    endOffset = end.endOffset;
    scannedBytes += end.position - end.start;
    // The process before may have died of a sync that failed, and then the system need not write what we have just read.
    await rewriteBatches(segment, end.start, end.position);
    if (end.fault !== undefined) {
      return cutOff(context, options, segments, { segment, end, scannedBytes, recoveryPoint });
    }
    if (segment !== segments.active) segment.closeTimeIndex();
    if (segment.writtenBytes > 0) await segment.syncLog();
    await segment.flushIndexes({ sync: true });
  }
  return { logEndOffset: endOffset, scannedBytes, truncatedBytes: 0, fault: undefined };
}

/** Cuts the log at the first damage: nothing behind it can be served, for nobody knows what is missing. */
async function cutOff(
  context: LogContext,
  options: LoadOptions,
  segments: SegmentList,
  found: { segment: Segment; end: RecoveryEnd; scannedBytes: number; recoveryPoint: number },
): Promise<LogRecovery> {
  const { segment, end, scannedBytes, recoveryPoint } = found;
  const { endOffset, position } = end;
  const { folder, config } = options;
  const dropped = segments.removeFrom(segment.baseOffset + 1);
  const mayBeTorn = !options.isClean && endOffset >= recoveryPoint;
  const aside = await setAside(context, { folder, segment, position, logEndOffset: endOffset, dropped, mayBeTorn });
  const recovery: LogRecovery = {
    logEndOffset: endOffset,
    scannedBytes,
    truncatedBytes: segment.sizeBytes - position + dropped.reduce((sum, other) => sum + other.sizeBytes, 0),
    fault: { path: segment.log.path, position, fault: end.fault! },
    setAside: aside.told,
  };
  options.onCut?.(recovery);
  // The later segments go first, the last before the others: a crash half way must not leave a hole in the middle.
  for (const other of dropped.toReversed()) await giveUpSegment(context, other, aside.pathOf.get(other));
  await context.disk.syncFolder(folder);
  await segment.truncateFile(position, { sync: true });
  // Damage below the recovery point: what the indexes say of it was trusted, and must not be.
  if (endOffset < recoveryPoint) await recoverSegment(segment, endOffset, config, true, () => true);
  await segment.flushIndexes({ sync: true });
  return recovery;
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

/** Removes a segment's files; its batches are kept under `keptPath`, where that is given. */
async function giveUpSegment({ disk }: LogContext, segment: Segment, keptPath: string | undefined): Promise<void> {
  segment.release();
  for (const { path } of segment.files) {
    if (keptPath !== undefined && path === segment.log.path) await disk.rename(path, keptPath);
    else await disk.remove(path);
  }
}

function offsetsOf(names: readonly string[], suffix: string): number[] {
  return names
    .map((name) => offsetOfFileName(name, suffix))
    .filter((offset) => offset !== undefined)
    .sort((a, b) => a - b);
}
