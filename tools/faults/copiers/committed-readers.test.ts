import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { END, readByKcat } from './committed-readers.ts';

const { PATH } = process.env;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-readers-'));
  process.env['PATH'] = `${folder}:${PATH}`;
});
afterEach(() => {
  process.env['PATH'] = PATH;
  rmSync(folder, { recursive: true, force: true });
});

it('reads each partition to its end, whatever is there too many', async () => {
  const lines = ['0 0 a', `1 0 ${END}`, '0 1 a', '0 2 b', '0 4 too many', `0 7 ${END}`];
  // In the place of kcat, which does not end by itself.
  const program = join(folder, 'kcat');
  writeFileSync(program, `#!/bin/sh\n${lines.map((line) => `echo '${line}'`).join('\nsleep 0.1\n')}\nexec sleep 60\n`);
  chmodSync(program, 0o755);
  const reader = readByKcat({ bootstrap: 'nobody:1', topic: 't', partitions: 2 });
  expect(await reader.read()).toEqual([['a', 'a', 'b', 'too many'], []]);
  await reader.stop();
});
