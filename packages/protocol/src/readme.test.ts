import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the example in the README runs and prints what it says', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```js\n([\s\S]*?)```/.exec(readme)![1]!;
  const printed = [...example.matchAll(/^\/\/ (Metadata 12.*|\d.*)$/gm)].map(([, line]) => `${line}\n`).join('');
  const program = example.replace("'@millrace/protocol'", JSON.stringify(new URL('index.ts', import.meta.url).href));
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(output).toBe(printed);
});
