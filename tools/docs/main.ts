/** `node tools/docs/main.ts [--api]`: writes the references of the documentation from the code; with `--api`, those of the packages, too. */
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
process.exit();
