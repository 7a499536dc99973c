import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace } from '../testing/test-cli.ts';

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url));

let broker: TestBroker;
let folder: string;
beforeAll(async () => {
  broker = await startBroker({ topics: ['orders', 'bills', 'other'] });
  folder = await mkdtemp(join(tmpdir(), 'millrace-completion-'));
});
afterAll(async () => {
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

/** What is offered after a line, which ends where the cursor is. */
async function offered(line: string): Promise<string[]> {
  const env = { XDG_CONFIG_HOME: folder };
  const { exitCode, stdout, stderr } = await millrace(
    broker.bootstrapServers,
    ['__complete', '--', ...line.split(' ')],
    { env },
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((each) => each.split('\t', 1)[0]!);
}

describe('completion', () => {
  it('offers commands with what they do', async () => {
    const { stdout } = await millrace(undefined, ['__complete', '--', 'top']);
    expect(stdout).toBe('topics\tcreate, list, describe, extend and delete topics\n');
    expect(await offered('')).toEqual(expect.arrayContaining(['start', 'partitions', 'completion', 'help']));
    expect(await offered('')).not.toContain('__complete');
    expect(await offered('partitions reassign ')).toEqual(['generate', 'execute', 'verify', 'cancel', 'list']);
    expect(await offered('-b localhost:9092 topics li')).toEqual(['list']);
  });

  it('offers options, those for every command too', async () => {
    expect(await offered('topics create x --re')).toEqual([
      '--replication-factor',
      '--replicas',
      '--replica-assignment',
    ]);
    expect(await offered('topics create x --pro')).toEqual(['--profile']);
    expect(await offered('start --boo')).toEqual([]);
  });

  it.each([
    ['topics describe o', ['orders', 'other']],
    ['topics describe orders o', ['other']],
    ['topics create o', []],
    ['consume b', ['bills']],
    ['groups reset-offsets g --topic b', ['bills']],
    ['partitions elect --topic b', ['bills']],
    ['configs describe t', ['topic']],
    ['configs describe topic b', ['bills']],
    ['configs describe broker b', []],
    ['consume orders --isolation-level read_c', ['read_committed']],
    ['completion z', ['zsh']],
    ['start --config ', [':files']],
    ['log dump ', [':files']],
    ['topics list extra', []],
    ['nothing like it', []],
  ])('of `%s` offers %j', async (line, words) => {
    expect(await offered(line)).toEqual(words);
  });

  it.each([
    ['an option', (servers: string) => ['--bootstrap-server', servers]],
    ['an option with its value', (servers: string) => [`--bootstrap-server=${servers}`]],
    ['its short form', (servers: string) => ['-b', servers]],
  ])('asks the cluster that %s on the line names', async (_how, named) => {
    const words = ['topics', ...named(broker.bootstrapServers), 'describe', 'or'];
    const { stdout } = await millrace('127.0.0.1:1', ['__complete', '--', ...words]);
    expect(stdout).toBe('orders\t\n');
  });

  it('says nothing where the cluster cannot be reached', async () => {
    const { exitCode, stdout, stderr } = await millrace('127.0.0.1:1', ['__complete', '--', 'topics', 'describe', '']);
    expect([exitCode, stdout, stderr]).toEqual([0, '', '']);
  });

  it('works in bash', async () => {
    const program = join(folder, 'millrace');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
    await chmod(program, 0o755);
    const script = `
      source <(millrace completion bash)
      COMP_WORDS=(millrace topics describe o); COMP_CWORD=3
      _millrace
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = {
      ...process.env,
      PATH: `${folder}:${process.env['PATH']}`,
      MILLRACE_BOOTSTRAP: broker.bootstrapServers,
    };
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { env });
    expect(stdout).toBe('orders\nother\n');
  });

  it('has a script for each shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect((await millrace(undefined, ['completion', shell])).stdout).toContain('millrace __complete -- ');
    }
    expect((await millrace(undefined, ['completion', 'csh'])).stderr).toContain('Allowed choices are bash, zsh, fish.');
  });
});
