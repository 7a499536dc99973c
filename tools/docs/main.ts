/**
 * `node tools/docs/main.ts [--api] [--site]`: writes the references of the documentation from the code; with `--api`, those of the packages,
 * too; with `--site`, builds the site of all pages, which a link that leads nowhere fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../source/index.ts';
import { apiPages } from './api-pages.ts';
import { references } from './references.ts';

const pages = new Map(await references());
if (process.argv.includes('--api')) for (const [path, text] of apiPages()) pages.set(path, text);
for (const [path, text] of pages) {
  const file = join(root, 'docs', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
process.stdout.write(`${pages.size} pages written\n`);
// What the references are read from may keep a process alive.
process.exit(process.argv.includes('--site') ? buildSite() : 0);

/** By the program that the documentation's own package depends on. */
function buildSite(): number {
  const docs = join(root, 'docs');
  const vitepress = join(docs, 'node_modules/vitepress/bin/vitepress.js');
  return spawnSync(process.execPath, [vitepress, 'build', docs], { stdio: 'inherit' }).status ?? 1;
}
