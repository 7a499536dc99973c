/** `node tools/check/generated.ts`: fails when generated code is not what `pnpm codegen` would write now. Writes nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as definitions from '../../packages/protocol/definitions/index.ts';
import { generate } from '../codegen/generate.ts';
import { root } from '../source/index.ts';

const folder = 'packages/protocol/src/generated';
const expected = generate(definitions);
const names = new Set([...expected.keys(), ...readdirSync(join(root, folder))]);
const stale = [...names].filter((name) => expected.get(name) !== read(name));
for (const name of stale) {
  console.log(`${folder}/${name} is not what its definition gives: run \`pnpm codegen\` and commit the result`);
}
console.log(`generated: ${names.size} files, ${stale.length} stale`);
process.exitCode = stale.length === 0 ? 0 : 1;

function read(name: string): string | undefined {
  try {
    return readFileSync(join(root, folder, name), 'utf8');
  } catch {
    return undefined;
  }
}
