import { ErrorCode } from '@millrace/protocol';
import { NO_TIMESTAMP } from '@millrace/records';
import { CorruptLogError } from './errors.ts';
import { DELETED_SUFFIX } from './file-names.ts';
import type { LogCore } from './log-core.ts';
import type { Segment } from './segment.ts';

/** What a look at a log's retention did. */
export interface RetentionResult {
  readonly segmentsDeleted: number;
  readonly bytesDeleted: number;
}

/** Raises the log start offset; see `PartitionLog.deleteRecordsBefore`. */
export function deleteRecordsBefore(core: LogCore, offset: number): { errorCode: number; logStartOffset: number } {
  const target = offset === -1 ? core.highWatermark : offset;
  if (target < 0 || target > core.highWatermark) {
    return { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: core.logStartOffset };
  }
  core.raiseLogStartOffset(target);
  return { errorCode: ErrorCode.NONE, logStartOffset: core.logStartOffset };
}

/** Whether the oldest remaining segment goes; `next` is undefined for the one that is appended to. */
type Verdict = (segment: Segment, next: Segment | undefined) => boolean | Promise<boolean>;

/**
 * Drops old segments (Kafka's `UnifiedLog.deleteOldSegments`): those below the log start offset always, and with
 * `cleanup.policy=delete` those beyond `retention.bytes` and `retention.ms`.
 */
export async function enforceRetention(core: LogCore): Promise<RetentionResult> {
  const { config } = core;
  const results = [
    await deleteWhile(core, (_segment, next) => next !== undefined && next.baseOffset <= core.logStartOffset),
  ];
  if (config.cleanupPolicy.includes('delete')) {
    if (config.retentionBytes >= 0) results.push(await deleteWhile(core, exceedsSize(core)));
    if (config.retentionMs >= 0) results.push(await deleteWhile(core, isExpired(core)));
  }
  return {
    segmentsDeleted: results.reduce((sum, result) => sum + result.segmentsDeleted, 0),
    bytesDeleted: results.reduce((sum, result) => sum + result.bytesDeleted, 0),
  };
}

/** A segment goes when the others still hold `retention.bytes`. */
function exceedsSize(core: LogCore): Verdict {
  let excessBytes = core.segments.sizeBytes - core.config.retentionBytes;
  return (segment) => {
    if (excessBytes < segment.sizeBytes) return false;
    excessBytes -= segment.sizeBytes;
    return true;
  };
}

/** A segment goes when its youngest record is old; without timestamps that can be read, its file's last change counts. */
function isExpired(core: LogCore): Verdict {
  const oldestMs = core.context.clock.now() - core.config.retentionMs;
  return async (segment) => {
    const timestamp = await largestTimestamp(core, segment);
    return (timestamp >= 0 ? timestamp : segment.modifiedMs) < oldestMs;
  };
}

/** A damaged segment is told of, and must not stay for ever for that: it and all that comes after it. */
async function largestTimestamp(core: LogCore, segment: Segment): Promise<number> {
  try {
    return (await segment.largestTimestamp()).timestamp;
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    core.damaged(error);
    return NO_TIMESTAMP;
  }
}

/** Takes the oldest segments out for as long as the verdict is "goes" and the high watermark has passed them. */
async function deleteWhile(core: LogCore, goes: Verdict): Promise<RetentionResult> {
  const condemned: Segment[] = [];
  for (const segment of core.segments.all) {
    const next = core.segments.after(segment);
    const endOffset = next?.baseOffset ?? core.nextOffset;
    if (endOffset > core.highWatermark || (next === undefined && segment.sizeBytes === 0)) break;
    if (!(await goes(segment, next))) break;
    condemned.push(segment);
  }
  if (condemned.length === 0) return { segmentsDeleted: 0, bytesDeleted: 0 };
  return core.writer.task(() => deleteSegments(core, condemned));
}

/** Runs in the writer's queue. A log whose segments all go gets a new one first, so that its end is not forgotten. */
async function deleteSegments(core: LogCore, condemned: readonly Segment[]): Promise<RetentionResult> {
  const last = condemned.at(-1)!;
  if (last === core.segments.active) {
    const opened = core.roll();
    // The roll's own step comes behind this task; the name must be there before the old ones go.
    await core.prepare(opened);
  }
  const next = core.segments.after(last);
  if (next === undefined || core.segments.first !== condemned[0]) return { segmentsDeleted: 0, bytesDeleted: 0 };
  core.raiseLogStartOffset(next.baseOffset);
  // The oldest first, and none out of the list before its file is: a rename that fails leaves no hole behind the next start.
  for (const segment of condemned) {
    await giveUpFiles(core, segment);
    core.segments.removeFirst(1);
  }
  await core.context.disk.syncFolder(core.folder);
  await core.dropOldSnapshots();
  return {
    segmentsDeleted: condemned.length,
    bytesDeleted: condemned.reduce((sum, segment) => sum + segment.sizeBytes, 0),
  };
}

/** Renames a segment's files to `.deleted` and has them removed later. Readers in the middle of them go on. */
export async function giveUpFiles(core: LogCore, segment: Segment): Promise<void> {
  const { disk, reaper } = core.context;
  segment.release();
  for (const file of segment.files) {
    const path = file.path.endsWith(DELETED_SUFFIX) ? file.path : file.path + DELETED_SUFFIX;
    if ((await disk.stat(file.path)) === undefined) continue;
    if (path !== file.path) await file.rename(path);
    reaper.removeLater(path, core.config.fileDeleteDelayMs);
  }
}
