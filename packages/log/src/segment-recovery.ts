import { type BatchFault, batchLastOffset, batchSizeBytes } from '@millrace/records';
import { BatchOrder, CertainBatches, OUT_OF_ORDER } from './batch-order.ts';
import { type BatchVisitor, SCAN_CHUNK_BYTES } from './batch-scan.ts';
import type { LogConfig } from './log-config.ts';
import { type IndexEntry, OFFSET_INDEX_ENTRY_BYTES, SEGMENT_START } from './offset-index.ts';
import { RELATIVE_OFFSET_MAX, type Segment } from './segment.ts';
import { provesTimeEntry, TimeEntryProof } from './segment-search.ts';
import { indexedTimestamp } from './time-index.ts';

/** Where recovery of a segment began and ended. */
export interface RecoveryEnd {
  readonly start: number;
  /** The end of the last good batch. */
  readonly position: number;
  /** The offset behind that batch. */
  readonly endOffset: number;
  readonly fault: BatchFault | typeof OUT_OF_ORDER | undefined;
}

/**
 * Brings a segment that was there before this process into a state to append to. Index entries up to `trustedOffset` are
 * kept where they are sane; what lies behind the last of them is scanned and indexed again, up to the first damaged batch.
 *
 * @param endOffset where the log goes on behind the segment; undefined for the last one
 * @returns from where it was scanned, where the good batches end, and what is wrong there; the caller decides about truncating
 */
export async function recoverSegment(
  segment: Segment,
  trustedOffset: number,
  config: LogConfig,
  crc: boolean,
  visit: BatchVisitor,
  endOffset?: number,
): Promise<RecoveryEnd> {
  const entry = await keepTrustedEntries(segment, trustedOffset);
  const scan: Scan = { config, crc, visit, endOffset, proof: new TimeEntryProof(segment.knownLargest ?? NO_LARGEST) };
  const end = await recoverFrom(segment, entry, scan);
  // Right behind an index entry it may be the entry that is wrong.
  const isEntryWrong = end.fault !== undefined && end.position === entry.position && entry.position > 0;
  if (!isEntryWrong && (end.fault !== undefined || (await isProved(segment, scan.proof)))) return end;
  await keepTrustedEntries(segment, segment.baseOffset);
  return recoverFrom(segment, SEGMENT_START, scan);
}

const NO_LARGEST = { timestamp: -1, offset: -1 };

/** Writes bytes of the log's file again as they are, so that the next sync covers them whatever became of earlier ones. */
export async function rewriteBatches(segment: Segment, start: number, end: number): Promise<void> {
  if (start >= end) return;
  await segment.log.use(async (file) => {
    for (let position = start; position < end; position += SCAN_CHUNK_BYTES) {
      const chunk = await file.read(position, Math.min(SCAN_CHUNK_BYTES, end - position));
      await file.write(position, [chunk], { sync: false });
    }
  });
}

/** How a segment is scanned, and what is looked for. */
interface Scan {
  readonly config: LogConfig;
  readonly crc: boolean;
  readonly visit: BatchVisitor;
  readonly endOffset: number | undefined;
  readonly proof: TimeEntryProof;
}

/** Whether the log says the same as the last entry of the time index that was kept, in the batches scanned or before them. */
async function isProved(segment: Segment, { entry, verdict }: TimeEntryProof): Promise<boolean> {
  if (verdict !== undefined) return verdict;
  return provesTimeEntry(segment, {
    timestamp: entry.timestamp,
    relativeOffset: entry.offset - segment.baseOffset,
  });
}

/** Scans from an entry on, and indexes each batch as soon as it is certain that its offsets are right. */
async function recoverFrom(segment: Segment, entry: IndexEntry, scan: Scan): Promise<RecoveryEnd> {
  const { config, crc, visit, endOffset, proof } = scan;
  const start = entry.position;
  await segment.beginIndexing(start);
  let goodEndOffset = segment.baseOffset;
  const order = BatchOrder.from(segment.baseOffset, entry, () => endOffset ?? Number.POSITIVE_INFINITY);
  const certain = new CertainBatches(order, (buffer, at, position) => {
    const maxTimestamp = indexedTimestamp(buffer, at);
    segment.firstTimestamp ??= maxTimestamp;
    goodEndOffset = batchLastOffset(buffer, at) + 1;
    proof.take(buffer, at);
    // The batch of the last trusted entry has its entry.
    const intervalBytes = position === start && start > 0 ? Number.POSITIVE_INFINITY : config.indexIntervalBytes;
    segment.indexBatch(batchLastOffset(buffer, at), maxTimestamp, position, batchSizeBytes(buffer, at), intervalBytes);
    return visit(buffer, at, position);
  });
  const end = await segment.scan(start, certain.take, { crc });
  // Only compaction leaves gaps, and it leaves none before the last batch of a log, nor need one be believed before damage.
  const isLast = endOffset === undefined || end.fault !== undefined;
  if (isLast && !config.cleanupPolicy.includes('compact')) certain.wrongAt ??= certain.lastSuspectAt;
  certain.finish(endOffset ?? Number.POSITIVE_INFINITY);
  const { wrongAt } = certain;
  const recovered = { start, endOffset: goodEndOffset };
  return wrongAt === undefined ? { ...end, ...recovered } : { ...recovered, position: wrongAt, fault: OUT_OF_ORDER };
}

/** Keeps the entries of both index files up to an offset, as far as they are sane, and gives the last that is left. */
async function keepTrustedEntries(segment: Segment, trustedOffset: number): Promise<IndexEntry> {
  const { baseOffset } = segment;
  const offsets = await segment.offsetIndex.entries.readStored();
  let keptBytes = 0;
  let lastRelative = -1;
  let position = 0;
  for (let at = 0; at + OFFSET_INDEX_ENTRY_BYTES <= offsets.length; at += OFFSET_INDEX_ENTRY_BYTES) {
    const relative = offsets.readInt32BE(at);
    const entryPosition = offsets.readInt32BE(at + 4);
    const inOrder = relative > lastRelative && entryPosition > position && entryPosition < segment.writtenBytes;
    if (!inOrder || baseOffset + relative >= trustedOffset) break;
    lastRelative = relative;
    position = entryPosition;
    keptBytes = at + OFFSET_INDEX_ENTRY_BYTES;
  }
  // The last entry may be one that was forced when the segment was closed, for what lies behind the offset index's last.
  const lastTrusted = Math.min(trustedOffset - baseOffset - 1, RELATIVE_OFFSET_MAX);
  const last = await segment.timeIndex.keepUpTo(lastTrusted);
  if (last.timestamp < 0 && keptBytes > 0) {
    // The time index is gone, and only a look at every batch brings it back.
    keptBytes = 0;
    position = 0;
    lastRelative = -1;
  }
  segment.believeLargest(last);
  await segment.offsetIndex.entries.keep(keptBytes);
  return { position, relativeOffset: lastRelative };
}
