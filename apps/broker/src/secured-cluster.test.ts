import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@millrace/broker';
import { Connection } from '@millrace/network';
import { CreateTopics, IncrementalAlterConfigs, Metadata, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BrokerProcess } from './broker-process.ts';
import { LiveCertificates } from './security/live-certificates.ts';
import { ZooKeeperScene } from './testing/zookeeper-scene.ts';

const fixtures = new URL('../../../packages/network/fixtures/', import.meta.url);
const certificate = new URL('localhost.cert.pem', fixtures).pathname;

/** Gives out tokens that it has signed, to one client that knows its secret. */
class TokenProvider {
  granted = 0;
  readonly #server: Server;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  private constructor() {
    this.#server = createServer((request, response) => {
      const isKnown = request.headers.authorization === `Basic ${Buffer.from('broker:secret').toString('base64')}`;
      const jwk = { ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'k' };
      if (request.url === '/keys') response.end(JSON.stringify({ keys: [jwk] }));
      else if (isKnown) response.end(JSON.stringify({ access_token: this.#token(), expires_in: 600 }));
      else response.writeHead(401).end('{"error":"invalid_client"}');
    }).listen(0, '127.0.0.1');
  }

  static async open(): Promise<TokenProvider> {
    const provider = new TokenProvider();
    await once(provider.#server, 'listening');
    return provider;
  }

  get url(): string {
    // A server that listens on a port has one.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #token(): string {
    this.granted += 1;
    const now = Math.trunc(Date.now() / 1000);
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const body = `${part({ alg: 'ES256', kid: 'k' })}.${part({ sub: 'broker', iat: now, exp: now + 600 })}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return `${body}.${sign('sha256', Buffer.from(body), key).toString('base64url')}`;
  }
}

let scene: ZooKeeperScene;
let keystore: string;

beforeEach(async () => {
  scene = await ZooKeeperScene.open();
  keystore = join(scene.folder, 'keystore.pem');
  const parts = ['localhost.key.pem', 'localhost.cert.pem'].map((name) => readFile(new URL(name, fixtures), 'utf8'));
  await writeFile(keystore, (await Promise.all(parts)).join('\n'));
});
afterEach(() => scene.close());

function start(id: number, overrides: Readonly<Record<string, string>> = {}, logger?: Logger): Promise<BrokerProcess> {
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const settings = {
    'broker.id': String(id),
    listeners: 'SASL_SSL://127.0.0.1:0',
    'advertised.listeners': 'SASL_SSL://localhost:0',
    'security.inter.broker.protocol': 'SASL_SSL',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': `${module} username="broker" password="broker-pw" user_broker="broker-pw" user_alice="alice-pw";`,
    'ssl.keystore.location': keystore,
    'ssl.truststore.location': certificate,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:broker',
    ...overrides,
  };
  return scene.start(`b${id}`, settings, logger);
}

async function connectTo(broker: BrokerProcess, username: string): Promise<Connection> {
  const port = broker.endpoints[0]?.port ?? 0;
  const sasl = { mechanism: 'PLAIN', username, password: `${username}-pw` } as const;
  return Connection.connect({ host: 'localhost', port, sasl, tls: { ca: await readFile(certificate) } });
}

const issued = (name: string): string => new URL(`${name}.pem`, fixtures).pathname;

/** What a broker logs, with the texts of errors. */
function recordingLogger(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const line = (fields: object, message: string): void => {
    const err = 'err' in fields ? fields.err : undefined;
    lines.push(`${message} ${err instanceof Error ? err.message : ''}`);
  };
  return { lines, logger: { debug: line, info: line, warn: line, error: line } };
}

/** How many brokers one of them knows of, asked by a client that trusts this authority alone, or everybody. */
async function brokersSeen(broker: BrokerProcess, authority: string, rejectUnauthorized = true): Promise<number> {
  const port = broker.endpoints[0]?.port ?? 0;
  const sasl = { mechanism: 'PLAIN', username: 'broker', password: 'broker-pw' } as const;
  const connection = await Connection.connect({
    host: 'localhost',
    port,
    sasl,
    tls: { ca: await readFile(authority), rejectUnauthorized },
  });
  try {
    return (await connection.send(Metadata, 9, { topics: [] })).brokers.length;
  } finally {
    await connection.close();
  }
}

describe('brokers that speak to each other by TLS and logins', () => {
  it('replicate what is acknowledged, and let in nobody who only poses as one of them', async () => {
    const brokers = [];
    for (const id of [1, 2, 3]) brokers.push(await start(id));
    const [first] = brokers as [BrokerProcess];
    const admin = await connectTo(first, 'broker');
    const seen = async (): Promise<number> => (await admin.send(Metadata, 9, { topics: [] })).brokers.length;
    await expect.poll(seen, { timeout: 10_000 }).toBe(3);
    const topics = [{ name: 't', numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] }];
    const { controllerId } = await admin.send(Metadata, 9, { topics: [] });
    const controller = await connectTo(brokers[controllerId - 1] as BrokerProcess, 'broker');
    const created = await controller.send(CreateTopics, 6, { topics, timeoutMs: 10_000, validateOnly: false });
    expect(created.topics).toMatchObject([{ errorCode: 0 }]);
    const found = await controller.send(Metadata, 9, { topics: [{ name: 't' }] });
    const leader = await connectTo(
      brokers[(found.topics[0]?.partitions[0]?.leaderId ?? 0) - 1] as BrokerProcess,
      'broker',
    );
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, Buffer.from('kept'), []);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records: builder.build({}) }] }];
    const produced = await leader.send(Produce, 9, { acks: -1, timeoutMs: 10_000, topicData });
    expect(produced.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    const alice = await connectTo(first, 'alice');
    const asAlice = await alice.send(Produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    expect(asAlice.responses[0]?.partitionResponses[0]?.errorCode).toBe(29);
    for (const connection of [admin, controller, leader, alice]) await connection.close();
  }, 30_000);

  it('log in to each other by tokens of a provider', async () => {
    const provider = await TokenProvider.open();
    try {
      const CLASS = 'org.apache.kafka.common.security.oauthbearer';
      const own = 'listener.name.sasl_ssl.oauthbearer';
      const settings = {
        'sasl.mechanism.inter.broker.protocol': 'OAUTHBEARER',
        'sasl.enabled.mechanisms': 'OAUTHBEARER,PLAIN',
        'sasl.oauthbearer.token.endpoint.url': `${provider.url}/token`,
        'sasl.oauthbearer.jwks.endpoint.url': `${provider.url}/keys`,
        [`${own}.sasl.server.callback.handler.class`]: `${CLASS}.OAuthBearerValidatorCallbackHandler`,
        [`${own}.sasl.login.callback.handler.class`]: `${CLASS}.OAuthBearerLoginCallbackHandler`,
      };
      const jaas = (secret: string): string =>
        `${CLASS}.OAuthBearerLoginModule required clientId="broker" clientSecret="${secret}" scope="kafka";`;
      const first = await start(1, { ...settings, [`${own}.sasl.jaas.config`]: jaas('secret') });
      const second = await start(2, { ...settings, [`${own}.sasl.jaas.config`]: jaas('secret') });
      const admin = await connectTo(first, 'broker');
      const seen = async (): Promise<number> => (await admin.send(Metadata, 9, { topics: [] })).brokers.length;
      await expect.poll(seen, { timeout: 10_000 }).toBe(2);
      const { controllerId } = await admin.send(Metadata, 9, { topics: [] });
      const controller = await connectTo(controllerId === 1 ? first : second, 'broker');
      const topics = [{ name: 't', numPartitions: 2, replicationFactor: 2, assignments: [], configs: [] }];
      const created = await controller.send(CreateTopics, 6, { topics, timeoutMs: 10_000, validateOnly: false });
      expect(created.topics).toMatchObject([{ errorCode: 0 }]);
      const inSync = async () =>
        (await admin.send(Metadata, 9, { topics: [{ name: 't' }] })).topics[0]?.partitions.map(
          ({ isrNodes }) => isrNodes.length,
        );
      await expect.poll(inSync, { timeout: 10_000 }).toEqual([2, 2]);
      // Each has asked for one of its own: the controller to tell the other, and that one to fetch.
      await expect.poll(() => provider.granted, { timeout: 10_000 }).toBe(2);
      for (const connection of [admin, controller]) await connection.close();
    } finally {
      provider.close();
    }
  }, 30_000);

  it('tell nothing to one whose certificate is of another host, unless they shall not look', async () => {
    // The certificate is for localhost alone.
    const elsewhere = {
      'advertised.listeners': 'SASL_SSL://127.0.0.1:0',
      'ssl.keystore.location': issued('issued-fewer'),
      'ssl.truststore.location': issued('authority.cert'),
    };
    const { lines, logger } = recordingLogger();
    const trusting = {
      'ssl.truststore.location': issued('authority.cert'),
      'ssl.keystore.location': issued('issued-first'),
    };
    const brokersSeenBy = (broker: BrokerProcess): Promise<number> => brokersSeen(broker, issued('authority.cert'));
    const first = await start(1, trusting, logger);
    const second = await start(2, elsewhere);
    const refusal = /IP: 127\.0\.0\.1 is not in the cert's list/;
    await expect.poll(() => lines.find((each) => refusal.test(each)), { timeout: 10_000 }).toBeDefined();
    expect(await brokersSeenBy(second)).toBe(0);
    await second.stop();
    await first.stop();
    const unlooking = { 'ssl.endpoint.identification.algorithm': '' };
    await start(3, { ...trusting, ...unlooking });
    const fourth = await start(4, { ...elsewhere, ...unlooking });
    await expect.poll(() => brokersSeenBy(fourth), { timeout: 10_000 }).toBe(2);
  }, 30_000);

  it('tell nothing to one that goes on with a certificate whose authority has been replaced, and clients refuse it, until it has a new one', async () => {
    const replaced = certificate;
    const both = join(scene.folder, 'both.pem');
    await writeFile(both, `${await readFile(replaced, 'utf8')}${await readFile(issued('authority.cert'), 'utf8')}`);
    const { lines, logger } = recordingLogger();
    await start(
      1,
      { 'ssl.truststore.location': issued('authority.cert'), 'ssl.keystore.location': issued('issued-first') },
      logger,
    );
    // It shows what the authority before has signed, and trusts both.
    const late = await start(2, { 'ssl.truststore.location': both });
    const refusal = /self-signed certificate/;
    await expect.poll(() => lines.find((each) => refusal.test(each)), { timeout: 10_000 }).toBeDefined();
    expect(await brokersSeen(late, replaced)).toBe(0);
    await expect(brokersSeen(late, issued('authority.cert'))).rejects.toMatchObject({ code: 'NETWORK_TLS_FAILED' });
    const administrator = await connectTo(late, 'broker');
    const configs = [
      { name: 'listener.name.sasl_ssl.ssl.keystore.location', configOperation: 0, value: issued('issued-first') },
    ];
    const altered = await administrator.send(IncrementalAlterConfigs, 1, {
      resources: [{ resourceType: 4, resourceName: '2', configs }],
      validateOnly: false,
    });
    expect(altered.responses).toMatchObject([{ errorCode: 0 }]);
    await administrator.close();
    await expect.poll(() => brokersSeen(late, issued('authority.cert')).catch(() => -1), { timeout: 10_000 }).toBe(2);
    await expect(brokersSeen(late, replaced)).rejects.toMatchObject({ code: 'NETWORK_TLS_FAILED' });
  }, 30_000);

  it('tell nothing to one whose certificate has expired, and warn of it, on both sides', async () => {
    const expired = join(scene.folder, 'expired.pem');
    const trusted = join(scene.folder, 'trusted.pem');
    const text = (path: string): Promise<string> => readFile(path, 'utf8');
    const [key, cert, authority] = await Promise.all(
      ['expired.key', 'expired.cert', 'authority.cert'].map((name) => text(issued(name))),
    );
    await writeFile(expired, `${key}${cert}`);
    await writeFile(trusted, `${cert}${authority}`);
    const late = recordingLogger();
    const { lines, logger } = recordingLogger();
    const trusting = { 'ssl.truststore.location': trusted };
    const first = await start(1, { ...trusting, 'ssl.keystore.location': issued('issued-first') }, logger);
    const second = await start(2, { ...trusting, 'ssl.keystore.location': expired }, late.logger);
    const refusal = /certificate has expired \(CERT_HAS_EXPIRED\)/;
    await expect.poll(() => lines.filter((each) => refusal.test(each)).length, { timeout: 10_000 }).toBeGreaterThan(1);
    expect(late.lines.join('\n')).toContain('The certificate of listener SASL_SSL has ended on 2020-02-01');
    await expect(brokersSeen(second, trusted)).rejects.toMatchObject({
      code: 'NETWORK_TLS_FAILED',
      retriable: false,
      message: expect.stringMatching(refusal),
    });
    // Who does not look at certificates learns that nobody has told it anything.
    expect(await brokersSeen(second, trusted, false)).toBe(0);
    expect(await brokersSeen(first, trusted)).toBe(2);
  }, 30_000);

  it('do not start where they could not log in to each other', async () => {
    const jaas = 'listener.name.sasl_ssl.plain.sasl.jaas.config';
    const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-pw";';
    await expect(start(1, { [jaas]: module })).rejects.toThrow(`give username="..." and password="..." in ${jaas}`);
    await expect(start(1, { 'sasl.mechanism.inter.broker.protocol': 'GSSAPI' })).rejects.toThrow(
      /GSSAPI \(.*Kerberos.*\) is not among the mechanisms.*set it to one of PLAIN$/,
    );
    const own = 'listener.name.sasl_ssl.oauthbearer';
    const byTokens = {
      'sasl.mechanism.inter.broker.protocol': 'OAUTHBEARER',
      'sasl.enabled.mechanisms': 'OAUTHBEARER,PLAIN',
      'sasl.oauthbearer.jwks.endpoint.url': 'https://provider.example/keys',
    };
    await expect(start(1, byTokens)).rejects.toThrow(
      `give clientId="..." and clientSecret="..." in ${own}.sasl.jaas.config, and sasl.oauthbearer.token.endpoint.url`,
    );
    const nobody = { ...byTokens, 'sasl.oauthbearer.token.endpoint.url': 'https://provider.example/token' };
    await expect(start(1, nobody)).rejects.toThrow('needs clientId and clientSecret');
    await expect(
      start(1, { ...nobody, [`${own}.sasl.login.callback.handler.class`]: 'com.example.Mine' }),
    ).rejects.toThrow('no class is loaded');
  });
});

describe('certificates in files', () => {
  it('are read again when they have changed, and kept as they are where the new ones are no good', async () => {
    const ssl = {
      keystoreType: null,
      keystoreLocation: keystore,
      keystorePassword: null,
      keystoreKey: null,
      keystoreCertificateChain: null,
      keyPassword: null,
      truststoreType: null,
      truststoreLocation: null,
      truststorePassword: null,
      truststoreCertificates: null,
      clientAuth: 'none',
      enabledProtocols: ['TLSv1.3'],
      cipherSuites: [],
      principalMappingRules: 'DEFAULT',
      allowsDnChanges: false,
      allowsSanChanges: false,
      verifiesHost: true,
    } as const;
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (_: object, line: string) => void errors.push(line) };
    const live = await LiveCertificates.open('SSL', ssl, logger);
    const told: unknown[] = [];
    live.watch((options) => void told.push(options.cert));
    const before = await readFile(keystore, 'utf8');
    await writeFile(keystore, 'no certificate at all');
    await live.reload();
    expect([told, String(live.options.cert), errors.length]).toEqual([[], before, 1]);
    await writeFile(keystore, `${before}\n`);
    await live.reload();
    expect(String(told[0])).toBe(`${before}\n`);
    live.close();
  });
});
