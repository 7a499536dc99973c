import { batchBaseOffset, batchLeaderEpoch } from '@millrace/records';
import { LOCATE_BYTES } from './batch-scan.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { Segment } from './segment.ts';

/**
 * Which leader epoch began where, as the batches say, for a log whose `leader-epoch-checkpoint` is gone or knows of none. What a start scans
 * of a log is its end: an epoch that had begun before would be taken for one that begins there, and a follower that asks where the epoch
 * before ended would keep records that the leader does not have. (Kafka leaves a log without epochs there, or with those of what it scans.)
 *
 * Epochs rise, so a segment that begins in the epoch in which the next one begins has no other, and one batch of it is looked at.
 *
 * @param endOffset of batches from there on nothing is said
 */
export async function epochsOf(
  segments: readonly Segment[],
  endOffset = Number.POSITIVE_INFINITY,
): Promise<LeaderEpochs> {
  const epochs = new LeaderEpochs();
  const filled = segments.filter(({ writtenBytes, baseOffset }) => writtenBytes > 0 && baseOffset < endOffset);
  let next: FirstBatch | undefined;
  for (const [index, segment] of filled.entries()) {
    const first = next ?? (await firstBatchOf(segment));
    const following = filled[index + 1];
    next = following === undefined ? undefined : await firstBatchOf(following);
    if (first !== undefined && first.epoch === next?.epoch) epochs.scanned(first.epoch, first.baseOffset);
    else await scanEpochs(segment, epochs, endOffset);
  }
  epochs.scanEnded();
  return epochs;
}

/**
 * Tells epochs that begin behind the log's start of those before them, as the batches say. The file of epochs is written with the log start
 * that is known then; that one may be lost with the power, and the log then holds records again of which the file knows no epoch. A leader
 * could not tell a follower there where the two have parted. (Kafka leaves the log so.)
 */
export async function knowEpochsBefore(
  epochs: LeaderEpochs,
  segments: readonly Segment[],
  logStartOffset: number,
): Promise<void> {
  const [first] = epochs.starts;
  if (first === undefined || first.startOffset <= logStartOffset) return;
  const before = await epochsOf(segments, first.startOffset);
  epochs.precede(before.starts);
}

interface FirstBatch {
  readonly epoch: number;
  readonly baseOffset: number;
}

async function firstBatchOf(segment: Segment): Promise<FirstBatch | undefined> {
  let found: FirstBatch | undefined;
  await segment.scan(
    0,
    (buffer, at) => {
      found = { epoch: batchLeaderEpoch(buffer, at), baseOffset: batchBaseOffset(buffer, at) };
      return false;
    },
    { crc: false, chunkBytes: LOCATE_BYTES },
  );
  return found;
}

async function scanEpochs(segment: Segment, epochs: LeaderEpochs, endOffset: number): Promise<void> {
  await segment.scan(
    0,
    (buffer, at) => {
      const baseOffset = batchBaseOffset(buffer, at);
      if (baseOffset >= endOffset) return false;
      epochs.scanned(batchLeaderEpoch(buffer, at), baseOffset);
      return true;
    },
    { crc: false },
  );
}
