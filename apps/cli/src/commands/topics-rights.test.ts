import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
let folder: string;
const run = (...args: string[]): Promise<TestRun> =>
  millrace(broker.bootstrapServers, ['topics', 'describe', ...args, '--command-config', join(folder, 'client')]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-rights-'));
  await writeFile(
    join(folder, 'client'),
    'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=alice\nsasl.password=alice-pw\n',
  );
  broker = await startBroker({
    users: { alice: 'alice-pw' },
    acls: [
      { user: 'alice', operation: 'read', topic: 'orders' },
      { user: 'alice', operation: 'read', topic: 'bills' },
      { user: 'alice', operation: 'describe-configs', topic: 'bills' },
    ],
    topics: ['orders', 'bills', 'secrets'],
  });
});
afterAll(async () => {
  await broker.close();
  await rm(folder, { recursive: true });
});

describe('millrace topics describe, by a user who may see topics and not the configs of all', () => {
  it('shows what he may see, and says what he may not', async () => {
    const { exitCode, stdout } = await run();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Topic {7}bills\n(?:.*\n){3}Configs {5}all default\n/);
    expect(stdout).toMatch(/\nTopic {7}orders\n(?:.*\n){3}Configs {5}this user may not see them \(DescribeConfigs\)\n/);
    expect(stdout.match(/PARTITION/g)).toHaveLength(2);
    const shown = JSON.parse((await run('orders', '--json')).stdout);
    expect(shown).toMatchObject([{ topic: 'orders', configs: null, partitions: [{ endOffset: 0 }] }]);
  });

  it('takes 1 for the min.insync.replicas that he may not see, and says so', async () => {
    const { exitCode, stderr } = await run('--under-min-isr');
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('may not see the configs of orders: ')]);
  });

  it('shows nothing of a topic that he may not see, and the others', async () => {
    expect((await run('secrets')).stderr).toMatch(/authori[sz]ation/i);
    const { exitCode, stdout, stderr } = await run('orders', 'secrets');
    expect([exitCode, stdout]).toEqual([1, expect.stringMatching(/^Topic {7}orders\n/)]);
    expect(stderr).toMatch(/"secrets".*authori[sz]ation/i);
  });
});
