import { expect, it } from 'vitest';
import { isLocked } from './is-locked.ts';
import { MemoryDisk } from './memory-disk.ts';
import { systemError } from './system-error.ts';

it('looks whether a lock is held, and leaves no lock file where there was none', async () => {
  const disk = new MemoryDisk();
  await disk.makeFolder('/d');
  expect([await isLocked(disk, '/d/.lock'), await isLocked(disk, '/none/.lock')]).toEqual([false, false]);
  expect([await disk.list('/d'), await disk.list('/')]).toEqual([[], ['d']]);
  const lock = await disk.lock('/d/.lock');
  expect(await isLocked(disk, '/d/.lock')).toBe(true);
  await lock?.release();
  expect(await isLocked(disk, '/d/.lock')).toBe(false);
});

it('takes it that nobody holds a lock where nothing can be written, and tells of any other fault', async () => {
  const disk = new MemoryDisk();
  await disk.makeFolder('/d');
  await (await disk.lock('/d/.lock'))?.release();
  let code = 'EROFS';
  disk.fault = ({ kind }) => (kind === 'lock' ? systemError(code, 'no') : undefined);
  expect(await isLocked(disk, '/d/.lock')).toBe(false);
  code = 'EACCES';
  await expect(isLocked(disk, '/d/.lock')).rejects.toMatchObject({ code });
});
