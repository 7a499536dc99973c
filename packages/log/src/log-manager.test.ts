import { ManualClock, MemoryDisk, seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { defaultLogConfig } from './log-config.ts';
import { LogManager, type LogManagerOptions } from './log-manager.ts';
import { AS_CLIENT, batchOf, followDurable, readAll } from './test-support.ts';

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

  it('deletes a partition at once and its files later', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const manager = managerOn(disk, { clock });
    await manager.open();
    const log = await manager.getOrCreate('gone', 0);
    await log.append(batchOf(['a']), AS_CLIENT);
    await manager.delete('gone', 0);
    expect(manager.get('gone', 0)).toBeUndefined();
    const names = async (): Promise<string[]> => (await disk.list('/data')).filter((name) => name.startsWith('gone'));
    expect(await names()).toEqual([expect.stringMatching(/^gone-0\.[0-9a-f]{32}-delete$/)]);
    await clock.advanceAsync(60_000);
    expect(await names()).toEqual([]);
  });
});
