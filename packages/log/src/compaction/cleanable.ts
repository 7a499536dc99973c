import type { LogCore } from '../log-core.ts';
import type { Segment } from '../segment.ts';
import { largestTimestamp } from '../segment-search.ts';

/** What of a log can be cleaned (Kafka's `LogToClean`). */
export interface Cleanable {
  /** Records below were cleaned before. */
  readonly firstDirtyOffset: number;
  /** Records from here on must not be cleaned yet: they are young, open to change, or not yet stable. */
  readonly firstUncleanableOffset: number;
  /** Bytes of the segments below `firstDirtyOffset`. */
  readonly cleanBytes: number;
  /** Bytes of the segments in between. */
  readonly dirtyBytes: number;
  /** `dirtyBytes` as a share of both. */
  readonly dirtyRatio: number;
  /** Whether a record has waited longer than `max.compaction.lag.ms`. */
  readonly isOverdue: boolean;
}

/**
 * Looks at what of a log can be cleaned: whole segments, never the active one, up to the last stable offset and the recovery
 * point, and nothing younger than `min.compaction.lag.ms` (Kafka's `LogCleanerManager.cleanableOffsets`).
 */
export async function findCleanable(core: LogCore, nowMs: number): Promise<Cleanable> {
  const { minCompactionLagMs, maxCompactionLagMs } = core.config;
  const segments = [...core.segments.all];
  const stableOffset = Math.min(core.lastStableOffset, core.recoveryPoint);
  const firstDirtyOffset = firstDirtyOffsetOf(core);
  let firstUncleanableOffset = firstDirtyOffset;
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let isOverdue = false;
  for (const [index, segment] of segments.slice(0, -1).entries()) {
    const endOffset = segments[index + 1]!.baseOffset;
    if (endOffset > stableOffset) break;
    if (endOffset <= firstDirtyOffset) {
      cleanBytes += segment.sizeBytes;
      continue;
    }
    if (minCompactionLagMs > 0 && (await newestOf(segment)) > nowMs - minCompactionLagMs) break;
    if (!isOverdue && maxCompactionLagMs !== Number.POSITIVE_INFINITY) {
      const oldestMs = await segment.loadFirstTimestamp();
      isOverdue = oldestMs >= 0 && oldestMs < nowMs - maxCompactionLagMs;
    }
    dirtyBytes += segment.sizeBytes;
    firstUncleanableOffset = endOffset;
  }
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
  return { firstDirtyOffset, firstUncleanableOffset, cleanBytes, dirtyBytes, dirtyRatio, isOverdue };
}

/** A checkpoint that does not fit the log (any more) is none. */
function firstDirtyOffsetOf(core: LogCore): number {
  const cleaned = core.cleanedOffset ?? 0;
  return cleaned > core.nextOffset ? core.logStartOffset : Math.max(cleaned, core.logStartOffset);
}

async function newestOf(segment: Segment): Promise<number> {
  const { timestamp } = await largestTimestamp(segment);
  return timestamp >= 0 ? timestamp : segment.modifiedMs;
}
