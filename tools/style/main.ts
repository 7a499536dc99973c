/** `node tools/style/main.ts`: holds the checkout against the rules in rules.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, report, root, type SourceFile } from '../source/index.ts';
import { checkStyle } from './check.ts';

const files: SourceFile[] = listFiles()
  .filter((path) => /\.(?:[mc]?ts|md|sh|ya?ml|json)$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
const doors = files.map((file) => file.path).filter((path) => /^(?:packages|apps)\/[^/]+\/src\/index\.ts$/.test(path));
report('style', checkStyle(files, doors), files.length);
