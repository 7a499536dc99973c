/** Foreign clients at a secured broker: every protocol and mechanism, with the right password, a wrong one, and without rights. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startBroker, type TestBroker } from '@millrace/testing';
import type { SASLOptions } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { has } from '../needs/index.ts';

const fixtures = new URL('../../packages/network/fixtures/', import.meta.url);
const certificate = fileURLToPath(new URL('localhost.cert.pem', fixtures));
const cert = readFileSync(certificate, 'utf8');
const key = readFileSync(new URL('localhost.key.pem', fixtures), 'utf8');

const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
type Mechanism = (typeof mechanisms)[number];

describe.each(['SASL_PLAINTEXT', 'SASL_SSL'] as const)('%s', (protocol) => {
  let broker: TestBroker;
  const isTls = protocol === 'SASL_SSL';

  beforeAll(async () => {
    broker = await startBroker({
      users: { alice: 'alice-pw', bob: 'bob-pw' },
      acls: [{ user: 'alice', operation: 'read', topic: 'orders' }],
      topics: ['orders', 'secrets'],
      ...(isTls ? { tls: { key, cert } } : {}),
    });
  });
  afterAll(() => broker.close());

  const kcat = (mechanism: Mechanism, user: string, password: string): Promise<{ isFine: boolean; text: string }> => {
    const settings = {
      'security.protocol': protocol,
      'sasl.mechanisms': mechanism,
      'sasl.username': user,
      'sasl.password': password,
      ...(isTls ? { 'ssl.ca.location': certificate } : {}),
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-X', `${name}=${value}`]);
    return new Promise((resolve) => {
      execFile('kcat', ['-L', '-m', '2', '-b', broker.bootstrapServers, ...options], (error, stdout, stderr) => {
        resolve({ isFine: error === null, text: `${stdout}${stderr}` });
      });
    });
  };

  const kafkajs = async (mechanism: Mechanism, username: string, password: string): Promise<string[]> => {
    // kafkajs has a type for each mechanism, of which these three are alike.
    const sasl = { mechanism: mechanism.toLowerCase(), username, password } as SASLOptions;
    const ssl = isTls ? { ca: [cert] } : false;
    const kafka = connectKafkaJs(broker.bootstrapServers, { retry: { retries: 0 }, sasl, ssl });
    const admin = kafka.admin();
    try {
      await admin.connect();
      return await admin.listTopics();
    } finally {
      await admin.disconnect();
    }
  };

  describe.skipIf(!has('kcat', import.meta.url))('kcat', () => {
    it.each(mechanisms)('%s', async (mechanism) => {
      const right = await kcat(mechanism, 'alice', 'alice-pw');
      expect(right).toMatchObject({ isFine: true, text: expect.stringMatching(/topic "orders"/) });
      expect(right.text).not.toContain('secrets');
      const noRights = await kcat(mechanism, 'bob', 'bob-pw');
      expect(noRights).toMatchObject({ isFine: true, text: expect.stringMatching(/ 0 topics/) });
      const wrong = await kcat(mechanism, 'alice', 'wrong');
      expect(wrong).toMatchObject({ isFine: false, text: expect.stringMatching(/authentication/i) });
    });
  });

  describe('kafkajs', () => {
    it.each(mechanisms)('%s', async (mechanism) => {
      expect(await kafkajs(mechanism, 'alice', 'alice-pw')).toEqual(['orders']);
      expect(await kafkajs(mechanism, 'bob', 'bob-pw')).toEqual([]);
      await expect(kafkajs(mechanism, 'alice', 'wrong')).rejects.toThrow(/authentication/i);
    });
  });
});
