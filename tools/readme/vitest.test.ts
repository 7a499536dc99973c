/** The vitest file in the README of `@millrace/testing` is run as it stands. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

it('passes', { timeout: 60_000 }, async () => {
  const readme = readFileSync(join(root, 'packages/testing/README.md'), 'utf8');
  const [, code] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  // Below the tools, from where every package is found.
  const folder = mkdtempSync(join(root, 'tools/readme/.vitest-'));
  try {
    writeFileSync(join(folder, 'example.test.js'), code ?? '');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const report = join(folder, 'report.json');
    const args = [vitest, 'run', '--root', folder, '--reporter', 'json', '--outputFile', report];
    await run(process.execPath, args, { cwd: folder, timeout: 50_000 });
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ success: true, numPassedTests: 1 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
