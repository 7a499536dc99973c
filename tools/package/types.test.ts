import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'types-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** In a process of its own: vitest's would load what the checker exports for its development, which are sources. */
const PROGRAM = `
import { readFileSync } from 'node:fs';
import { wrongTypes } from ${JSON.stringify(import.meta.resolve('./types.ts'))};
console.log(JSON.stringify(await wrongTypes(readFileSync(process.argv[1]))));
`;

/** What is wrong with a package of ES modules, which older ways to find modules do not find, and need not. */
function wrongWith(types: string, code: string): string[] {
  const exports = { '.': { types: './dist/index.d.ts', default: './dist/index.js' } };
  const files = {
    'package.json': JSON.stringify({ name: 'x', version: '1.0.0', type: 'module', exports }),
    'dist/index.d.ts': types,
    'dist/index.js': code,
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, 'package', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const tarball = join(folder, 'x.tgz');
  execFileSync('tar', ['-czf', tarball, '-C', folder, 'package']);
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM, tarball], { encoding: 'utf8' }),
  );
}

describe('the types of a packed package', () => {
  it('are right where they are those of what is loaded', () => {
    expect(wrongWith('export declare const a: number;\n', 'export const a = 1;\n')).toEqual([]);
  });

  it('are wrong where they name a file that is not there', () => {
    const wrong = wrongWith("export * from './b.js';\n", 'export const a = 1;\n');
    expect(wrong).toEqual(
      ['node16', 'bundler'].map((way) => expect.stringMatching(`Internal resolution error.*"${way}".*"./b.js"`)),
    );
  });
});
