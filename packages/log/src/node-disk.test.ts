import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk, seededRandom, systemClock } from '@millrace/ports';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultLogConfig } from './log-config.ts';
import { LogManager } from './log-manager.ts';
import { AS_CLIENT, batchOf, followDurable, readAll } from './testing/test-logs.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-log-'));
afterAll(() => rmSync(root, { recursive: true }));

function managerOn(folder: string, options: Partial<ConstructorParameters<typeof LogManager>[0]> = {}): LogManager {
  return new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random: seededRandom(1),
    logDirs: [folder],
    brokerId: 1,
    clusterId: 'cluster-a',
    configOf: () => ({ ...defaultLogConfig, segmentBytes: 4000, indexIntervalBytes: 500, retentionMs: -1 }),
    ...options,
  });
}

describe('logs on real files', () => {
  it('are written, read, closed and opened again', async () => {
    const folder = join(root, 'all');
    // So few files and so little cache that both are given up and taken again all the time.
    const bounds = { openFilesMax: 4, tailCacheBytesMax: 3000, indexCacheBytesMax: 100 };
    const manager = managerOn(folder, bounds);
    await manager.open();
    const logs = await Promise.all([0, 1, 2].map((partition) => manager.getOrCreate('t', partition)));
    for (const log of logs) followDurable(log);
    const values = Array.from({ length: 300 }, (_, index) => `${index}-${'x'.repeat(index % 50)}`);
    await Promise.all(values.flatMap((value) => logs.map((log) => log.append(batchOf([value]), AS_CLIENT))));
    const check = async (log: (typeof logs)[number]): Promise<void> => {
      expect((await readAll(log, 3000)).map(({ value }) => value)).toEqual(values);
    };
    await Promise.all(logs.map(check));
    expect(manager.usage.openFiles).toBeLessThanOrEqual(4);
    expect(logs[0]!.segmentCount).toBeGreaterThan(5);
    logs[1]!.deleteRecordsBefore(100);
    await manager.enforceRetention();
    await manager.delete('t', 2);
    await manager.close(3);

    const again = managerOn(folder, bounds);
    await again.open();
    expect(again.previousBrokerEpoch).toBe(3);
    expect(again.logCount).toBe(2);
    await check(again.get('t', 0)!);
    expect(again.get('t', 1)!.logStartOffset).toBe(100);
    expect(await readAll(again.get('t', 1)!)).toHaveLength(200);
    await again.close();
  });

  it('pass over what has the name of a partition and is none: a file, links that lead nowhere or to themselves', async () => {
    const folder = join(root, 'strange');
    mkdirSync(folder);
    writeFileSync(join(folder, 'file-1'), 'notes');
    symlinkSync(join(folder, 'gone'), join(folder, 'dangling-2'));
    symlinkSync('circle-3', join(folder, 'circle-3'));
    const manager = managerOn(folder);
    await manager.open();
    expect([manager.logCount, manager.usage.openFiles]).toEqual([0, 0]);
    await manager.close();
    for (const name of ['file-1', 'dangling-2', 'circle-3']) expect(() => lstatSync(join(folder, name))).not.toThrow();
  });

  it('take up where a stop without goodbye left off', async () => {
    const folder = join(root, 'killed');
    const manager = managerOn(folder);
    await manager.open();
    const log = await manager.getOrCreate('t', 0);
    for (let i = 0; i < 100; i += 1) await log.append(batchOf([`${i}`]), AS_CLIENT);
    // A copy of the folder is what a kill would leave now; its lock file is another.
    cpSync(folder, `${folder}-copy`, { recursive: true });
    const again = managerOn(`${folder}-copy`);
    await again.open();
    expect(await readAll(followDurable(again.get('t', 0)!))).toHaveLength(100);
    await again.close();
    await manager.close();
  });

  it('cost a partition alone where a folder lies in the place of one of its files', async () => {
    const folder = join(root, 'folders');
    const manager = managerOn(folder);
    await manager.open();
    for (const partition of [0, 1]) {
      const log = followDurable(await manager.getOrCreate('t', partition));
      await log.append(batchOf(['x']), AS_CLIENT);
    }
    await manager.close();
    const names = readdirSync(join(folder, 't-0')).filter((name) => name.endsWith('.snapshot'));
    expect(names).not.toEqual([]);
    for (const name of [...names, `${'0'.repeat(20)}.log`, 'leader-epoch-checkpoint', 'partition.metadata', '']) {
      const copy = join(root, `folders-${name}`);
      const path = join(copy, 't-0', name);
      cpSync(folder, copy, { recursive: true });
      rmSync(path, { recursive: true, force: true });
      if (name === '') writeFileSync(path, 'no folder');
      else mkdirSync(path);
      const told: string[] = [];
      const again = managerOn(copy, {
        onUnloadable: (topic, at, { message }) => told.push(`${topic}-${at}: ${message}`),
      });
      await again.open();
      expect(await readAll(again.get('t', 1)!)).toHaveLength(1);
      await again.close();
      expect(told, name).toEqual([expect.stringContaining('t-0: The log in')]);
      expect(told[0]).toContain(join(copy, 't-0', name));
    }
  });

  it('are not opened where a folder lies in the place of a checkpoint, which is named', async () => {
    for (const name of ['.lock', 'meta.properties', '.kafka_cleanshutdown', 'recovery-point-offset-checkpoint']) {
      const folder = join(root, name);
      mkdirSync(join(folder, name), { recursive: true });
      const opened = managerOn(folder).open();
      await expect(opened, name).rejects.toMatchObject({ code: 'LOG_CHECKPOINT_MALFORMED' });
      await expect(opened).rejects.toThrow(join(folder, name));
    }
  });
});
