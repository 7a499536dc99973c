import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';

/**
 * Where the data of runs goes: a folder that is named is made, with those above it.
 * @throws Error that says which folder cannot be, and why
 */
export function dataFolder(folder: string | undefined): string {
  if (folder === undefined) return tmpdir();
  try {
    mkdirSync(folder, { recursive: true });
    return folder;
  } catch (cause) {
    throw new Error(`--folder ${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}
