import { MemoryDisk, systemError } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCAN_CHUNK_BYTES } from './batch-scan.ts';
import { SET_ASIDE_FILE } from './file-names.ts';
import { type LogFileEntry, readLogFile } from './inspect/file-entries.ts';
import { findIntactBatch } from './intact-batch.ts';
import { defaultLogConfig } from './log-config.ts';
import type { LogRecovery } from './log-types.ts';
import { newSegment } from './new-segment.ts';
import { setAside } from './set-aside.ts';
import { AS_CLIENT, batchOf, FOLDER, followDurable, openTestLog, readAll, testContext } from './testing/test-logs.ts';

const BATCH_BYTES = batchOf(['v00']).length;
const CONFIG = { segmentBytes: 3 * BATCH_BYTES };

function nameOf(index: number): string {
  return `v${String(index).padStart(2, '0')}`;
}

/** The disk of a broker that has been killed after so many batches of one record each. */
async function killedAfter(batches: number): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = await openTestLog(testContext({ disk }), CONFIG);
  for (let index = 0; index < batches; index += 1) await log.append(batchOf([nameOf(index)]), AS_CLIENT);
  return disk.crash('none');
}

/** Flips a bit in the batch of an offset, in what its CRC covers. */
function damage(disk: MemoryDisk, offset: number): void {
  const base = offset - (offset % 3);
  disk.flipBit(`${FOLDER}/${String(base).padStart(20, '0')}.log`, (offset % 3) * BATCH_BYTES + 65, 0);
}

function keptFiles(disk: MemoryDisk): string[] {
  return disk
    .filesBelow(FOLDER)
    .flatMap(({ path }) => (SET_ASIDE_FILE.test(path.slice(FOLDER.length + 1)) ? [path] : []));
}

/** Offset and value of every record in files that were set aside, as `millrace log dump` reads them. */
async function recordsIn(disk: MemoryDisk, paths: readonly string[]): Promise<{ offset: number; value: string }[]> {
  const records: { offset: number; value: string }[] = [];
  const visit = (entry: LogFileEntry): boolean => {
    if (entry.kind !== 'batch') return true;
    for (const { offset, value } of entry.records ?? []) records.push({ offset, value: String(value) });
    return true;
  };
  for (const path of paths) await readLogFile(disk, path, visit, { records: true });
  return records;
}

async function reopen(disk: MemoryDisk): Promise<{ recovery: LogRecovery; read: { offset: number; value: string }[] }> {
  const log = followDurable(await openTestLog(testContext({ disk }), CONFIG));
  return { recovery: log.recovery, read: await readAll(log) };
}

describe('a recovery that cuts a log', () => {
  it('keeps every whole batch, in the log or set aside, whichever are damaged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 11 }),
        fc.uniqueArray(fc.nat(10), { minLength: 1, maxLength: 4 }),
        async (batches, wanted) => {
          const damaged = wanted.filter((offset) => offset < batches);
          const disk = await killedAfter(batches);
          for (const offset of damaged) damage(disk, offset);
          const { recovery, read } = await reopen(disk);
          const kept = await recordsIn(disk, recovery.setAside?.paths ?? []);
          const whole = Array.from({ length: batches }, (_, offset) => offset).filter(
            (offset) => !damaged.includes(offset),
          );
          expect([...read, ...kept]).toEqual(whole.map((offset) => ({ offset, value: nameOf(offset) })));
          expect(recovery.setAside === undefined).toBe(whole.length === read.length);
          expect(recovery.setAside?.sizeBytes ?? 0).toBe(kept.length === 0 ? 0 : recovery.truncatedBytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps it through a crash at any moment of the cut, once', async () => {
    const whole = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10];
    for (let turns = 0; turns < 400; turns += 11) {
      const first = await killedAfter(11);
      damage(first, 4);
      const opening = openTestLog(testContext({ disk: first }), CONFIG).catch(() => undefined);
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const disk = first.crash('none');
      await opening;
      const { read } = await reopen(disk);
      const kept = await recordsIn(disk, keptFiles(disk));
      expect([...read, ...kept].map(({ offset }) => offset)).toEqual(whole);
    }
  });

  it('keeps nothing of a write that was cut short', async () => {
    const disk = await killedAfter(5);
    damage(disk, 4);
    const { recovery } = await reopen(disk);
    expect([recovery.truncatedBytes, recovery.setAside, keptFiles(disk)]).toEqual([BATCH_BYTES, undefined, []]);
  });

  it('keeps what no crash can have cut short: after a stop in order, and below what was synced', async () => {
    for (const options of [{ isClean: true }, { recoveryPoint: 5 }]) {
      const disk = await killedAfter(5);
      damage(disk, 4);
      const { recovery } = await openTestLog(testContext({ disk }), CONFIG, options);
      expect([recovery.logEndOffset, recovery.truncatedBytes]).toEqual([4, BATCH_BYTES]);
      expect(keptFiles(disk).map((path) => disk.peek(path).length)).toEqual([BATCH_BYTES]);
      expect(recovery.setAside?.paths).toEqual(keptFiles(disk));
    }
  });

  it('opens all the same where there is no room to keep anything, and tells why', async () => {
    const disk = await killedAfter(5);
    damage(disk, 3);
    const full = systemError('ENOSPC', 'write');
    disk.fault = ({ kind, path }) => (kind === 'write' && path.endsWith('.cut.tmp') ? full : undefined);
    const { recovery, read } = await reopen(disk);
    expect(recovery.setAside).toEqual({ paths: [], sizeBytes: 0, error: full });
    expect([read.length, disk.filesBelow(FOLDER).filter(({ path }) => path.endsWith('.tmp'))]).toEqual([3, []]);
  });

  it('keeps so many bytes and no more: of a cut what is nearest, and of older cuts the newest', async () => {
    const disk = await killedAfter(11);
    damage(disk, 4);
    const context = testContext({ disk });
    const stored = { sizeBytes: 3 * BATCH_BYTES, modifiedMs: 0, hasTransactions: false };
    const segmentAt = (base: number) => newSegment(context, FOLDER, base, { ...defaultLogConfig }, stored);
    const cut = {
      folder: FOLDER,
      segment: segmentAt(3),
      position: BATCH_BYTES,
      logEndOffset: 4,
      dropped: [segmentAt(6)],
      mayBeTorn: true,
    };
    const bytes = async (bytesMax: number) => (await setAside(context, { ...cut, bytesMax })).told?.sizeBytes;
    expect(await bytes(5 * BATCH_BYTES)).toBe(5 * BATCH_BYTES);
    expect(await bytes(3 * BATCH_BYTES)).toBe(2 * BATCH_BYTES);
    expect(await bytes(BATCH_BYTES)).toBe(BATCH_BYTES);
    expect(keptFiles(disk).map((path) => disk.peek(path).length)).toEqual([BATCH_BYTES]);
  });
});

describe('the search for a batch that is whole', () => {
  it('finds it at any place behind any bytes, across the ends of what is read at a time', async () => {
    const batch = batchOf(['found']);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          { weight: 9, arbitrary: fc.nat(200) },
          { weight: 1, arbitrary: fc.integer({ min: SCAN_CHUNK_BYTES - 200, max: SCAN_CHUNK_BYTES + 5 }) },
        ),
        fc.constantFrom(0, 2, 255),
        async (at, filler) => {
          const disk = new MemoryDisk();
          const file = await disk.open('f', { create: true });
          const bytes = Buffer.concat([Buffer.alloc(at, filler), batch, Buffer.alloc(40, filler)]);
          await file.write(0, [bytes], { sync: false });
          const search = { start: 0, end: bytes.length, offsetMin: 0, offsetMax: 100 };
          expect(await findIntactBatch(file, search)).toBe(at);
          expect(await findIntactBatch(file, { ...search, offsetMin: 1 })).toBeUndefined();
          expect(await findIntactBatch(file, { ...search, start: at + 1 })).toBeUndefined();
        },
      ),
      { numRuns: 20 },
    );
  });

  it('gives up, and says so, among too much that only looks like batches', async () => {
    const disk = new MemoryDisk();
    const file = await disk.open('f', { create: true });
    const wrong = batchOf(['wrong']);
    wrong[wrong.length - 1]! ^= 1;
    const bytes = Buffer.concat([wrong, wrong, wrong, batchOf(['right'])]);
    await file.write(0, [bytes], { sync: false });
    const search = { start: 0, end: bytes.length, offsetMin: 0, offsetMax: 100 };
    expect(await findIntactBatch(file, search)).toBe(3 * wrong.length);
    expect(await findIntactBatch(file, { ...search, vainBytesMax: 2 * wrong.length })).toBe('unknown');
  });
});
