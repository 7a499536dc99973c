/** The program as it is: started as a process, with real signals, pipes and a broker that is killed. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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
  /** Of the console, metrics and health. */
  readonly httpPort: string;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

let folder: string;
let broker: Broker;

/** Starts a broker on a free port and waits until it says that it is ready. */
async function start(...more: string[]): Promise<Broker> {
  const args = ['start', '--port', '0', '--data', join(folder, 'data'), '-o', 'group.initial.rebalance.delay.ms=0'];
  const child = spawn(process.execPath, [PROGRAM, ...args, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const places = await new Promise<{ bootstrap: string; httpPort: string }>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk;
      const ready = /ready at PLAINTEXT:\/\/([^"\s]+:\d+).*metrics on port (\d+)/.exec(text);
      if (ready !== null) resolve({ bootstrap: ready[1]!, httpPort: ready[2]! });
    });
    exited.then(() => reject(new Error(`The broker ended:\n${text}`)));
  });
  return {
    process: child,
    ...places,
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

/** As much of an OpenID Connect provider as it takes to be led to it. */
async function openProvider() {
  const server = createServer((_, response) => {
    const { issuer, isUp } = provider;
    const endpoints = { authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` };
    response.writeHead(isUp ? 200 : 502, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ issuer, ...endpoints, jwks_uri: `${issuer}/keys` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  // Listening on a port, so the address is one of IP.
  const provider = { issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, isUp: false, close };
  return provider;
}

/** What a group has committed, over all partitions. */
function committedIn(described: { offsets: { committedOffset: number | null }[] }[]): number {
  return described[0]!.offsets.reduce((sum, { committedOffset }) => sum + (committedOffset ?? 0), 0);
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

  it.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGHUP'])('leaves in order at %s', async (signal) => {
    const group = `leavers-${signal}`;
    const env = environment();
    const child = spawn(process.execPath, [PROGRAM, 'consume', 'lines', '-g', group, '-B'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let printed = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      // A terminal that is closed says so twice.
      if (printed === 0) for (const _ of signal === 'SIGHUP' ? [1, 2] : [1]) child.kill(signal);
      printed += chunk.filter((byte) => byte === 0x0a).length;
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    const described = JSON.parse((await millrace('groups', 'describe', group, '--json')).stdout);
    expect(described[0].state).toBe('Empty');
    expect(committedIn(described)).toBe(printed);
  });

  it('leaves its group when its reader has seen enough, and commits what it has printed', async () => {
    const env = environment();
    await millrace('topics', 'create', 'long');
    const file = join(folder, 'long.txt');
    await writeFile(file, `${'x'.repeat(1000)}\n`.repeat(LINES));
    await millrace('produce', 'long', '--file', file);
    const child = spawn(process.execPath, [PROGRAM, 'consume', 'long', '-g', 'heads', '-B'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.resume();
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    const described = JSON.parse((await millrace('groups', 'describe', 'heads', '--json')).stdout);
    expect(described[0].state).toBe('Empty');
    // Some of it lay in the pipe; the batch whose write failed is for the next reader.
    expect(committedIn(described)).toBeLessThan(LINES);
    const rest = await millrace('consume', 'long', '-g', 'heads', '-e', '-B', '-q');
    expect(rest.stdout.split('\n').length - 1 + committedIn(described)).toBe(LINES);
  });

  it('brings back no topic that is deleted while it is read', async () => {
    await millrace('topics', 'create', 'gone');
    const env = environment();
    const child = spawn(process.execPath, [PROGRAM, 'consume', 'gone', '-B'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await millrace('produce', 'gone', '--file', join(folder, 'lines.txt'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.resume();
    await millrace('topics', 'delete', 'gone');
    // Long enough for a reader that asks for its topic's metadata again and again.
    await millrace('consume', 'lines', '--idle-timeout', '1500ms', '-q');
    expect((await millrace('topics', 'list', '-q')).stdout.split('\n')).not.toContain('gone');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
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

  it('says by its exit code when a broker could not stop in order', async () => {
    const data = join(folder, 'vanishing');
    const child = spawn(process.execPath, [PROGRAM, 'start', '--port', '0', '--data', data], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let said = '';
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk;
        if (said.includes('Millrace is ready')) resolve();
      });
    });
    // Without a terminal, what tells of a closed one is passed over.
    child.kill('SIGHUP');
    await rm(data, { recursive: true });
    child.kill('SIGTERM');
    expect(await exited).toBe(1);
    expect(said.match(/"msg":"Could not [^"]*in order/g)).toHaveLength(1);
    expect(said).toContain('Stopping on SIGTERM');
  });

  it('stops a broker in order, and has people log in to the console of another, at a provider that comes later', async () => {
    expect(await broker.end('SIGINT')).toBe(0);
    const { exitCode, stderr } = await millrace('topics', 'list');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('nothing listens there')]);
    const provider = await openProvider();
    const [login, users] = [join(folder, 'oidc'), join(folder, 'users')];
    await writeFile(
      login,
      `issuer=${provider.issuer}\nclient.id=millrace\npublic.url=http://localhost:1\nrole.a=viewer\n`,
    );
    await writeFile(users, 'eve:viewer:looks\n');
    broker = await start('--console-oidc', login, '--console-users', users);
    const at = `http://localhost:${broker.httpPort}`;
    expect([(await fetch(at)).status, (await fetch(`${at}/health`)).status]).toEqual([503, 200]);
    provider.isUp = true;
    expect((await fetch(`${at}/api/session`)).status).toBe(401);
    const begun = await fetch(`${at}/login`, { redirect: 'manual' });
    expect(begun.headers.get('location')).toContain(`${provider.issuer}/authorize?`);
    const authorization = `Basic ${Buffer.from('eve:looks').toString('base64')}`;
    const session = await fetch(`${at}/api/session`, { headers: { authorization } });
    expect(await session.json()).toMatchObject({ user: 'eve', role: 'viewer' });
    provider.close();
  });
});
