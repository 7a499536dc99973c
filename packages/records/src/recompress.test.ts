import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { checkBatch } from './batch-check.ts';
import { batchCompression, Compression } from './batch-header.ts';
import { readRecords } from './read-records.ts';
import { decompressBatch, recompressBatch } from './recompress.ts';

const codec = fc.constantFrom(...Object.values(Compression));

function sample(compression: Compression): Buffer {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < 100; i += 1) builder.append(1000 + i, `key-${i}`, `some value that repeats ${i}`);
  return builder.build({
    compression,
    baseOffset: 50,
    producerId: 9,
    producerEpoch: 1,
    baseSequence: 3,
    leaderEpoch: 2,
  });
}

describe('recompressBatch', () => {
  it('changes codec, length and CRC, and nothing else', () => {
    fc.assert(
      fc.property(codec, codec, (from, to) => {
        const rewritten = recompressBatch(sample(from), to);
        expect(batchCompression(rewritten, 0)).toBe(to);
        expect(checkBatch(rewritten, 0, { contiguousOffsets: true })).toBeUndefined();
        expect(decompressBatch(rewritten)).toEqual(sample(Compression.NONE));
      }),
    );
  });

  it('gives back the batch itself where there is nothing to do', () => {
    const batch = sample(Compression.LZ4);
    expect(recompressBatch(batch, Compression.LZ4)).toBe(batch);
  });

  it('holds a bomb to its bound', () => {
    expect(() => decompressBatch(sample(Compression.GZIP), 1000)).toThrow(
      expect.objectContaining({ code: 'RECORDS_TOO_LARGE' }),
    );
    expect(readRecords(sample(Compression.GZIP))).toHaveLength(100);
  });
});
