import { ManualClock, MemoryDisk, type Random, seededRandom, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLogConfig } from './log-config.ts';
import { LogManager } from './log-manager.ts';
import type { LogManagerOptions } from './log-manager-options.ts';
import type { LogMoveNews } from './log-mover.ts';
import type { PartitionLog } from './partition-log.ts';
import { AS_CLIENT, abortMarker, batchOf, followDurable, recordsOf } from './testing/test-logs.ts';

const DIRS = ['/a', '/b'];

interface Bench {
  readonly disk: MemoryDisk;
  readonly clock: ManualClock;
  readonly manager: LogManager;
}

async function benchOn(disk = new MemoryDisk(), options: Partial<LogManagerOptions> = {}): Promise<Bench> {
  const clock = new ManualClock();
  const manager = new LogManager({
    disk,
    clock,
    random: seededRandom(1),
    logDirs: DIRS,
    brokerId: 1,
    clusterId: 'c',
    configOf: () => ({ ...defaultLogConfig, segmentBytes: 400, indexIntervalBytes: 50, fileDeleteDelayMs: 1000 }),
    ...options,
  });
  await manager.open();
  return { disk, clock, manager };
}

async function filled(manager: LogManager, count = 30): Promise<PartitionLog> {
  const log = followDurable(await manager.getOrCreate('t', 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true }));
  for (let n = 0; n < count; n += 1) await log.append(batchOf([`value ${n}`]), AS_CLIENT);
  return log;
}

/** Lets a move come to its end. */
async function moved(manager: LogManager): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (manager.moves.length === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('the move does not end');
}

/** The values of all records, whoever may see them; a marker has none. */
async function values(log: PartitionLog): Promise<string[]> {
  const all: string[] = [];
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const { chunks } = await log.read(offset, 1_000_000, { isolation: 'logEnd', minOneBatch: true });
    const records = recordsOf({ chunks }).filter((record) => record.offset >= offset);
    all.push(...records.map(({ value }) => value).filter((value) => /\w/.test(value)));
    // What is being written is not read yet.
    if (records.length === 0) break;
    offset = records.at(-1)!.offset + 1;
  }
  return all;
}

const dirOf = (log: PartitionLog): string => log.folder.slice(0, 2);
const elsewhere = (log: PartitionLog): string => DIRS.find((dir) => dir !== dirOf(log))!;
const upTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `value ${n}`);

describe('a log that is moved to another log directory', () => {
  it('is there with all its records, and gone where it was', async () => {
    const { disk, clock, manager } = await benchOn();
    const log = await filled(manager);
    const to = elsewhere(log);
    expect(log.segmentCount).toBeGreaterThan(3);
    expect(await manager.move('t', 0, to)).toBeUndefined();
    await moved(manager);
    expect(log.folder).toBe(`${to}/t-0`);
    expect(await values(log)).toEqual(upTo(30));
    const described = manager.describe().map(({ folder, logs }) => [folder, logs.length]);
    expect(described.toSorted()).toEqual([
      ['/a', to === '/a' ? 1 : 0],
      ['/b', to === '/b' ? 1 : 0],
    ]);
    await clock.advanceAsync(5000);
    const left = (await disk.list(DIRS.find((dir) => dir !== to)!)).filter((name) => name.startsWith('t-'));
    expect(left).toEqual([]);
    expect((await disk.list(`${to}/t-0`)).filter((name) => name.includes('move'))).toEqual([]);
  });

  it('takes records and is read meanwhile, and afterwards in the new place alone', async () => {
    const { disk, manager } = await benchOn();
    const log = await filled(manager, 50);
    const to = elsewhere(log);
    await manager.move('t', 0, to);
    const appended: Promise<unknown>[] = [];
    for (let n = 50; n < 90; n += 1) {
      appended.push(log.append(batchOf([`value ${n}`]), AS_CLIENT));
      if (n % 5 === 0) expect((await values(log)).slice(0, 50)).toEqual(upTo(50));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(appended);
    await moved(manager);
    await log.append(batchOf(['value 90']), AS_CLIENT);
    expect(await values(log)).toEqual(upTo(91));
    await manager.close();
    const again = await benchOn(disk.crash('none'));
    const found = again.manager.get('t', 0)!;
    expect(found.folder).toBe(`${to}/t-0`);
    expect(found.recovery.scannedBytes).toBe(0);
    expect(found).toMatchObject({ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', highWatermark: 91 });
    expect(await values(found)).toEqual(upTo(91));
  });

  it('is cut, loses its oldest segments and keeps its producers and aborted transactions meanwhile', async () => {
    const { disk, manager } = await benchOn();
    const log = await filled(manager, 40);
    const producer = { producerId: 7, producerEpoch: 0, isTransactional: true };
    await log.append(batchOf(['aborted'], { ...producer, baseSequence: 0 }), AS_CLIENT);
    await log.append(abortMarker(7, 0), { ...AS_CLIENT, origin: 'coordinator' });
    await log.append(batchOf(['cut']), AS_CLIENT);
    await manager.move('t', 0, elsewhere(log));
    await new Promise((resolve) => setImmediate(resolve));
    await log.truncateTo(42);
    expect(log.deleteRecordsBefore(20).errorCode).toBe(0);
    await log.enforceRetention();
    await moved(manager);
    expect(log.logStartOffset).toBe(20);
    await manager.close();
    const again = await benchOn(disk.crash('none'));
    const found = again.manager.get('t', 0)!;
    expect(found).toMatchObject({ logStartOffset: 20, logEndOffset: 42, producerCount: 1 });
    expect(await values(found)).toEqual([...upTo(40).slice(20), 'aborted']);
    const read = await found.read(40, 100_000, { isolation: 'committed', minOneBatch: true });
    expect(read.abortedTransactions).toEqual([{ producerId: 7, firstOffset: 40 }]);
  });

  it('leaves nothing of a segment that goes in the moment in which its copy begins: the next start would begin with it', async () => {
    const configOf = () => ({ ...defaultLogConfig, segmentBytes: 400, fileDeleteDelayMs: 0 });
    const { disk, clock, manager } = await benchOn(undefined, { configOf });
    const log = await filled(manager);
    log.deleteRecordsBefore(20);
    let isGone = false;
    disk.fault = async ({ kind, path }) => {
      if (!isGone && kind === 'open' && path.includes('-future/') && path.endsWith('00000000000000000000.log')) {
        isGone = true;
        await log.enforceRetention();
        await clock.advanceAsync(1);
      }
      return undefined;
    };
    await manager.move('t', 0, elsewhere(log));
    await moved(manager);
    expect(isGone).toBe(true);
    await manager.close();
    const again = await benchOn(disk.crash('none'));
    const found = again.manager.get('t', 0)!;
    expect(found).toMatchObject({ logStartOffset: 20, logEndOffset: 30 });
    expect(await again.disk.list(found.folder)).not.toContain('00000000000000000000.log');
    expect(await values(found)).toEqual(upTo(30).slice(20));
  });

  it('begins once more when it is cut after part of it has been copied', async () => {
    const { clock, manager } = await benchOn(undefined, { moveBytesPerSecondMax: 300 });
    const log = await filled(manager);
    await manager.move('t', 0, elsewhere(log));
    await clock.advanceAsync(3000);
    expect(manager.moves[0]?.sizeBytes).toBeGreaterThan(0);
    await log.truncateTo(10);
    for (let n = 0; n < 5; n += 1) await log.append(batchOf([`other ${n}`]), AS_CLIENT);
    await clock.advanceAsync(60_000);
    await moved(manager);
    expect(await values(log)).toEqual([...upTo(10), ...Array.from({ length: 5 }, (_, n) => `other ${n}`)]);
  });

  it('can be sent back on the way, and no copy stays', async () => {
    const { disk, clock, manager } = await benchOn(undefined, { moveBytesPerSecondMax: 100 });
    const log = await filled(manager);
    const from = dirOf(log);
    const to = elsewhere(log);
    await manager.move('t', 0, to);
    while (!(await disk.list(to)).some((name) => name.endsWith('-future'))) await new Promise(setImmediate);
    expect(manager.moves).toMatchObject([{ topic: 't', partition: 0, logDir: to }]);
    const back = manager.move('t', 0, from);
    await clock.advanceAsync(1000);
    await back;
    expect(log.folder).toBe(`${from}/t-0`);
    expect((await disk.list(to)).filter((name) => name.startsWith('t-'))).toEqual([]);
  });

  it('is where it is wished for from its first moment on', async () => {
    const { manager } = await benchOn();
    expect(await manager.move('t', 0, '/b')).toBeUndefined();
    await manager.getOrCreate('u', 0, { isNew: true });
    expect((await manager.getOrCreate('t', 0, { isNew: true })).folder).toBe('/b/t-0');
  });

  it('is refused where it cannot go', async () => {
    const { manager } = await benchOn();
    await filled(manager);
    expect(await manager.move('t', 0, '/c')).toBe('no-such-directory');
    expect(await manager.move('t'.repeat(240), 0, '/b')).toBe('name-too-long');
  });

  it('stays where it is, and goes on, when the other disk does not take it', async () => {
    const news: LogMoveNews[] = [];
    const { disk, manager } = await benchOn(undefined, { onMove: (told) => news.push(told) });
    const log = await filled(manager);
    const from = dirOf(log);
    const to = elsewhere(log);
    disk.fault = ({ kind, path }) =>
      kind === 'write' && path.includes('-future') ? systemError('ENOSPC', 'no space left') : undefined;
    await manager.move('t', 0, to);
    await moved(manager);
    const place = { topic: 't', partition: 0, from, to, copiedBytes: 0 };
    expect(news).toMatchObject([
      { ...place, event: 'begun' },
      { ...place, event: 'failed', error: { code: 'ENOSPC' } },
    ]);
    expect(manager.failedMoves).toBe(1);
    expect(dirOf(log)).toBe(from);
    expect((await log.append(batchOf(['value 30']), AS_CLIENT)).errorCode).toBe(0);
    expect(await values(log)).toEqual(upTo(31));
  });

  it('stays where it is, and is moved the next time, when beginning that throws by mistake', async () => {
    let isBroken = false;
    const sound = seededRandom(1);
    const random = new Proxy(sound, {
      get(target, name) {
        if (isBroken) throw new Error('a mistake');
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const { manager } = await benchOn(undefined, { random });
    const log = await filled(manager);
    const to = elsewhere(log);
    isBroken = true;
    await manager.move('t', 0, to);
    await moved(manager);
    isBroken = false;
    expect(dirOf(log)).not.toBe(to);
    await manager.move('t', 0, to);
    await moved(manager);
    expect(dirOf(log)).toBe(to);
  });

  it('takes nothing more when it fails half way from one folder to the other: the next start begins with the first', async () => {
    const { disk, manager } = await benchOn();
    const log = await filled(manager);
    const folder = log.folder;
    let late: Promise<unknown> | undefined;
    disk.fault = ({ kind, path }) => {
      if (kind !== 'rename' || path !== folder) return undefined;
      late = Promise.resolve(log.append(batchOf(['value 30']), AS_CLIENT));
      return systemError('EIO', 'i/o error');
    };
    await manager.move('t', 0, elsewhere(log));
    await moved(manager);
    disk.fault = undefined;
    expect(await late).toMatchObject({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR });
    expect(log.durableEndOffset).toBe(30);
    await manager.close();
    const again = await benchOn(disk);
    expect(await values(await filled(again.manager, 0))).toEqual(upTo(30));
    await again.manager.close();
  });

  it('counts as failed no longer when it is moved again, or gone', async () => {
    const { disk, manager } = await benchOn();
    const log = await filled(manager);
    const [from, to] = [dirOf(log), elsewhere(log)];
    const fail = async (): Promise<void> => {
      disk.fault = ({ kind, path }) =>
        kind === 'write' && path.includes('-future') ? systemError('ENOSPC', 'no space left') : undefined;
      await manager.move('t', 0, dirOf(log) === from ? to : from);
      await moved(manager);
      disk.fault = undefined;
      expect(manager.failedMoves).toBe(1);
    };
    await fail();
    await manager.move('t', 0, to);
    await moved(manager);
    expect([dirOf(log), manager.failedMoves]).toEqual([to, 0]);
    await fail();
    await manager.delete('t', 0);
    expect(manager.failedMoves).toBe(0);
  });

  it('that is deleted on the way is gone from both', async () => {
    const { disk, clock, manager } = await benchOn();
    await filled(manager);
    await manager.move('t', 0, elsewhere(manager.get('t', 0)!));
    await manager.delete('t', 0);
    await clock.advanceAsync(5000);
    for (const dir of DIRS) expect((await disk.list(dir)).filter((name) => name.startsWith('t-'))).toEqual([]);
  });
});

/** A move that is left off when it has copied at least so much, and what the next start finds. */
async function leftOff(copiedBytes: number): Promise<{ disk: MemoryDisk; to: string; future: string; copied: number }> {
  const { disk, clock, manager } = await benchOn(undefined, { moveBytesPerSecondMax: 200 });
  const log = await filled(manager);
  const to = elsewhere(log);
  await manager.move('t', 0, to);
  while ((manager.moves[0]?.sizeBytes ?? 0) < copiedBytes) await clock.advanceAsync(500);
  const copied = manager.moves[0]!.sizeBytes;
  await manager.close();
  const future = (await disk.list(to)).find((name) => name.endsWith('-future'))!;
  return { disk, to, future: `${to}/${future}`, copied };
}

/** The bytes that are written into copies from now on. */
function copyWrites(disk: MemoryDisk): { readonly bytes: number } {
  const written = { bytes: 0 };
  disk.fault = ({ kind, path, sizeBytes = 0 }) => {
    if (kind === 'write' && path.includes('-future/') && path.endsWith('.log')) written.bytes += sizeBytes;
    return undefined;
  };
  return written;
}

describe('a move that is taken up again after a start', () => {
  it('goes on from where it was, and says so', async () => {
    const { disk, to, copied } = await leftOff(1000);
    const written = copyWrites(disk);
    const news: LogMoveNews[] = [];
    const { manager } = await benchOn(disk, { onMove: (told) => news.push(told) });
    await moved(manager);
    const log = manager.get('t', 0)!;
    expect(news.map(({ event }) => event)).toEqual(['resumed', 'done']);
    expect(news[0]!.copiedBytes).toBeGreaterThanOrEqual(copied);
    expect(news[1]!.copiedBytes).toBe(log.sizeBytes);
    expect(written.bytes).toBe(log.sizeBytes - news[0]!.copiedBytes);
    expect(log.folder).toBe(`${to}/t-0`);
    expect(await values(log)).toEqual(upTo(30));
  });

  it('compares what is there with the log no faster than it may copy', async () => {
    const { disk, to, copied } = await leftOff(1000);
    const { manager, clock } = await benchOn(disk, { moveBytesPerSecondMax: 100 });
    const isThere = (): number => manager.moves[0]?.sizeBytes ?? Number.POSITIVE_INFINITY;
    // A segment has at most 400 bytes, and is compared in one go.
    for (let seconds = 1; seconds < copied / 100 - 4; seconds += 1) {
      await clock.advanceAsync(1000);
      expect(isThere()).toBeLessThanOrEqual(400 + 100 * seconds);
    }
    const log = manager.get('t', 0)!;
    await clock.advanceAsync(10 * log.sizeBytes + 10_000);
    await moved(manager);
    expect(log.folder).toBe(`${to}/t-0`);
  });

  it.each([
    ['ends in something else', async (disk: MemoryDisk, path: string) => spoil(disk, path, -10)],
    ['begins with something else', async (disk: MemoryDisk, path: string) => spoil(disk, path, 0)],
    ['is longer than the log', async (disk: MemoryDisk, path: string) => spoil(disk, path, 'longer')],
    ['is gone', async (disk: MemoryDisk, path: string) => disk.remove(path)],
  ])('copies again what is not the same: a segment that %s', async (_, change) => {
    const { disk, to, future } = await leftOff(1000);
    const segments = (await disk.list(future)).filter((name) => name.endsWith('.log'));
    expect(segments.length).toBeGreaterThan(2);
    await change(disk, `${future}/${segments[1]}`);
    await disk.replaceFile(`${future}/00000000000000009999.log`, Buffer.from('of no segment'));
    const { manager } = await benchOn(disk);
    await moved(manager);
    expect(manager.get('t', 0)!.folder).toBe(`${to}/t-0`);
    await manager.close();
    const again = await benchOn(disk);
    const log = again.manager.get('t', 0)!;
    expect(await values(log)).toEqual(upTo(30));
    expect(await disk.list(log.folder)).not.toContain('00000000000000009999.log');
  });

  it('keeps nothing of records that were cut since', async () => {
    const { disk } = await leftOff(1500);
    const slow = await benchOn(disk, { moveBytesPerSecondMax: 1 });
    const log = slow.manager.get('t', 0)!;
    await log.truncateTo(10);
    for (let n = 0; n < 20; n += 1) await log.append(batchOf([`other ${n}`]), AS_CLIENT);
    await slow.manager.close();
    const { manager } = await benchOn(disk);
    await moved(manager);
    const found = manager.get('t', 0)!;
    expect(found.folder).not.toBe(log.folder);
    expect(await values(found)).toEqual([...upTo(10), ...Array.from({ length: 20 }, (_, n) => `other ${n}`)]);
  });

  it('goes on with one of two copies', async () => {
    const { disk, to, future } = await leftOff(1000);
    await disk.makeFolder(`${future.slice(0, -'ffffffff-future'.length)}00000000-future`);
    const { manager } = await benchOn(disk);
    await moved(manager);
    expect(manager.get('t', 0)!.folder).toBe(`${to}/t-0`);
    expect((await disk.list(to)).filter((name) => name.startsWith('t-'))).toEqual(['t-0']);
  });
});

async function spoil(disk: MemoryDisk, path: string, how: number | 'longer'): Promise<void> {
  const content = await disk.readFile(path);
  if (how === 'longer') return disk.replaceFile(path, Buffer.concat([content, Buffer.from('more')]));
  const at = how < 0 ? content.length + how : how;
  content.writeUInt8(content.readUInt8(at) ^ 1, at);
  return disk.replaceFile(path, content);
}

/** A call that never returns: nothing comes after it before the crash. */
function hang(reached: () => void): Promise<undefined> {
  reached();
  return new Promise(() => {});
}

/** Moves a log, crashes at a call of the disk, and gives what the next start finds. */
async function crashAt(atCall: number, keeps: Random | 'all' | 'none'): Promise<{ isOver: boolean; dir: string }> {
  const { disk, manager } = await benchOn();
  const log = await filled(manager, 12);
  await log.checkpoint();
  let calls = 0;
  let isOver = true;
  const reached = new Promise<void>((resolve) => {
    disk.fault = () => {
      if (calls++ < atCall) return undefined;
      isOver = false;
      return hang(resolve);
    };
  });
  const moving = manager.move('t', 0, elsewhere(log)).then(() => moved(manager));
  await Promise.race([reached, moving]);
  const again = await benchOn(disk.crash(keeps));
  await moved(again.manager);
  const found = again.manager.get('t', 0)!;
  expect(await values(found)).toEqual(upTo(12));
  expect((await found.append(batchOf(['value 12']), AS_CLIENT)).errorCode).toBe(0);
  expect(await values(found)).toEqual(upTo(13));
  for (const dir of DIRS) {
    const names = await again.disk.list(dir);
    expect(names.filter((name) => name.endsWith('-future'))).toEqual([]);
    expect(names.filter((name) => name === 't-0')).toHaveLength(dir === dirOf(found) ? 1 : 0);
  }
  return { isOver, dir: dirOf(found) };
}

describe('a move on a disk that crashes', () => {
  it('leaves one whole log, wherever the crash comes', async () => {
    for (const keeps of ['all', 'none', 1] as const) {
      const dirs = new Set<string>();
      for (let atCall = 0, isOver = false; !isOver; atCall += 1) {
        const random = typeof keeps === 'number' ? seededRandom(keeps * 1000 + atCall) : keeps;
        const crashed = await crashAt(atCall, random);
        ({ isOver } = crashed);
        dirs.add(crashed.dir);
      }
      // A move that had begun is taken up again, so the log ends up there in nearly every case.
      expect(dirs.size).toBeGreaterThan(0);
    }
  });

  it('loses no record that was acknowledged while it moved', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(150), fc.integer({ min: 1, max: 40 }), fc.integer(), async (atCall, appends, seed) => {
        const { disk, manager } = await benchOn();
        const log = await filled(manager, 10);
        let acknowledged = 10;
        let calls = 0;
        const reached = new Promise<void>((resolve) => {
          disk.fault = () => (calls++ >= atCall ? hang(resolve) : undefined);
        });
        const work = async (): Promise<void> => {
          await manager.move('t', 0, elsewhere(log));
          for (let n = 10; n < 10 + appends; n += 1) {
            const { errorCode } = await log.append(batchOf([`value ${n}`]), AS_CLIENT);
            expect(errorCode).toBe(0);
            acknowledged = n + 1;
          }
          await moved(manager);
        };
        await Promise.race([reached, work()]);
        // The move that is taken up again crashes, too.
        const middle = await benchOn(disk.crash(seededRandom(seed)));
        calls = atCall / 2;
        const struck = new Promise<void>((resolve) => {
          middle.disk.fault = () => (calls++ >= atCall ? hang(resolve) : undefined);
        });
        await Promise.race([struck, moved(middle.manager)]);
        const again = await benchOn(middle.disk.crash(seededRandom(seed + 1)));
        const found = again.manager.get('t', 0)!;
        expect((await values(found)).slice(0, acknowledged)).toEqual(upTo(acknowledged));
      }),
      { numRuns: 60 },
    );
  });
});
