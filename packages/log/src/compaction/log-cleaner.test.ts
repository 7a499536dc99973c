import { ManualClock, MemoryDisk, seededRandom, systemError } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { defaultLogConfig, type LogConfig } from '../log-config.ts';
import { LogManager } from '../log-manager.ts';
import type { LogManagerOptions } from '../log-manager-options.ts';
import type { PartitionLog } from '../partition-log.ts';
import { append, brief, COMPACTED, START_MS, seal, seeAll } from '../testing/test-compaction.ts';
import { cleanSlice } from './slice.ts';

interface Bench {
  readonly disk: MemoryDisk;
  readonly clock: ManualClock;
  readonly logs: LogManager;
  readonly told: string[];
}

async function bench(
  options: Partial<LogManagerOptions> = {},
  config: Partial<LogConfig> = {},
  disk = new MemoryDisk(),
): Promise<Bench> {
  const clock = new ManualClock(START_MS);
  const told: string[] = [];
  const logs = new LogManager({
    disk,
    clock,
    random: seededRandom(1),
    logDirs: ['/data'],
    brokerId: 1,
    clusterId: 'cluster',
    configOf: (topic) => ({
      ...defaultLogConfig,
      ...COMPACTED,
      cleanupPolicy: topic === 'plain' ? ['delete'] : ['compact'],
      ...config,
    }),
    onCleaned: ({ topic }, { recordsKept }) => told.push(`cleaned ${topic} ${recordsKept}`),
    onUncleanable: ({ topic }) => told.push(`uncleanable ${topic}`),
    onBackgroundError: (what) => told.push(what),
    ...options,
  });
  await logs.open();
  return { disk, clock, logs, told };
}

async function filled(logs: LogManager, topic: string, keys: number): Promise<PartitionLog> {
  const log = await logs.getOrCreate(topic, 0, { isNew: true });
  log.onAppended((end) => log.advanceHighWatermark(end));
  for (let i = 0; i < 20; i += 1) await append(log, { key: `k${i % keys}`, value: `${i}` });
  await seal(log);
  return log;
}

/** A cleaning gives way to other work after each slice, so one turn of time does not carry it to its end. */
async function idle(clock: ManualClock, logs: LogManager, ms: number): Promise<void> {
  await clock.advanceAsync(ms);
  for (let turn = 0; turn < 200; turn += 1) await clock.advanceAsync(0);
  expect(logs.cleaner.current).toBeUndefined();
}

describe('the cleaner', () => {
  it('compacts what is dirty enough, the dirtiest first, every log.cleaner.backoff.ms, and nothing else', async () => {
    const { clock, logs, told } = await bench({ cleanerBackoffMs: 1000 });
    const few = await filled(logs, 'few', 2);
    await filled(logs, 'many', 10);
    await filled(logs, 'plain', 2);
    await clock.advanceAsync(999);
    expect(told).toEqual([]);
    await idle(clock, logs, 1);
    expect(told.sort()).toEqual(['cleaned few 2', 'cleaned many 10']);
    expect(brief(await seeAll(few))).toEqual(['18 k0=18', '19 k1=19', '20 active=a']);
    expect(logs.cleaner).toMatchObject({ logsCleaned: 2, recordsRead: 40, recordsKept: 12, dirtyRatioMax: 0 });
    // A little that is new is not dirt enough.
    await append(few, { key: 'k0', value: 'x' });
    few.roll();
    await append(few, { key: 'k0', value: 'y' });
    await idle(clock, logs, 1000);
    expect(told).toHaveLength(2);
    expect(logs.cleaner.dirtyRatioMax).toBeLessThan(0.5);
    await logs.close();
  });

  it('remembers over a restart how far it was', async () => {
    const { disk, clock, logs } = await bench();
    await filled(logs, 'orders', 2);
    await logs.compact();
    expect((await disk.readFile('/data/cleaner-offset-checkpoint')).toString()).toBe('0\n1\norders 0 20\n');
    await logs.close();
    const next = await bench({}, {}, disk.crash('none'));
    expect(next.logs.get('orders', 0)?.cleanedOffset).toBe(20);
    expect(await next.logs.compact()).toBe(0);
    await next.logs.close();
    expect(clock.now()).toBe(START_MS);
  });

  it('leaves a damaged log alone, says so once, and goes on with the others', async () => {
    const { disk, logs, told } = await bench();
    await filled(logs, 'bad', 2);
    await filled(logs, 'good', 2);
    disk.flipBit('/data/bad-0/00000000000000000000.log', 70, 0);
    await logs.compact();
    await logs.compact();
    expect(told.sort()).toEqual(['cleaned good 2', 'uncleanable bad']);
    expect(logs.cleaner.uncleanableLogs.map(({ topic }) => topic)).toEqual(['bad']);
    await logs.close();
  });

  it('tries again later when the disk is full, and gives up the directory when it fails', async () => {
    const { disk, logs, told } = await bench();
    const log = await filled(logs, 'orders', 20);
    await append(log, { key: 'k0', value: 'new' });
    await seal(log);
    disk.capacityBytes = disk.usedBytes + 50;
    expect(await logs.compact()).toBe(0);
    expect(told).toEqual(['Compacting orders-0']);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    disk.fault = ({ kind, path }) =>
      kind === 'write' && path.endsWith('.cleaned') ? systemError('EIO', 'input/output error') : undefined;
    await logs.compact();
    expect(log.state).toBe('failed');
    expect(logs.describe()[0]?.failure).toBeDefined();
    await logs.close();
  });

  it('tries again later when the thread that was to do a slice has ended, and leaves the log online', async () => {
    let isBroken = true;
    const { logs, told } = await bench({
      cleanSlice: (slice) => (isBroken ? Promise.reject(new Error('the thread ended')) : cleanSlice(slice)),
    });
    const log = await filled(logs, 'orders', 2);
    await logs.compact();
    expect([log.state, ...told]).toEqual(['online', 'Compacting orders-0']);
    isBroken = false;
    await logs.compact();
    expect(told.at(-1)).toBe('cleaned orders 2');
    await logs.close();
  });

  it('stops at once when the logs are closed, also when it waits for its throttle', async () => {
    const { disk, clock, logs } = await bench({ cleanerBackoffMs: 1000, cleanerIoBytesPerSecondMax: 10 });
    await filled(logs, 'orders', 2);
    await clock.advanceAsync(1000);
    for (let turn = 0; turn < 50; turn += 1) await clock.advanceAsync(0);
    expect(logs.cleaner.current).toMatchObject({ topic: 'orders', partition: 0, phase: 'indexing', dirtyRatio: 1 });
    await logs.close();
    expect((await disk.list('/data/orders-0')).filter((name) => /cleaned|swap/.test(name))).toEqual([]);
  });

  it('takes up how often it looks and how fast it may be while it runs', async () => {
    const { clock, logs, told } = await bench({ cleanerBackoffMs: 1000 });
    await filled(logs, 'first', 2);
    await idle(clock, logs, 1000);
    expect(told).toEqual(['cleaned first 2']);
    logs.reconfigure({ cleanerBackoffMs: 10, cleanerIoBytesPerSecondMax: 10 });
    await filled(logs, 'second', 2);
    // The look that was due keeps its hour; the next ones come by the new settings.
    await clock.advanceAsync(1000);
    for (let turn = 0; turn < 50; turn += 1) await clock.advanceAsync(0);
    expect(logs.cleaner.current).toMatchObject({ topic: 'second' });
    logs.reconfigure({ cleanerIoBytesPerSecondMax: Number.POSITIVE_INFINITY });
    await idle(clock, logs, 100_000);
    await filled(logs, 'third', 2);
    await idle(clock, logs, 10);
    expect(told).toEqual(['cleaned first 2', 'cleaned second 2', 'cleaned third 2']);
    await logs.close();
  });

  it('does nothing where it is switched off', async () => {
    const { clock, logs, told } = await bench({ cleanerEnabled: false });
    await filled(logs, 'orders', 2);
    await clock.advanceAsync(60_000);
    expect(told).toEqual([]);
    await logs.close();
  });

  it.each([
    ['in another folder', 1, 4000],
    ['in its first folder again', 2, 4000],
    ['in another folder, with part of it done', 1, 400],
    ['in its first folder again, with part of it done', 2, 400],
  ])('leaves a log as it is that was moved while it was cleaned, and is %s', async (_, moves, segmentBytes) => {
    const dirs = ['/data', '/other'];
    let rewritten = 0;
    const { clock, logs } = await bench(
      {
        logDirs: dirs,
        cleanerBackoffMs: 1000,
        cleanSlice: async (slice) => {
          if (slice.work.phase === 'rewriting') rewritten += 1;
          // The first slice has opened the new segment's file.
          if (slice.work.phase === 'rewriting' && rewritten === 2) await moveOften();
          return cleanSlice(slice);
        },
      },
      { fileDeleteDelayMs: 0, segmentBytes },
    );
    const log = await logs.getOrCreate('moved', 0, { isNew: true });
    log.onAppended((end) => log.advanceHighWatermark(end));
    for (let i = 0; i < 20; i += 1) {
      // Several segments, which are written anew one after the other as one.
      if (i % 5 === 4) log.roll();
      await append(log, { key: `k${i % 3}`, value: `${i}` });
    }
    await seal(log);
    const moveOften = async (): Promise<void> => {
      for (let n = 0; n < moves; n += 1) {
        const to = dirs.find((dir) => !log.folder.startsWith(dir));
        expect(await logs.move('moved', 0, to!)).toBeUndefined();
        for (let turn = 0; turn < 1000 && logs.moves.length > 0; turn += 1) await clock.advanceAsync(0);
        expect(log.folder.startsWith(to!)).toBe(true);
      }
    };
    await idle(clock, logs, 1000);
    expect(rewritten).toBeGreaterThan(1);
    expect(log.state).toBe('online');
    // With small segments, the first of two groups was done.
    expect(await seeAll(log)).toHaveLength(segmentBytes === 400 ? 21 - 4 : 21);
    // The next time it is cleaned where it is.
    await idle(clock, logs, 1000);
    expect(brief(await seeAll(log))).toEqual(['17 k2=17', '18 k0=18', '19 k1=19', '20 active=a']);
  });
});
