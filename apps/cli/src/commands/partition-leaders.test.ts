/** A partition that has no leader holds up none of the others, and no command in silence. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let folder: string;
let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);
const OFFLINE = 'partition 1 of "t" (1 of 3 partitions): it has no leader (LEADER_NOT_AVAILABLE)';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-offline-'));
  const options = { storage: { folder }, topics: [{ topic: 't', partitions: 3 }] };
  broker = await startBroker(options);
  for (const partition of ['0', '1', '2']) {
    await millrace(broker.bootstrapServers, ['produce', 't', '-p', partition], { stdin: `r${partition}\n` });
  }
  await run('groups', 'reset-offsets', 'g', '--topic', 't', '--to-earliest', '--execute');
  await broker.close();
  await writeFile(join(folder, 'log', 't-1', 'leader-epoch-checkpoint'), 'junk\n');
  broker = await startBroker({ storage: { folder } });
});
afterAll(async () => {
  await broker.close();
  await rm(folder, { recursive: true });
});

it.concurrent('is named by consume, which reads the others to their ends and fails', async () => {
  const all = await run('consume', 't', '--from-beginning', '--exit-at-end');
  expect(all.exitCode).toBe(1);
  expect(all.stdout.split('\n').sort()).toEqual(['', 'r0', 'r2']);
  expect(all.stderr).toContain(`warning: Cannot read ${OFFLINE}; the others are read\n`);
  expect(all.stderr).toContain(`error: Cannot read ${OFFLINE}.\n`);
  expect(all.stderr).toMatch(/Start the brokers that are down; .* `millrace topics describe --unavailable`/);
});

it.concurrent('is named by consume as a member of a group, which reads the others to their ends and fails', async () => {
  const { exitCode, stdout, stderr } = await run('consume', 't', '--group', 'g', '--exit-at-end');
  expect([exitCode, stdout.split('\n').sort()]).toEqual([1, ['', 'r0', 'r2']]);
  expect(stderr).toContain(`error: Cannot read ${OFFLINE}.\n`);
});

it.concurrent('is told of while others are read on, once', async () => {
  const interrupts: (() => void)[] = [];
  let text = '';
  const onNote = (note: string): void => {
    text += note;
    if (text.includes('topic "t": it has no leader')) for (const interrupt of interrupts) interrupt();
  };
  const { stdout, stderr } = await millrace(broker.bootstrapServers, ['consume', 't', '--from-beginning'], {
    interrupts,
    onNote,
  });
  expect(stdout.split('\n').sort()).toEqual(['', 'r0', 'r2']);
  expect(stderr.match(/Cannot read partition 1 of topic "t": it has no leader/g)).toHaveLength(1);
});

it.concurrent('fails at once where nothing else is to be read', async () => {
  const { exitCode, stdout, stderr } = await run('consume', 't', '-p', '1', '--from-beginning', '--exit-at-end');
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: Cannot read partition 1 of "t" \(1 of 1 partition\): it has no leader/);
});

it.concurrent('is left out of offsets, which fail, and of a description of a group; offsets are not reset', async () => {
  const [offsets, group, reset] = await Promise.all([
    run('offsets', 't', '--json'),
    run('groups', 'describe', 'g', '--json'),
    run('groups', 'reset-offsets', 'g', '--topic', 't', '--to-latest'),
  ]);
  expect(offsets.exitCode).toBe(1);
  expect(offsets.stdout).toContain('"partition": 2');
  expect(offsets.stdout).not.toContain('"partition": 1');
  expect(JSON.parse(offsets.stderr).error.message).toBe(`Cannot ask for the offsets of ${OFFLINE}.`);
  expect(group.exitCode).toBe(0);
  expect(group.stdout).toMatch(/"endOffset": null/);
  expect(reset.exitCode).toBe(1);
  expect(reset.stderr).toContain(`error: Cannot reset offsets of ${OFFLINE}`);
});
