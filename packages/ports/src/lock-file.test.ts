import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { lockFile } from './lock-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('keeps other processes out until the holder ends, however it ends', async () => {
  const path = join(folder, '.lock');
  const source = new URL('./lock-file.ts', import.meta.url).href;
  const code = `import { lockFile } from ${JSON.stringify(source)};
    console.log(lockFile(process.argv[1]) === undefined ? 'refused' : 'held');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const warnings: Buffer[] = [];
  holder.stderr.on('data', (chunk: Buffer) => warnings.push(chunk));
  const [said] = (await once(holder.stdout, 'data')) as [Buffer];
  expect(said.toString().trim()).toBe('held');
  expect(lockFile(path)).toBeUndefined();
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(Buffer.concat(warnings).toString()).not.toContain('SQLite');
  const lock = lockFile(path);
  expect(lock).toBeDefined();
  expect(readFileSync(path)).toHaveLength(0);
  await lock?.release();
});

it('tells the system error of a folder that is not there', () => {
  expect(() => lockFile(join(folder, 'no', '.lock'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

it('names a file that holds something, and leaves it as it is', async () => {
  const path = join(folder, 'damaged.lock');
  const bytes = Buffer.alloc(64, 'no lock ');
  writeFileSync(path, bytes);
  expect(() => lockFile(path)).toThrow(`${path} should be empty and holds bytes`);
  expect(readFileSync(path)).toEqual(bytes);
});

it('names a folder that lies in its place', () => {
  const path = join(folder, 'folder.lock');
  mkdirSync(path);
  expect(() => lockFile(path)).toThrow(`${path} should be an empty file and is a folder: remove it`);
});
