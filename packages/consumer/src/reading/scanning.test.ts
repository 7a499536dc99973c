import { describe, expect, it } from 'vitest';
import type { IsWanted } from '../record.ts';
import { newHarness } from '../testing/harness.ts';
import { assigned, filled, processed } from '../testing/reading.ts';
import { decodeBatch } from './consumer-batch.ts';
import { AwaitingIterator, ScanIterator } from './iterators.ts';
import type { ScannedBatch } from './scanned-batch.ts';

/** What the harness fills its topics with: the batch's number, a dot, and the record's in it. */
const textAt = ({ data, valueStart, valueBytes }: Parameters<IsWanted>[0]): string =>
  data.toString('utf8', valueStart, valueStart + valueBytes);

describe('a scan', () => {
  it('asks of every record in its order, and makes those that are wanted', async () => {
    const harness = newHarness();
    filled(harness, 1, 3, 4);
    const engine = assigned(harness, 1);
    const asked: string[] = [];
    const isWanted: IsWanted = (record, { topic, partition }) => {
      asked.push(`${topic}-${partition}@${record.offset}=${textAt(record)}`);
      return textAt(record).endsWith('.2');
    };
    const batches: ScannedBatch<Buffer, Buffer>[] = [];
    const reading = (async () => {
      for await (const batch of new ScanIterator<Buffer, Buffer>(engine, isWanted)) {
        batches.push(batch);
        if (batch.nextOffset === 12) break;
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await reading;
    expect(asked).toEqual(Array.from({ length: 12 }, (_, n) => `t-0@${n}=${Math.floor(n / 4)}.${n % 4}`));
    const records = batches.flatMap((batch) => batch.records);
    expect(records.map(({ offset, rawValue }) => [offset, String(rawValue)])).toEqual([
      [2, '0.2'],
      [6, '1.2'],
      [10, '2.2'],
    ]);
  });

  it('tells how far it is where nothing is wanted, and counts that as processed when it asks for more', async () => {
    const harness = newHarness();
    filled(harness, 1, 4, 5);
    // One batch at a time.
    const engine = assigned(harness, 1, { partitionBytesMax: 100 });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { partition, records, nextOffset } of new ScanIterator<Buffer, Buffer>(engine, () => false)) {
        seen.push([partition, records.length, nextOffset, ...processed(engine)]);
        if (nextOffset === 20) break;
      }
    })();
    await harness.clock.advanceAsync(5_000);
    await reading;
    expect(seen).toEqual([
      [0, 0, 5, 0],
      [0, 0, 10, 5],
      [0, 0, 15, 10],
      [0, 0, 20, 15],
    ]);
  });

  it('ends with what is thrown by who is asked, and what was looked at comes again', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 5);
    const engine = assigned(harness, 1);
    const scan = async (isWanted: IsWanted): Promise<number[]> => {
      for await (const { records } of new ScanIterator<Buffer, Buffer>(engine, isWanted)) {
        return records.map(({ offset }) => offset);
      }
      return [];
    };
    const failing = scan(({ offset }) => {
      if (offset === 3) throw new TypeError('not this one');
      return true;
    });
    const failed = expect(failing).rejects.toThrow(new TypeError('not this one'));
    await harness.clock.advanceAsync(1_000);
    await failed;
    const again = scan(() => true);
    await harness.clock.advanceAsync(1_000);
    expect(await again).toEqual([0, 1, 2, 3, 4]);
  });

  it('gives nothing of what was left by a seek while it was asked', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 5);
    const engine = assigned(harness, 1);
    const asked: number[] = [];
    const isWanted: IsWanted = ({ offset }) => {
      asked.push(offset);
      if (asked.length === 2) engine.seek('t', 0, 3);
      return true;
    };
    const first = new ScanIterator<Buffer, Buffer>(engine, isWanted).next();
    await harness.clock.advanceAsync(2_000);
    expect((await first).value?.records.map(({ offset }) => offset)).toEqual([3, 4]);
    expect(asked.slice(0, 2)).toEqual([0, 1]);
  });

  it('has decoded what has to be waited for, and nothing that is not wanted', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 3);
    const decoded: string[] = [];
    const deserialize = (bytes: Buffer): Promise<string> => {
      decoded.push(String(bytes));
      return Promise.resolve(`<${String(bytes)}>`);
    };
    const engine = assigned(harness, 1, { valueDeserializer: { async: true, deserialize } as never });
    const scan = new ScanIterator<Buffer, string>(engine, ({ offset }) => offset === 1);
    const first = new AwaitingIterator(scan, decodeBatch, engine.over).next();
    await harness.clock.advanceAsync(1_000);
    expect((await first).value?.records.map(({ value }) => value)).toEqual(['<0.1>']);
    expect(decoded).toEqual(['0.1']);
  });
});
