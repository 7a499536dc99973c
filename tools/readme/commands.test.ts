/** Every command that a page shows is one that there is, with options that it has: of ours, of this repository's scripts and tools. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { buildProgram } from '../../apps/cli/src/program/program.ts';
import { root } from '../source/index.ts';

const PAGES = globSync(['*.md', 'docs/*.md', 'docs/ko/*.md', '{packages,apps,tools}/*/README.md'], { cwd: root });

const program = buildProgram(
  new Command(),
  // Nothing of it is read: no command runs.
  { stdout: { write: () => true, columns: 100 }, stderr: { write: () => true }, env: {} } as never,
  (() => () => undefined) as never,
);
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
/** What is pnpm's own, and programs of packages that are installed. */
const OF_PNPM = new Set(['exec', 'install', 'knip', 'changeset', 'build', '-r', '--filter', 'vitest']);

/** Shown for being understood though they are Kafka's: a test of the command line holds them. */
const IN_KAFKAS_WORDS = new Set([
  'topics --create --topic t',
  'topics --create --topic orders --partitions 3',
  'kafka-topics.sh --list',
  'consume --topic orders --property print.key=true',
]);

/** The commands of a page, each as its words: of blocks that are for a shell, and of those within the text. */
function commandsOf(page: string): string[][] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|console|bash)\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  const lines = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  return [...lines.map((line) => line.replace(/^\$ /, '')), ...inline].flatMap(simpleCommands);
}

/** What a line of a shell runs, without what comes in and where it goes. */
function simpleCommands(line: string): string[][] {
  return line
    .replace(/(^|\s)#.*$/, '')
    .split(/\||&&|;|\$\(/)
    .map((part) => [...part.replace(/[<>].*$/, '').matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word))
    .map((words) => words.slice(words.findIndex((word) => !/^\w+=/.test(word))))
    .filter(([first = '', ...rest]) => rest.length > 0 && /^(?:millrace|pnpm|npx|node)$/.test(first));
}

/** What is wrong with a command, in words; undefined where nothing is. */
function faultOf([first = '', ...words]: readonly string[]): string | undefined {
  if (first === 'npx') {
    const [, ...given] = words.slice(words.indexOf('pnpm@12'));
    return words.includes('pnpm@12') && given.length > 0 ? faultOf(['pnpm', ...given]) : undefined;
  }
  if (first === 'node') {
    const [file = ''] = words.filter((word) => /\.m?[jt]s$/.test(word));
    return /^(?:tools|apps|packages|docs|bench)\//.test(file) && !existsSync(join(root, file))
      ? `no file ${file}`
      : undefined;
  }
  if (first === 'millrace') return faultOfOurs(words);
  const [script = '', ...rest] = words;
  if (script === 'millrace') return faultOfOurs(rest);
  if (script === 'start') return faultOfOurs(['start', ...rest]);
  return OF_PNPM.has(script) || script in scripts ? undefined : `no script ${script}`;
}

function faultOfOurs(words: readonly string[]): string | undefined {
  if (IN_KAFKAS_WORDS.has(words.join(' '))) return undefined;
  let command: Command = program;
  /** Options by their names, with whether a value follows. */
  const options = new Map([
    ['--help', false],
    ['--version', false],
  ]);
  const learn = (of: Command): void => {
    for (const { long, short, required } of of.options) {
      for (const each of [long, short]) if (each != null) options.set(each, required);
    }
  };
  learn(command);
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [name = ''] = word.replace(/[,.:]+$/, '').split('=');
    if (name.startsWith('--')) {
      const takesValue = options.get(name);
      if (takesValue === undefined) return `${command.name()} has no option ${name}`;
      if (takesValue && name === word) at += 1;
      continue;
    }
    const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next === undefined) {
      const isCommand = /^[a-z]/.test(word) && command.commands.length > 0 && command.registeredArguments.length === 0;
      // `millrace console` has a command below it and does something by itself.
      if (isCommand && command.name() !== 'console') return `${command.name()} has no command ${word}`;
      continue;
    }
    command = next;
    learn(command);
  }
  return undefined;
}

it.each(PAGES)('%s names commands that there are', (page) => {
  const wrong = commandsOf(page).flatMap((words) => {
    const fault = faultOf(words);
    return fault === undefined ? [] : [`${words.join(' ')}: ${fault}`];
  });
  expect(wrong).toEqual([]);
});

it('finds what is wrong', () => {
  const faults = [
    'millrace topics creat t',
    'npx -y pnpm@12 millrace consume t --from-start',
    'pnpm millrace start --broker 3',
    'pnpm nothing x',
    'node tools/none/main.ts',
  ];
  for (const line of faults) expect(simpleCommands(line).map(faultOf), line).not.toContain(undefined);
  expect(simpleCommands('PW=a millrace users set-password u --password-env PW | cat # with')).toEqual([
    ['millrace', 'users', 'set-password', 'u', '--password-env', 'PW'],
  ]);
});
