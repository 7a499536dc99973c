import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { BatchFault, type BatchLimits, checkBatch, splitBatches } from './batch-check.ts';
import {
  BATCH_HEADER_BYTES,
  BatchOffsets,
  batchBaseOffset,
  batchBaseSequence,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchTimestampType,
  Compression,
  refreshBatchCrc,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
  setBatchLogAppendTime,
  setBatchMaxTimestamp,
  setBatchProducer,
  TimestampType,
} from './batch-header.ts';
import { readRecords } from './read-records.ts';
import { checkRecords } from './record-check.ts';

function sample(records = 3, compression: Compression = Compression.NONE): Buffer {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < records; i += 1) builder.append(1000 + i, `key-${i}`, `value-${i}`, [{ key: 'h', value: 'x' }]);
  return builder.build({ compression });
}

/** The fault of a sample after `change`, with a CRC that fits again so that the change itself is what is found. */
function faultAfter(change: (batch: Buffer) => void, limits: BatchLimits = {}): BatchFault | undefined {
  const batch = sample();
  change(batch);
  if (limits.crc !== false) refreshBatchCrc(batch, 0);
  return checkBatch(batch, 0, limits);
}

describe('checkBatch', () => {
  it('finds nothing wrong with a batch, wherever it stands', () => {
    const batch = sample();
    expect(checkBatch(Buffer.concat([Buffer.alloc(5), batch, Buffer.alloc(5)]), 5)).toBeUndefined();
  });

  it('recognises message sets of magic 0 and 1, and magics that nobody knows', () => {
    for (const [magic, fault] of [
      [0, BatchFault.OLD_MAGIC],
      [1, BatchFault.OLD_MAGIC],
      [3, BatchFault.BAD_MAGIC],
      [-1, BatchFault.BAD_MAGIC],
    ] as const) {
      expect(faultAfter((b) => b.writeInt8(magic, BatchOffsets.MAGIC))).toBe(fault);
    }
  });

  it('finds sizes that cannot be, that are cut short, and that are above the limit', () => {
    const batch = sample();
    for (let bytes = 0; bytes < batch.length; bytes += 1) {
      expect(checkBatch(batch.subarray(0, bytes), 0)).toBe(BatchFault.TRUNCATED);
    }
    for (const length of [-1, 0, 48, -(2 ** 31)]) {
      expect(faultAfter((b) => b.writeInt32BE(length, BatchOffsets.LENGTH), { crc: false })).toBe(BatchFault.BAD_SIZE);
    }
    expect(faultAfter((b) => b.writeInt32BE(2 ** 31 - 1, BatchOffsets.LENGTH), { crc: false })).toBe(
      BatchFault.TRUNCATED,
    );
    expect(checkBatch(batch, 0, { batchBytesMax: batch.length })).toBeUndefined();
    expect(checkBatch(batch, 0, { batchBytesMax: batch.length - 1 })).toBe(BatchFault.TOO_LARGE);
  });

  it('finds counts and offsets that do not agree', () => {
    const setCount = (count: number) => (b: Buffer) => void b.writeInt32BE(count, BatchOffsets.RECORD_COUNT);
    const setDelta = (delta: number) => (b: Buffer) => void b.writeInt32BE(delta, BatchOffsets.LAST_OFFSET_DELTA);
    expect(faultAfter(setCount(-1))).toBe(BatchFault.BAD_COUNT);
    expect(faultAfter(setCount(2 ** 31 - 1))).toBe(BatchFault.BAD_COUNT);
    expect(faultAfter(setCount(4))).toBe(BatchFault.BAD_OFFSETS);
    expect(faultAfter(setCount(2))).toBeUndefined();
    expect(faultAfter(setCount(2), { contiguousOffsets: true })).toBe(BatchFault.BAD_OFFSETS);
    expect(faultAfter(setCount(0), { contiguousOffsets: true })).toBe(BatchFault.BAD_COUNT);
    expect(faultAfter(setDelta(-1))).toBe(BatchFault.BAD_OFFSETS);
  });

  it('finds codecs that do not exist and numbers that a number cannot hold', () => {
    expect(faultAfter((b) => b.writeInt16BE(5, BatchOffsets.ATTRIBUTES))).toBe(BatchFault.BAD_CODEC);
    for (const at of [
      BatchOffsets.BASE_OFFSET,
      BatchOffsets.BASE_TIMESTAMP,
      BatchOffsets.MAX_TIMESTAMP,
      BatchOffsets.PRODUCER_ID,
    ]) {
      expect(faultAfter((b) => b.writeBigInt64BE(2n ** 53n, at))).toBe(BatchFault.BAD_NUMBER);
    }
  });

  it('finds any flipped bit that the CRC covers', () => {
    fc.assert(
      fc.property(fc.integer({ min: BatchOffsets.CRC * 8, max: sample().length * 8 - 1 }), (bit) => {
        const batch = sample();
        batch[bit >> 3] = (batch[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(checkBatch(batch, 0)).toBe(BatchFault.BAD_CRC);
        expect(checkBatch(batch, 0, { crc: false })).not.toBe(BatchFault.BAD_CRC);
      }),
    );
  });

  it('never throws, whatever the bytes, and neither does the deep check', () => {
    const codecs = Object.values(Compression);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255))),
        fc.nat(4),
        (bytes, changes, i) => {
          expect(() => checkBatch(Buffer.from(bytes), 0)).not.toThrow();
          const batch = sample(3, codecs[i]);
          // The header's length is left alone: a batch that is not whole never gets past the cheap check.
          for (const [at, byte] of changes)
            batch[BatchOffsets.ATTRIBUTES + (at % (batch.length - BatchOffsets.ATTRIBUTES))] = byte;
          expect(() => checkBatch(batch, 0, { crc: false })).not.toThrow();
          expect(() => checkRecords(batch, { bytesMax: 10_000 })).not.toThrow();
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('splitBatches', () => {
  it('walks whole batches and ends at one that is cut', () => {
    const batch = sample();
    const three = Buffer.concat([batch, batch, batch]);
    expect([...splitBatches(three)]).toEqual([0, batch.length, 2 * batch.length]);
    expect([...splitBatches(three.subarray(0, three.length - 1))]).toEqual([0, batch.length]);
    expect([...splitBatches(three, batch.length)]).toEqual([batch.length, 2 * batch.length]);
  });

  it('ends at a size that would stand still', () => {
    const batch = sample();
    batch.writeInt32BE(-12, BatchOffsets.LENGTH);
    expect([...splitBatches(batch)]).toEqual([]);
  });
});

describe('header setters', () => {
  it('place a batch without touching its CRC', () => {
    const batch = sample();
    setBatchBaseOffset(batch, 0, 2 ** 33 + 7);
    setBatchLeaderEpoch(batch, 0, 9);
    expect(batchBaseOffset(batch, 0)).toBe(2 ** 33 + 7);
    expect(batchLeaderEpoch(batch, 0)).toBe(9);
    expect(checkBatch(batch, 0)).toBeUndefined();
    expect(readRecords(batch).map((record) => record.offset - 2 ** 33)).toEqual([7, 8, 9]);
  });

  it('refresh the CRC where they change what it covers', () => {
    const batch = Buffer.concat([Buffer.alloc(3), sample()]);
    setBatchLogAppendTime(batch, 3, 5_000_000_000_000);
    expect(batchTimestampType(batch, 3)).toBe(TimestampType.LOG_APPEND_TIME);
    expect(checkBatch(batch, 3)).toBeUndefined();
    setBatchMaxTimestamp(batch, 3, 77);
    expect([batchMaxTimestamp(batch, 3), batchTimestampType(batch, 3)]).toEqual([77, TimestampType.LOG_APPEND_TIME]);
    setBatchMaxTimestamp(batch, 3, 78, TimestampType.CREATE_TIME);
    expect(batchTimestampType(batch, 3)).toBe(TimestampType.CREATE_TIME);
    setBatchProducer(batch, 3, 2 ** 34, 5, 6);
    expect([batchProducerId(batch, 3), batchProducerEpoch(batch, 3), batchBaseSequence(batch, 3)]).toEqual([
      2 ** 34,
      5,
      6,
    ]);
    expect(checkBatch(batch, 3)).toBeUndefined();
  });
});

describe('checkRecords', () => {
  it('finds nothing wrong with what the builder wrote', () => {
    for (const codec of Object.values(Compression)) {
      expect(
        checkRecords(sample(20, codec), {
          contiguousOffsets: true,
          keys: true,
          timestampMin: 1000,
          timestampMax: 1019,
        }),
      ).toEqual([]);
    }
  });

  it('tells each record that lacks a key or is out of time, up to a bound', () => {
    const builder = new RecordBatchBuilder();
    for (let i = 0; i < 40; i += 1) builder.append(i, i % 2 === 0 ? 'key' : null, null);
    const batch = builder.build();
    expect(checkRecords(batch, { keys: true, timestampMax: 3 }).slice(0, 4)).toEqual([
      expect.objectContaining({ code: 'NO_KEY', index: 1 }),
      expect.objectContaining({ code: 'NO_KEY', index: 3 }),
      expect.objectContaining({ code: 'BAD_TIMESTAMP', index: 4 }),
      expect.objectContaining({ code: 'NO_KEY', index: 5 }),
    ]);
    expect(checkRecords(batch, { keys: true, timestampMin: 100 })).toHaveLength(16);
  });

  it('tells of offsets with a gap, of counts that do not fit the bytes, and of bombs', () => {
    const gap = sample();
    // The offset delta of the second record: its length and attributes and timestamp delta are one byte each.
    const second = BATCH_HEADER_BYTES + 1 + ((gap[BATCH_HEADER_BYTES] as number) >> 1);
    gap[second + 3] = 4;
    expect(checkRecords(gap, { contiguousOffsets: true })).toEqual([
      expect.objectContaining({ code: 'BAD_OFFSET', index: 1 }),
    ]);
    expect(checkRecords(gap)).toEqual([]);
    const fewer = sample();
    fewer.writeInt32BE(2, BatchOffsets.RECORD_COUNT);
    expect(checkRecords(fewer)).toEqual([expect.objectContaining({ code: 'CORRUPT', index: -1 })]);
    expect(checkRecords(sample(1000, Compression.ZSTD), { bytesMax: 1000 })).toEqual([
      expect.objectContaining({ code: 'TOO_LARGE', index: -1 }),
    ]);
  });
});

it('holds against a header that says a batch reaches further than the buffer', () => {
  const batch = sample();
  batch.writeInt32BE(batch.length, BatchOffsets.LENGTH);
  expect(checkRecords(batch)).toEqual([expect.objectContaining({ code: 'CORRUPT' })]);
});
