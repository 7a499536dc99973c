import { generateKeyPairSync, pbkdf2Sync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { silentLogger } from '@millrace/broker';
import { Connection, type SaslOptions } from '@millrace/network';
import {
  AlterUserScramCredentials,
  CreateAcls,
  CreateTopics,
  DescribeUserScramCredentials,
  Metadata,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';

const fixtures = new URL('../../../packages/network/fixtures/', import.meta.url);
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required';

let folder: string;
let broker: BrokerProcess | undefined;
let connections: Connection[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-secured-'));
  connections = [];
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await broker?.stop();
  broker = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Key and certificate in one file, as Kafka has it in PEM. */
async function keystore(): Promise<string> {
  const path = join(folder, 'keystore.pem');
  const [key, certificate] = await Promise.all(
    ['localhost.key.pem', 'localhost.cert.pem'].map((name) => readFile(new URL(name, fixtures), 'utf8')),
  );

  await writeFile(path, `${key}\n${certificate}`);
  return path;
}

async function start(settings: Readonly<Record<string, string>>): Promise<BrokerProcess> {
  broker = await startBrokerProcess({
    env: {},
    logger: silentLogger,
    overrides: { 'log.dirs': join(folder, 'data'), 'millrace.http.port': '', ...settings },
  });
  return broker;
}

/** A broker with TLS and logins, rights checked, and `admin` who may everything. */
async function startSecured(settings: Readonly<Record<string, string>> = {}): Promise<BrokerProcess> {
  return start({
    listeners: 'SASL_SSL://127.0.0.1:0',
    'advertised.listeners': 'SASL_SSL://localhost:0',
    'ssl.keystore.location': await keystore(),
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': `${PLAIN} username="admin" password="admin-pw" user_admin="admin-pw" user_bob="bob-pw";`,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:admin',
    ...settings,
  });
}

const plain = (username: string, password = `${username}-pw`): SaslOptions => ({
  mechanism: 'PLAIN',
  username,
  password,
});

async function connect(sasl: SaslOptions | undefined, tls: object | undefined = undefined): Promise<Connection> {
  const [endpoint] = broker?.endpoints ?? [];
  const ca = await readFile(new URL('localhost.cert.pem', fixtures));
  const connection = await Connection.connect({
    host: 'localhost',
    port: endpoint?.port ?? 0,
    sasl,
    tls: tls ?? { ca },
  });
  connections.push(connection);
  return connection;
}

describe('a broker with TLS, logins and rights', () => {
  it('lets in who is known, and shows him what he may see', async () => {
    await startSecured();
    const admin = await connect(plain('admin'));
    const topics = [{ name: 'secret', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    const created = await admin.send(CreateTopics, 5, { topics, timeoutMs: 10_000, validateOnly: false });
    expect(created.topics[0]?.errorCode).toBe(0);
    const bob = await connect(plain('bob'));
    const asBob = async (): Promise<number | undefined> =>
      (await bob.send(Metadata, 8, { topics: [{ name: 'secret' }], allowAutoTopicCreation: false })).topics[0]
        ?.errorCode;
    expect(await asBob()).toBe(29);
    expect((await bob.send(Metadata, 8, { topics: null })).topics).toEqual([]);
    const rule = {
      resourceType: 2,
      resourceName: 'se',
      resourcePatternType: 4,
      principal: 'User:bob',
      host: '*',
      operation: 3,
      permissionType: 3,
    };
    expect((await admin.send(CreateAcls, 1, { creations: [rule] })).results).toMatchObject([{ errorCode: 0 }]);
    expect(await asBob()).toBe(0);
  });

  it('lets in by SCRAM whom an administrator has given a password, and no longer when it is taken away', async () => {
    await startSecured();
    const admin = await connect(plain('admin'));
    const salt = randomBytes(16);
    const saltedPassword = pbkdf2Sync('carol-pw', salt, 4096, 32, 'sha256');
    const upsertions = [{ name: 'carol', mechanism: 1, iterations: 4096, salt, saltedPassword }];
    const altered = await admin.send(AlterUserScramCredentials, 0, { deletions: [], upsertions });
    expect(altered.results).toMatchObject([{ user: 'carol', errorCode: 0 }]);
    const described = await admin.send(DescribeUserScramCredentials, 0, { users: null });
    expect(described.results).toMatchObject([{ user: 'carol', credentialInfos: [{ mechanism: 1, iterations: 4096 }] }]);
    const sasl: SaslOptions = { mechanism: 'SCRAM-SHA-256', username: 'carol', password: 'carol-pw' };
    await connect(sasl);
    await expect(connect({ ...sasl, password: 'wrong' })).rejects.toThrow('invalid credentials');
    await admin.send(AlterUserScramCredentials, 0, { deletions: [{ name: 'carol', mechanism: 1 }], upsertions: [] });
    await expect(connect(sasl)).rejects.toThrow('invalid credentials');
  });

  it.each<[string, SaslOptions | undefined]>([
    ['a wrong password', plain('bob', 'wrong')],
    ['a name that nobody knows', plain('mallory')],
    ['a mechanism that is not enabled', { mechanism: 'OAUTHBEARER', token: () => 'x.y.z' }],
    ['no login', undefined],
  ])('turns away %s', async (_, sasl) => {
    await startSecured();
    await expect(connect(sasl).then((connection) => connection.send(Metadata, 8, { topics: [] }))).rejects.toThrow();
  });

  it('asks for a certificate beside the login where the listener’s own setting says so, and does not start with that of all', async () => {
    const trusted = { 'ssl.truststore.location': new URL('localhost.cert.pem', fixtures).pathname };
    await expect(startSecured({ ...trusted, 'ssl.client.auth': 'required' })).rejects.toThrow(
      'Set listener.name.sasl_ssl.ssl.client.auth to required',
    );
    await startSecured({ ...trusted, 'listener.name.sasl_ssl.ssl.client.auth': 'required' });
    const [ca, key] = await Promise.all(
      ['localhost.cert.pem', 'localhost.key.pem'].map((name) => readFile(new URL(name, fixtures))),
    );
    await expect(connect(plain('admin'), { ca })).rejects.toThrow();
    const shown = { ca, cert: ca, key };
    await expect(connect(plain('admin', 'wrong'), shown)).rejects.toThrow('Invalid username or password');
    // Who he is, his login says.
    const users = await (await connect(plain('admin'), shown)).send(DescribeUserScramCredentials, 0, { users: null });
    expect(users.errorCode).toBe(0);
  });

  it('closes the connection of who speaks plain text to it', async () => {
    await startSecured();
    const socket = connectSocket(broker?.endpoints[0]?.port ?? 0, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(Buffer.from('00000013001200000000000100057465737400', 'hex'));
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  });
});

describe('a listener with OAUTHBEARER', () => {
  const CLASS = 'org.apache.kafka.common.security.oauthbearer';
  const settings = {
    listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
    'advertised.listeners': 'SASL_PLAINTEXT://localhost:0',
    'sasl.enabled.mechanisms': 'OAUTHBEARER',
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:app',
  };
  const asApp = async (token: string): Promise<number> => {
    const connection = await Connection.connect({
      host: 'localhost',
      port: broker?.endpoints[0]?.port ?? 0,
      sasl: { mechanism: 'OAUTHBEARER', token: () => token },
    });
    connections.push(connection);
    return (await connection.send(DescribeUserScramCredentials, 0, { users: null })).errorCode;
  };

  it('lets in whom the provider has signed a token for, with keys from its URL or a file', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] });
    const now = Math.trunc(Date.now() / 1000);
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const tokenFor = (claims: object): string => {
      const body = `${part({ alg: 'ES256', kid: 'k' })}.${part({ sub: 'app', aud: 'kafka', iat: now, exp: now + 60, ...claims })}`;
      return `${body}.${sign('sha256', Buffer.from(body), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    };
    const provider = createServer((_, response) => response.end(keys)).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const file = join(folder, 'keys.json');
    await writeFile(file, keys);
    const { port } = provider.address() as AddressInfo;
    for (const url of [`http://127.0.0.1:${port}/keys`, pathToFileURL(file).href]) {
      await start({
        ...settings,
        'listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class': `${CLASS}.OAuthBearerValidatorCallbackHandler`,
        'listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config': `${CLASS}.OAuthBearerLoginModule required;`,
        'sasl.oauthbearer.jwks.endpoint.url': url,
        'sasl.oauthbearer.expected.audience': 'kafka',
      });
      expect(await asApp(tokenFor({}))).toBe(0);
      await expect(asApp(tokenFor({ aud: 'others' }))).rejects.toThrow('invalid_token');
      await expect(asApp(`${part({ alg: 'none' })}.${part({ sub: 'app', exp: now + 60 })}.`)).rejects.toThrow(
        'invalid_token',
      );
      await Promise.all(connections.map((connection) => connection.close()));
      await broker?.stop();
      await rm(join(folder, 'data'), { recursive: true });
    }
    provider.close();
  });

  it('takes tokens without a signature only where their class is named', async () => {
    const name = 'listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class';
    await expect(start(settings)).rejects.toThrow(/knows no keys.*Set sasl\.oauthbearer\.jwks\.endpoint\.url/);
    await expect(start({ ...settings, [name]: 'com.example.Mine' })).rejects.toThrow('no class is loaded');
    await expect(start({ ...settings, 'sasl.oauthbearer.jwks.endpoint.url': 'ftp://keys' })).rejects.toThrow('ftp:');
    await start({ ...settings, [name]: `${CLASS}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler` });
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.trunc(Date.now() / 1000) + 60;
    expect(await asApp(`${part({ alg: 'none' })}.${part({ sub: 'app', exp })}.`)).toBe(0);
    expect(await asApp(`${part({ alg: 'none' })}.${part({ sub: 'other', exp })}.`)).toBe(31);
  });
});

describe('a listener with TLS alone', () => {
  it('knows clients by their certificates, in Java’s words or as a rule makes them', async () => {
    await start({
      listeners: 'SSL://127.0.0.1:0',
      'advertised.listeners': 'SSL://localhost:0',
      'ssl.keystore.location': await keystore(),
      'ssl.truststore.location': new URL('localhost.cert.pem', fixtures).pathname,
      'ssl.client.auth': 'requested',
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*?),OU=dev.*$/$1/U,DEFAULT',
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:LOCALHOST',
    });
    const [ca, key] = await Promise.all(
      ['localhost.cert.pem', 'localhost.key.pem'].map((name) => readFile(new URL(name, fixtures))),
    );
    const known = await connect(undefined, { ca, cert: ca, key });
    expect((await known.send(DescribeUserScramCredentials, 0, { users: null })).errorCode).toBe(0);
    const unknown = await connect(undefined, { ca });
    expect((await unknown.send(DescribeUserScramCredentials, 0, { users: null })).errorCode).toBe(31);
  });

  it('takes key and trust from stores of Java, under the names that Kafka has them', async () => {
    const stores = new URL('../fixtures/', import.meta.url);
    await start({
      listeners: 'SSL://127.0.0.1:0',
      'advertised.listeners': 'SSL://localhost:0',
      'ssl.keystore.type': 'JKS',
      'ssl.keystore.location': new URL('localhost.jks', stores).pathname,
      'ssl.keystore.password': 'store-pw',
      'ssl.key.password': 'key-pw',
      'ssl.truststore.location': new URL('trust.jks', stores).pathname,
      'ssl.truststore.password': 'trust-pw',
      'ssl.client.auth': 'required',
    });
    const [ca, key] = await Promise.all(
      ['localhost.cert.pem', 'localhost.key.pem'].map((name) => readFile(new URL(name, fixtures))),
    );
    const known = await connect(undefined, { ca, cert: ca, key });
    expect((await known.send(Metadata, 9, { topics: [] })).brokers.length).toBe(1);
    await expect(connect(undefined, { ca })).rejects.toThrow();
  });

  it('does not start with stores that it cannot read, and says how to turn them into others', async () => {
    const jks = join(folder, 'keystore.jks');
    await copyFile(await keystore(), jks);
    const settings = { listeners: 'SSL://127.0.0.1:0', 'advertised.listeners': 'SSL://localhost:0' };
    await expect(start({ ...settings, 'ssl.keystore.location': jks, 'ssl.keystore.type': 'JKS' })).rejects.toThrow(
      'Set ssl.keystore.type to PEM',
    );
    await expect(start(settings)).rejects.toThrow('has no certificate');
    const pem = await keystore();
    await expect(
      start({ ...settings, 'ssl.keystore.location': pem, 'ssl.enabled.protocols': 'TLSv1.1' }),
    ).rejects.toThrow('not safe');
    await expect(
      start({ ...settings, 'ssl.keystore.location': pem, 'ssl.cipher.suites': 'TLS_RSA_WITH_RC4_128_MD5' }),
    ).rejects.toThrow('not served');
  });
});
