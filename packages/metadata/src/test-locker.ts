import { mkdir } from 'node:fs/promises';
import { NodeDisk } from '@millrace/ports';
import type { FolderLocker } from './lmdb-store.ts';

/** Real folders with locks that are known in this process only; enough for tests, where one process plays all parts. */
export function testLocker(): FolderLocker {
  const held = new Set<string>();
  const disk = new NodeDisk();
  return {
    open: (path, options) => disk.open(path, options),
    makeFolder: async (folder) => void (await mkdir(folder, { recursive: true })),
    lock: async (path) => {
      if (held.has(path)) return undefined;
      held.add(path);
      return { release: async () => void held.delete(path) };
    },
  };
}
