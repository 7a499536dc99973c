import type { LogConfig } from '../log-config.ts';
import { OFFSET_INDEX_ENTRY_BYTES } from '../offset-index.ts';
import { RELATIVE_OFFSET_MAX, type Segment } from '../segment.ts';
import { TIME_INDEX_ENTRY_BYTES } from '../time-index.ts';

/**
 * Neighbouring segments that together are no larger than one may be, so that a log that shrinks does not come to consist of
 * small files (Kafka's `Cleaner.groupSegmentsBySize`).
 *
 * @param endOffset where the last of them ends at most
 */
export function groupSegments(segments: readonly Segment[], config: LogConfig, endOffset: number): Segment[][] {
  const groups: Segment[][] = [];
  let sizeBytes = 0;
  segments.forEach((segment, index) => {
    const group = groups.at(-1);
    const segmentEnd = segments[index + 1]?.baseOffset ?? endOffset;
    const fits =
      group !== undefined &&
      sizeBytes + segment.sizeBytes <= config.segmentBytes &&
      indexBytesOf(sizeBytes + segment.sizeBytes, config) <= config.segmentIndexBytes &&
      segmentEnd - 1 - group[0]!.baseOffset <= RELATIVE_OFFSET_MAX;
    if (fits) {
      group.push(segment);
      sizeBytes += segment.sizeBytes;
    } else {
      groups.push([segment]);
      sizeBytes = segment.sizeBytes;
    }
  });
  return groups;
}

/** The most that the larger of the two indexes can take. */
function indexBytesOf(logBytes: number, { indexIntervalBytes }: LogConfig): number {
  const entries = logBytes / Math.max(indexIntervalBytes, 1);
  return entries * Math.max(OFFSET_INDEX_ENTRY_BYTES, TIME_INDEX_ENTRY_BYTES);
}
