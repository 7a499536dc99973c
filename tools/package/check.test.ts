import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPacked } from './check.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packed-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An unpacked tarball in which nothing is wrong, but for `changes`; undefined removes a file. */
function faults(changes: Record<string, string | undefined> = {}, manifest: object = {}): string[] {
  const files: Record<string, string | undefined> = {
    'package.json': JSON.stringify({
      name: 'x',
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
      dependencies: { '@millrace/ports': '0.1.0' },
      ...manifest,
    }),
    'README.md': 'What this package is for, how to begin with it, and where to read on. '.repeat(2),
    LICENSE: 'Apache',
    'dist/index.js': "import { a } from '@millrace/ports';\nimport fs from 'node:fs';\nexport * from './chunk.js';\n",
    'dist/chunk.js': 'export const b = 1;\n',
    'dist/index.d.ts': "export { b } from './b.js';\n",
    'dist/b.d.ts': 'export declare const b: number;\n',
    ...changes,
  };
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }
  return checkPacked(folder);
}

describe('the check of a packed package', () => {
  it('finds nothing in a package that is right', () => {
    expect(faults()).toEqual([]);
  });

  it.each([
    ['no license', { LICENSE: undefined }, /no LICENSE/],
    ['a README that says nothing', { 'README.md': '# x\n' }, /README/],
    ['sources', { 'src/index.ts': 'export {};' }, /src\/index\.ts should not be inside/],
    ['tests', { 'dist/index.test.js': 'export {};' }, /index\.test\.js should not be inside/],
    ['source maps', { 'dist/index.js.map': '{}' }, /index\.js\.map should not be inside/],
    ['an entry that is not there', { 'dist/index.js': undefined }, /dist\/index\.js is named in package\.json/],
    [
      'declarations that name sources',
      { 'dist/index.d.ts': "export { b } from './b.ts';" },
      /b\.ts, which is not inside/,
    ],
    ['declarations that are not there', { 'dist/b.d.ts': undefined }, /b\.js, which is not inside/],
    ['an import that is not declared', { 'dist/chunk.js': "import 'left-pad';" }, /left-pad, which is not among/],
  ])('finds %s', (_, changes, message) => {
    expect(faults(changes)).toEqual([expect.stringMatching(message)]);
  });

  it('finds ranges that mean nothing outside the workspace', () => {
    const dependencies = { '@millrace/ports': 'workspace:*' };
    expect(faults({}, { dependencies })).toEqual([expect.stringContaining('workspace:*')]);
  });

  it('finds a program that the shell cannot start', () => {
    const program = { bin: { x: './dist/chunk.js' } };
    expect(faults({}, program)).toEqual([expect.stringContaining('#!/usr/bin/env node')]);
    expect(faults({ 'dist/chunk.js': '#!/usr/bin/env node\nexport const b = 1;' }, program)).toEqual([]);
  });

  it('finds exports that point at sources', () => {
    expect(faults({}, { exports: { '.': './src/index.ts' } })).toEqual([expect.stringContaining('./src/index.ts')]);
  });
});
