/** The program as it is: started as a process, with real signals, pipes and a broker that is killed. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url));
const LINES = 5000;
/** No command here takes a tenth of it; one that hangs is to say so before the test's time is over. */
const COMMAND_MS_MAX = 15_000;

interface Broker {
  readonly process: ChildProcess;
  readonly bootstrap: string;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

let folder: string;
let broker: Broker;

/** Starts a broker on a free port and waits until it says that it is ready. */
async function start(): Promise<Broker> {
  const args = ['start', '--port', '0', '--data', join(folder, 'data'), '-o', 'group.initial.rebalance.delay.ms=0'];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const bootstrap = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk;
      const ready = /ready at PLAINTEXT:\/\/([^"\s]+:\d+)/.exec(text);
      if (ready !== null) resolve(ready[1]!);
    });
    exited.then(() => reject(new Error(`The broker ended:\n${text}`)));
  });
  return {
    process: child,
    bootstrap,
    end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without colours, which vitest asks for. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1', MILLRACE_BOOTSTRAP: broker.bootstrap };
}

function millrace(...args: string[]): Promise<Ran> {
  const env = environment();
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env, maxBuffer: 2 ** 26, timeout: COMMAND_MS_MAX },
      (error, stdout, stderr) => {
        if (error?.killed) reject(new Error(`millrace ${args.join(' ')} did not end; it said:\n${stderr}`));
        else resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
  broker = await start();
});
afterAll(async () => {
  await broker.end('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

describe('the program', () => {
  it('keeps a file through kill -9, and a group goes on where it was', async () => {
    const file = join(folder, 'lines.txt');
    const lines = Array.from({ length: LINES }, (_, index) => `line ${index}`);
    await writeFile(file, `${lines.join('\n')}\n`);
    expect((await millrace('topics', 'create', 'lines', '-p', '3')).exitCode).toBe(0);
    expect((await millrace('produce', 'lines', '--file', file)).stderr).toMatch(/^5,000 records /);

    const first = await millrace('consume', 'lines', '-g', 'readers', '-B', '-n', '2000');
    expect(await broker.end('SIGKILL')).toBeNull();
    broker = await start();
    const rest = await millrace('consume', 'lines', '-g', 'readers', '-B', '-e');

    const seen = `${first.stdout}${rest.stdout}`.split('\n').slice(0, -1);
    expect(seen.length).toBe(LINES);
    expect(new Set(seen)).toEqual(new Set(lines));
    expect((await millrace('groups', 'describe', 'readers')).stdout).toMatch(/^Lag {10}0 records$/m);
  });

  it('ends quietly when its reader has seen enough', async () => {
    const env = environment();
    const child = spawn(process.execPath, [PROGRAM, 'consume', 'lines', '-B', '-q'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    // Something has to be written for the missing reader to be noticed.
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('close', resolve));
    await millrace('produce', 'lines', '--file', join(folder, 'lines.txt'));
    expect(await exited).toBe(0);
    expect(stderr).toBe('');
  });

  it('leaves in order at Ctrl-C', async () => {
    const env = environment();
    const child = spawn(process.execPath, [PROGRAM, 'consume', 'lines', '-g', 'leavers', '-B'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout.once('data', () => child.kill('SIGINT'));
    child.stdout.resume();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect((await millrace('groups', 'describe', 'leavers')).stdout).toMatch(/^State {8}Empty$/m);
  });

  it('says what is wrong in a line or two, without a trace', async () => {
    expect(await millrace('topics', 'describe', 'linse')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no topic "linse".\nDid you mean "lines"?\n',
    });
    expect((await millrace('topics', 'list', '--wrong')).exitCode).toBe(2);
    const taken = await millrace('start', '--port', broker.bootstrap.split(':')[1]!, '--data', join(folder, 'other'));
    expect([taken.exitCode, taken.stdout]).toEqual([69, '']);
    expect(taken.stderr).toContain('another process listens there');
  });

  it('stops a broker in order', async () => {
    expect(await broker.end('SIGINT')).toBe(0);
    const { exitCode, stderr } = await millrace('topics', 'list');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('nothing listens there')]);
    broker = await start();
  });
});
