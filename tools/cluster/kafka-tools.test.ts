/** What the documentation says that Kafka's tools print is what a run of all steps has printed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../source/index.ts';
import { STEPS } from './kafka-tools.ts';

it('the page of commands holds each step in its order, with what it has to print', () => {
  const page = readFileSync(join(root, 'docs/kafka-commands.md'), 'utf8');
  const [, block = ''] =
    /<!-- written by `pnpm cluster tools --write` -->\n\n```console\n([\s\S]*?)```/.exec(page) ?? [];
  const kept = block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => text.split('\n'));
  expect(kept.map(([line = '']) => line.split(' | ').at(-1))).toEqual(STEPS.map(({ command }) => command));
  for (const [index, { command, prints }] of STEPS.entries()) {
    expect(kept[index]?.slice(1).join('\n').trim(), command).toMatch(prints);
  }
});
