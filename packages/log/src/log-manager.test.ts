import { ManualClock, MemoryDisk, seededRandom, systemError } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { checkLogFolder } from './inspect/identify-folder.ts';
import { defaultLogConfig } from './log-config.ts';
import { LogManager } from './log-manager.ts';
import type { LogManagerOptions } from './log-manager-options.ts';
import { AS_CLIENT, batchOf, followDurable, readAll } from './testing/test-logs.ts';

function managerOn(disk: MemoryDisk, options: Partial<LogManagerOptions> = {}): LogManager {
  return new LogManager({
    disk,
    clock: new ManualClock(),
    random: seededRandom(1),
    logDirs: ['/data'],
    brokerId: 1,
    clusterId: 'cluster-a',
    configOf: () => defaultLogConfig,
    ...options,
  });
}

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

describe('LogManager', () => {
  it('opens what it created, with topic ids and high watermarks, after closing in order', async () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    await manager.open();
    const log = followDurable(await manager.getOrCreate('orders', 3, { topicId: TOPIC_ID, isNew: true }));
    await log.append(batchOf(['a', 'b']), AS_CLIENT);
    await manager.close(7);
    const next = disk.crash('none');
    const again = managerOn(next);
    await again.open();
    expect(again.previousBrokerEpoch).toBe(7);
    const found = again.get('orders', 3)!;
    expect(found).toMatchObject({ topicId: TOPIC_ID, highWatermark: 2, logEndOffset: 2 });
    expect(found.recovery.scannedBytes).toBe(0);
    expect(await readAll(found)).toHaveLength(2);
  });

  it('knows the topic id for good once records are kept, though a sync of it had failed and the machine went on', async () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    await manager.open();
    const log = followDurable(await manager.getOrCreate('orders', 3, { topicId: TOPIC_ID, isNew: true }));
    disk.fault = ({ kind, path }) =>
      kind === 'sync' && path.endsWith('partition.metadata') ? systemError('EIO', 'input/output error') : undefined;
    expect((await log.append(batchOf(['a']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    const restarted = disk.crash('all');
    const second = managerOn(restarted);
    await second.open();
    expect((await second.get('orders', 3)!.append(batchOf(['a']), AS_CLIENT)).errorCode).toBe(0);
    const third = managerOn(restarted.crash('none'));
    await third.open();
    expect(third.get('orders', 3)).toMatchObject({ topicId: TOPIC_ID, logEndOffset: 1 });
  });

  it('keeps a second process out of its directories', async () => {
    const disk = new MemoryDisk();
    await managerOn(disk).open();
    await expect(managerOn(disk).open()).rejects.toMatchObject({ code: 'LOG_FOLDER_LOCKED' });
  });

  it("refuses a directory of another broker's or another cluster's", async () => {
    const disk = new MemoryDisk();
    const first = managerOn(disk);
    await first.open();
    await first.close();
    await expect(managerOn(disk, { brokerId: 2 }).open()).rejects.toMatchObject({ code: 'LOG_FOLDER_FOREIGN' });
    await expect(managerOn(disk, { clusterId: 'b' }).open()).rejects.toMatchObject({ code: 'LOG_FOLDER_FOREIGN' });
  });

  it.each([
    ['', 'it is empty'],
    [' \n', 'it is empty'],
    ['\u0001\u0000\ufffd', 'it is something else'],
    ['hello world', 'it is something else'],
    ['cluster.id=a', 'it has no version'],
    ['version=7', 'version "7" is not known, only 0 and 1 are'],
    ['version=0\nbroker.id=one', 'broker.id "one" is no number'],
    ['version=1\nnode.id=', 'node.id "" is no number'],
  ])('refuses a directory whose meta.properties is %j, and says what it is', async (content, why) => {
    const disk = new MemoryDisk();
    await disk.makeFolder('/data');
    await disk.replaceFile('/data/meta.properties', Buffer.from(content));
    const refusal = { code: 'LOG_CHECKPOINT_MALFORMED', message: expect.stringContaining(`: ${why}`) };
    await expect(managerOn(disk).open()).rejects.toMatchObject(refusal);
    await expect(checkLogFolder(disk, '/data', {})).rejects.toMatchObject(refusal);
  });

  it('tells whose a directory is before anything is made in it, as far as it is known who asks', async () => {
    const disk = new MemoryDisk();
    await checkLogFolder(disk, '/data', { brokerId: 2 });
    const first = managerOn(disk);
    await first.open();
    await first.close();
    await checkLogFolder(disk, '/data', {});
    await expect(checkLogFolder(disk, '/data', { brokerId: 2 })).rejects.toMatchObject({ code: 'LOG_FOLDER_FOREIGN' });
    await expect(checkLogFolder(disk, '/data', { clusterId: 'b' })).rejects.toMatchObject({
      code: 'LOG_FOLDER_FOREIGN',
    });
  });

  it('deletes a partition at once and its files later', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const manager = managerOn(disk, { clock });
    await manager.open();
    const log = await manager.getOrCreate('gone', 0);
    await log.append(batchOf(['a']), AS_CLIENT);
    const [, again] = await Promise.all([manager.delete('gone', 0), manager.getOrCreate('gone', 0)]);
    expect(again).not.toBe(log);
    expect(again.logEndOffset).toBe(0);
    await manager.delete('gone', 0);
    expect(manager.get('gone', 0)).toBeUndefined();
    const names = async (): Promise<string[]> => (await disk.list('/data')).filter((name) => name.startsWith('gone'));
    const deleted = expect.stringMatching(/^gone-0\.[0-9a-f]{32}-delete$/);
    expect(await names()).toEqual([deleted, deleted]);
    await clock.advanceAsync(60_000);
    expect(await names()).toEqual([]);
  });

  it('sets a partition aside with all its files, and leaves it alone from then on', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const manager = managerOn(disk, { clock });
    await manager.open();
    await (await manager.getOrCreate('t', 0)).append(batchOf(['a']), AS_CLIENT);
    await manager.setAside('t', 0);
    expect((await manager.getOrCreate('t', 0)).logEndOffset).toBe(0);
    await clock.advanceAsync(600_000);
    await manager.close();
    const next = disk.crash('all');
    const again = managerOn(next);
    await again.open();
    expect(again.logCount).toBe(1);
    const stray = (await next.list('/data')).find((name) => /^t-0\.[0-9a-f]{32}-stray$/.test(name));
    expect(await next.list(`/data/${stray}`)).toContain('00000000000000000000.log');
  });

  it('has one folder of a partition at most, and none of a deleted one, whichever call on the disk was refused meanwhile', async () => {
    for (const kind of ['open', 'write', 'rename', 'syncFolder'] as const) {
      const disk = new MemoryDisk();
      const manager = managerOn(disk, { logDirs: ['/a', '/b'] });
      await manager.open();
      const folders = async (): Promise<string[]> =>
        (await Promise.all(['/a', '/b'].map((dir) => disk.list(dir)))).flat().filter((name) => name === 't-0');
      const refuse = (): void => {
        disk.fault = (call) =>
          call.kind === kind && /^\/[ab](\/t-0|$)/.test(call.path) ? systemError('ENOSPC', 'no space left') : undefined;
      };
      const tried = async (call: Promise<unknown>): Promise<void> => {
        refuse();
        await call.catch((error: unknown) => expect(error).toMatchObject({ code: 'LOG_DISK_FAILED' }));
        disk.fault = undefined;
      };
      refuse();
      await tried(manager.getOrCreate('t', 0, { isNew: true, topicId: TOPIC_ID }));
      // The directory that was to have it is not the one with the fewest now.
      await manager.getOrCreate('other', 0, { isNew: true });
      const log = await manager.getOrCreate('t', 0, { isNew: true, topicId: TOPIC_ID });
      expect(await folders()).toHaveLength(1);
      await log.append(batchOf(['a']), AS_CLIENT);
      refuse();
      await tried(manager.delete('t', 0));
      const anew = await manager.getOrCreate('t', 0, { isNew: true });
      expect([anew.logEndOffset, await folders()]).toEqual([0, ['t-0']]);
      refuse();
      await tried(manager.delete('t', 0));
      await manager.delete('t', 0);
      expect([kind, await folders()]).toEqual([kind, []]);
      await manager.close();
    }
  });

  it('cannot say that a partition is deleted that lies, or may lie, in a directory that is offline', async () => {
    const manager = managerOn(new MemoryDisk(), { logDirs: ['/a', '/b'] });
    await manager.open();
    const log = await manager.getOrCreate('t', 0, { isNew: true });
    log.fail(systemError('EIO', 'input/output error'));
    for (const topic of ['t', 'unheard-of']) {
      await expect(manager.delete(topic, 0)).rejects.toMatchObject({ code: 'LOG_DISK_FAILED' });
    }
    expect(manager.get('t', 0)).toBe(log);
  });

  it('opens neither of two folders of a partition, says which they are, and serves the others', async () => {
    const disk = new MemoryDisk();
    const logDirs = ['/a', '/b'];
    const manager = managerOn(disk, { logDirs });
    await manager.open();
    for (const topic of ['t', 'u']) await (await manager.getOrCreate(topic, 0)).append(batchOf(['a']), AS_CLIENT);
    const elsewhere = manager.get('t', 0)!.folder === '/a/t-0' ? '/b/t-0' : '/a/t-0';
    await manager.close();
    const next = disk.crash('all');
    await next.makeFolder(elsewhere);
    await (await next.open(`${elsewhere}/${'0'.repeat(20)}.log`, { create: true })).close();
    const told: string[] = [];
    const again = managerOn(next, { logDirs, onUnloadable: (_topic, _partition, { message }) => told.push(message) });
    await again.open();
    expect(again.get('t', 0)).toBeUndefined();
    expect(again.get('u', 0)?.logEndOffset).toBe(1);
    expect(told.toSorted()).toEqual([
      expect.stringContaining('The log in /a/t-0 could not be opened: the partition has another folder, /b/t-0'),
      expect.stringContaining('The log in /b/t-0 could not be opened: the partition has another folder, /a/t-0'),
    ]);
    await expect(again.getOrCreate('t', 0)).rejects.toMatchObject({ code: 'LOG_UNLOADABLE' });
  });

  it('takes no folder for a partition that only has a name like one, and an empty one that a checkpoint names', async () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    await manager.open();
    await (await manager.getOrCreate('t', 0)).append(batchOf(['a']), AS_CLIENT);
    await (await manager.getOrCreate('emptied', 0)).append(batchOf(['a']), AS_CLIENT);
    await manager.close();
    const next = disk.crash('all');
    for (const { path } of next.filesBelow('/data/emptied-0')) await next.remove(path);
    await next.makeFolder('/data/notes-2024');
    await next.makeFolder('/data/mail-7/inbox');
    const again = managerOn(next);
    await again.open();
    const found = ['t-0', 'emptied-0'];
    expect([...again.logs].map(({ topic, partition }) => `${topic}-${partition}`).toSorted()).toEqual(found.toSorted());
    await again.close();
    expect(next.filesBelow('/data/notes-2024')).toEqual([]);
  });

  it('makes no second folder of a partition that lies in a directory which failed before it was opened', async () => {
    const disk = new MemoryDisk();
    const logDirs = ['/a', '/b'];
    const manager = managerOn(disk, { logDirs });
    await manager.open();
    for (const partition of [0, 1, 2, 3]) {
      await (await manager.getOrCreate('t', partition, { isNew: true })).append(batchOf(['a']), AS_CLIENT);
    }
    const onA = [0, 1, 2, 3].filter((partition) => manager.get('t', partition)?.folder.startsWith('/a'));
    await manager.close();
    const next = disk.crash('all');
    next.fault = ({ path }) => (/^\/a\/t-.*\.log$/.test(path) ? systemError('EIO', 'input/output error') : undefined);
    const again = managerOn(next, { logDirs });
    await again.open();
    next.fault = undefined;
    expect(onA).toHaveLength(2);
    for (const partition of onA) {
      // Nor when the partition was taken away from this broker and given back, at which its replica is new.
      await expect(again.delete('t', partition)).rejects.toMatchObject({ code: 'LOG_DISK_FAILED' });
      const made = again.getOrCreate('t', partition, { isNew: true });
      await expect(made).rejects.toThrow(`t-${partition}, which may lie in /a`);
    }
    expect((await again.getOrCreate('new', 0, { isNew: true })).folder).toBe('/b/new-0');
    await again.close();
    const mended = managerOn(next.crash('all'), { logDirs });
    await mended.open();
    expect([0, 1, 2, 3].map((partition) => mended.get('t', partition)?.logEndOffset)).toEqual([1, 1, 1, 1]);
  });

  it('puts new partitions into the directory with the fewest', async () => {
    const manager = managerOn(new MemoryDisk(), { logDirs: ['/a', '/b', '/c'] });
    await manager.open();
    for (let partition = 0; partition < 6; partition += 1) await manager.getOrCreate('t', partition);
    expect(manager.describe().map(({ logs }) => logs.length)).toEqual([2, 2, 2]);
    const both = await Promise.all([manager.getOrCreate('t', 6), manager.getOrCreate('t', 6)]);
    expect(both[0]).toBe(both[1]);
    expect(manager.logCount).toBe(7);
  });

  it('goes on with the other directories when one fails', async () => {
    const disk = new MemoryDisk();
    const failures: [string, number][] = [];
    const manager = managerOn(disk, {
      logDirs: ['/a', '/b'],
      onDirectoryFailed: (folder, _error, logs) => failures.push([folder, logs.length]),
    });
    await manager.open();
    const logs = await Promise.all([0, 1, 2, 3].map((partition) => manager.getOrCreate('t', partition)));
    for (const log of logs) await log.append(batchOf(['x']), AS_CLIENT);
    disk.fault = ({ kind, path }) =>
      kind === 'sync' && path.startsWith('/a') ? systemError('EIO', 'input/output error') : undefined;
    const onA = logs.filter((log) => log.folder.startsWith('/a'));
    expect((await onA[0]!.append(batchOf(['y']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    disk.fault = undefined;
    expect(failures).toEqual([['/a', 2]]);
    expect((await onA[1]!.append(batchOf(['y']), AS_CLIENT)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    const onB = logs.find((log) => log.folder.startsWith('/b'))!;
    expect((await onB.append(batchOf(['y']), AS_CLIENT)).errorCode).toBe(0);
    await expect(manager.getOrCreate('old', 0)).rejects.toMatchObject({ code: 'LOG_DISK_FAILED' });
    expect((await manager.getOrCreate('new', 0, { isNew: true })).folder).toBe('/b/new-0');
    await manager.close();
    const next = disk.crash('none');
    expect(await next.list('/a')).not.toContain('.kafka_cleanshutdown');
    expect(await next.list('/b')).toContain('.kafka_cleanshutdown');
  });

  it('starts without a directory that cannot be used, but not without any', async () => {
    const disk = new MemoryDisk();
    disk.fault = ({ path }) => (path.startsWith('/a') ? systemError('EROFS', 'read-only file system') : undefined);
    const manager = managerOn(disk, { logDirs: ['/a', '/b'] });
    await manager.open();
    expect(manager.describe().map(({ failure }) => failure === undefined)).toEqual([false, true]);
    await expect(managerOn(disk, { logDirs: ['/a'] }).open()).rejects.toMatchObject({ code: 'LOG_DISK_FAILED' });
  });

  it('writes checkpoints and enforces retention as time goes by', async () => {
    const clock = new ManualClock();
    const disk = new MemoryDisk();
    const manager = managerOn(disk, {
      clock,
      configOf: () => ({ ...defaultLogConfig, retentionBytes: 0, segmentBytes: 200 }),
    });
    await manager.open();
    const log = followDurable(await manager.getOrCreate('t', 0));
    for (let i = 0; i < 5; i += 1) await log.append(batchOf(['x']), AS_CLIENT);
    const text = async (name: string): Promise<string> => (await disk.readFile(`/data/${name}`)).toString();
    await clock.advanceAsync(5_000);
    expect(await text('replication-offset-checkpoint')).toBe('0\n1\nt 0 5\n');
    await clock.advanceAsync(60_000);
    expect(await text('recovery-point-offset-checkpoint')).toBe('0\n1\nt 0 4\n');
    expect(log.segmentCount).toBe(3);
    await clock.advanceAsync(240_000);
    await clock.advanceAsync(0);
    expect(log.logStartOffset).toBe(5);
    expect(clock.pendingCount).toBeLessThan(8);
    log.deleteRecordsBefore(-1);
    await manager.checkpoint();
    expect(await text('log-start-offset-checkpoint')).toBe('0\n0\n');
    await manager.close();
    expect(clock.pendingCount).toBe(0);
  });

  it('recovers after an unclean stop and tells how far it has come', async () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    await manager.open();
    for (let partition = 0; partition < 20; partition += 1) {
      const log = await manager.getOrCreate('t', partition);
      await log.append(batchOf(['x', 'y']), AS_CLIENT);
    }
    const told: number[] = [];
    const again = managerOn(disk.crash('none'), {
      onProgress: ({ partitionsOpened, partitionsTotal }) => told.push(partitionsOpened / partitionsTotal),
    });
    await again.open();
    expect(told).toHaveLength(20);
    expect(told.at(-1)).toBe(1);
    expect([...again.logs].every((log) => log.logEndOffset === 2 && log.recovery.scannedBytes > 0)).toBe(true);
    expect(again.previousBrokerEpoch).toBe(-1);
  });

  it('refuses checkpoints that are no checkpoints, and says which', async () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    await manager.open();
    await manager.close();
    await disk.replaceFile('/data/replication-offset-checkpoint', Buffer.from('garbage'));
    await expect(managerOn(disk).open()).rejects.toThrow('/data/replication-offset-checkpoint');
  });
});
