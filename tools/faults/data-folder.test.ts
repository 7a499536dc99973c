import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dataFolder } from './data-folder.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-data-folder-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('is made where it is missing, and is the folder for temporary files where none is named', () => {
  const folder = join(root, 'not', 'there');
  expect(dataFolder(folder)).toBe(folder);
  expect(existsSync(dataFolder(folder))).toBe(true);
  expect(dataFolder(undefined)).toBe(tmpdir());
});

it('says which folder cannot be made', () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  expect(() => dataFolder(join(file, 'below'))).toThrow(`--folder ${join(file, 'below')} cannot be made: ENOTDIR`);
});
