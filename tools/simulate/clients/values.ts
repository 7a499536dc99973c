import {
  type BuildBatchOptions,
  batchIsControl,
  batchLastOffset,
  batchSizeBytes,
  checkBatch,
  RecordBatchBuilder,
  RecordsError,
  readRecords,
  splitBatches,
} from '@millrace/records';
import type { SeenRecord } from '../history.ts';

/** A record to be sent: a value that no other record has, and how many bytes it shall take. */
export interface OutgoingRecord {
  readonly value: string;
  readonly key: string | null;
  readonly sizeBytes: number;
}

const FILLING = '.';

/** The bytes of a value: itself, its length, and as much filling as makes it so long. */
export function encodeValue({ value, sizeBytes }: OutgoingRecord): Buffer {
  return Buffer.from(`${value} ${sizeBytes} `.padEnd(sizeBytes, FILLING));
}

/** The value of a record that was read; with a mark when its bytes are not those that were sent. */
export function decodeValue(bytes: Buffer | null): string {
  const text = bytes?.toString('latin1') ?? 'null';
  const [value = '', size = ''] = text.split(' ', 2);
  const whole = `${value} ${size} `.padEnd(Number(size), FILLING);
  return whole === text ? value : `garbled:${text.slice(0, 40)}`;
}

export function encodeBatch(
  records: readonly OutgoingRecord[],
  timestampMs: number,
  options: BuildBatchOptions = {},
): Buffer {
  const builder = new RecordBatchBuilder();
  for (const record of records) builder.append(timestampMs, record.key, encodeValue(record));
  return builder.build(options);
}

/** What came with a fetch. */
export interface FetchedRecords {
  readonly records: readonly SeenRecord[];
  /** The offset behind the last whole batch; the offset asked for when there is none. */
  readonly next: number;
  /** What is wrong with the batches, when something is: then what stands behind it was not looked at. */
  readonly fault: string | undefined;
}

/** Reads batches as a consumer does: each with its CRC, and what lies before `from` left out. */
export function decodeRecords(bytes: Buffer | null, from: number): FetchedRecords {
  const records: SeenRecord[] = [];
  let next = from;
  if (bytes === null) return { records, next, fault: undefined };
  for (const at of splitBatches(bytes)) {
    const sizeBytes = batchSizeBytes(bytes, at);
    const fault = checkBatch(bytes, at);
    if (fault !== undefined) return { records, next, fault };
    // An end of a transaction is no record of anybody's.
    if (batchIsControl(bytes, at)) {
      next = Math.max(next, batchLastOffset(bytes, at) + 1);
      continue;
    }
    try {
      for (const record of readRecords(bytes.subarray(at, at + sizeBytes))) {
        if (record.offset < from) continue;
        records.push([record.offset, decodeValue(record.value), record.key?.toString('latin1') ?? null]);
      }
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      return { records, next, fault: error.message };
    }
    next = Math.max(next, batchLastOffset(bytes, at) + 1);
  }
  return { records, next, fault: undefined };
}
