/** Every `ts` block of these pages compiles in a strict project, as it stands: a reader's editor must not find what we did not. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { examplesOf, PAGES } from './pages.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

it('the examples of all pages compile', { timeout: 120_000 }, async () => {
  // Below tools, which depends on all the packages that examples import.
  mkdirSync(join(ROOT, 'tools/readme/.examples'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'tools/readme/.examples/'));
  try {
    const files: string[] = [];
    for (const page of PAGES) {
      for (const [index, code] of examplesOf(page).entries()) {
        const file = `${page.replaceAll(/[^a-z]+/gi, '-')}-${index + 1}.mts`;
        writeFileSync(join(folder, file), code);
        files.push(file);
      }
    }
    expect(files.length).toBeGreaterThan(25);
    const config = {
      extends: join(ROOT, 'tsconfig.json'),
      // What a program of a user's has, rather than the rules of this house.
      compilerOptions: { erasableSyntaxOnly: false, noEmit: true },
      include: [],
      files,
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const report = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(report).toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
