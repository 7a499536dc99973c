/** Writes `packages/protocol/src/generated` from `packages/protocol/definitions`. Run it after a definition changed: `pnpm codegen`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as definitions from '../../packages/protocol/definitions/index.ts';
import { generate } from './generate.ts';

const folder = fileURLToPath(new URL('../../packages/protocol/src/generated/', import.meta.url));

mkdirSync(folder, { recursive: true });
const files = generate(definitions);
for (const stale of readdirSync(folder)) {
  if (!files.has(stale)) rmSync(folder + stale);
}
for (const [file, text] of files) writeFileSync(folder + file, text);
console.log(`${files.size} files written to packages/protocol/src/generated.`);
