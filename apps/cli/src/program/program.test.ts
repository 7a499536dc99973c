import { readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { fromKafkaShape } from '../parse/kafka-shapes.ts';
import { millrace } from '../testing/test-cli.ts';
import { buildProgram } from './program.ts';

const io = { stdout: process.stdout, stderr: process.stderr } as unknown as Parameters<typeof buildProgram>[1];

/** The program, of which no command does anything. */
function idleProgram(): Command {
  return buildProgram(new Command(), io, async () => {});
}

function pathsBelow(command: Command, path: readonly string[] = []): (readonly string[])[] {
  const below = command.commands.filter((each) => each.name() !== '__complete');
  if (below.length === 0) return [path];
  return below.flatMap((each) => pathsBelow(each, [...path, each.name()]));
}

/** `help` prints at once; how it helps is tested with the whole program. */
const PATHS = pathsBelow(idleProgram()).filter(([name]) => name !== 'help');

/** The words of a line as a shell divides them. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
}

/** The command lines of a help's examples; those that feed one another are several. */
function examplesIn(help: string): string[] {
  const [, examples = ''] = help.split('\nExamples:\n');
  const lines = examples.replace(/\\\n\s+/g, '').split('\n');
  return lines
    .filter((line) => line.startsWith('  '))
    .flatMap((line) => line.split(/ \| |<\(/))
    .filter((part) => part.includes('millrace '))
    .map((part) => part.slice(part.indexOf('millrace ') + 'millrace '.length).replace(/\s*(?:\)|>| #).*$/, ''));
}

/** Whether a line is the name of a command, which a text speaks of. */
function isPath(line: string): boolean {
  return PATHS.some((path) => `${path.join(' ')} `.startsWith(`${line} `));
}

const PAGES = ['README.md', 'apps/cli/README.md', 'apps/broker/README.md', 'apps/console/README.md'];
const ROOT = new URL('../../../../', import.meta.url);

function pages(): string[] {
  const docs = readdirSync(new URL('docs', ROOT), { recursive: true, encoding: 'utf8' });
  const guides = docs.filter(
    (name) => name.endsWith('.md') && !name.includes('node_modules') && !name.startsWith('reference'),
  );
  return [...PAGES, ...guides.map((name) => `docs/${name}`)];
}

/** The command lines that a page shows, in fences and between backticks. */
function samplesIn(page: string): string[] {
  const fences = [...page.matchAll(/^```(?:sh|console)\n(.*?)^```/gms)].flatMap(([, body]) =>
    body!.replace(/\\\n\s*/g, '').split('\n'),
  );
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
  return [...fences, ...spans]
    .flatMap((line) => line.split(/ \| | && |; /))
    .map((line) => /^(?:\$ )?(?:\w+=\S+ )*(?:npx -y )?(?:pnpm(?:@12)? )?millrace (.+)$/.exec(line.trim())?.[1])
    .filter((line) => line !== undefined)
    .map((line) => line.replace(/\s+(?:#|>|<|&).*$/, ''))
    .filter((line) => !/\.\.\.$|COMMAND|ARGS/.test(line) && !isPath(line));
}

describe('the pages', () => {
  it.each(pages())('show command lines that are understood: %s', async (name) => {
    for (const line of samplesIn(readFileSync(new URL(name, ROOT), 'utf8'))) {
      const parsing = idleProgram().parseAsync(fromKafkaShape(words(line)), { from: 'user' });
      await expect(parsing, line).resolves.toBeDefined();
    }
  });

  it('show many of them', () => {
    const all = pages().flatMap((name) => samplesIn(readFileSync(new URL(name, ROOT), 'utf8')));
    expect(all.length).toBeGreaterThan(70);
  });
});

describe('the help of', () => {
  it.each(PATHS.map((path) => [path.join(' '), path] as const))(
    '%s has examples that are understood',
    async (_, path) => {
      const { stdout, exitCode } = await millrace(undefined, [...path, '--help']);
      expect(exitCode).toBe(0);
      const examples = examplesIn(stdout);
      // Of a group of commands, `cluster` say, the one that is meant where none is named.
      const own = path.join(' ').replace(/^cluster describe$/, 'cluster');
      expect(examples.filter((each) => each.startsWith(own))).not.toEqual([]);
      for (const example of examples) await idleProgram().parseAsync(fromKafkaShape(words(example)), { from: 'user' });
    },
  );

  it('commands has sentences, each option a description, and none a typographic apostrophe', async () => {
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    for (const command of all(idleProgram()).filter((each) => each.name() !== '__complete')) {
      expect(command.description()).toMatch(/^[A-Z].*\.$/s);
      if (command.parent !== null) expect(command.summary()).toMatch(/^[a-z`].*[^.]$/);
      for (const { description } of command.options) expect(description).toMatch(/(?:\.\.\.|[^.])$/);
      const said = [command.description(), command.summary(), ...command.options.map(({ description }) => description)];
      expect(said.join('')).not.toMatch(/[’‘“”]/);
    }
  });

  it('commands has no option under a letter or a name that the whole program has, which would take it', () => {
    const program = idleProgram();
    const taken = program.options.flatMap(({ short, long }) => [short, long]);
    const all = (command: Command): Command[] => command.commands.flatMap((each) => [each, ...all(each)]);
    const hidden = all(program).flatMap((command) =>
      command.options
        .filter(({ short, long }) => taken.includes(long) || (short !== undefined && taken.includes(short)))
        .map(({ flags }) => `${command.name()} ${flags}`),
    );
    expect(hidden).toEqual([]);
  });

  it('commands names the tool of Kafka that does the same, and options of a cluster only where one is spoken to', async () => {
    expect((await millrace(undefined, ['topics', 'create', '--help'])).stdout).toContain(
      '\nIn Kafka: kafka-topics.sh\n',
    );
    const dump = (await millrace(undefined, ['log', 'dump', '--help'])).stdout;
    expect(dump).toContain('\nIn Kafka: kafka-dump-log.sh\n');
    expect(dump).toContain('--json');
    expect(dump).not.toContain('--bootstrap-server');
  });
});
