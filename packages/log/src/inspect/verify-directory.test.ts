import { MemoryDisk, systemError } from '@millrace/ports';
import { expect, it } from 'vitest';
import { verifyLogDirectory } from './verify-directory.ts';

async function diskWithLock(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeFolder('/data/t-0');
  await disk.replaceFile('/data/t-0/leader-epoch-checkpoint', Buffer.from('0\n0\n'));
  await (await disk.open('/data/.lock', { create: true })).close();
  return disk;
}

it('needs no lock where nothing can be written, as in a backup that is mounted read-only', async () => {
  const disk = await diskWithLock();
  disk.fault = ({ kind }) => (kind === 'lock' ? systemError('EROFS', 'read-only file system') : undefined);
  expect(await verifyLogDirectory(disk, '/data')).toMatchObject({ partitions: 1, damages: 0 });
});

it('says which directory cannot be read where the disk does not', async () => {
  const disk = await diskWithLock();
  disk.fault = ({ kind }) => (kind === 'list' ? systemError('EIO', 'input/output error') : undefined);
  await expect(verifyLogDirectory(disk, '/data')).rejects.toThrow(
    'Reading /data failed: EIO: input/output error. Check',
  );
});

it('takes no folder of somebody else’s for a partition, and one that the broker knew for one though it is empty', async () => {
  const disk = await diskWithLock();
  await disk.makeFolder('/data/notes-2024');
  await disk.replaceFile('/data/notes-2024/shopping.txt', Buffer.from('bread'));
  expect(await verifyLogDirectory(disk, '/data')).toMatchObject({ partitions: 1, damages: 0 });
  await disk.replaceFile('/data/recovery-point-offset-checkpoint', Buffer.from('0\n1\nnotes 2024 0\n'));
  expect(await verifyLogDirectory(disk, '/data')).toMatchObject({ partitions: 2, damages: 0 });
  await disk.replaceFile('/data/recovery-point-offset-checkpoint', Buffer.from('no checkpoint'));
  expect(await verifyLogDirectory(disk, '/data')).toMatchObject({ partitions: 1, damages: 1 });
});

it('passes over files that have the name of a partition', async () => {
  const disk = await diskWithLock();
  await disk.replaceFile('/data/w-2', Buffer.from('words'));
  expect(await verifyLogDirectory(disk, '/data')).toMatchObject({ partitions: 1, damages: 0 });
});

it('misses what the broker had synced: records, and after a stop in order whole folders', async () => {
  const disk = await diskWithLock();
  await disk.replaceFile('/data/recovery-point-offset-checkpoint', Buffer.from('0\n3\nt 0 7\ngone 1 5\nempty 0 0\n'));
  const told = async (): Promise<string[]> => {
    const problems: string[] = [];
    await verifyLogDirectory(disk, '/data', { onProblem: ({ problem }) => problems.push(problem) });
    return problems;
  };
  const short = 'the log ends at offset 0, and the broker had synced it up to 7';
  expect(await told()).toEqual([short]);
  await disk.replaceFile('/data/.kafka_cleanshutdown', Buffer.from('{"version":0,"brokerEpoch":1}'));
  expect(await told()).toEqual([
    short,
    'the broker had gone-1 here, synced up to offset 5, and there is no such folder',
  ]);
});
