import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);

beforeAll(async () => {
  broker = await startBroker({
    config: {
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  });
});
afterAll(() => broker.close());

describe('millrace acls', () => {
  it('adds rules for producers and consumers, shows them, and removes them', async () => {
    expect((await run('acls', 'list')).stdout).toBe('There are no such access rules.\n');
    expect((await run('acls', 'add', '--principal', 'alice', '--producer', '--topic', 'orders')).stdout).toBe(
      'User:alice may write topic orders\nUser:alice may describe topic orders\nUser:alice may create topic orders\n',
    );
    const consumer = ['--consumer', '--topic', 'or', '--group', 'bil', '--prefixed'];
    expect((await run('acls', 'add', '--principal', 'User:bob', ...consumer)).stdout).toBe(
      'User:bob may read topics that begin with or\nUser:bob may describe topics that begin with or\nUser:bob may read groups that begin with bil\n',
    );
    const { stdout } = await run('acls', 'list', '--principal', 'bob');
    expect(stdout).toMatch(
      /^RESOURCE +NAME +PRINCIPAL +HOST +OPERATION +RULE\ngroup +bil\.\.\. +User:bob +\* +read +allow\n/,
    );
    expect(JSON.parse((await run('acls', 'list', '--topic', 'orders', '--json')).stdout)).toHaveLength(3);
    expect((await run('acls', 'remove', '--topic', 'orders', '--operation', 'write')).stdout).toBe(
      '1 access rule removed:\nUser:alice may write topic orders\n',
    );
    expect((await run('acls', 'remove', '--all')).stdout).toMatch(/^5 access rules removed:\n/);
    expect((await run('acls', 'remove', '--all')).stdout).toMatch('nothing was removed');
  });

  it('adds rules about tokens, of users and by their ids, shows them and removes them', async () => {
    const tokens = ['--operation', 'CreateTokens', '--operation', 'DESCRIBE_TOKENS', '--user', 'dave'];
    expect((await run('acls', 'add', '--principal', 'carol', ...tokens)).stdout).toBe(
      'User:carol may create-tokens user User:dave\nUser:carol may describe-tokens user User:dave\n',
    );
    const id = ['--operation', 'describe', '--delegation-token', 'a-token', '--user', '*'];
    expect((await run('acls', 'add', '--principal', 'carol', ...id)).stderr).toMatch(
      'describe is none that a user has',
    );
    expect((await run('acls', 'add', '--principal', 'carol', ...id.slice(0, 4))).stdout).toBe(
      'User:carol may describe delegation-token a-token\n',
    );
    expect(JSON.parse((await run('acls', 'list', '--user', 'User:dave', '--json')).stdout)).toHaveLength(2);
    expect((await run('acls', 'remove', '--user', 'dave')).stdout).toMatch('2 access rules removed');
    expect((await run('acls', 'remove', '--delegation-token', 'a-token')).stdout).toMatch('1 access rule removed');
  });

  it('keeps what forbids, unless it is told to remove that', async () => {
    const about = ['--principal', 'erin', '--topic', 'audit'];
    await run('acls', 'add', ...about, '--operation', 'all');
    await run('acls', 'add', ...about, '--operation', 'delete', '--deny');
    expect((await run('acls', 'remove', ...about)).stdout).toBe(
      '1 access rule removed:\nUser:erin may all topic audit\n',
    );
    expect((await run('acls', 'remove', ...about)).stdout).toMatch('removed with --deny, or with --any');
    expect((await run('acls', 'remove', ...about, '--deny')).stdout).toMatch('User:erin may not delete topic audit');
    await run('acls', 'add', ...about, '--operation', 'all');
    await run('acls', 'add', ...about, '--operation', 'delete', '--deny');
    expect((await run('acls', 'remove', ...about, '--any')).stdout).toMatch('2 access rules removed');
  });

  it('forbids from an address', async () => {
    const rule = ['--principal', 'User:*', '--deny', '--operation', 'ALL', '--cluster', '--host', '10.0.0.1'];
    expect((await run('acls', 'add', ...rule)).stdout).toBe('User:* may not all cluster kafka-cluster from 10.0.0.1\n');
  });

  it.each([
    [['add', '--topic', 'a', '--operation', 'read'], 'Nobody is named'],
    [['add', '--principal', 'a', '--operation', 'read'], 'Nothing is named'],
    [['add', '--principal', 'a', '--topic', 'b'], 'No operation is named'],
    [['add', '--principal', 'a', '--topic', 'b', '--operation', 'fly'], 'It is one of all, read'],
    [
      ['add', '--principal', 'a', '--transactional-id', 'b', '--operation', 'read'],
      'The operation read is none that a transactional id has.',
    ],
    [
      ['add', '--principal', 'a', '--transactional-id', 'b', '--operation', 'read'],
      'It is one of all, write, describe.',
    ],
    [['add', '--principal', 'a', '-t', 'b', '-g', 'c', '--operation', 'WRITE'], 'write is none that a group has'],
    [['add', '--principal', 'a', '--topic', 'b', '--operation', 'cluster-action'], 'none that a topic has'],
    [['add', '--principal', 'a', '--cluster', '--operation', 'read'], 'none that a cluster has'],
    [['remove', '--any'], 'every access rule there is'],
    [['remove', '--topic', 'a', '--any', '--deny'], 'mean two things'],
    [['remove'], 'every access rule there is'],
  ])('says what is missing: %j', async (args, message) => {
    const { exitCode, stderr } = await run('acls', ...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('millrace users', () => {
  it('gives passwords from the environment, shows who has one, and takes them away', async () => {
    process.env['TEST_USER_PASSWORD'] = 'carol-pw';
    expect((await run('users', 'list')).stdout).toBe('Nobody can log in by SCRAM.\n');
    expect((await run('users', 'set-password', 'carol', '--password-env', 'TEST_USER_PASSWORD')).stdout).toBe(
      'carol can log in by SCRAM-SHA-256 and SCRAM-SHA-512\n',
    );
    expect((await run('users', 'list')).stdout).toMatch(/carol +SCRAM-SHA-256 +8192\ncarol +SCRAM-SHA-512 +8192\n/);
    expect((await run('users', 'delete', 'carol', '--mechanism', 'scram-sha-256')).stdout).toMatch(
      'SCRAM-SHA-256 any more',
    );
    expect((await run('users', 'delete', 'carol')).stdout).toMatch('SCRAM-SHA-512 any more');
    expect((await run('users', 'delete', 'carol')).exitCode).toBe(1);
    await run('users', 'set-password', 'dora', '--password-env', 'TEST_USER_PASSWORD');
    const slip = await run('users', 'delete', 'dara');
    expect(slip).toMatchObject({ exitCode: 1, stdout: '' });
    expect(slip.stderr).toMatch(
      /Nobody called dara can log in by SCRAM, so .*\n.*Did you mean dora\? `millrace users list`/,
    );
    for (const [name, code, why] of [
      ['müller', 2, 'signs of ASCII alone'],
      ['a\nb', 1, 'has control characters or ends of lines in it'],
    ] as const) {
      const { exitCode, stdout, stderr } = await run(
        'users',
        'set-password',
        name,
        '--password-env',
        'TEST_USER_PASSWORD',
      );
      expect([exitCode, stdout, stderr]).toEqual([code, '', expect.stringContaining(why)]);
    }
    delete process.env['TEST_USER_PASSWORD'];
    expect((await run('users', 'set-password', 'carol', '--password-env', 'TEST_USER_PASSWORD')).exitCode).toBe(2);
  });
});

describe('a broker that checks nobody', () => {
  let open: TestBroker;
  beforeAll(async () => {
    open = await startBroker();
  });
  afterAll(() => open.close());

  it.each([
    [['acls', 'list'], '`millrace start --secure`'],
    [['acls', 'add', '--principal', 'a', '--producer', '--topic', 't'], '`millrace start --secure`'],
    [['tokens', 'create'], '`--command-config FILE` logs in'],
  ])('says what makes it one that does: %j', async (args, hint) => {
    const { exitCode, stdout, stderr } = await millrace(open.bootstrapServers, args);
    expect([exitCode, stdout, stderr]).toEqual([1, '', expect.stringContaining(hint)]);
  });
});
