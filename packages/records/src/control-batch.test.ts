import { describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from './batch-builder.ts';
import { checkBatch } from './batch-check.ts';
import { batchBaseSequence, batchIsControl, batchIsTransactional, batchProducerId } from './batch-header.ts';
import { buildEndTxnMarker, ControlRecordType, readEndTxnMarker } from './control-batch.ts';

describe('end-of-transaction markers', () => {
  it('say how a transaction of a producer ended', () => {
    for (const type of Object.values(ControlRecordType)) {
      const batch = buildEndTxnMarker({
        type,
        coordinatorEpoch: 7,
        producerId: 4000,
        producerEpoch: 1,
        timestampMs: 5,
      });
      expect(checkBatch(batch, 0, { contiguousOffsets: true })).toBeUndefined();
      expect([batchIsControl(batch, 0), batchIsTransactional(batch, 0)]).toEqual([true, true]);
      expect([batchProducerId(batch, 0), batchBaseSequence(batch, 0)]).toEqual([4000, -1]);
      expect(readEndTxnMarker(batch)).toEqual({ type, coordinatorEpoch: 7 });
    }
  });

  it('are told from other control records, which are passed over', () => {
    const builder = new RecordBatchBuilder();
    builder.append(0, Buffer.from('00000002', 'hex'), Buffer.alloc(30));
    expect(readEndTxnMarker(builder.build({ isControl: true }))).toBeUndefined();
  });

  it('are not read from what is none', () => {
    const builder = new RecordBatchBuilder();
    builder.append(0, null, null);
    expect(() => readEndTxnMarker(builder.build())).toThrow(
      expect.objectContaining({ code: 'RECORDS_INVALID_ARGUMENT' }),
    );
    for (const [key, value] of [
      [null, null],
      ['00', '00'],
      ['00000001', '0000'],
    ] as const) {
      builder.reset();
      builder.append(
        0,
        key === null ? null : Buffer.from(key, 'hex'),
        value === null ? null : Buffer.from(value, 'hex'),
      );
      const batch = builder.build({ isControl: true });
      expect(() => readEndTxnMarker(batch)).toThrow(expect.objectContaining({ code: 'RECORDS_CORRUPT' }));
    }
  });
});
