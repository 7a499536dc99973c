import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { checkBatch } from './batch-check.ts';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCompression,
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
  Compression,
  TimestampType,
} from './batch-header.ts';
import { RecordsError } from './errors.ts';
import { readRecords } from './read-records.ts';
import type { KafkaRecord } from './record.ts';
import { type RecordInput, recordInputs } from './testing/test-records.ts';

const codeUnit = (code: number): string => String.fromCharCode(code);
const codecs = fc.constantFrom(...Object.values(Compression));

function bytesOf(input: string | Uint8Array | null | undefined): Buffer | null {
  return input === null || input === undefined ? null : Buffer.from(input as Uint8Array);
}

function expected(input: RecordInput, offset: number): KafkaRecord {
  return {
    offset,
    timestamp: input.timestamp,
    key: bytesOf(input.key),
    value: bytesOf(input.value),
    headers: input.headers.map(({ key, value }) => ({ key: Buffer.from(key).toString(), value: bytesOf(value) })),
  };
}

function plain({ offset, timestamp, key, value, headers }: KafkaRecord): KafkaRecord {
  return { offset, timestamp, key: bytesOf(key), value: bytesOf(value), headers };
}

function build(inputs: readonly RecordInput[], compression: Compression, initialBytes = 61): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes });
  for (const { timestamp, key, value, headers } of inputs) builder.append(timestamp, key, value, headers);
  return builder.build({ compression, baseOffset: 1000 });
}

describe('RecordBatchBuilder', () => {
  it('writes what the reader reads back, for any content and in every codec', () => {
    fc.assert(
      fc.property(recordInputs, codecs, (inputs, compression) => {
        const batch = build(inputs, compression);
        expect(checkBatch(batch, 0, { contiguousOffsets: true })).toBeUndefined();
        expect(batchSizeBytes(batch, 0)).toBe(batch.length);
        expect(batchMaxTimestamp(batch, 0)).toBe(Math.max(...inputs.map((input) => input.timestamp)));
        expect(readRecords(batch).map(plain)).toEqual(inputs.map((input, i) => expected(input, 1000 + i)));
      }),
    );
  });

  it('writes text as Buffer.from does, at every length where a length takes one byte more', () => {
    for (const length of [0, 1, 20, 21, 22, 57, 58, 60, 61, 62, 63, 64, 65, 2700, 2731, 8180, 8185, 8191, 8192, 8193]) {
      for (const unit of ['a', 'é', '€', '\ud800']) {
        const text = unit.repeat(length);
        const builder = new RecordBatchBuilder({ initialBytes: 61 });
        builder.append(5, text, text, [{ key: text, value: text }]);
        builder.append(6, Buffer.from(text), Buffer.from(text), [{ key: Buffer.from(text), value: Buffer.from(text) }]);
        const [fromText, fromBytes] = readRecords(builder.build()).map(plain);
        expect(fromText).toEqual({ ...fromBytes, offset: 0, timestamp: 5 });
      }
    }
  });

  it('writes halves of surrogate pairs as Buffer.from does, in a key, a value and a header', () => {
    const unit = fc.oneof(
      fc.constantFrom('a', 'é', '\u{1F600}'),
      fc.integer({ min: 0xd800, max: 0xdfff }).map(codeUnit),
    );
    fc.assert(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 300 }), (text) => {
        const builder = new RecordBatchBuilder();
        builder.append(0, text, text, [{ key: text, value: text }]);
        const [record] = [...readRecords(builder.build())];
        const bytes = Buffer.from(text);
        const [header] = record?.headers ?? [];
        expect([record?.key, record?.value, header?.value]).toEqual([bytes, bytes, bytes]);
        expect(header?.key).toBe(bytes.toString());
      }),
    );
  });

  it('takes timestamps that lie further than 2^31 apart', () => {
    const timestamps = [1_700_000_000_000, 0, 2 ** 31, -(2 ** 40), 2 ** 52, -1, 1_700_000_000_000 + 2 ** 31];
    const builder = new RecordBatchBuilder();
    for (const timestamp of timestamps) builder.append(timestamp, null, null);
    const batch = builder.build();
    expect(readRecords(batch).map((record) => record.timestamp)).toEqual(timestamps);
    expect(batchBaseTimestamp(batch, 0)).toBe(timestamps[0]);
    expect(batchMaxTimestamp(batch, 0)).toBe(2 ** 52);
  });

  it('fills in the whole header', () => {
    const builder = new RecordBatchBuilder();
    builder.append(7, 'k', 'v');
    builder.append(8, 'k', 'v');
    const batch = builder.build({
      baseOffset: 2 ** 40,
      leaderEpoch: 3,
      producerId: 2 ** 35 + 1,
      producerEpoch: 4,
      baseSequence: 2 ** 31 - 1,
      isTransactional: true,
      isControl: true,
      compression: Compression.ZSTD,
      logAppendTimeMs: 99,
    });
    expect(batchBaseOffset(batch, 0)).toBe(2 ** 40);
    expect(batchLastOffset(batch, 0)).toBe(2 ** 40 + 1);
    expect(batchLeaderEpoch(batch, 0)).toBe(3);
    expect(batchProducerId(batch, 0)).toBe(2 ** 35 + 1);
    expect(batchProducerEpoch(batch, 0)).toBe(4);
    expect(batchBaseSequence(batch, 0)).toBe(2 ** 31 - 1);
    expect(batchLastSequence(batch, 0)).toBe(0);
    expect(batchIsTransactional(batch, 0)).toBe(true);
    expect(batchIsControl(batch, 0)).toBe(true);
    expect(batchCompression(batch, 0)).toBe(Compression.ZSTD);
    expect(batchTimestampType(batch, 0)).toBe(TimestampType.LOG_APPEND_TIME);
    expect(batchRecordCount(batch, 0)).toBe(2);
    expect(readRecords(batch).map((record) => record.timestamp)).toEqual([99, 99]);
  });

  it('hands out its own memory when nothing is compressed, and leaves it alone after a reset', () => {
    const builder = new RecordBatchBuilder({ initialBytes: 1024 });
    builder.append(1, 'first', 'batch');
    const first = builder.build();
    expect(first.buffer.byteLength).toBe(1024);
    const copy = Buffer.from(first);
    builder.reset();
    builder.append(2, 'second', 'batch');
    const second = builder.build();
    expect(first).toEqual(copy);
    builder.reset({ reuseMemory: true });
    builder.append(3, 'third', 'batch');
    expect(builder.build().buffer).toBe(second.buffer);
  });

  it('says when a batch has reached its size, and always takes a first record', () => {
    const builder = new RecordBatchBuilder({ targetBytes: 400 });
    expect(builder.hasRoomFor(null, 'x'.repeat(1000))).toBe(true);
    builder.append(0, null, 'x'.repeat(100));
    expect(builder.sizeBytes).toBe(BATCH_HEADER_BYTES + 2 + 6 + 1 + 100);
    expect(builder.hasRoomFor(null, 'x'.repeat(150))).toBe(true);
    expect(builder.hasRoomFor(null, '€'.repeat(100))).toBe(false);
    expect(builder.hasRoomFor(null, null, [{ key: 'x'.repeat(300) }])).toBe(false);
    builder.build();
    expect(builder.hasRoomFor(null, null)).toBe(false);
  });

  it('refuses what it cannot write with a typed error, and stays usable', () => {
    const builder = new RecordBatchBuilder();
    expect(() => builder.build()).toThrow(RecordsError);
    for (const timestamp of [Number.NaN, 1.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => builder.append(timestamp, null, null)).toThrow(RecordsError);
    }
    builder.append(0, null, null);
    expect(() => builder.append(0.5, null, null)).toThrow(RecordsError);
    const batch = builder.build();
    expect(() => builder.append(0, null, null)).toThrow(expect.objectContaining({ code: 'RECORDS_SEALED' }));
    expect(() => builder.build()).toThrow(expect.objectContaining({ code: 'RECORDS_SEALED' }));
    expect(readRecords(batch)).toHaveLength(1);
  });

  it('fills memory to the brim with text whose bound would not fit', () => {
    const builder = new RecordBatchBuilder({ initialBytes: 4096, targetBytes: 4096 });
    while (builder.hasRoomFor(null, 'a'.repeat(100))) builder.append(1, null, 'a'.repeat(100));
    const batch = builder.build();
    expect(batch.length).toBeGreaterThan(4096 - 150);
    expect(batch.buffer.byteLength).toBe(4096);
    expect(readRecords(batch).every(({ value }) => value?.toString() === 'a'.repeat(100))).toBe(true);
  });

  it('goes on in the memory that another has released', () => {
    const first = new RecordBatchBuilder({ initialBytes: 1024 });
    first.append(1, null, 'first');
    const memory = first.release();
    expect(() => first.append(1, null, 'late')).toThrow(RecordsError);
    const second = new RecordBatchBuilder({ memory });
    second.append(1, null, 'second');
    const batch = second.build();
    expect(batch.buffer).toBe(memory.buffer);
    expect(readRecords(batch).map(({ value }) => value?.toString())).toEqual(['second']);
  });
});
