/** Each row of docs/durability.md names what shows it: a test that is there, or a command. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../source/index.ts';

const COMMANDS = [
  'pnpm faults kill-nine',
  'pnpm faults kills',
  'pnpm faults links',
  'pnpm faults power-loss',
  'pnpm simulate',
];

const page = readFileSync(join(root, 'docs/durability.md'), 'utf8');
const rows = (/## The table\n([\s\S]*?)\n## /.exec(page)?.[1] ?? '')
  .split('\n')
  .filter((line) => /^\| (all|0|1) \|/.test(line))
  .map((line) => line.split('|').slice(1, -1));

it('has its rows', () => expect(rows.length).toBeGreaterThan(15));

it.each(rows)('acks %s, replicas %s, writes %s, when%sis%s: %s', (...cells) => {
  const evidence = cells.at(-1) ?? '';
  for (const [, path = '', , name = ''] of evidence.matchAll(/`([\w/.-]+\.test\.ts)`(: "([^"]*)")?/g)) {
    expect(existsSync(join(root, path)), path).toBe(true);
    const text = readFileSync(join(root, path), 'utf8');
    if (name.length > 0) expect(text).toContain(`it('${name}`);
    else expect(text).toMatch(/\bit(?:\.each)?\(/);
  }
  for (const [, command = ''] of evidence.matchAll(/`(pnpm [^`]*)`/g)) {
    expect(COMMANDS.some((each) => command.startsWith(each))).toBe(true);
  }
});
