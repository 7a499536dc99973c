/** kcat logs in by OAUTHBEARER with the one kind of token that Debian's build of it can make: without a signature. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../clients/index.ts';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { freePort } from '../kafka/index.ts';
import { has } from '../needs/index.ts';
import { AUDIENCE, TokenProvider } from './secured/token-provider.ts';

const HOST = '127.0.0.1';
const MODULES = 'org.apache.kafka.common.security.oauthbearer';
const TOPIC = 'orders';

interface Ports {
  readonly open: number;
  readonly unsigned: number;
  readonly signed: number;
}

/** One listener that takes tokens without a signature, for tests, and one that wants the provider's. */
function settingsOf({ open, unsigned, signed }: Ports, provider: TokenProvider): Record<string, string> {
  const ofListener = (name: string, handler: string, options = ''): Record<string, string> => ({
    [`listener.name.${name}.oauthbearer.sasl.jaas.config`]: `${MODULES}.OAuthBearerLoginModule required ${options};`,
    [`listener.name.${name}.oauthbearer.sasl.server.callback.handler.class`]: `${MODULES}.${handler}`,
  });
  return {
    listeners: `OPEN://${HOST}:${open},UNSIGNED://${HOST}:${unsigned},SIGNED://${HOST}:${signed}`,
    'listener.security.protocol.map': 'OPEN:PLAINTEXT,UNSIGNED:SASL_PLAINTEXT,SIGNED:SASL_PLAINTEXT',
    'inter.broker.listener.name': 'OPEN',
    'sasl.enabled.mechanisms': 'OAUTHBEARER',
    'sasl.oauthbearer.jwks.endpoint.url': provider.keysUrl,
    'sasl.oauthbearer.expected.audience': AUDIENCE,
    'sasl.oauthbearer.expected.issuer': provider.issuer,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:alice;User:ANONYMOUS',
    ...ofListener('unsigned', 'internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler'),
    ...ofListener('signed', 'OAuthBearerValidatorCallbackHandler'),
  };
}

describe.skipIf(!has('kcat', import.meta.url))('kcat by OAUTHBEARER', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kcat-tokens-'));
  let provider: TokenProvider;
  let broker: SpawnedBroker;
  let ports: Ports;

  beforeAll(async () => {
    provider = await TokenProvider.start({ alice: 'alice-pw' });
    ports = { open: await freePort(), unsigned: await freePort(), signed: await freePort() };
    broker = await SpawnedBroker.start({ folder, settings: settingsOf(ports, provider) });
    await using admin = new Admin({ bootstrapServers: `${HOST}:${ports.open}` });
    await admin.createTopics([{ topic: TOPIC, partitions: 1, replicationFactor: 1 }]);
  }, 120_000);
  afterAll(async () => {
    await broker.stop();
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const kcat = (listener: keyof Ports, user: string, args: readonly string[], input = ''): Promise<string> => {
    const settings = {
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanisms': 'OAUTHBEARER',
      'enable.sasl.oauthbearer.unsecure.jwt': 'true',
      'sasl.oauthbearer.config': `principal=${user}`,
      'message.timeout.ms': '10000',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-X', `${name}=${value}`]);
    return runProgram('kcat', ['-b', `${HOST}:${ports[listener]}`, ...options, ...args], { input });
  };

  it('writes and reads with a token without a signature where the listener takes those', async () => {
    await kcat('unsigned', 'alice', ['-P', '-t', TOPIC], 'one cake\n');
    expect(await kcat('unsigned', 'alice', ['-C', '-t', TOPIC, '-c', '1', '-q'])).toBe('one cake\n');
  }, 60_000);

  it('is held to the rights of whom its token names', async () => {
    await expect(kcat('unsigned', 'bob', ['-P', '-t', TOPIC], 'no cake\n')).rejects.toThrow(/authorization failed/i);
  }, 60_000);

  it('is refused with such a token where tokens must be signed', async () => {
    await expect(kcat('signed', 'alice', ['-P', '-t', TOPIC], 'no cake\n')).rejects.toThrow(/authentication fail/i);
  }, 60_000);
});
