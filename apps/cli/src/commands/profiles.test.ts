import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
let folder: string;
let env: Record<string, string>;
const run = (...args: string[]): Promise<TestRun> => millrace(undefined, args, { env });
const file = (): string => join(folder, 'millrace', 'profiles.json');

beforeAll(async () => {
  broker = await startBroker({ topics: ['orders'] });
});
afterAll(() => broker.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-profiles-'));
  env = { XDG_CONFIG_HOME: folder };
  return () => rm(folder, { recursive: true, force: true });
});

describe('millrace config', () => {
  it('keeps how clusters are reached, for nobody else to read', async () => {
    expect((await run('config', 'list')).stderr).toContain('There are no profiles yet. `millrace config set dev');
    const made = await run('config', 'set', 'dev', `bootstrap.servers=${broker.bootstrapServers}`);
    expect(made.stdout).toBe('Profile dev is made and in use\n');
    expect(((await stat(file())).mode & 0o777).toString(8)).toBe('600');
    expect(((await stat(join(folder, 'millrace'))).mode & 0o777).toString(8)).toBe('700');
    await run(
      'config',
      'set',
      'prod',
      'bootstrap.servers=kafka:9093',
      'security.protocol=SASL_SSL',
      'sasl.username=ann',
      'sasl.password=s3',
    );
    expect((await run('config', 'list')).stdout).toBe(
      `PROFILE  IN USE  SERVERS\ndev      yes     ${broker.bootstrapServers}\nprod     -       kafka:9093\n`,
    );
    expect((await run('topics', 'list', '-q')).stdout).toBe('orders\n');
  });

  it('takes the servers as every command does', async () => {
    expect((await run('config', 'set', 'dev', '-b', broker.bootstrapServers, 'client.id=me')).exitCode).toBe(0);
    expect((await run('topics', 'list', '-q')).stdout).toBe('orders\n');
    expect(await run('config', 'set', 'dev')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Give properties for the profile'),
    });
  });

  it('hides passwords until it is asked for them', async () => {
    await run('config', 'set', 'prod', 'security.protocol=SASL_PLAINTEXT', 'sasl.username=ann', 'sasl.password=s3');
    const shown = await run('config', 'show');
    expect(shown.stdout).toMatch(/^sasl\.username +ann$/m);
    expect(shown.stdout).toMatch(/^sasl\.password +\(hidden\)$/m);
    expect((await run('config', 'show', 'prod', '--secrets', '--json')).stdout).toContain('"sasl.password": "s3"');
    expect((await run('config', 'set', 'prod', 'client.id=me', '--json')).stdout).not.toContain('s3');
  });

  it('takes a profile for one command, by option or by variable', async () => {
    await run('config', 'set', 'away', 'bootstrap.servers=127.0.0.1:1');
    await run('config', 'set', 'here', `bootstrap.servers=${broker.bootstrapServers}`);
    expect((await run('topics', 'list')).exitCode).toBe(1);
    expect((await run('topics', 'list', '--profile', 'here')).exitCode).toBe(0);
    env['MILLRACE_PROFILE'] = 'here';
    expect((await run('topics', 'list')).exitCode).toBe(0);
    delete env['MILLRACE_PROFILE'];
    env['MILLRACE_BOOTSTRAP'] = broker.bootstrapServers;
    expect((await run('topics', 'list')).exitCode).toBe(0);
    expect((await run('topics', 'list', '--profile', 'away')).exitCode).toBe(1);
    expect((await run('topics', 'list', '--profile', 'her')).stderr).toContain('Did you mean "here"?');
    expect((await run('topics', 'list', '--profile', 'here', '--command-config', 'x')).exitCode).toBe(2);
  });

  it('gives the passwords of the profile in use to no other cluster', async () => {
    // Were the profile looked at, its mechanism would be refused.
    await run('config', 'set', 'prod', 'security.protocol=SASL_PLAINTEXT', 'sasl.username=ann', 'sasl.password=s3');
    expect((await run('topics', 'list', '-q', '-b', broker.bootstrapServers)).stdout).toBe('orders\n');
  });

  it('is changed, used, and deleted', async () => {
    await run('config', 'set', 'a', 'bootstrap.servers=x:1', 'client.id=me');
    await run('config', 'set', 'b', 'bootstrap.servers=y:1');
    expect((await run('config', 'unset', 'a', 'client.id')).stdout).toBe('Profile a is changed\n');
    expect((await run('config', 'unset', 'a', 'client.id')).stderr).toContain('Profile "a" does not set client.id');
    expect((await run('config', 'use', 'b')).stdout).toBe('Profile b is in use\n');
    expect((await run('config', 'show')).stdout).toContain('y:1');
    expect((await run('config', 'use', '--none')).stdout).toBe('No profile is in use\n');
    expect((await run('config', 'show')).exitCode).toBe(1);
    expect((await run('config', 'use')).exitCode).toBe(2);
    expect((await run('config', 'delete', 'b')).stdout).toBe('Profile b deleted\n');
    expect(JSON.parse(await readFile(file(), 'utf8'))).toEqual({ profiles: { a: { 'bootstrap.servers': 'x:1' } } });
  });

  it('takes no property that means nothing, and keeps paths whole', async () => {
    const wrong = await run('config', 'set', 'a', 'bootstrap.server=x:1');
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Did you mean "bootstrap.servers"?') });
    expect((await run('config', 'set', 'a/b', 'client.id=x')).exitCode).toBe(2);
    await run('config', 'set', 'a', 'ssl.truststore.location=ca.pem');
    expect((await run('config', 'show', 'a')).stdout).toContain(join(process.cwd(), 'ca.pem'));
    await writeFile(file(), '{"profiles": [');
    expect((await run('config', 'list')).stderr).toContain('holds no profiles that can be understood');
    // No profile is named, but which is in use nobody can tell.
    expect((await run('topics', 'list')).exitCode).toBe(1);
    expect((await run('topics', 'list', '-b', broker.bootstrapServers)).exitCode).toBe(0);
  });
});
