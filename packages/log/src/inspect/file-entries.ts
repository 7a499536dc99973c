import type { Disk, DiskFile } from '@millrace/ports';
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCompression,
  batchCrc,
  batchHasDeleteHorizon,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLastSequence,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSizeBytes,
  batchTimestampType,
  type Compression,
  type KafkaRecord,
  readInt64,
  readRecords,
  TimestampType,
} from '@millrace/records';
import { scanBatches } from '../batch-scan.ts';
import { decodeEpochCheckpoint, decodeOffsetCheckpoint } from '../checkpoint-file.ts';
import { endMarkerOf } from '../end-marker.ts';
import { MalformedFileError } from '../errors.ts';
import {
  CLEAN_SHUTDOWN_MARKER,
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LEADER_EPOCH_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  LOG_SUFFIX,
  META_PROPERTIES,
  OFFSET_INDEX_SUFFIX,
  PARTITION_METADATA,
  PRODUCER_SNAPSHOT_SUFFIX,
  RECOVERY_POINT_CHECKPOINT,
  SET_ASIDE_FILE,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from '../file-names.ts';
import { findIntactBatch } from '../intact-batch.ts';
import { decodeProducerSnapshot } from '../producer-snapshot.ts';
import { RELATIVE_OFFSET_MAX } from '../segment.ts';
import { decodeTransactionIndex } from '../transaction-index.ts';

/** What a file of a log directory is, by its name. */
export type LogFileKind =
  | 'log'
  /** Batches that a recovery has cut off a log, some of them damaged. */
  | 'setAside'
  | 'offsetIndex'
  | 'timeIndex'
  | 'transactionIndex'
  | 'producerSnapshot'
  | 'leaderEpochs'
  | 'offsetCheckpoint'
  | 'text';

/** A record batch as it stands in a `.log` file. Offsets, timestamps and sequence numbers as in the header. */
export interface BatchEntry {
  readonly kind: 'batch';
  readonly position: number;
  readonly sizeBytes: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly recordCount: number;
  readonly leaderEpoch: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly isLogAppendTime: boolean;
  readonly compression: Compression;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  /** When tombstones in it may go (KIP-534); undefined before compaction has seen it. */
  readonly deleteHorizonMs: number | undefined;
  /** The transaction marker that a control batch holds. */
  readonly marker: { readonly isCommit: boolean; readonly coordinatorEpoch: number } | undefined;
  readonly attributes: number;
  readonly crc: number;
  /** Left out unless asked for. */
  readonly records?: readonly KafkaRecord[];
}

/** One entry of a file of a log directory. */
export type LogFileEntry =
  | BatchEntry
  /** The bytes from here on are no batch, or not what was written; the file is read on at `next`, or not any further. */
  | { readonly kind: 'fault'; readonly position: number; readonly fault: string; readonly next?: number }
  | { readonly kind: 'offsetIndex'; readonly offset: number; readonly position: number }
  | { readonly kind: 'timeIndex'; readonly timestamp: number; readonly offset: number }
  | {
      readonly kind: 'aborted';
      readonly producerId: number;
      readonly firstOffset: number;
      readonly lastOffset: number;
      readonly lastStableOffset: number;
    }
  | {
      readonly kind: 'producer';
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly lastSequence: number;
      readonly lastOffset: number;
      readonly lastTimestamp: number;
      readonly coordinatorEpoch: number;
      readonly currentTxnFirstOffset: number;
    }
  | { readonly kind: 'epoch'; readonly epoch: number; readonly startOffset: number }
  | { readonly kind: 'checkpoint'; readonly topic: string; readonly partition: number; readonly offset: number }
  | { readonly kind: 'text'; readonly line: string };

/** How {@link readLogFile} reads. */
export interface ReadLogFileOptions {
  /** Whether batches come with their records. Default false. */
  readonly records?: boolean;
}

const SEGMENT_FILE = /^(\d{20})(\.[a-z]+)(?:\.(?:cleaned|swap|deleted))?$/;

const kindOfSuffix: Readonly<Record<string, LogFileKind>> = {
  [LOG_SUFFIX]: 'log',
  [OFFSET_INDEX_SUFFIX]: 'offsetIndex',
  [TIME_INDEX_SUFFIX]: 'timeIndex',
  [TRANSACTION_INDEX_SUFFIX]: 'transactionIndex',
  [PRODUCER_SNAPSHOT_SUFFIX]: 'producerSnapshot',
};

const kindOfName: Readonly<Record<string, LogFileKind>> = {
  [LEADER_EPOCH_CHECKPOINT]: 'leaderEpochs',
  [RECOVERY_POINT_CHECKPOINT]: 'offsetCheckpoint',
  [HIGH_WATERMARK_CHECKPOINT]: 'offsetCheckpoint',
  [LOG_START_OFFSET_CHECKPOINT]: 'offsetCheckpoint',
  [CLEANER_OFFSET_CHECKPOINT]: 'offsetCheckpoint',
  [PARTITION_METADATA]: 'text',
  [META_PROPERTIES]: 'text',
  [CLEAN_SHUTDOWN_MARKER]: 'text',
};

/** What a file is, and the offset in its name; undefined for files that are none of a log directory's. */
export function logFileKind(path: string): { kind: LogFileKind; baseOffset: number } | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const setAside = SET_ASIDE_FILE.exec(name);
  if (setAside !== null) return { kind: 'setAside', baseOffset: Number(setAside[1]) };
  const match = SEGMENT_FILE.exec(name);
  const kind = match === null ? kindOfName[name] : kindOfSuffix[match[2]!];
  return kind === undefined ? undefined : { kind, baseOffset: match === null ? 0 : Number(match[1]) };
}

/**
 * Shows the entries of a file of a log directory, in order, whatever wrote it. `.log` files are read batch by batch with their
 * CRC; the other files are small and are read whole. Changes nothing.
 *
 * @returns false when `visit` did, which ends it
 * @throws MalformedFileError when the file is none of a log directory's or does not have its format; RecordsError when
 * records were asked for and cannot be decoded; the disk's error
 */
export async function readLogFile(
  disk: Disk,
  path: string,
  visit: (entry: LogFileEntry) => boolean | undefined | Promise<boolean | undefined>,
  options: ReadLogFileOptions = {},
): Promise<boolean> {
  const found = logFileKind(path);
  if (found === undefined) throw new MalformedFileError(path, 'its name is none that a log directory has');
  if (found.kind === 'log' || found.kind === 'setAside') {
    return readLog(disk, path, visit, { withRecords: options.records === true, ...found });
  }
  for (const entry of entriesOf(found.kind, found.baseOffset, await disk.readFile(path), path)) {
    if ((await visit(entry)) === false) return false;
  }
  return true;
}

/** Entries are collected for a stretch of the file at a time, so that whoever shows them may take his time. */
const STRETCH_BATCHES = 256;

async function readLog(
  disk: Disk,
  path: string,
  visit: (entry: LogFileEntry) => boolean | undefined | Promise<boolean | undefined>,
  { withRecords, kind, baseOffset }: { withRecords: boolean; kind: LogFileKind; baseOffset: number },
): Promise<boolean> {
  const file = await disk.open(path, { readOnly: true });
  try {
    const sizeBytes = await file.size();
    for (let position = 0; position < sizeBytes; ) {
      const entries: LogFileEntry[] = [];
      const end = await scanBatches(
        file,
        position,
        sizeBytes,
        (buffer, at, batchPosition) => {
          if (entries.length >= STRETCH_BATCHES) return false;
          entries.push(batchEntry(buffer, at, batchPosition, withRecords));
          return true;
        },
        { crc: true },
      );
      position = end.position;
      const next =
        end.fault !== undefined && kind === 'setAside'
          ? await behindDamage(file, position, sizeBytes, baseOffset)
          : undefined;
      if (end.fault !== undefined) {
        entries.push({ kind: 'fault', position, fault: end.fault, ...(next === undefined ? {} : { next }) });
      }
      for (const entry of entries) if ((await visit(entry)) === false) return false;
      if (end.fault !== undefined && next === undefined) return true;
      position = next ?? position;
    }
    return true;
  } finally {
    await file.close();
  }
}

/** Where batches go on that a recovery has kept: what is behind damage is why they are kept. */
async function behindDamage(
  file: DiskFile,
  position: number,
  end: number,
  offsetMin: number,
): Promise<number | undefined> {
  const search = { start: position + 1, end, offsetMin, offsetMax: offsetMin + RELATIVE_OFFSET_MAX };
  const found = await findIntactBatch(file, search);
  return found === 'unknown' ? undefined : found;
}

function batchEntry(buffer: Buffer, at: number, position: number, withRecords: boolean): BatchEntry {
  // The scan's buffer is let go behind this call; records are views, so they get a copy.
  const sizeBytes = withRecords ? batchSizeBytes(buffer, at) : BATCH_HEADER_BYTES;
  const isControl = batchIsControl(buffer, at);
  const entry: BatchEntry = {
    kind: 'batch',
    position,
    sizeBytes: batchSizeBytes(buffer, at),
    baseOffset: batchBaseOffset(buffer, at),
    lastOffset: batchLastOffset(buffer, at),
    recordCount: batchRecordCount(buffer, at),
    leaderEpoch: batchLeaderEpoch(buffer, at),
    baseTimestamp: batchBaseTimestamp(buffer, at),
    maxTimestamp: batchMaxTimestamp(buffer, at),
    isLogAppendTime: batchTimestampType(buffer, at) === TimestampType.LOG_APPEND_TIME,
    compression: batchCompression(buffer, at),
    producerId: batchProducerId(buffer, at),
    producerEpoch: batchProducerEpoch(buffer, at),
    baseSequence: batchBaseSequence(buffer, at),
    lastSequence: batchLastSequence(buffer, at),
    isTransactional: batchIsTransactional(buffer, at),
    isControl,
    deleteHorizonMs: batchHasDeleteHorizon(buffer, at) ? batchBaseTimestamp(buffer, at) : undefined,
    marker: isControl ? endMarkerOf(buffer, at) : undefined,
    attributes: batchAttributes(buffer, at),
    crc: batchCrc(buffer, at),
  };
  if (!withRecords) return entry;
  return { ...entry, records: [...readRecords(Buffer.from(buffer.subarray(at, at + sizeBytes)))] };
}

function entriesOf(kind: LogFileKind, baseOffset: number, bytes: Buffer, path: string): Iterable<LogFileEntry> {
  switch (kind) {
    case 'offsetIndex':
      return offsetIndexEntries(bytes, baseOffset, path);
    case 'timeIndex':
      return timeIndexEntries(bytes, baseOffset, path);
    case 'transactionIndex':
      return decodeTransactionIndex(bytes, path).map((entry) => ({ kind: 'aborted' as const, ...entry }));
    case 'producerSnapshot':
      return [...decodeProducerSnapshot(bytes, path).values()].map((entry) => ({
        kind: 'producer' as const,
        producerId: entry.producerId,
        producerEpoch: entry.epoch,
        lastSequence: entry.lastSequence,
        lastOffset: entry.lastOffset,
        lastTimestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnFirstOffset: entry.transactionFirstOffset,
      }));
    case 'leaderEpochs':
      return decodeEpochCheckpoint(bytes, path).map((start) => ({ kind: 'epoch' as const, ...start }));
    case 'offsetCheckpoint':
      return [...decodeOffsetCheckpoint(bytes, path)].map(([key, offset]) => {
        const [topic, partition] = key.split(' ');
        return { kind: 'checkpoint' as const, topic: topic!, partition: Number(partition), offset };
      });
    default:
      return bytes
        .toString('utf8')
        .trimEnd()
        .split('\n')
        .map((line) => ({ kind: 'text' as const, line }));
  }
}

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

function* offsetIndexEntries(bytes: Buffer, baseOffset: number, path: string): Generator<LogFileEntry> {
  const end = endOfEntries(bytes, OFFSET_ENTRY_BYTES, path);
  for (let at = 0; at < end; at += OFFSET_ENTRY_BYTES) {
    yield { kind: 'offsetIndex', offset: baseOffset + bytes.readInt32BE(at), position: bytes.readInt32BE(at + 4) };
  }
}

function* timeIndexEntries(bytes: Buffer, baseOffset: number, path: string): Generator<LogFileEntry> {
  const end = endOfEntries(bytes, TIME_ENTRY_BYTES, path);
  for (let at = 0; at < end; at += TIME_ENTRY_BYTES) {
    yield { kind: 'timeIndex', timestamp: readInt64(bytes, at), offset: baseOffset + bytes.readInt32BE(at + 8) };
  }
}

/** Kafka makes the files of its active segment as large as they may become, so a killed broker leaves zeros behind the entries. */
function endOfEntries(bytes: Buffer, entryBytes: number, path: string): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  const rounded = Math.ceil(end / entryBytes) * entryBytes;
  if (rounded > bytes.length) throw new MalformedFileError(path, `it ends within an entry of ${entryBytes} bytes`);
  return rounded;
}
