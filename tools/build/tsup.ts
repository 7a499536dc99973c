import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';
import { takeTypes } from './types.ts';

/**
 * How every package builds: what its manifest publishes as `./dist/NAME.js` comes from `src/NAME.ts`, as ESM for the
 * oldest Node that `engines` allows, with what the entries share in chunks, so that a class exists once however it is
 * imported. Not minified and without source maps: what is installed can be read as it is.
 *
 * @param more - Files that become files of `dist` though nobody imports them by name: a worker's entry.
 */
export function library(more: readonly string[] = []) {
  const entry = [...published(), ...more];
  return defineConfig({
    entry,
    format: 'esm',
    target: 'node22',
    platform: 'node',
    clean: true,
    splitting: true,
    // tsup makes declarations with the compiler's old programming interface, which TypeScript 7 no longer has.
    dts: false,
    onSuccess: () => takeTypes(process.cwd()),
  });
}

/** The sources of what the package in the current folder publishes: its doors and its programs. */
function published(): string[] {
  const { publishConfig } = JSON.parse(readFileSync('package.json', 'utf8'));
  const targets = JSON.stringify([publishConfig.exports, publishConfig.bin ?? {}]).matchAll(/\.\/dist\/([\w/-]+)\.js/g);
  return [...new Set([...targets].map(([, name]) => `src/${name}.ts`))];
}
