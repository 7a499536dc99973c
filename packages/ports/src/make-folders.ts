import fs from 'node:fs';
import { dirname } from 'node:path';
import { call, callVoid } from './node-call.ts';

/**
 * Makes a folder and those above it; content with one that is there. Node's own way never ends where a file system says that the folder
 * above is missing though it is there, as /proc does.
 */
export async function makeFolders(folder: string, mode = 0o777): Promise<void> {
  try {
    await callVoid((done) => fs.mkdir(folder, { mode }, done));
  } catch (error) {
    if (await isFolder(folder)) return;
    const above = dirname(folder);
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isMissing || above === folder || (await isFolder(above))) throw error;
    await makeFolders(above, mode);
    await makeFolders(folder, mode);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await call<fs.Stats>((done) => fs.stat(path, done))).isDirectory();
  } catch {
    return false;
  }
}
