import type { Disk } from '@millrace/ports';
import { batchBaseOffset, batchIsControl, batchProducerId, NO_PRODUCER_ID } from '@millrace/records';
import { MalformedFileError, systemCodeOf } from './errors.ts';
import { offsetFileName, PRODUCER_SNAPSHOT_SUFFIX } from './file-names.ts';
import type { LogContext } from './log-context.ts';
import { decodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import type { Segment } from './segment.ts';
import type { SegmentList } from './segment-list.ts';
import { positionOf, scanPastDamage } from './segment-search.ts';

/** How much of a log before a snapshot is looked through for batches that the snapshot does not tell of. */
const EARLIER_BATCHES_BYTES = 256 * 1024;

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
  for (let index = Math.max(segments.indexOf(from), 0); index < segments.count; index += 1) {
    const segment = segments.at(index)!;
    if (segment.sizeBytes === 0 || from >= endOffset) continue;
    await replayProducers(segment, producers, from, endOffset);
  }
  producers.removeExpired(context.clock.now(), context.producerIdExpirationMs);
  producers.beginAt(endOffset);
  return producers;
}

/**
 * Producer state of a log that has gone back to an offset: what is remembered of it, which takes no look at the log; else what the log
 * tells, and `known` beside it.
 */
export async function cutProducers(
  log: { readonly context: LogContext; readonly folder: string; readonly segments: SegmentList },
  snapshots: number[],
  known: ProducerStates,
  endOffset: number,
): Promise<ProducerStates> {
  const { context, folder, segments } = log;
  if (known.goBackTo(endOffset)) {
    // The one that is left must be of use to the next start.
    await readLastSnapshot(context, folder, snapshots, endOffset);
    return known;
  }
  const producers = await loadProducers(context, folder, segments, snapshots, endOffset);
  producers.takeOver(known, endOffset);
  return producers;
}

/**
 * A snapshot tells only the newest batch of each producer, in Kafka's format as in ours. But a producer that has lost its
 * connection to a broker that stopped sends all again that it had under way, and must be told that it is there.
 */
async function noteEarlierBatches(segments: SegmentList, producers: ProducerStates, offset: number): Promise<void> {
  const stretches: { segment: Segment; start: number; end: number }[] = [];
  let bytesLeft = EARLIER_BATCHES_BYTES;
  for (let index = segments.indexOf(offset - 1); index >= 0 && bytesLeft > 0; index -= 1) {
    const segment = segments.at(index)!;
    const end = await positionOf(segment, offset);
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
  const start = from <= segment.baseOffset ? 0 : await positionOf(segment, from);
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
    await removeForGood(context.disk, folder, path);
    snapshots.pop();
  }
  return undefined;
}

/**
 * A snapshot that a power failure brought back would tell of records that were cut off, and others have their offsets by then; and the
 * transactions that ended between the recovery point and the snapshot would be in no index.
 */
async function removeForGood(disk: Disk, folder: string, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    // It went in an earlier try, which could not make that last.
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
  await disk.syncFolder(folder);
}
