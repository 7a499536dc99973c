import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace } from '../testing/test-cli.ts';
import { masksOf, readUsers } from './access.ts';

describe('who may log in to the console', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-users-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function users(text: string) {
    const path = join(folder, 'users');
    await writeFile(path, text);
    return readUsers(path);
  }

  it('is read with roles for everything and for some topics and groups, and passwords with colons', async () => {
    const text = '# ours\neve:viewer:looks\r\ned:viewer,editor@topic/orders-*:a:b\n\nbo:viewer@group/billing:x,y@z\n';
    expect(await users(text)).toEqual([
      { name: 'eve', role: 'viewer', password: 'looks', grants: [] },
      {
        name: 'ed',
        role: 'viewer',
        password: 'a:b',
        grants: [{ role: 'editor', on: 'topic', pattern: 'orders-*' }],
      },
      { name: 'bo', role: null, password: 'x,y@z', grants: [{ role: 'viewer', on: 'group', pattern: 'billing' }] },
    ]);
  });

  it.each([
    ['eve:boss:pw'],
    ['eve:viewer'],
    ['eve:viewer,admin:pw'],
    ['eve:viewer,:pw'],
    ['eve:viewer@topic:pw'],
    ['eve:boss@topic/a:pw'],
    ['eve:viewer@broker/1:pw'],
    [':viewer:pw'],
  ])('is refused with the place where %j stands', async (line) => {
    await expect(users(`# one\n${line}\n`)).rejects.toMatchObject({
      code: 'CLI_CONFIG_INVALID',
      message: expect.stringContaining('users:2 is not NAME:ROLE:PASSWORD'),
    });
  });

  it('has a password as its hash, and nothing that only begins like one', async () => {
    const hashed = await millrace(undefined, ['console', 'hash-password', '-q'], { stdin: 'looks\nmore\n' });
    const hash = hashed.stdout.trim();
    expect(await users(`eve:viewer:${hash}\n`)).toMatchObject([{ name: 'eve', password: hash }]);
    await expect(users(`eve:viewer:${hash.slice(0, -30)}\n`)).rejects.toMatchObject({
      code: 'CLI_CONFIG_INVALID',
      message: expect.stringContaining('users, eve: A password begins like a hash'),
    });
    const { exitCode } = await millrace(undefined, ['console', 'hash-password', '--password-env', 'PW']);
    expect(exitCode).toBe(2);
  });

  it('has a line of his own', async () => {
    await expect(users('eve:viewer:a\nann:admin:b\neve:admin:c\n')).rejects.toMatchObject({
      code: 'CLI_CONFIG_INVALID',
      message: expect.stringContaining('has eve twice'),
    });
  });

  it('is somebody', async () => {
    await expect(users('# nobody\n')).rejects.toMatchObject({ code: 'CLI_CONFIG_INVALID' });
  });
});

describe('the clusters of a console', () => {
  it.each([
    [['--cluster', 'a=one:9092', '--cluster', 'a=two:9092'], 'two clusters of the name a'],
    [['--cluster', 'a=one:99999999'], '99999999'],
    [['--bootstrap-server', 'one:99999999'], '99999999'],
  ])('are refused before anything is served: %j', async (given, why) => {
    const { exitCode, stderr } = await millrace(undefined, ['console', '--port', '0', ...given]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(why);
  });
});

describe('a console that logs in to its cluster', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-login-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    [[], true],
    [['--users', 'users'], false],
  ])('says that everybody of this machine is let in with it, where nobody has to log in: %j', async (more, isTold) => {
    const at = (name: string) => join(folder, name);
    await writeFile(
      at('client.properties'),
      'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=a\nsasl.password=b\n',
    );
    await writeFile(at('users'), 'eve:viewer:pw\n');
    // A port that cannot be had ends it at once.
    const given = [
      '--bootstrap-server',
      'localhost:1',
      '--command-config',
      at('client.properties'),
      '--host',
      '192.0.2.1',
    ];
    const { stderr } = await millrace(undefined, [
      'console',
      ...given,
      ...more.map((each) => (each === 'users' ? at(each) : each)),
    ]);
    expect(stderr.includes('asks nobody for a login of his own')).toBe(isTold);
  });
});

describe('what nobody is shown', () => {
  it('is fields of the topics whose names fit', () => {
    expect(masksOf([['payments-*', 'card.number, iban']])).toEqual([
      { topics: 'payments-*', fields: ['card.number', 'iban'] },
    ]);
  });

  it('is something', () => {
    for (const fields of [' , ', 'a..b', '.b', 'iban,a.'])
      expect(() => masksOf([['payments', fields]])).toThrow(/--mask/);
  });
});
