/** CONTRIBUTING's table of tools is the tree's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listFiles, root } from '../source/index.ts';

it('names every folder of tools, and none that is not there', () => {
  const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const table = /## Tools\n([\s\S]*?)\n## /.exec(page)?.[1] ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`tools\/([\w-]+)`/g)].map(([, name]) => name),
  );
  const folders = new Set(listFiles().flatMap((path) => /^tools\/([^/]+)\//.exec(path)?.[1] ?? []));
  expect(named.toSorted()).toEqual([...folders].toSorted());
});
