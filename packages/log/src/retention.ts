import { ErrorCode } from '@millrace/protocol';
import { NO_TIMESTAMP } from '@millrace/records';
import { CorruptLogError } from './errors.ts';
import type { LogCore } from './log-core.ts';
import type { Segment } from './segment.ts';
import { giveUpFiles } from './segment-removal.ts';
import { largestTimestamp } from './segment-search.ts';

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

/**
 * A segment goes when the others still hold `retention.bytes`. What the high watermark has not passed does not count: a leader that is
 * replaced loses it again.
 */
function exceedsSize(core: LogCore): Verdict {
  let excessBytes = -core.config.retentionBytes;
  for (const segment of core.segments.all) {
    const endOffset = core.segments.after(segment)?.baseOffset ?? core.nextOffset;
    if (endOffset <= core.highWatermark) excessBytes += segment.sizeBytes;
  }
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
    const timestamp = await timestampOf(core, segment);
    return (timestamp >= 0 ? timestamp : segment.modifiedMs) < oldestMs;
  };
}

/** A damaged segment is told of, and must not stay for ever for that: it and all that comes after it. */
async function timestampOf(core: LogCore, segment: Segment): Promise<number> {
  try {
    return (await largestTimestamp(segment)).timestamp;
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    core.damaged(error);
    return NO_TIMESTAMP;
  }
}

const NOTHING: RetentionResult = { segmentsDeleted: 0, bytesDeleted: 0 };

/** Takes the oldest segments out for as long as the verdict is "goes" and the high watermark has passed them. */
async function deleteWhile(core: LogCore, goes: Verdict): Promise<RetentionResult> {
  const sealed: Segment[] = [];
  let judgedTo: number | undefined;
  for (const segment of core.segments.all) {
    const next = core.segments.after(segment);
    const endOffset = next?.baseOffset ?? core.nextOffset;
    if (endOffset > core.highWatermark || (next === undefined && segment.sizeBytes === 0)) break;
    if (!(await goes(segment, next))) break;
    if (next === undefined) judgedTo = endOffset;
    else sealed.push(segment);
  }
  const result = sealed.length === 0 ? NOTHING : await deleteSealed(core, sealed);
  const { active } = core.segments;
  const goesToo = judgedTo === core.nextOffset && core.segments.first === active && core.state === 'online';
  if (!goesToo) return result;
  // A log whose segments all go gets a new one first, so that its end is not forgotten. That takes room, and the others going
  // may have made some. What comes from here on goes to the new one.
  core.roll();
  const last = await deleteSealed(core, [active]);
  return {
    segmentsDeleted: result.segmentsDeleted + last.segmentsDeleted,
    bytesDeleted: result.bytesDeleted + last.bytesDeleted,
  };
}

/**
 * Deletes the oldest segments once a snapshot holds the producers that wrote to them: a producer that the next start does not
 * know may write twice what it sends again. Without room for a snapshot they stay.
 */
async function deleteSealed(core: LogCore, condemned: readonly Segment[]): Promise<RetentionResult> {
  const result = await core.writer.task(() => deleteSegments(core, condemned));
  if (result !== undefined) return result;
  await core.checkpoint();
  return (await core.writer.task(() => deleteSegments(core, condemned))) ?? NOTHING;
}

/** Runs in the writer's queue. Undefined, and nothing done, when there is no snapshot of the segments' producers. */
async function deleteSegments(core: LogCore, condemned: readonly Segment[]): Promise<RetentionResult | undefined> {
  const next = core.segments.after(condemned.at(-1)!);
  if (next === undefined || core.segments.first !== condemned[0]) return NOTHING;
  if (!core.knowsProducersFrom(next.baseOffset)) return undefined;
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
