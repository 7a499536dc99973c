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
