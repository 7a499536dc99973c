import { readFileSync } from 'node:fs';
import { parseBrokerConfig } from '@millrace/broker';
import { Connection, type SaslOptions } from '@millrace/network';
import { DescribeAcls, Metadata } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { settingFaults } from './arguments.ts';
import { startBroker, type TestBroker } from './test-broker.ts';

let broker: TestBroker | undefined;
afterEach(async () => {
  await broker?.close();
  broker = undefined;
});

const settingFaultsOf = (settings: Record<string, string>): string => {
  const { problems, warnings } = parseBrokerConfig(settings);
  expect(warnings).toMatchObject([{ code: 'UNSAFE_CONFIG' }]);
  return settingFaults(problems, warnings);
};

const pem = (name: string): string =>
  readFileSync(new URL(`../../network/fixtures/localhost.${name}.pem`, import.meta.url), 'utf8');

async function seenBy(sasl: SaslOptions | undefined, tls?: object): Promise<string[]> {
  const connection = await Connection.connect({ host: 'localhost', port: broker?.port ?? 0, sasl, tls });
  try {
    const { topics } = await connection.send(Metadata, 8, { topics: null });
    return topics.map(({ name }) => name ?? '');
  } finally {
    await connection.close();
  }
}

describe('a secured broker for tests', () => {
  it('knows its users, and shows each what the rules let him see', async () => {
    broker = await startBroker({
      users: { alice: 'alice-pw', bob: 'b"o\\b' },
      acls: [{ user: 'alice', operation: 'read', topic: 'or', prefixed: true }],
      topics: ['orders', 'secrets'],
    });
    expect(await seenBy({ mechanism: 'PLAIN', username: 'alice', password: 'alice-pw' })).toEqual(['orders']);
    expect(await seenBy({ mechanism: 'SCRAM-SHA-512', username: 'bob', password: 'b"o\\b' })).toEqual([]);
    await expect(seenBy({ mechanism: 'SCRAM-SHA-256', username: 'bob', password: 'x' })).rejects.toThrow('failed');
    await expect(seenBy(undefined)).rejects.toThrow();
  });

  it('knows rules about tokens, of a user and by their ids', async () => {
    broker = await startBroker({
      users: { alice: 'alice-pw', bob: 'bob-pw' },
      acls: [
        { user: 'alice', operation: 'create-tokens', tokensOf: 'bob' },
        { user: 'alice', operation: 'describe-tokens', tokensOf: '*' },
        { user: 'alice', operation: 'describe', delegationToken: 'id' },
        { user: 'alice', operation: 'describe', cluster: true },
      ],
    });
    const sasl = { mechanism: 'PLAIN', username: 'alice', password: 'alice-pw' } as const;
    const connection = await Connection.connect({ host: 'localhost', port: broker.port, sasl });
    try {
      const any = { patternTypeFilter: 1, principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 };
      const { resources } = await connection.send(DescribeAcls, 3, {
        resourceTypeFilter: 1,
        resourceNameFilter: null,
        ...any,
      });
      const seen = resources.map(({ resourceType, resourceName, acls }) => [
        resourceType,
        resourceName,
        acls.map(({ operation }) => operation),
      ]);
      expect(seen.sort()).toEqual([
        [4, 'kafka-cluster', [8]],
        [6, 'id', [8]],
        [7, '*', [14]],
        [7, 'User:bob', [13]],
      ]);
    } finally {
      await connection.close();
    }
  });

  it('speaks TLS, with or without logins', async () => {
    broker = await startBroker({ tls: { key: pem('key'), cert: pem('cert') }, topics: ['orders'] });
    expect(await seenBy(undefined, { ca: pem('cert') })).toEqual(['orders']);
    await expect(seenBy(undefined)).rejects.toThrow();
  });

  it('starts with settings that a broker in earnest is warned of', async () => {
    const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_a="b";';
    const entries = settingFaultsOf({
      listeners: 'SASL_PLAINTEXT://:0',
      'security.inter.broker.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': module.replace(
        'required',
        'required username="a" password="b"',
      ),
    });
    expect(entries).toBe('');
  });

  it('refuses rules without users, and listeners that its options do not mean', async () => {
    await expect(startBroker({ acls: [] })).rejects.toMatchObject({ code: 'TESTING_INVALID_CONFIG' });
    await expect(startBroker({ config: { listeners: 'SASL_SSL://127.0.0.1:0' } })).rejects.toMatchObject({
      code: 'TESTING_INVALID_CONFIG',
    });
  });
});
