import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { checkBatch } from './batch-check.ts';
import { BatchFilter } from './batch-filter.ts';
import {
  batchBaseTimestamp,
  batchCompression,
  batchHasDeleteHorizon,
  batchLastOffset,
  batchMaxTimestamp,
  batchRecordCount,
  Compression,
} from './batch-header.ts';
import { readRecords } from './read-records.ts';

const record = fc.record({
  timestamp: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 42 })),
  key: fc.option(fc.uint8Array({ maxLength: 20 })),
  value: fc.option(fc.uint8Array({ maxLength: 200 })),
  hasHeader: fc.boolean(),
  isKept: fc.boolean(),
});

describe('a batch that records are taken out of', () => {
  it('keeps offsets, timestamps, keys, values and headers of the others, in every codec, with a horizon and without', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(...Object.values(Compression)),
        fc.option(fc.integer({ min: 0, max: 2 ** 42 }), { nil: undefined }),
        (records, compression, horizon) => {
          const builder = new RecordBatchBuilder();
          for (const { timestamp, key, value, hasHeader } of records) {
            builder.append(timestamp, key, value, hasHeader ? [{ key: 'h', value: 'x' }] : []);
          }
          const batch = builder.build({
            baseOffset: 1000,
            producerId: 7,
            producerEpoch: 1,
            baseSequence: 3,
            compression,
          });
          const before = readRecords(batch).map((each) => ({ ...each, headers: [...each.headers] }));
          const filter = new BatchFilter(batch);
          for (let i = 0; filter.next(); i += 1) if (records[i]!.isKept) filter.keep();
          const built = filter.build(horizon);
          const kept = before.filter((_, index) => records[index]!.isKept);
          expect(checkBatch(built, 0)).toBeUndefined();
          expect(readRecords(built).map((each) => ({ ...each, headers: [...each.headers] }))).toEqual(kept);
          expect(batchRecordCount(built, 0)).toBe(kept.length);
          expect(batchLastOffset(built, 0)).toBe(batchLastOffset(batch, 0));
          expect(batchHasDeleteHorizon(built, 0)).toBe(horizon !== undefined && kept.length > 0);
          if (kept.length === 0) return;
          expect(batchCompression(built, 0)).toBe(compression);
          expect(batchMaxTimestamp(built, 0)).toBe(Math.max(...kept.map(({ timestamp }) => timestamp)));
          expect(batchBaseTimestamp(built, 0)).toBe(horizon ?? batchBaseTimestamp(batch, 0));
        },
      ),
    );
  });

  it('keeps a horizon that it has when more records are taken out', () => {
    const builder = new RecordBatchBuilder();
    for (let i = 0; i < 3; i += 1) builder.append(50 + i, `k${i}`, null);
    const first = new BatchFilter(builder.build());
    while (first.next()) first.keep();
    const marked = first.build(5000);
    const second = new BatchFilter(marked);
    second.next();
    second.next();
    second.keep();
    const left = second.build();
    expect([batchHasDeleteHorizon(left, 0), batchBaseTimestamp(left, 0)]).toEqual([true, 5000]);
    expect(readRecords(left).map(({ offset, timestamp }) => [offset, timestamp])).toEqual([[1, 51]]);
  });
});
