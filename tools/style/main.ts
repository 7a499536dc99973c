/**
 * `node tools/style/main.ts`: holds the checkout against the rules in rules.ts. With `--mend` it first writes what is only said in
 * another dialect in that of the house.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, report, root, type SourceFile } from '../source/index.ts';
import { checkStyle, isJudged } from './check.ts';
import { mendSlips } from './dialect.ts';

const files: SourceFile[] = listFiles()
  .filter((path) => /\.(?:[mc]?ts|md|sh|ya?ml|json)$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
if (process.argv.includes('--mend')) {
  files.forEach((file, index) => {
    if (!file.path.endsWith('.ts') || !isJudged(file.path)) return;
    const text = mendSlips(file);
    if (text === file.text) return;
    writeFileSync(join(root, file.path), text);
    files[index] = { path: file.path, text };
    console.log(`mended ${file.path}`);
  });
}
const doors = files.map((file) => file.path).filter((path) => /^(?:packages|apps)\/[^/]+\/src\/index\.ts$/.test(path));
report('style', checkStyle(files, doors), files.length);
