import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { BATCH_HEADER_BYTES, Compression } from './batch-header.ts';
import { RecordsError } from './errors.ts';
import { RecordCursor } from './record-cursor.ts';

function batchOf(values: readonly string[], compression: Compression): Buffer {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(5, Buffer.from(`key of ${value}`), Buffer.from(value));
  return builder.build({ compression });
}

function recordsAt(buffer: Buffer, at: number): string[] {
  const found: string[] = [];
  const cursor = new RecordCursor(buffer, {}, at);
  while (cursor.next()) found.push(`${cursor.offset} ${cursor.key()} ${cursor.value()} ${cursor.headers().length}`);
  cursor.rewind();
  expect(cursor.next() ? cursor.value()?.toString() : undefined).toBe(found[0]?.split(' ')[4]);
  return found;
}

describe('a cursor', () => {
  const values = fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { minLength: 1, maxLength: 5 });
  const codec = fc.constantFrom(Compression.NONE, Compression.GZIP, Compression.ZSTD);

  it('reads a batch wherever it stands in a buffer', () => {
    const bytes = fc.uint8Array({ maxLength: 100 });
    const check = (given: string[], compression: Compression, before: Uint8Array, behind: Uint8Array) => {
      const buffer = Buffer.concat([before, batchOf(given, compression), behind]);
      const expected = given.map((value, offset) => `${offset} key of ${value} ${value} 0`);
      expect(recordsAt(buffer, before.length)).toEqual(expected);
    };
    fc.assert(fc.property(values, codec, bytes, bytes, check));
  });

  it('gives nothing of what stands behind the batch, whatever byte of it is wrong', () => {
    const secret = 'behind';
    const check = (given: string[], place: number, byte: number) => {
      const batch = batchOf(given, Compression.NONE);
      const at = BATCH_HEADER_BYTES + (place % (batch.length - BATCH_HEADER_BYTES));
      batch[at] = byte;
      const buffer = Buffer.concat([batch, Buffer.from(secret.repeat(20))]);
      const cursor = new RecordCursor(buffer);
      try {
        while (cursor.next()) {
          expect(cursor.end).toBeLessThanOrEqual(batch.length);
          expect(cursor.valueStart + Math.max(cursor.valueBytes, 0)).toBeLessThanOrEqual(cursor.end);
          expect(cursor.keyStart + Math.max(cursor.keyBytes, 0)).toBeLessThanOrEqual(cursor.end);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(RecordsError);
      }
    };
    fc.assert(fc.property(values, fc.nat(1000), fc.integer({ min: 0, max: 255 }), check), { numRuns: 500 });
  });

  it('refuses a batch that the buffer does not hold whole from there', () => {
    const batch = batchOf(['a'], Compression.NONE);
    expect(() => new RecordCursor(batch, {}, 1)).toThrow(RecordsError);
    expect(() => new RecordCursor(batch, {}, batch.length)).toThrow(RecordsError);
  });
});
