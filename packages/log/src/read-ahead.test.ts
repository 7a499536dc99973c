import { MemoryDisk, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadResult } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';
import { AS_CLIENT, batchOf, followDurable, openTestLog, recordsOf, testContext } from './testing/test-logs.ts';

const TO_END = { isolation: 'highWatermark', minOneBatch: true } as const;
const BYTES_MAX = 100_000;

/** A log that is read from its files only, by reads that are large enough to share memory. */
async function openLarge(disk: MemoryDisk, readMemoryBytesMax = 500_000): Promise<PartitionLog> {
  const context = testContext({ disk, tailCacheBytesMax: 0, readMemoryBytesMax });
  return followDurable(await openTestLog(context, { segmentBytes: 700_000 }));
}

/** One batch of one record, whose value says which it is, and is as long as a batch of many. */
async function append(log: PartitionLog, values: string[], name: string, sizeBytes: number): Promise<void> {
  const value = name.padEnd(sizeBytes, name);
  const { baseOffset } = await log.append(batchOf([value]), AS_CLIENT);
  values[baseOffset] = value;
  values.length = baseOffset + 1;
}

/** As many turns as everything takes that has begun by itself. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('reading ahead', () => {
  it('reads and checks what a reader will ask for next, who then gets it at once', async () => {
    const disk = new MemoryDisk();
    const log = await openLarge(disk);
    const values: string[] = [];
    for (let i = 0; i < 12; i += 1) await append(log, values, `${i}.`, 45_000);
    const calls: number[] = [];
    disk.fault = ({ kind, sizeBytes }) => void (kind === 'read' && calls.push(sizeBytes));
    const found: string[] = [];
    let next: ReadResult | Promise<ReadResult> = log.read(0, BYTES_MAX, TO_END);
    expect(next).toBeInstanceOf(Promise);
    for (let offset = 0; offset < 10; ) {
      const read = await next;
      const records = recordsOf(read);
      found.push(...records.map(({ value }) => value));
      read.release?.();
      offset += records.length;
      await settle();
      next = log.read(offset, BYTES_MAX, TO_END);
      if (offset < 10) expect(next).not.toBeInstanceOf(Promise);
    }
    expect(found).toEqual(values.slice(0, found.length));
    const large = calls.filter((sizeBytes) => sizeBytes > 45_000);
    expect(large.length).toBeLessThanOrEqual(found.length / 2 + 1);
  });

  it('has readers who ask for the same at the same time share one read', async () => {
    const disk = new MemoryDisk();
    const log = await openLarge(disk);
    const values: string[] = [];
    for (let i = 0; i < 6; i += 1) await append(log, values, `${i}.`, 45_000);
    const first = await log.read(0, BYTES_MAX, TO_END);
    const second = await log.read(0, BYTES_MAX, TO_END);
    expect(second.chunks[0]).toBe(first.chunks[0]);
    first.release?.();
    await settle();
    await log.read(2, BYTES_MAX, TO_END);
    expect(recordsOf(second).map(({ value }) => value)).toEqual(values.slice(0, 2));
  });

  it('tells of a disk that fails, and of damage, when a reader comes to it and not before', async () => {
    const disk = new MemoryDisk();
    const log = await openLarge(disk);
    const values: string[] = [];
    for (let i = 0; i < 8; i += 1) await append(log, values, `${i}.`, 45_000);
    const batchBytes = batchOf([values[0]!]).length;
    disk.flipBit('/data/topic-0/00000000000000000000.log', 4 * batchBytes + 100, 1);
    const damaged: number[] = [];
    log.onDamaged(({ position }) => damaged.push(position));
    for (const offset of [0, 2]) {
      expect((await log.read(offset, BYTES_MAX, TO_END)).errorCode).toBe(0);
      await settle();
    }
    expect({ damaged, state: log.state }).toEqual({ damaged: [], state: 'online' });
    expect(await log.read(4, BYTES_MAX, TO_END)).toMatchObject({ errorCode: 2, sizeBytes: 0 });
    expect(damaged).toEqual([4 * batchBytes]);
  });

  it('never hands on what was read before the log was cut', async () => {
    const disk = new MemoryDisk();
    const gates: (() => void)[] = [];
    let isSlow = false;
    const open = disk.open.bind(disk);
    disk.open = async (...args) => {
      const file = await open(...args);
      const read = file.read.bind(file);
      // Has read, and is long in saying so.
      file.read = async (...range) => {
        const bytes = await read(...range);
        if (isSlow) await new Promise<void>((resolve) => gates.push(resolve));
        return bytes;
      };
      return file;
    };
    const log = await openLarge(disk);
    const values: string[] = [];
    for (let i = 0; i < 8; i += 1) await append(log, values, `old ${i}.`, 45_000);
    await log.read(0, BYTES_MAX, TO_END);
    await settle();
    isSlow = true;
    const late = log.read(4, BYTES_MAX, TO_END);
    await settle();
    isSlow = false;
    values.length = 3;
    await log.truncateTo(3);
    for (let i = 3; i < 8; i += 1) await append(log, values, `new ${i}.`, 45_000);
    for (const gate of gates) gate();
    await late;
    const read = await log.read(4, BYTES_MAX, TO_END);
    expect(recordsOf(read).map(({ value }) => value)).toEqual(values.slice(4, 6));
  });

  it('gives every reader what is in the log, however reads, releases and cuts fall together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = seededRandom(seed);
        const log = await openLarge(new MemoryDisk(), 150_000 + random.nextInt(600_000));
        const values: string[] = [];
        const readers = Array.from({ length: 4 }, () => ({
          offset: 0,
          held: [] as { read: ReadResult; seen: string }[],
        }));
        for (let step = 0; step < 60; step += 1) {
          const reader = readers[random.nextInt(readers.length)]!;
          const dice = random.nextInt(10);
          if (dice < 3) await append(log, values, `${step}.`, 5_000 + random.nextInt(60_000));
          if (dice === 3 && random.nextInt(4) === 0 && values.length > 2) {
            values.length -= 1 + random.nextInt(values.length - 1);
            await log.truncateTo(values.length);
            for (const each of readers) each.offset = Math.min(each.offset, values.length);
          }
          if (dice > 3) {
            const read = await log.read(reader.offset, BYTES_MAX, TO_END);
            const records = recordsOf(read).filter(({ offset }) => offset >= reader.offset);
            expect(records.map(({ value }) => value)).toEqual(
              values.slice(reader.offset, reader.offset + records.length),
            );
            reader.held.push({ read, seen: Buffer.concat(read.chunks).toString('latin1') });
            reader.offset = records.length === 0 ? 0 : reader.offset + records.length;
          }
          while (reader.held.length > random.nextInt(4)) {
            const { read, seen } = reader.held.shift()!;
            expect(Buffer.concat(read.chunks).toString('latin1') === seen).toBe(true);
            // Some never say that they have done.
            if (random.nextInt(5) > 0) read.release?.();
          }
        }
        await log.close();
      }),
      { numRuns: 60 },
    );
  });
});
