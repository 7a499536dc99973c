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
