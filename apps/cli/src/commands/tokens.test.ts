import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

const MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule required';

let broker: TestBroker;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-tokens-'));
  broker = await startBroker({
    users: { alice: 'alice-pw', bob: 'bob-pw' },
    acls: [{ user: 'alice', operation: 'read', topic: 'orders' }],
    topics: ['orders'],
    config: { 'delegation.token.secret.key': 'a secret of the cluster' },
  });
});
afterAll(async () => {
  await broker.close();
  await rm(folder, { recursive: true });
});

/** A command as somebody whose login is in a file of Kafka's settings, as its tools take it. */
async function run(username: string, password: string, args: readonly string[], options = ''): Promise<TestRun> {
  const file = join(folder, 'client.properties');
  const jaas = `${MODULE} username="${username}" password="${password}"${options};`;
  await writeFile(file, `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=${jaas}\n`);
  return millrace(broker.bootstrapServers, [...args, '--command-config', file]);
}
const asAlice = (...args: string[]): Promise<TestRun> => run('alice', 'alice-pw', args);

describe('millrace tokens', () => {
  it('makes a token with which others see what its owner may, shows, renews and ends it', async () => {
    const created = await asAlice('tokens', 'create', '--renewer', 'bob', '--max-lifetime', '2d', '--json');
    const { tokenId, hmac, ...token } = JSON.parse(created.stdout);
    expect(token).toMatchObject({ owner: 'User:alice', requester: 'User:alice', renewers: ['User:bob'] });
    const lifetimeMs = Date.parse(token.endsAt) - Date.parse(token.issuedAt);
    expect(lifetimeMs).toBe(2 * 86_400_000);
    const asToken = (...args: string[]): Promise<TestRun> => run(tokenId, hmac, args, ' tokenauth="true"');
    expect((await asToken('topics', 'list')).stdout).toMatch(/^TOPIC.*\norders /);
    expect((await run(tokenId, hmac, ['topics', 'list'])).stderr).toMatch(/authentication/i);
    expect((await asToken('tokens', 'create')).stderr).toMatch('DELEGATION_TOKEN_REQUEST_NOT_ALLOWED');

    const listed = await asAlice('tokens', 'list');
    expect(listed.stdout).toContain(tokenId);
    expect(listed.stdout).not.toContain(hmac);
    // As with Kafka, one's tokens are those that one owns and those that one may renew.
    expect((await run('bob', 'bob-pw', ['tokens', 'list', '--owner', 'bob'])).stdout).toContain(tokenId);
    process.env['TEST_TOKEN_HMAC'] = hmac;
    const byBob = await run('bob', 'bob-pw', [
      'tokens',
      'renew',
      '--hmac-env',
      'TEST_TOKEN_HMAC',
      '--period',
      '1h',
      '--json',
    ]);
    expect(Date.parse(JSON.parse(byBob.stdout).expiresAt)).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect((await asAlice('tokens', 'expire', '--hmac-env', 'TEST_TOKEN_HMAC')).stdout).toMatch('The token has ended');
    delete process.env['TEST_TOKEN_HMAC'];
    expect((await asToken('topics', 'list')).stderr).toMatch(/authentication/i);
    expect((await asAlice('tokens', 'renew', '--hmac', hmac)).stderr).toMatch('DELEGATION_TOKEN_NOT_FOUND');
  });

  it('says how to log in with one that it has made', async () => {
    expect((await asAlice('tokens', 'create')).stdout).toMatch(
      /A token for User:alice.*\n +id .*\n +HMAC (?:.*\n)+.*tokenauth=true/,
    );
  });

  it.each([
    [['renew'], 'Nothing says the token’s HMAC'],
    [['expire', '--hmac-env', 'NOBODY_HAS_SET_THIS'], 'NOBODY_HAS_SET_THIS is not set'],
    [['create', '--max-lifetime', 'long'], '500ms, 30s'],
  ])('says what is missing: %j', async (args, message) => {
    const { exitCode, stderr } = await asAlice('tokens', ...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('has arguments that the SDK looks at before anything is sent', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await expect(admin.createDelegationToken({ owner: 'alice' })).rejects.toThrow('a principal such as User:alice');
    await expect(admin.createDelegationToken({ renewers: ['bob'] })).rejects.toThrow('a list of principals');
    await expect(admin.renewDelegationToken('')).rejects.toThrow('hmac');
  });
});
