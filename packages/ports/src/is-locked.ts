import type { Disk } from './disk.ts';

/**
 * Whether somebody holds a lock file. The looking leaves none behind: one that is not there is not made, as {@link Disk.lock} would. Where
 * nothing can be written nobody does: backups are mounted so.
 */
export async function isLocked(disk: Pick<Disk, 'stat' | 'lock'>, path: string): Promise<boolean> {
  if ((await disk.stat(path)) === undefined) return false;
  try {
    const lock = await disk.lock(path);
    await lock?.release();
    return lock === undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return false;
    throw error;
  }
}
