import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { assertNodeVersion } from './node-version.ts';

it.each([{ node: '18.20.4' }, { node: '20.20.2' }, { node: '22.17.1' }])(
  'refuses a Node that is too old: %o',
  (versions) => {
    const needed = `need Node 22.18 or later, and this is ${versions.node}`;
    expect(() => assertNodeVersion(versions)).toThrow(needed);
  },
);

it.each([
  { node: '22.18.0' },
  { node: '24.0.0' },
  { node: '22.6.0', bun: '1.1.30' },
  { node: '20.11.1', deno: '1.46.0' },
])('takes %o', (versions) => {
  expect(() => assertNodeVersion(versions)).not.toThrow();
});

it('needs what the manifest says', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const [major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)!.slice(1).map(Number);
  expect(() => assertNodeVersion({ node: `${major}.${minor}.0` })).not.toThrow();
  expect(() => assertNodeVersion({ node: `${major}.${minor! - 1}.9` })).toThrow();
});
