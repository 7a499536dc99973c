/** The system's cache of files, emptied so that what is read comes from the disk. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const EVERYTHING = '3';

/** Returns whether it could: only root may. What is not written yet is written first, since only that can be dropped. */
export function dropPageCache(): boolean {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', EVERYTHING);
    return true;
  } catch {
    return false;
  }
}
