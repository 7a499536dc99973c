/** A local cluster whose parent stands still, as processes: what it costs its brokers, and what it does not. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Admin } from '@millrace/admin';
import type { PartitionMetadata } from '@millrace/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url));
const START_MS_MAX = 60_000;
vi.setConfig({ testTimeout: 2 * START_MS_MAX });
const PATIENCE = { timeout: 30_000, interval: 100 };
const BROKERS = 3;
const SESSION_MS = 9000;
/** Brokers hang up on who is silent for two thirds of their session's time, and have last heard something a third of it ago, or later. */
const STANDSTILL_MS = SESSION_MS * 0.8;
/** Who is missed only when his session's time is over is so after two thirds of it at the earliest. */
const AT_ONCE_MS = SESSION_MS / 2;

let folder: string;
let said = '';
let parent: ChildProcess;
let ended: Promise<unknown>;
let bootstrap: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-still-'));
  const session = `zookeeper.session.timeout.ms=${SESSION_MS}`;
  const args = ['start', '--brokers', String(BROKERS), '--port', '0', '--http-port', '0', '-d', folder, '-o', session];
  parent = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  ended = new Promise((resolve) => parent.once('exit', resolve));
  bootstrap = await new Promise<string>((resolve, reject) => {
    parent.stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
      const ready = /ready with 3 brokers at (.*?) after/.exec(said);
      if (ready !== null) resolve(ready[1]!.replaceAll('PLAINTEXT://', '').replaceAll(' ', ''));
    });
    ended.then(() => reject(new Error(`The cluster ended:\n${said}`)));
  });
  await using admin = new Admin({ bootstrapServers: bootstrap });
  await admin.createTopics([{ topic: 't', partitions: 2 * BROKERS, replicationFactor: BROKERS }]);
}, START_MS_MAX);

afterAll(async () => {
  parent.kill('SIGKILL');
  await ended;
  // Its brokers end a moment later.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
});

async function partitions(): Promise<readonly PartitionMetadata[]> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  const [described] = await admin.describeTopics(['t']);
  return described!.partitions;
}

async function whole(): Promise<void> {
  await expect
    .poll(async () => (await partitions()).every((each) => each.inSyncReplicas.length === BROKERS), PATIENCE)
    .toBe(true);
}

const leaders = async (): Promise<unknown> =>
  (await partitions()).map(({ partition, leaderId, leaderEpoch }) => [partition, leaderId, leaderEpoch]);

/** The process of a broker of the cluster. */
async function processOf(brokerId: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const own = stdout.split('\n').filter((line) => Number(line.trim().split(/\s+/)[1]) === parent.pid);
  const found = own.find((line) => line.trimEnd().endsWith(`millrace broker ${brokerId}`));
  expect(found).toBeDefined();
  return Number(found!.trim().split(/\s+/)[0]);
}

async function standsStill(meanwhile: () => void = () => {}): Promise<void> {
  parent.kill('SIGSTOP');
  try {
    await sleep(STANDSTILL_MS / 2);
    meanwhile();
    await sleep(STANDSTILL_MS / 2);
  } finally {
    parent.kill('SIGCONT');
  }
}

const hangUps = (): number => said.split('is lost: the server has fallen silent').length - 1;

it('costs no broker a leadership, though all of them have hung up on it meanwhile', async () => {
  await whole();
  const before = await leaders();
  await standsStill();
  // Or this shows nothing.
  await expect.poll(hangUps, PATIENCE).toBe(BROKERS);
  // Whoever has lost his session shows it by then.
  await sleep(SESSION_MS);
  expect(await leaders()).toEqual(before);
  expect(said).not.toContain('has expired');
});

it('does not keep in office who died meanwhile', async () => {
  const victim = (await partitions())[0]!.leaderId;
  const processId = await processOf(victim);
  await standsStill(() => process.kill(processId, 'SIGKILL'));
  const sinceMs = performance.now();
  await expect.poll(async () => (await partitions())[0]!.leaderId, PATIENCE).not.toBe(victim);
  expect(performance.now() - sinceMs).toBeLessThan(AT_ONCE_MS);
  await whole();
});
