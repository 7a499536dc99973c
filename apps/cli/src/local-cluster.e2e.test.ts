/** The program on a cluster of its own, as processes: a broker is killed, leaders move and come back, partitions are moved. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Admin } from '@millrace/admin';
import type { PartitionMetadata } from '@millrace/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url));
const LINES = 3000;
const START_MS_MAX = 60_000;
/** A dozen programs one after the other took 27 s on a machine with ten times the work it has processors for; each wait has a bound of its own. */
vi.setConfig({ testTimeout: 3 * START_MS_MAX });
/** Leaders move in milliseconds; a machine that is busy with other tests takes its time with processes. */
const PATIENCE = { timeout: 30_000, interval: 200 };

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let said = '';
let cluster: ChildProcess;
let ended: Promise<number | null>;
let bootstrap: string;
let consolePort: number;

function millrace(...args: string[]): Promise<Ran> {
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1', MILLRACE_BOOTSTRAP: bootstrap };
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

/** What is waited for is asked for in this process: a whole program for each look would take the processor from the brokers. */
async function partitionsOf(topic: string): Promise<readonly PartitionMetadata[]> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const [described] = await admin.describeTopics([topic]);
  return described!.partitions;
}

/** The cluster's brokers, which are processes below the one that was started. */
async function brokerProcesses(parentId = cluster.pid): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const pairs = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === parentId).map(([id]) => id!);
}

/** Those of some processes that run: one that has ended may be a zombie where nobody takes note of orphans. */
async function running(ids: readonly number[]): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,stat=']);
  const states = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .map(([id, state]) => [Number(id), state!]),
  );
  return ids.filter((id) => states.get(id)?.startsWith('Z') === false);
}

/** One broker keeps a record on the folder from which the cluster grows. */
async function beginWithOne(data: string): Promise<void> {
  const args = ['start', '--port', '0', '--http-port', '0', '--data', data];
  const one = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise((resolve) => one.once('exit', resolve));
  let saidByOne = '';
  bootstrap = await new Promise<string>((resolve, reject) => {
    one.stdout.on('data', (chunk: Buffer) => {
      saidByOne += chunk;
      const ready = /is ready at PLAINTEXT:\/\/(\S+)/.exec(saidByOne);
      if (ready !== null) resolve(ready[1]!);
    });
    exit.then(() => reject(new Error(`The broker ended:\n${saidByOne}`)));
  });
  const file = join(folder, 'one.txt');
  await writeFile(file, 'of one broker\n');
  expect((await millrace('produce', 'of-one', '--file', file, '-q')).exitCode).toBe(0);
  one.kill('SIGTERM');
  expect(await exit).toBe(0);
}

/** So many brokers on the folder, whatever was on it before. */
async function begin(brokers: number): Promise<void> {
  said = '';
  const args = ['start', '--brokers', String(brokers), '--port', '0', '--data', join(folder, 'data')];
  cluster = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { stdout } = cluster;
  ended = new Promise((resolve) => cluster.once('exit', resolve));
  const isReady = new RegExp(`ready with ${brokers} brokers at (.*?) after \\d+ ms; console on port (\\d+)`);
  bootstrap = await new Promise<string>((resolve, reject) => {
    stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
      const ready = isReady.exec(said);
      if (ready === null) return;
      consolePort = Number(ready[2]);
      resolve(ready[1]!.replaceAll('PLAINTEXT://', '').replaceAll(' ', ''));
    });
    ended.then(() => reject(new Error(`The cluster ended:\n${said}`)));
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-local-'));
  await beginWithOne(join(folder, 'data'));
  await begin(3);
}, START_MS_MAX);
afterAll(async () => {
  cluster.kill('SIGKILL');
  await ended;
  // Where a test has failed, its brokers end a moment after what started them.
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

/** The brokers that the console shows, by whether they are up. */
async function brokersShown(): Promise<readonly boolean[]> {
  const answer = await fetch(`http://localhost:${consolePort}/api/clusters/local/overview`);
  // A test that reads what it does not get fails at once.
  const { brokers } = (await answer.json()) as { brokers: { isUp: boolean }[] };
  return brokers.map(({ isUp }) => isUp);
}

describe('the program on a cluster of three brokers', () => {
  it('marks what a broker says with its id, which is the controller at least', async () => {
    const whole = (): string[] => said.split('\n').slice(0, -1);
    const linesOf = (text: string) =>
      whole().flatMap((line) =>
        line.includes(text) ? [JSON.parse(line) as { name?: string; brokerId?: number }] : [],
      );
    await expect.poll(() => linesOf('This broker is the controller').length, PATIENCE).toBeGreaterThan(0);
    for (const { name, brokerId } of linesOf('This broker is the controller')) expect(name).toBe(`broker ${brokerId}`);
    for (const { name } of linesOf('ready with 3 brokers')) expect(name).toBeUndefined();
  });

  it('has what one broker kept on its folder before', async () => {
    expect((await millrace('consume', 'of-one', '-B', '-e', '-q')).stdout).toBe('of one broker\n');
    const [only] = await partitionsOf('of-one');
    expect(only).toMatchObject({ leaderId: 1, replicas: [1], inSyncReplicas: [1] });
  });

  it('serves a console of the whole cluster, and the health of all', async () => {
    expect(await brokersShown()).toEqual([true, true, true]);
    const health = await fetch(`http://localhost:${consolePort}/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ status: 'up', brokers: [1, 2, 3] });
  });

  it('loses no record when a broker is killed, and has its partitions led again where they were', async () => {
    const file = join(folder, 'lines.txt');
    const lines = Array.from({ length: LINES }, (_, index) => `line ${index}`);
    await writeFile(file, `${lines.join('\n')}\n`);
    const created = await millrace('topics', 'create', 'lines', '--partitions', '3', '--replicas', '3');
    expect(created.stdout).toBe('Topic lines created with 3 partitions, 3 replicas\n');
    expect((await millrace('produce', 'lines', '--file', file)).stderr).toMatch(/^3,000 records /);

    const before = await brokerProcesses();
    expect(before.length).toBe(3);
    process.kill(before[1]!, 'SIGKILL');
    expect(await brokersShown()).toHaveLength(3);
    expect((await millrace('produce', 'lines', '--file', file)).stderr).toMatch(/3,000 records /);
    // It is started again, catches up, and leads again what it is the first replica of.
    await expect
      .poll(async () => (await partitionsOf('lines')).map((each) => each.inSyncReplicas.length), PATIENCE)
      .toEqual([3, 3, 3]);
    const after = await brokerProcesses();
    expect(after.filter((id) => !before.includes(id)).length).toBe(1);
    expect((await millrace('partitions', 'elect', '--all-topics')).exitCode).toBe(0);
    await expect
      .poll(
        async () => (await partitionsOf('lines')).every(({ leaderId, replicas }) => leaderId === replicas[0]),
        PATIENCE,
      )
      .toBe(true);
    const read = (await millrace('consume', 'lines', '-B', '-e', '-q')).stdout.split('\n').slice(0, -1);
    expect(read.toSorted()).toEqual([...lines, ...lines].toSorted());
  });

  it('moves partitions by a plan', async () => {
    await millrace('topics', 'create', 'moved', '--replica-assignment', '1,1');
    const plan = join(folder, 'plan.json');
    const generated = await millrace(
      'partitions',
      'reassign',
      'generate',
      '--topics',
      'moved',
      '--brokers',
      '2,3',
      '-r',
      '2',
    );
    await writeFile(plan, generated.stdout);
    expect((await millrace('partitions', 'reassign', 'execute', '--plan', plan, '--throttle', '10MB')).exitCode).toBe(
      0,
    );
    await expect
      .poll(async () => (await millrace('partitions', 'reassign', 'verify', '--plan', plan)).exitCode, PATIENCE)
      .toBe(0);
    await expect
      .poll(async () => (await partitionsOf('moved')).map(({ replicas }) => replicas.toSorted()), PATIENCE)
      .toEqual([
        [2, 3],
        [2, 3],
      ]);
  });

  it('stops all of it in order', async () => {
    const processes = await brokerProcesses();
    cluster.kill('SIGTERM');
    expect(await ended).toBe(0);
    for (const id of processes) expect(() => process.kill(id, 0)).toThrow('ESRCH');
  });
});

describe('a cluster that grows, and becomes smaller again', () => {
  const start = (...args: string[]): Promise<Ran> =>
    millrace('start', '--port', '0', '--http-port', '0', '--data', join(folder, 'data'), ...args);

  /** Has all partitions moved to these brokers, and waits until they are there. */
  async function spread(brokers: string): Promise<void> {
    const executed = await millrace('partitions', 'reassign', 'execute', '--all-topics', '--brokers', brokers);
    expect(executed.exitCode).toBe(0);
    await expect
      .poll(async () => (await millrace('partitions', 'reassign', 'list', '--json')).stdout, PATIENCE)
      .toBe('[]\n');
  }

  it.each([
    [['--brokers', '2'], 'Broker 3 ', '--brokers 3;', '--brokers 1-2`'],
    [[], 'Brokers 2, 3 ', '--brokers 3;', '--brokers 1 --replication-factor 1`'],
  ])('does not begin without brokers that hold replicas: %j', async (given, who, all, onto) => {
    const { exitCode, stderr } = await start(...given);
    expect(exitCode).toBe(78);
    for (const words of [`millrace: ${who}`, 'hold', all, onto]) expect(stderr).toContain(words);
  });

  it('goes from three brokers to five and back with all it has', async () => {
    await begin(5);
    await spread('1-5');
    const holders = new Set((await partitionsOf('lines')).flatMap(({ replicas }) => replicas));
    expect([...holders].toSorted()).toEqual([1, 2, 3, 4, 5]);
    await spread('1-3');
    cluster.kill('SIGTERM');
    expect(await ended).toBe(0);
    await begin(3);
    const read = (await millrace('consume', 'lines', '-B', '-e', '-q')).stdout.split('\n').slice(0, -1);
    expect(new Set(read).size).toBe(LINES);
    expect(read).toHaveLength(2 * LINES);
  });

  it('leaves no broker behind when what keeps its metadata is killed', async () => {
    const processes = await brokerProcesses();
    expect(processes).toHaveLength(3);
    cluster.kill('SIGKILL');
    await ended;
    await expect.poll(() => running(processes), PATIENCE).toEqual([]);
  });
});

describe('a start of three brokers that is interrupted', () => {
  it('ends what it has begun, with one line about it', async () => {
    const data = await mkdtemp(join(tmpdir(), 'millrace-local-'));
    const args = ['start', '--brokers', '3', '--port', '0', '--http-port', '0', '--data', data];
    const starting = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    starting.stderr!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const exit = new Promise((resolve) => starting.once('close', resolve));
    await expect.poll(async () => (await brokerProcesses(starting.pid)).length, { ...PATIENCE, interval: 5 }).toBe(3);
    const processes = await brokerProcesses(starting.pid);
    starting.kill('SIGINT');
    expect(await exit).toBe(0);
    // On a machine that is quick they may have been ready by then.
    expect(said).toMatch(/^(millrace: Stopped by SIGINT before the cluster was ready\n)?$/);
    for (const id of processes) expect(() => process.kill(id, 0)).toThrow('ESRCH');
    await rm(data, { recursive: true, force: true });
  });
});
