import { crc32c, readInt64, writeInt64 } from '@millrace/records';
import { MalformedFileError } from './errors.ts';
import { ProducerEntry, subtractFromSequence } from './producer-entry.ts';

/**
 * The `.snapshot` files: int16 version, uint32 CRC32C of what follows, int32 count, and per producer int64 id, int16 epoch,
 * int32 last sequence, int64 last offset, int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset
 * of the open transaction (Kafka's `ProducerStateManager.writeSnapshot`).
 */
const VERSION = 1;
const CRC_AT = 2;
const COUNT_AT = 6;
const ENTRIES_AT = 10;
const ENTRY_BYTES = 46;

/** The bytes of a snapshot of these producers. Only the last batch of each is kept, as in Kafka. */
export function encodeProducerSnapshot(producers: ReadonlyMap<number, ProducerEntry>): Buffer {
  const bytes = Buffer.allocUnsafeSlow(ENTRIES_AT + producers.size * ENTRY_BYTES);
  bytes.writeInt16BE(VERSION, 0);
  bytes.writeInt32BE(producers.size, COUNT_AT);
  let at = ENTRIES_AT;
  for (const entry of producers.values()) {
    writeEntry(bytes, at, entry);
    at += ENTRY_BYTES;
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(COUNT_AT)), CRC_AT);
  return bytes;
}

/**
 * The producers of a snapshot.
 *
 * @throws MalformedFileError when the bytes are no snapshot or were damaged
 */
export function decodeProducerSnapshot(bytes: Buffer, path: string): Map<number, ProducerEntry> {
  if (bytes.length < ENTRIES_AT) throw new MalformedFileError(path, `${bytes.length} bytes are too few for a snapshot`);
  const version = bytes.readInt16BE(0);
  if (version !== VERSION) throw new MalformedFileError(path, `version ${version} is not known`);
  if (crc32c(bytes.subarray(COUNT_AT)) !== bytes.readUInt32BE(CRC_AT)) {
    throw new MalformedFileError(path, 'the CRC does not fit');
  }
  const count = bytes.readInt32BE(COUNT_AT);
  if (count < 0 || bytes.length !== ENTRIES_AT + count * ENTRY_BYTES) {
    throw new MalformedFileError(path, `${count} producers do not fit ${bytes.length} bytes`);
  }
  const producers = new Map<number, ProducerEntry>();
  for (let at = ENTRIES_AT; at < bytes.length; at += ENTRY_BYTES) {
    const entry = readEntry(bytes, at);
    producers.set(entry.producerId, entry);
  }
  return producers;
}

function writeEntry(bytes: Buffer, at: number, entry: ProducerEntry): void {
  const last = entry.batches.at(-1);
  writeInt64(bytes, at, entry.producerId);
  bytes.writeInt16BE(entry.epoch, at + 8);
  bytes.writeInt32BE(last?.lastSequence ?? -1, at + 10);
  writeInt64(bytes, at + 14, last?.lastOffset ?? -1);
  bytes.writeInt32BE(last === undefined ? 0 : last.lastOffset - last.firstOffset, at + 22);
  writeInt64(bytes, at + 26, entry.lastTimestamp);
  bytes.writeInt32BE(entry.coordinatorEpoch, at + 34);
  writeInt64(bytes, at + 38, entry.transactionFirstOffset);
}

function readEntry(bytes: Buffer, at: number): ProducerEntry {
  const entry = new ProducerEntry(readInt64(bytes, at));
  entry.epoch = bytes.readInt16BE(at + 8);
  const lastSequence = bytes.readInt32BE(at + 10);
  const lastOffset = readInt64(bytes, at + 14);
  const offsetDelta = bytes.readInt32BE(at + 22);
  entry.lastTimestamp = readInt64(bytes, at + 26);
  entry.coordinatorEpoch = bytes.readInt32BE(at + 34);
  entry.transactionFirstOffset = readInt64(bytes, at + 38);
  if (lastOffset >= 0) {
    entry.batches.push({
      firstSequence: subtractFromSequence(lastSequence, offsetDelta),
      lastSequence,
      firstOffset: lastOffset - offsetDelta,
      lastOffset,
      timestamp: entry.lastTimestamp,
    });
  }
  return entry;
}
