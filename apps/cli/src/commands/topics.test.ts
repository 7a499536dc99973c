import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

describe('millrace topics', () => {
  it('says how to begin where there are none', async () => {
    expect(await run('topics', 'list')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'There are no topics yet, or none that this user may see. `millrace topics create NAME` makes one.\n',
    });
    expect((await run('topics', 'list', '--json')).stdout).toBe('[]\n');
  });

  it('suggests the config that was meant for a new topic', async () => {
    expect((await run('topics', 'create', 'any')).exitCode).toBe(0);
    expect(await run('topics', 'create', 'new', '-c', 'retenton.ms=1')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no topic config "retenton.ms".\nDid you mean "retention.ms"?\n',
    });
    expect(
      (await run('topics', 'describe', 'any', '--topic', 'any', '--json')).stdout.match(/"topicId"/g),
    ).toHaveLength(1);
    expect((await run('topics', 'delete', 'any')).exitCode).toBe(0);
  });

  it('tells of those that were created where others could not be', async () => {
    const { stdout, stderr, exitCode } = await run('topics', 'create', 'rest', 'a*');
    expect([exitCode, stdout]).toEqual([1, 'Topic rest created\n']);
    expect(stderr).toContain('Creating topic "a*"');
    expect((await run('topics', 'delete', 'rest')).exitCode).toBe(0);
  });

  it('creates, lists, describes and deletes', async () => {
    const created = await run(
      'topics',
      'create',
      'orders',
      'bills',
      '-p',
      '3',
      '-c',
      'retention.ms=1000',
      '-c',
      'cleanup.policy=compact,delete',
    );
    expect(created.stdout).toBe(
      'Topic orders created with 3 partitions, 1 replica\nTopic bills created with 3 partitions, 1 replica\n',
    );
    expect((await run('topics', 'list')).stdout).toBe(
      [
        'TOPIC   PARTITIONS  REPLICAS  HEALTH',
        'bills            3         1  ok',
        'orders           3         1  ok',
        '',
      ].join('\n'),
    );
    expect((await run('topics', 'list', '-q')).stdout).toBe('bills\norders\n');
    const described = (await run('topics', 'describe', 'orders')).stdout;
    expect(described).toMatch(
      /^Topic {7}orders\nId {10}\S{22}\nPartitions {2}3\nReplicas {4}1\nConfigs {5}cleanup.policy=compact,delete\n {12}retention.ms=1000\n/,
    );
    expect(described).toContain(
      'PARTITION  LEADER  REPLICAS  IN SYNC  START  END\n        0       1  1         1            0    0\n',
    );
    expect(JSON.parse((await run('topics', 'describe', 'bills', '--json')).stdout)[0]).toMatchObject({
      topic: 'bills',
      configs: { 'retention.ms': '1000' },
      partitions: [{ partition: 0, startOffset: 0, endOffset: 0 }, {}, {}],
    });
    expect((await run('topics', 'delete', 'orders', 'bills')).stdout).toBe(
      'Topic orders deleted\nTopic bills deleted\n',
    );
    expect((await run('topics', 'list', '-q')).stdout).toBe('');
  });

  it('creates nothing on a dry run, and no topic twice', async () => {
    expect((await run('topics', 'create', 'dry', '--dry-run')).stdout).toBe(
      'Topic dry could be created with 1 partition, 1 replica\n',
    );
    await run('topics', 'create', 'dry');
    const again = await run('topics', 'create', 'dry');
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toMatch(/^error: .*TOPIC_ALREADY_EXISTS.*\n`--if-not-exists` makes that no error/);
    expect(await run('topics', 'create', 'dry', '--if-not-exists')).toMatchObject({
      exitCode: 0,
      stdout: 'Topic dry is there already\n',
    });
  });

  it('places replicas where it is told to', async () => {
    expect((await run('topics', 'create', 'placed', '--replica-assignment', '1,1')).stdout).toContain('created');
    expect((await run('topics', 'create', 'lost', '--replica-assignment', '9')).exitCode).toBe(1);
    expect((await run('topics', 'create', 'wrong', '--replica-assignment', '1;2')).exitCode).toBe(2);
  });

  it('adds partitions and says that they cannot be taken away', async () => {
    await run('topics', 'create', 'grown');
    expect((await run('topics', 'add-partitions', 'grown', '-p', '3', '--dry-run')).stdout).toBe(
      'Topic grown could get 2 partitions more, 3 in all\n',
    );
    expect((await run('topics', 'add-partitions', 'grown', '--add', '3')).stdout).toBe(
      'Topic grown has 4 partitions now; new are 1-3\n',
    );
    expect((await run('topics', 'add-partitions', 'grown', '-p', '2')).stderr).toBe(
      'error: Topic "grown" has 4 partitions, so it cannot get 2 in all.\nPartitions can be added, never removed.\n',
    );
    expect((await run('topics', 'add-partitions', 'grown')).exitCode).toBe(2);
  });

  it('suggests the name that was meant, and deletes nothing while one is wrong', async () => {
    await run('topics', 'create', 'payments');
    const wrong = await run('topics', 'delete', 'payments', 'paymets');
    expect(wrong).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no topic "paymets".\nDid you mean "payments"?\n',
    });
    expect((await run('topics', 'describe', 'payments')).exitCode).toBe(0);
    expect((await run('topics', 'delete', 'paymets', '--if-exists')).exitCode).toBe(0);
  });

  it("deletes Kafka's own topics, and gives them partitions, only where that is said", async () => {
    await run('topics', 'create', 'mine');
    await run('consume', 'mine', '--group', 'readers', '--exit-at-end');
    const groups = await run('groups', 'list', '-q');
    for (const args of [
      ['delete', 'mine', '__consumer_offsets'],
      ['delete', '__consumer_offsets', '--if-exists'],
      ['add-partitions', '__consumer_offsets', '--add', '1'],
    ]) {
      const refused = await run('topics', ...args);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toMatch(
        /^error: Topic "__consumer_offsets" is one of Kafka's own: the offsets of all groups would .*\.\n`--internal` does it/,
      );
    }
    expect((await run('topics', 'list', '-q')).stdout).toContain('mine\n');
    expect(await run('groups', 'list', '-q')).toEqual(groups);
    const internal = await run('topics', 'delete', '__consumer_offsets', 'mine', '--internal');
    expect(internal.stdout).toBe('Topic __consumer_offsets deleted\nTopic mine deleted\n');
  });

  it.each([[['topics', 'describe']], [['offsets']], [['offsets', '--at', 'latest']], [['log-dirs']]])(
    'shows what there is where another name is wrong: %j',
    async (command) => {
      await run('topics', 'create', 'shown');
      // How much room a disk has is another matter from one moment to the next.
      const ofTopic = (text: string): string[] => text.split('\n').filter((line) => line.includes('shown'));
      const alone = await run(...command, 'shown');
      expect([alone.exitCode, ofTopic(alone.stdout)]).toEqual([0, expect.arrayContaining([expect.any(String)])]);
      for (const names of [
        ['shown', 'shwn'],
        ['shwn', 'shown'],
      ]) {
        const { exitCode, stdout, stderr } = await run(...command, ...names);
        expect([exitCode, ofTopic(stdout)]).toEqual([1, ofTopic(alone.stdout)]);
        expect(stderr).toBe('error: There is no topic "shwn".\nDid you mean "shown"?\n');
      }
      expect((await run(...command, 'shwn', 'nothing-like-it')).stdout).toBe('');
    },
  );

  it('gives errors to scripts as JSON', async () => {
    const { exitCode, stderr } = await run('topics', 'describe', 'nothing-like-it', '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION',
        message: 'There is no topic "nothing-like-it".',
        hint: '`millrace topics list` shows the topics there are.',
      },
    });
  });
});
