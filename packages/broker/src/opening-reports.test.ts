import { defaultLogConfig, LogManager } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { OpeningReports } from './opening-reports.ts';
import { silentLogger } from './shared/logger.ts';
import { batchOf } from './testing/test-broker.ts';

const FILE = '/data/t-0/00000000000000000000.log';
const AS_CLIENT = { leaderEpoch: 0, origin: 'client' } as const;

/** What is said of logs that are opened, and in what tone. */
interface Told {
  readonly errors: string[];
  readonly warnings: string[];
}

async function open(disk: MemoryDisk): Promise<{ logs: LogManager; told: Told }> {
  const told: Told = { errors: [], warnings: [] };
  const into = (lines: string[]) => (_: unknown, message?: string) => void lines.push(message ?? '');
  const clock = new ManualClock();
  const logger = { ...silentLogger, error: into(told.errors), warn: into(told.warnings) };
  const reports = new OpeningReports(clock, logger);
  const logs = new LogManager({
    disk,
    clock,
    random: seededRandom(1),
    logDirs: ['/data'],
    brokerId: 1,
    clusterId: 'c',
    configOf: () => defaultLogConfig,
    onCut: (topic, partition, recovery) => reports.cut(topic, partition, recovery),
    onProgress: (progress) => reports.opened(progress),
    onMissing: (missing) => reports.missing(missing),
  });
  await logs.open();
  return { logs, told };
}

/** A folder that was closed in order, with three batches of one record. */
async function closedFolder(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { logs } = await open(disk);
  const log = await logs.getOrCreate('t', 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true });
  for (const value of ['a', 'b', 'c']) await log.append(batchOf([value]), AS_CLIENT);
  await logs.close();
  return disk;
}

async function cutTo(disk: MemoryDisk, sizeBytes: number): Promise<void> {
  const file = await disk.open(FILE);
  await file.truncate(sizeBytes);
  await file.sync();
  await file.close();
}

describe('a log that was cut while its broker was down', () => {
  it.each([0, 1, 2])(
    'at the end of batch %i, where no damage shows it, is told of as what it is: lost',
    async (batches) => {
      const disk = await closedFolder();
      await cutTo(disk, (disk.peek(FILE).length / 3) * batches);
      const { logs, told } = await open(disk);
      expect(told.errors).toEqual([
        expect.stringContaining(`t-0 ends at offset ${batches}, and everything below offset 3 was on the disk`),
      ]);
      expect(logs.get('t', 0)?.durableEndOffset).toBe(batches);
      await logs.close();
      // Once: from then on the log is what it is.
      expect((await open(disk)).told).toEqual({ errors: [], warnings: [] });
    },
  );

  it('in the middle of a batch is told of as damage, with what was kept', async () => {
    const disk = await closedFolder();
    await cutTo(disk, disk.peek(FILE).length - 1);
    const { told } = await open(disk);
    expect(told).toEqual({ errors: [], warnings: [expect.stringContaining('read no further than to offset 2')] });
  });

  it('and whose folder is gone, is told of too', async () => {
    const disk = await closedFolder();
    await disk.removeFolder('/data/t-0');
    const { told } = await open(disk);
    expect(told.errors).toEqual([
      expect.stringContaining('The folder of t-0 is gone from /data, and everything below offset 3 was on the disk'),
    ]);
  });

  it('is not said of one that was deleted', async () => {
    const disk = await closedFolder();
    const { logs } = await open(disk);
    await logs.delete('t', 0);
    await logs.close();
    expect((await open(disk)).told).toEqual({ errors: [], warnings: [] });
  });

  it('is not said of one that is whole', async () => {
    expect((await open(await closedFolder())).told).toEqual({ errors: [], warnings: [] });
  });
});
