import { ManualClock } from '@millrace/ports';
import { Compression, readRecords } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchMemory, REST_MS } from './batch-memory.ts';
import { type BatchSettings, ProduceBatch } from './produce-batch.ts';
import type { RecordMetadata } from './record.ts';

const BATCH_BYTES = 16 * 1024;

function settings(): BatchSettings {
  const memory = new BatchMemory(
    BATCH_BYTES,
    { busyBytesMax: 2 * BATCH_BYTES, idleBytesMax: 2 * BATCH_BYTES },
    new ManualClock(),
  );
  return {
    batchBytes: BATCH_BYTES,
    compression: Compression.NONE,
    compressionLevel: undefined,
    isTransactional: false,
    memory,
  };
}

function open(of: BatchSettings): ProduceBatch {
  return new ProduceBatch('orders', 3, 0, 0, of);
}

/** A batch that is full, so that its memory is worth keeping. */
function fill(batch: ProduceBatch): ProduceBatch {
  const value = Buffer.alloc(1000);
  while (batch.hasRoomFor(null, value, undefined)) {
    batch.append(1, null, value, undefined);
    batch.notify(1, undefined, () => {});
  }
  return batch;
}

describe('the memory of batches', () => {
  it('is used again when the only attempt was acknowledged', () => {
    const of = settings();
    const first = fill(open(of));
    first.attempts = 1;
    const memory = first.bytes().buffer;
    first.succeed(0, -1);
    expect(fill(open(of)).bytes().buffer).toBe(memory);
  });

  it('is not used again when the batch was sent twice, for the first may still be on its way', () => {
    const of = settings();
    const first = fill(open(of));
    const memory = first.bytes().buffer;
    first.attempts = 2;
    first.succeed(0, -1);
    expect(fill(open(of)).bytes().buffer).not.toBe(memory);
  });

  it('is kept up to a bound, and only of full batches', () => {
    const memory = new BatchMemory(100, { busyBytesMax: 250, idleBytesMax: 250 }, new ManualClock());
    for (const bytes of [99, 201, 100, 200, 150]) memory.give(Buffer.alloc(bytes));
    expect([memory.take()?.length, memory.take()?.length, memory.take()]).toEqual([200, 100, undefined]);
  });

  it('is let go by and by when nothing more is sent, but for a rest of it', () => {
    const clock = new ManualClock();
    const memory = new BatchMemory(100, { busyBytesMax: 400, idleBytesMax: 100 }, clock);
    const kept = (): number => {
      const taken: Buffer[] = [];
      for (let each = memory.take(); each !== undefined; each = memory.take()) taken.push(each);
      return taken.length;
    };
    for (let count = 0; count < 5; count += 1) memory.give(Buffer.alloc(100));
    clock.advance(REST_MS);
    expect(kept()).toBe(4);
    for (let count = 0; count < 5; count += 1) memory.give(Buffer.alloc(100));
    clock.advance(3 * REST_MS);
    expect(kept()).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });
});

describe('those who wait for records', () => {
  const plans = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });

  it('get the offset of their own record, whoever else waits or does not', () => {
    fc.assert(
      fc.property(plans, (watched) => {
        const batch = open(settings());
        const offsets = appendAll(batch, watched);
        batch.succeed(100, -1);
        expect(offsets).toEqual(watched.map((is, index) => (is ? 100 + index : undefined)));
      }),
    );
  });

  it('get it through a split, too', () => {
    fc.assert(
      fc.property(plans, (watched) => {
        fc.pre(watched.length > 1);
        const batch = open(settings());
        const offsets = appendAll(batch, watched);
        const [first, second] = batch.split();
        expect(readRecords(first.bytes()).length + readRecords(second.bytes()).length).toBe(watched.length);
        second.succeed(200, -1);
        first.succeed(100, -1);
        const half = Math.ceil(watched.length / 2);
        expect(offsets).toEqual(
          watched.map((is, index) => (is ? (index < half ? 100 + index : 200 + index - half) : undefined)),
        );
      }),
    );
  });

  it('are told once each when the batch is lost, and so is he who asked for nothing else', () => {
    fc.assert(
      fc.property(plans, fc.boolean(), (watched, isSplit) => {
        const batch = open(settings());
        let told = 0;
        for (const is of watched) {
          batch.append(1, null, 'value', undefined);
          batch.notify(1, is ? () => {} : undefined, () => {
            told += 1;
          });
        }
        const lost = isSplit && watched.length > 1 ? batch.split() : [batch];
        for (const each of lost) each.fail(new Error('lost'));
        expect(told).toBe(watched.length);
      }),
    );
  });
});

/** Appends a record for each; the result fills with the offsets that those who wait are told. */
function appendAll(batch: ProduceBatch, watched: readonly boolean[]): (number | undefined)[] {
  const offsets = new Array<number | undefined>(watched.length).fill(undefined);
  watched.forEach((is, index) => {
    batch.append(1, null, `value ${index}`, undefined);
    const resolve = ({ offset }: RecordMetadata): void => {
      offsets[index] = offset;
    };
    batch.notify(1, is ? resolve : undefined, () => {});
  });
  return offsets;
}
