import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueServer, newAuthority } from './secure/certificates.ts';
import { millrace } from './testing/test-cli.ts';

const now = new Date();
const { certificate: cert, key } = issueServer(newAuthority('Millrace test', now), ['localhost', '127.0.0.1'], now);
const users = { alice: 'secret' };
const SECURED = { TLS: { tls: { cert, key } }, SASL: { users }, 'TLS and SASL': { users, tls: { cert, key } } };

describe.each(Object.entries(SECURED))('a port that wants %s', (_wanted, security) => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await startBroker(security);
  });
  afterAll(() => broker.close());

  it.each([[[]], [['--timeout', '1s']]])('is told of with the file that says how to log in: %j', async (more) => {
    const { exitCode, stdout, stderr } = await millrace(broker.bootstrapServers, ['topics', 'list', ...more]);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /Does this port want .*\n`--command-config FILE` takes .*security\.protocol.*sasl\.mechanism/,
    );
  });
});

describe('a port that is plain, asked with', () => {
  let broker: TestBroker;
  let folder: string;
  beforeAll(async () => {
    broker = await startBroker();
    folder = await mkdtemp(join(tmpdir(), 'millrace-plain-'));
  });
  afterAll(async () => {
    await broker.close();
    await rm(folder, { recursive: true });
  });

  const login = 'sasl.mechanism=SCRAM-SHA-256\nsasl.username=alice\nsasl.password=secret\n';
  it.each([
    ['SSL', '', 'Does this port speak TLS?'],
    ['SASL_SSL', login, 'Does this port speak TLS?'],
    ['SASL_PLAINTEXT', login, 'does not use SASL.'],
  ])('%s: is told of with the setting that asks for it', async (protocol, more, what) => {
    const file = join(folder, protocol);
    await writeFile(file, `security.protocol=${protocol}\n${more}`);
    for (const command of [
      ['topics', 'list'],
      ['topics', 'list', '--timeout', '2s'],
      ['consume', 't'],
    ]) {
      const { exitCode, stderr } = await millrace(broker.bootstrapServers, [...command, '--command-config', file]);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining(what)]);
      expect(stderr).not.toContain('Leave the option');
      expect(stderr).toMatch(/^error: [^\n]*\nThe client properties ask for it \(security\.protocol\)\. /);
    }
  });
});
