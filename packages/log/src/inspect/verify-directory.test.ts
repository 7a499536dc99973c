import { MemoryDisk, systemError } from '@millrace/ports';
import { expect, it } from 'vitest';
import { verifyLogDirectory } from './verify-directory.ts';

async function diskWithLock(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeFolder('/data/t-0');
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
