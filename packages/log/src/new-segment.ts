import type { LogConfig } from './log-config.ts';
import type { LogContext } from './log-context.ts';
import { Segment, type StoredSegment } from './segment.ts';

/** A segment with a jitter of its own. Without `stored` it is new and has no files yet. */
export function newSegment(
  context: LogContext,
  folder: string,
  baseOffset: number,
  config: LogConfig,
  stored?: StoredSegment,
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
