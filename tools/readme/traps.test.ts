import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../source/index.ts';

interface Row {
  readonly number: number;
  readonly what: string;
  readonly shownBy: string;
}

/** The rows of a section's table. */
function rowsOf(section: string): Row[] {
  const text = readFileSync(join(root, 'packages/broker/TRAPS.md'), 'utf8');
  const [, content = ''] = text.split(`## ${section}\n`);
  const [table = ''] = content.split('\n## ');
  return [...table.matchAll(/^\| (\d+) \| (.+?) \| (.+) \|$/gm)].map(([, number, what = '', shownBy = '']) => ({
    number: Number(number),
    what,
    shownBy,
  }));
}

/** The files that a row names, each with what must stand in it. */
function tests({ shownBy }: Row): (readonly [file: string, words: string])[] {
  return [...shownBy.matchAll(/`([^`]+\.ts)` ("[^"]+"(?:, "[^"]+")*)/g)].flatMap(([, file = '', quoted = '']) =>
    [...quoted.matchAll(/"([^"]+)"/g)].map(([, words = '']) => [file, words] as const),
  );
}

/** Words of a title say something. */
const WORDS_CHARS_MIN = 4;

/**
 * What names something there: the title of a test or of a group of tests, a rule or a fault of the simulator. It stands within a string: what the code
 * of every test says, as `describe(`, names none.
 */
function isNamed(file: string, words: string): boolean {
  if (words.length < WORDS_CHARS_MIN) return false;
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  return lines.some(
    (line) => !/^\s*(\/\/|\*|import )/.test(line) && stringsIn(line).some((text) => text.includes(words)),
  );
}

/** The strings in a line of code. */
function stringsIn(line: string): string[] {
  return Array.from(line.matchAll(/(['"`])((?:\\.|(?!\1).)*)\1/g), ([, , text = '']) => text);
}

describe('words that are to name a test', () => {
  const file = 'packages/broker/src/cluster/inter-broker-versions.test.ts';

  it.each([
    ['speaks what that release spoke', true],
    ['inter.broker.protocol.version', true],
    ['describe(', false],
    ['expect(interBrokerVersions', false],
    ['%s', false],
    ['no test of this name', false],
  ])('%j: %j', (words, isName) => {
    expect(isNamed(file, words)).toBe(isName);
  });
});

describe.each([
  ['Traps', 50],
  ['Behaviours', 27],
  ['Mixed clusters', 27],
  ['Bad input', 7],
  ['Transactions', 20],
])('the table of what a cluster must survive: %s', (section, count) => {
  const rows = rowsOf(section);

  it('has every number once', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  it.each(rows)('$number, $what, names tests that are there', (row) => {
    const named = tests(row);
    // What is too heavy for every submission, or cannot be, says so in place of a test.
    if (!/^(not run|by hand)/.test(row.shownBy)) expect(named.length).toBeGreaterThan(0);
    // Every file that is named is named with what shows it there.
    expect(new Set(named.map(([file]) => file)).size).toBe([...row.shownBy.matchAll(/`[^`]+\.ts`/g)].length);
    const missing = named.filter(([file, words]) => !existsSync(join(root, file)) || !isNamed(file, words));
    expect(missing).toEqual([]);
  });
});
