import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { startCluster, type TestCluster } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let cluster: TestCluster;
let folder: string;
const run = (...args: string[]): Promise<TestRun> => millrace(cluster.bootstrapServers, args);

/** Makes a topic that all brokers know of. */
async function create(topic: string, ...replicas: number[][]): Promise<void> {
  const assignment = replicas.map((each) => each.join(':')).join(',');
  await run('topics', 'create', topic, '--replica-assignment', assignment);
  await cluster.settled();
}

/** The replicas of a topic's partitions, as the brokers tell them. */
async function replicasOf(topic: string): Promise<number[][]> {
  const [described] = JSON.parse((await run('topics', 'describe', topic, '--json')).stdout);
  return described.partitions.map(({ replicas }: { replicas: number[] }) => replicas);
}

async function planFile(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

function planOf(topic: string, ...replicas: number[][]): string {
  return JSON.stringify({
    version: 1,
    partitions: replicas.map((each, partition) => ({ topic, partition, replicas: each })),
  });
}

async function untilMoved(plan: string): Promise<TestRun> {
  for (;;) {
    const verified = await run('partitions', 'reassign', 'verify', '--plan', plan);
    if (!verified.stdout.includes('in progress')) return verified;
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-reassign-'));
  cluster = await startCluster({ brokers: 3, config: { 'log.dirs': '/one,/two' } });
});
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

/** The log directories of a topic's first partition, by broker. */
async function foldersOf(topic: string): Promise<Map<number, string>> {
  await using admin = new Admin({ bootstrapServers: cluster.bootstrapServers });
  const dirs = await admin.describeLogDirs({ partitions: [{ topic, partition: 0 }] });
  return new Map(dirs.flatMap(({ brokerId, path, replicas }) => (replicas.length > 0 ? [[brokerId, path]] : [])));
}

describe('log directories of a plan', () => {
  it('are where replicas go, those that are there already and those that come', async () => {
    await create('placed', [1]);
    const from = (await foldersOf('placed')).get(1);
    const to = from === '/one' ? '/two' : '/one';
    const partition = { topic: 'placed', partition: 0, replicas: [1, 2], log_dirs: [to, '/two'] };
    const plan = await planFile('placed.json', JSON.stringify({ version: 1, partitions: [partition] }));
    const executed = await run('partitions', 'reassign', 'execute', '--plan', plan);
    expect(executed.stdout).toMatch(new RegExp(`^placed +0 +1  ${from}  ${to} +0 B +0 B$`, 'm'));
    expect(executed.stdout).toContain('1 replica to be copied into another log directory');
    expect(executed.stderr).toContain(`"replicas":[1],"log_dirs":["${from}"]`);
    // Done is what is in the folders, too.
    expect((await untilMoved(plan)).stdout).toContain('completed');
    expect([...(await foldersOf('placed'))].toSorted()).toEqual([
      [1, to],
      [2, '/two'],
    ]);
    const again = await run('partitions', 'reassign', 'execute', '--plan', plan);
    expect(again.stdout).toContain('The partition is where it is to be');
    const nowhere = await planFile(
      'nowhere.json',
      JSON.stringify({ version: 1, partitions: [{ ...partition, log_dirs: ['/three', 'any'] }] }),
    );
    const refused = await run('partitions', 'reassign', 'execute', '--plan', nowhere);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('LOG_DIR_NOT_FOUND');
  });
});

describe('replicas on their way into another log directory', () => {
  /** A topic with some data on broker 1, and a plan that sends it into the other log directory. */
  async function filledTopic(topic: string): Promise<{ from: string; to: string; plan: string }> {
    await create(topic, [1]);
    const lines = `${'x'.repeat(1000)}\n`.repeat(20);
    await millrace(cluster.bootstrapServers, ['produce', topic], { stdin: lines });
    const from = (await foldersOf(topic)).get(1)!;
    const to = from === '/one' ? '/two' : '/one';
    const partitions = [{ topic, partition: 0, replicas: [1], log_dirs: [to] }];
    return { from, to, plan: await planFile(`${topic}.json`, JSON.stringify({ version: 1, partitions })) };
  }

  it('are shown on a dry run and not moved', async () => {
    const { from, to, plan } = await filledTopic('dried');
    const { stdout, stderr } = await run('partitions', 'reassign', 'execute', '--plan', plan, '--dry-run');
    expect(stdout).toMatch(new RegExp(`^dried +0 +1  ${from}  ${to} +0 B +\\d+\\.\\d KiB$`, 'm'));
    expect(stderr).toBe('Nothing has been moved.\n');
    const status = await run('partitions', 'reassign', 'verify', '--plan', plan);
    expect([status.exitCode, status.stdout]).toEqual([1, expect.stringContaining('not as planned')]);
    expect((await foldersOf('dried')).get(1)).toBe(from);
  });

  it('are slowed down, shown, called back, and then as fast as ever', async () => {
    const { from, to, plan } = await filledTopic('slowed');
    const executed = await run('partitions', 'reassign', 'execute', '--plan', plan, '--throttle', '1');
    expect(executed.stderr).toContain('takes away the throttle of 1 B a second');
    const rateOf = async (): Promise<string> => (await run('configs', 'describe', 'broker', '1')).stdout;
    expect(await rateOf()).toMatch(/^replica\.alter\.log\.dirs\.io\.max\.bytes\.per\.second +1 /m);
    expect(await rateOf()).not.toContain('replication.throttled.rate');
    const place = { topic: 'slowed', partition: 0, brokerId: 1, fromLogDir: from, toLogDir: to };
    const listed = JSON.parse((await run('partitions', 'reassign', 'list', '--json')).stdout);
    expect(listed).toMatchObject([place]);
    expect(listed[0].totalBytes).toBeGreaterThan(20_000);
    expect((await run('partitions', 'reassign', 'list')).stdout).toMatch(
      new RegExp(`^TOPIC +PARTITION +BROKER .*\\nslowed +0 +1  ${from}  ${to} `),
    );
    const verified = await run('partitions', 'reassign', 'verify', '--plan', plan);
    expect([verified.exitCode, verified.stdout]).toEqual([1, expect.stringContaining('in progress')]);
    expect(await rateOf()).toContain('replica.alter.log.dirs');
    const cancelled = await run('partitions', 'reassign', 'cancel', '--plan', plan);
    expect(cancelled.stdout).toBe('1 replica left in the log directory it was in: slowed 0 on broker 1\n');
    expect(cancelled.stderr).toContain('Throttles are taken away from broker 1.');
    await expect.poll(rateOf).not.toContain('replica.alter.log.dirs');
    expect((await run('partitions', 'reassign', 'list', '--json')).stdout).toBe('[]\n');
    expect((await foldersOf('slowed')).get(1)).toBe(from);
    await run('partitions', 'reassign', 'execute', '--plan', plan);
    await untilMoved(plan);
    expect((await foldersOf('slowed')).get(1)).toBe(to);
  });

  it('have a throttle of their own', async () => {
    const { plan } = await filledTopic('apart');
    const shape = ['kafka-reassign-partitions.sh', '--execute', '--reassignment-json-file', plan];
    await run(...shape, '--throttle', '7000', '--replica-alter-log-dirs-throttle', '1000000000');
    const { stdout } = await run('configs', 'describe', 'broker', '1', '--json');
    expect(stdout).toContain('"1000000000"');
    expect(stdout).not.toContain('7000');
    expect((await untilMoved(plan)).stderr).toContain('Throttles are taken away from broker 1.');
  });
});

describe('millrace partitions reassign', () => {
  it('plans, moves nothing while it plans, moves, and tells when everything is there', async () => {
    await create('grown', [1], [1], [1]);
    const generated = await run(
      'partitions',
      'reassign',
      'generate',
      '--topics',
      'grown',
      '--brokers',
      '1-3',
      '-r',
      '2',
    );
    expect(generated.stderr).toContain('3 of 3 partitions: ');
    expect(generated.stderr).toContain('nothing has been moved');
    const proposed = JSON.parse(generated.stdout);
    expect(proposed).toMatchObject({
      version: 1,
      partitions: [{ topic: 'grown', partition: 0, log_dirs: ['any', 'any'] }, {}, {}],
    });
    await expect.poll(() => replicasOf('grown')).toEqual([[1], [1], [1]]);

    const plan = await planFile('grown.json', generated.stdout);
    const executed = await run('partitions', 'reassign', 'execute', '--plan', plan);
    expect(executed.stdout).toMatch(/^TOPIC +PARTITION +REPLICAS +BECOME +COPIED TO\ngrown +0 {2}1 /);
    expect(executed.stderr).toContain(
      'a plan that leads back:\n{"version":1,"partitions":[{"topic":"grown","partition":0,"replicas":[1]',
    );
    const verified = await untilMoved(plan);
    expect(verified).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/grown +2 .* completed\n$/) });
    await expect
      .poll(() => replicasOf('grown'))
      .toEqual(proposed.partitions.map(({ replicas }: { replicas: number[] }) => replicas));
    const again = await run('partitions', 'reassign', 'execute', '--plan', plan);
    expect(again.stdout).toBe('All 3 partitions are where they are to be\n');
  });

  it('sets throttles before anything moves and takes them away when nothing moves any more', async () => {
    await create('slow', [1, 2], [2, 1]);
    const plan = await planFile('slow.json', planOf('slow', [3, 1], [3, 2]));
    const executed = await run(
      'partitions',
      'reassign',
      '--execute',
      '--reassignment-json-file',
      plan,
      '--throttle',
      '10MB',
    );
    expect(executed.stderr).not.toContain('warning');
    const configsOf = async (...resource: string[]): Promise<string> =>
      (await run('configs', 'describe', ...resource)).stdout;
    const topic = await configsOf('topic', 'slow');
    expect(topic).toMatch(/^leader\.replication\.throttled\.replicas +0:1,0:2,1:2,1:1 /m);
    expect(topic).toMatch(/^follower\.replication\.throttled\.replicas +0:3,1:3 /m);
    await expect.poll(() => configsOf('broker', '3')).toMatch(/^follower\.replication\.throttled\.rate /m);
    const verified = await untilMoved(plan);
    expect(verified.stderr).toContain('Throttles are taken away from topic slow and brokers 1-3.');
    await expect.poll(() => configsOf('topic', 'slow')).not.toContain('throttled');
    await expect.poll(() => configsOf('broker', '3')).not.toContain('throttled');
  });

  it('shows what is on its way, refuses to mix plans, and calls back', async () => {
    await create('stuck', [1, 2], [2, 1]);
    await millrace(cluster.bootstrapServers, ['produce', 'stuck', '--partition', '0'], { stdin: 'a line\n' });
    expect((await run('partitions', 'reassign', 'list')).stderr).toBe('No partition is on its way to other brokers.\n');
    const plan = await planFile('stuck.json', planOf('stuck', [1, 3], [2, 3]));
    // Alive for the controller, and out of reach for those who have the records.
    cluster.isolate(3);
    await run('partitions', 'reassign', 'execute', '--plan', plan);
    const listed = await run('partitions', 'reassign', 'list', '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { topic: 'stuck', partition: 0, addingReplicas: [3], removingReplicas: [2], copiedBytes: 0 },
      { topic: 'stuck', partition: 1, addingReplicas: [3], removingReplicas: [1] },
    ]);
    expect((await run('partitions', 'reassign', 'list')).stdout).toMatch(/^TOPIC .*\nstuck +0 .* 3 +2 +0 B +\d\d B\n/);
    const verified = await run('partitions', 'reassign', 'verify', '--plan', plan);
    expect(verified).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('in progress') });
    const all = await run('partitions', 'reassign', 'verify', '--all-topics');
    expect(all).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^stuck +0 .* in progress$/m) });
    const other = await run('partitions', 'reassign', 'execute', '--topics', 'grown', '--brokers', '1,2');
    expect(other).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Partitions are being moved already: stuck 0, 1'),
    });
    const cancelled = await run('partitions', 'reassign', 'cancel', '--plan', plan);
    expect(cancelled.stdout).toBe('2 moves cancelled: stuck 0, 1\n');
    cluster.heal();
    await expect
      .poll(async () => (await replicasOf('stuck')).map((each) => each.toSorted()))
      .toEqual([
        [1, 2],
        [1, 2],
      ]);
    const after = await run('partitions', 'reassign', 'verify', '--plan', plan);
    expect(after).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('not as planned') });
    expect((await run('partitions', 'reassign', 'cancel', '--all')).stdout).toContain('nothing to cancel');
  });

  it('has everything leave a broker, the topics of the cluster too', async () => {
    await create('leaving', [3, 1]);
    await create('__consumer_offsets', [1, 3]);
    const args = ['partitions', 'reassign', 'generate', '--all-topics', '--brokers', '1,2'];
    const { partitions } = JSON.parse((await run(...args)).stdout) as {
      partitions: { topic: string; replicas: number[] }[];
    };
    const ofBroker3 = partitions.filter(({ topic }) => topic === 'leaving' || topic === '__consumer_offsets');
    expect(ofBroker3).toHaveLength(2);
    for (const { replicas } of partitions) expect(replicas).not.toContain(3);
  });

  it('shows on a dry run what it would do', async () => {
    await create('dry', [1, 2]);
    const { stdout, stderr } = await run(
      'partitions',
      'reassign',
      'execute',
      '-t',
      'dry',
      '--brokers',
      '2,3',
      '--dry-run',
    );
    expect([stdout, stderr]).toEqual([expect.stringMatching(/dry +0 {2}1,2 +2,3 +3\n/), 'Nothing has been moved.\n']);
    await expect.poll(() => replicasOf('dry')).toEqual([[1, 2]]);
  });

  it.each([
    [['generate', '--topics', 'grown', '--brokers', '7-9'], 1, 'There are no brokers 7-9: alive are 1-3.'],
    [['generate', '--topics', 'grown', '--brokers', '1,7'], 1, 'There is no broker 7: alive are 1-3.'],
    [['generate', '--topics', 'gron', '--brokers', '1'], 1, 'Did you mean "grown"?'],
    [
      ['generate', '--topics', 'grown', '--brokers', '1', '-r', '2'],
      1,
      '2 replicas of a partition need as many brokers, and 1 is named',
    ],
    [['generate', '--topics', 'grown'], 2, 'Say which topics are to go to which brokers'],
    [['generate', '--topics', 'grown', '--brokers', 'x'], 2, 'Brokers are given by id as 1,2,3 or 1-3.'],
    [['execute'], 2, 'Give a plan with `--plan FILE`'],
    [['execute', '--plan', 'p', '--throttle', 'fast'], 2, 'It is given in bytes, as 1048576, 10MB or 10MiB.'],
    [['verify'], 2, 'Say what is to be looked at'],
    [['cancel'], 2, 'Say what is to be cancelled'],
    [['verify', '--plan', '/nothing/here'], 1, 'there is no such file'],
  ])('says what is wrong with %j', async (args, exitCode, message) => {
    const wrong = await run('partitions', 'reassign', ...args);
    expect(wrong).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('millrace partitions elect', () => {
  it('gives partitions their preferred leader back', async () => {
    await create('led', [3, 1, 2]);
    await cluster.stop(3);
    await cluster.start(3);
    await cluster.settled();
    const elected = await run('partitions', 'elect', '--topic', 'led');
    expect(elected.stdout).toMatch(/^TOPIC +PARTITION +LEADER\nled +0 +3\n$/);
    expect(await cluster.leaderOf('led')).toBe(3);
    expect((await run('partitions', 'elect', '--topic', 'led')).stdout).toBe(
      'No partition needed another leader: 1 partition looked at\n',
    );
  });

  it('takes a file as kafka-leader-election does', async () => {
    const file = await planFile('led.json', '{"partitions":[{"topic":"led","partition":0}]}');
    const { exitCode, stdout } = await run(
      'kafka-leader-election.sh',
      '--election-type',
      'preferred',
      '--path-to-json-file',
      file,
    );
    expect([exitCode, stdout]).toEqual([0, 'No partition needed another leader: 1 partition looked at\n']);
  });

  it('holds no unclean election of everything by accident', async () => {
    const { exitCode, stderr } = await run('partitions', 'elect', '--unclean');
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining('a replica the leader that lacks records; they are lost.'),
    ]);
    expect((await run('partitions', 'elect', '--unclean', '--preferred')).exitCode).toBe(2);
    expect((await run('partitions', 'elect', '-t', 'led', '-p', '4')).stderr).toContain('has no partition 4: it has 0');
  });
});

describe('millrace topics describe and cluster, with a broker down', () => {
  it('show which partitions suffer', async () => {
    await create('ill', [1, 2, 3], [2, 1, 3]);
    await create('lone', [3]);
    const said = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await run(...args);
      return stdout + stderr;
    };
    await expect
      .poll(() => said('topics', 'describe', '--under-replicated'))
      .toBe('There are no such partitions: all is well.\n');
    await cluster.stop(3);
    const header = /^TOPIC +PARTITION +LEADER +REPLICAS +IN SYNC +MISSING\n/;
    await expect.poll(() => said('topics', 'describe', '--under-replicated')).toMatch(header);
    await expect.poll(() => said('topics', 'describe', '--under-replicated')).toMatch(/^ill +1 +2 {2}2,1,3 +2,1 +3$/m);
    await expect
      .poll(async () => JSON.parse(await said('topics', '--describe', '--unavailable-partitions', '--json')))
      .toMatchObject([{ topic: 'lone', partition: 0, leaderId: -1, replicas: [3] }]);
    const lone = '"topic": "lone"';
    const underMin = await said('topics', 'describe', 'ill', 'lone', '--under-min-isr', '--json');
    expect([underMin.includes(lone), underMin.includes('"topic": "ill"')]).toEqual([true, false]);
    await expect
      .poll(() => said('cluster', 'describe'))
      .toMatch(/^Partitions .* not fully replicated, 1 without a leader$/m);
    await cluster.start(3);
    await cluster.settled();
    expect((await run('cluster')).stdout).toMatch(/^ +3 {2}127\.0\.0\.1:\d+ .* \d+ +\d+$/m);
  });
});
