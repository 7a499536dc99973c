/** A cluster of three brokers, as processes, on metadata that are older than its logs, or gone. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Admin } from '@millrace/admin';
import type { PartitionMetadata } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { identifyLogFolder } from '@millrace/log';
import { NodeDisk } from '@millrace/ports';
import { Producer } from '@millrace/producer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url));
const PARTITIONS = 3;
/** A start takes a second or two, and a machine that is busy with other tests takes its time with processes. */
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });
const PATIENCE = { timeout: 60_000, interval: 200 };

let folder: string;
let data: string;
let cluster: ChildProcess | undefined;
let ended: Promise<number | null>;
let said = '';
let bootstrap: string;
/** What was acknowledged, in every partition. */
const written: string[] = [];

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function millrace(...args: string[]): Promise<Ran> {
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const START = ['start', '--brokers', '3', '--port', '0', '--http-port', '0', '--data'];

async function begin(): Promise<void> {
  said = '';
  const child = spawn(process.execPath, [PROGRAM, ...START, data], { stdio: ['ignore', 'pipe', 'inherit'] });
  cluster = child;
  ended = new Promise((resolve) => child.once('exit', resolve));
  bootstrap = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk;
      const ready = /ready with 3 brokers at (.*?) after \d+ ms/.exec(said);
      if (ready !== null) resolve(ready[1]!.replaceAll('PLAINTEXT://', '').replaceAll(' ', ''));
    });
    ended.then(() => reject(new Error(`The cluster ended:\n${said}`)));
  });
}

async function end(): Promise<void> {
  cluster?.kill('SIGTERM');
  expect(await ended).toBe(0);
  cluster = undefined;
}

/** A record more in each partition of a topic, acknowledged by all in sync. */
async function write(topic: string, value: string): Promise<void> {
  await using producer = new Producer({ bootstrapServers: bootstrap });
  for (let partition = 0; partition < PARTITIONS; partition += 1) await producer.send({ topic, partition, value });
  written.push(value);
}

async function readAll(topic: string): Promise<string[][]> {
  const read: string[][] = Array.from({ length: PARTITIONS }, () => []);
  await using consumer = new Consumer({ bootstrapServers: bootstrap, autoOffsetReset: 'earliest' });
  consumer.assign(read.map((_, partition) => ({ topic, partition })));
  let left = PARTITIONS * written.length;
  for await (const record of consumer) {
    read[record.partition]!.push(String(record.value));
    left -= 1;
    if (left === 0) break;
  }
  return read;
}

async function partitionsOf(topic: string): Promise<readonly PartitionMetadata[]> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const [described] = await admin.describeTopics([topic]);
  return described!.partitions;
}

/** The last leader epochs that the brokers' logs know, by their folders. */
async function epochsOf(topic: string): Promise<number[]> {
  const folders = [data, join(data, '__millrace_broker_2'), join(data, '__millrace_broker_3')];
  const identities = await Promise.all(folders.map((each) => identifyLogFolder(new NodeDisk(), each)));
  const logs = identities.flatMap(({ partitions }) => partitions).filter((log) => log.topic === topic);
  expect(logs).toHaveLength(3 * PARTITIONS);
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    Math.max(...logs.filter((log) => log.partition === partition).map(({ leaderEpoch }) => leaderEpoch)),
  );
}

/** Every partition has three replicas in sync and all that was acknowledged, under epochs far above all that were. */
async function expectWhole(topic: string, known: readonly number[]): Promise<void> {
  await expect
    .poll(
      async () => (await partitionsOf(topic)).map(({ inSyncReplicas }) => inSyncReplicas.toSorted().join()),
      PATIENCE,
    )
    .toEqual(Array(PARTITIONS).fill('1,2,3'));
  for (const { partition, leaderEpoch, replicas } of await partitionsOf(topic)) {
    expect(leaderEpoch).toBeGreaterThanOrEqual(known[partition]! + 1000);
    expect(replicas.toSorted()).toEqual([1, 2, 3]);
  }
  await write(topic, `under ${known}`);
  expect(await readAll(topic)).toEqual(Array(PARTITIONS).fill(written));
}

const metadata = (): string => join(data, '__millrace_metadata');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-older-'));
  data = join(folder, 'data');
  await begin();
  await using admin = new Admin({ bootstrapServers: bootstrap });
  await admin.createTopics([{ topic: 't', partitions: PARTITIONS, replicationFactor: 3 }]);
  await write('t', 'first');
  await end();
  await cp(metadata(), join(folder, 'older'), { recursive: true });
});

afterAll(async () => {
  cluster?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

describe('a cluster whose metadata were put back from an older copy', () => {
  it('goes on above every leader epoch that its logs know', async () => {
    const first = await epochsOf('t');
    for (let round = 0; round < 2; round += 1) {
      await begin();
      await write('t', `round ${round}`);
      await end();
    }
    const known = await epochsOf('t');
    for (const [partition, epoch] of known.entries()) expect(epoch).toBeGreaterThan(first[partition]!);
    await rm(metadata(), { recursive: true });
    await cp(join(folder, 'older'), metadata(), { recursive: true });
    await begin();
    expect(said).toContain('behind the leader epochs of the logs');
    await expectWhole('t', known);
    await end();
    // Nothing is behind any more.
    await begin();
    expect(said).not.toContain('behind the leader epoch');
    await end();
  });
});

describe('a cluster whose metadata do not know its topics', () => {
  it('does not start as if they were gone, and has them back where their logs lie', async () => {
    const known = await epochsOf('t');
    await rm(metadata(), { recursive: true });
    const refused = await millrace(...START, data);
    expect(refused.exitCode).toBe(74);
    expect(refused.stderr).toContain('(t-0, t-1, t-2)');
    const restored = await millrace('metadata', 'restore', '--data', data, '--execute');
    expect(restored).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('t: taken from its logs, 3 partitions'),
    });
    await begin();
    await expectWhole('t', known);
    const preferred = (await partitionsOf('t')).map(({ replicas }) => replicas[0]);
    expect(preferred.toSorted()).toEqual([1, 2, 3]);
    await end();
  });
});
