import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { TlsSource } from '@millrace/client';
import { describe, expect, it } from 'vitest';
import { type ClientConfig, clientConfigOf, readClientConfig } from './client-config.ts';

const fixture = (path: string): Buffer =>
  readFileSync(new URL(`../../../packages/network/fixtures/${path}`, import.meta.url));
const CA = fixture('authority.cert.pem');
const ME = fixture('issued-first.pem');

/** A list of nothing revoked, of an authority made for it. */
const CRL = `-----BEGIN X509 CRL-----
MIGmME0CAQEwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBYRcNMjYxMTMwMjIxODA1
WhgPMjEyNjExMDYyMjE4MDVaoA4wDDAKBgNVHRQEAwIBATAKBggqhkjOPQQDAgNJ
ADBGAiEAsXyQwyXc45KEXkPksxmIx4TCYAUbaEdimbqaRNI+4cwCIQD4mbzmukIC
o57fCL7knI9QNpQ/7+RKJP77rMhWJpL//A==
-----END X509 CRL-----
`;

const files: Readonly<Record<string, string | Buffer>> = {
  '/ca.pem': CA,
  '/me.pem': ME,
  '/other.pem': fixture('localhost.key.pem'),
  '/client.properties': 'client.id=me\nfoo.bar=1\n',
  '/producer.properties': 'acks=all\n',
  '/crl.pem': CRL,
  '/prose': 'hello world\n',
  '/key.pem': '-----BEGIN KEY-----\nZjJpch/XvNnRw2xc5ws3ZpECARhXQk0=\n',
  '/binary': '0\u0001\u0002',
};

async function read(path: string): Promise<Buffer> {
  const content = files[path];
  if (content === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
  return Buffer.from(content as string);
}

function config(properties: Readonly<Record<string, string>>): Promise<ClientConfig> {
  return clientConfigOf(new Map(Object.entries(properties)), { read });
}

/** What the files that the properties name hold for the next connection. */
async function given(tls: ClientConfig['connection']['tls']): Promise<TlsOptions> {
  // Properties that name files give a function.
  return (await (tls as TlsSource)()) as TlsOptions;
}

describe('limits of TLS in client properties', () => {
  const ssl = { 'security.protocol': 'SSL' };

  it.each([
    [{ 'ssl.enabled.protocols': 'TLSv1.3' }, { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }],
    [{ 'ssl.enabled.protocols': ' TLSv1.3, TLSv1.2' }, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' }],
    [
      { 'ssl.cipher.suites': 'TLS_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' },
      { ciphers: 'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES128-GCM-SHA256' },
    ],
    [{ 'ssl.cipher.suites': 'HIGH:!aNULL' }, { ciphers: 'HIGH:!aNULL' }],
    [{ 'ssl.curves.list': 'X25519:P-256' }, { ecdhCurve: 'X25519:P-256' }],
    [{ 'ssl.sigalgs.list': 'RSA-PSS+SHA256' }, { sigalgs: 'RSA-PSS+SHA256' }],
    [{ 'ssl.enabled.protocols': '', 'ssl.cipher.suites': ' ' }, {}],
  ])('hold for every connection: %j', async (properties, limits) => {
    const { connection, unused } = await config({ ...ssl, ...(properties as Record<string, string>) });
    expect([connection.tls, unused]).toEqual([limits, []]);
    const withFile = await config({ ...ssl, ...(properties as Record<string, string>), 'ssl.ca.location': '/ca.pem' });
    expect(await given(withFile.connection.tls)).toEqual({ ...limits, ca: CA });
  });

  it('have what was revoked looked up', async () => {
    const { connection, unused } = await config({
      ...ssl,
      'ssl.ca.location': '/ca.pem',
      'ssl.crl.location': '/crl.pem',
    });
    expect([await given(connection.tls), unused]).toEqual([{ ca: CA, crl: Buffer.from(CRL) }, []]);
  });

  it.each([
    [{ 'ssl.enabled.protocols': 'TLSv1.1,TLSv1.2' }, 'give TLSv1.2, TLSv1.3 or both'],
    [{ 'ssl.cipher.suites': 'TLS_RSA_WITH_RC4_128_MD5' }, 'TLS_RSA_WITH_RC4_128_MD5, which is not spoken'],
    [{ 'ssl.cipher.suites': 'NOSUCH' }, 'cannot be kept'],
    [{ 'ssl.curves.list': 'NOSUCH' }, 'cannot be kept'],
    [{ 'ssl.crl.location': '/ca.pem' }, '/ca.pem (ssl.crl.location) has no list of revoked certificates in PEM'],
    [{ 'ssl.crl.location': '/gone' }, 'Cannot read /gone (ssl.crl.location)'],
  ])('are refused where they cannot be kept: %j', async (properties, message) => {
    await expect(config({ ...ssl, ...(properties as Record<string, string>) })).rejects.toThrow(message);
  });

  it('that say nothing here are told, where TLS is spoken', async () => {
    const names = { 'ssl.engine.factory.class': 'x', 'ssl.ca.pem': 'x', 'ssl.crl.pem': 'x' };
    expect((await config({ ...ssl, ...names, 'ssl.protocol': 'TLS' })).unused).toEqual(Object.keys(names));
    expect((await config(names)).unused).toEqual([]);
  });
});

describe('client properties', () => {
  it('are read from a file, and names that mean nothing are told', async () => {
    expect(await readClientConfig('/client.properties', { read })).toMatchObject({
      bootstrapServers: undefined,
      connection: { clientId: 'me', tls: undefined, sasl: undefined, requestTimeoutMs: undefined },
      unused: ['foo.bar'],
    });
  });

  it.each([
    ['/prose', 'no line of it sets one, the first hello.'],
    ['/key.pem', 'no line of it sets one, the first -----BEGIN.'],
    ['/binary', 'it is not text'],
  ])('are not taken from another file: %s', async (path, why) => {
    await expect(readClientConfig(path, { read })).rejects.toThrow(
      expect.objectContaining({ code: 'CLI_CONFIG_INVALID', message: expect.stringContaining(why) }),
    );
    expect((await readClientConfig('/producer.properties', { read })).unused).toEqual(['acks']);
  });

  it('say whom to trust and who this is, as files', async () => {
    const { connection, unused } = await config({
      'security.protocol': 'SSL',
      'ssl.truststore.location': '/ca.pem',
      'ssl.truststore.type': 'PEM',
      'ssl.keystore.location': '/me.pem',
      'ssl.keystore.password': 'secret',
      'ssl.endpoint.identification.algorithm': '',
    });
    expect(await given(connection.tls)).toEqual({
      ca: CA,
      cert: ME,
      key: ME,
      passphrase: 'secret',
      checkServerIdentity: expect.any(Function),
    });
    expect(unused).toEqual([]);
  });

  it('may name stores of Java', async () => {
    const stores = new URL('../../broker/fixtures/', import.meta.url).pathname;
    const { connection } = await clientConfigOf(
      new Map([
        ['security.protocol', 'SSL'],
        ['ssl.truststore.location', `${stores}trust.jks`],
        ['ssl.keystore.location', `${stores}localhost.jks`],
        ['ssl.keystore.password', 'store-pw'],
        ['ssl.key.password', 'key-pw'],
      ]),
    );
    const { ca, cert, key } = await given(connection.tls);
    expect([ca, cert, key].map((each) => (each as string[]).length)).toEqual([2, 1, 1]);
    await expect(
      config({ 'security.protocol': 'SSL', 'ssl.truststore.location': '/ca.pem', 'ssl.truststore.type': 'JKS' }),
    ).rejects.toThrow('Set ssl.truststore.type to PEM');
  });

  it('may have the names of librdkafka', async () => {
    const { connection, bootstrapServers } = await config({
      'metadata.broker.list': 'a:1',
      'security.protocol': 'sasl_ssl',
      'sasl.mechanisms': 'SCRAM-SHA-512',
      'sasl.username': 'ann',
      'sasl.password': 'x',
      'ssl.ca.location': '/ca.pem',
      'ssl.certificate.location': '/me.pem',
      'ssl.key.location': '/me.pem',
    });
    expect(bootstrapServers).toBe('a:1');
    expect(connection.sasl).toEqual({ mechanism: 'SCRAM-SHA-512', username: 'ann', password: 'x' });
    expect(await given(connection.tls)).toEqual({ ca: CA, cert: ME, key: ME });
  });

  it('take user and password from what Java calls a JAAS config', async () => {
    const { connection } = await config({
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="ann" password="a \\"b\\"; c";',
    });
    expect(connection.sasl).toEqual({ mechanism: 'PLAIN', username: 'ann', password: 'a "b"; c' });
  });

  it('are told apart from slips of the fingers', async () => {
    const { unused, nearest } = await config({ 'sasl.mechansim': 'PLAIN', 'ssl.key.password': 'x', 'client.di': 'me' });
    expect(unused).toEqual(['sasl.mechansim', 'client.di']);
    expect(unused.map(nearest)).toEqual(['sasl.mechanism', 'client.id']);
  });

  it.each([
    [{ 'security.protocol': 'TLS' }, 'security.protocol=TLS is none of'],
    [{ 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'GSSAPI' }, 'sasl.mechanism=GSSAPI is not supported here'],
    [{ 'security.protocol': 'SASL_SSL' }, 'SASL needs a user name and a password'],
    [{ 'security.protocol': 'SSL', 'ssl.ca.location': '/gone.pem' }, 'Cannot read /gone.pem'],
    [
      { 'security.protocol': 'SSL', 'ssl.ca.location': '/prose' },
      '/prose (ssl.truststore.location) has no certificate',
    ],
    [
      { 'security.protocol': 'SSL', 'ssl.certificate.location': '/me.pem', 'ssl.key.location': '/other.pem' },
      'TLS does not take the certificates and keys that they name',
    ],
  ])('are refused where they cannot be used: %o', async (properties, message) => {
    await expect(config(properties as unknown as Record<string, string>)).rejects.toThrow(message);
  });
});

describe('files of certificates', () => {
  const properties = new Map([
    ['security.protocol', 'SSL'],
    ['ssl.truststore.location', '/ca.pem'],
    ['ssl.certificate.location', '/cert.pem'],
    ['ssl.key.location', '/key.pem'],
  ]);
  const localhost = { cert: fixture('localhost.cert.pem'), key: fixture('localhost.key.pem') };
  const expired = { cert: fixture('expired.cert.pem'), key: fixture('expired.key.pem') };

  it('are read again for every connection, and what was good last holds on, with a warning, while they are no good', async () => {
    const now = new Map<string, Buffer>();
    const put = (given: Readonly<Record<string, Buffer>>): void => {
      for (const [name, bytes] of Object.entries(given)) now.set(`/${name}.pem`, bytes);
    };
    const warnings: string[] = [];
    put({ ca: CA, ...localhost });
    const { connection } = await clientConfigOf(properties, {
      read: async (path) => now.get(path) ?? read(path === '/key.pem' ? '/gone' : path),
      warn: (line) => void warnings.push(line),
    });
    expect(await given(connection.tls)).toEqual({ ca: CA, ...localhost });
    // Half of a replacement, twice: it is told once.
    put({ cert: expired.cert });
    for (let times = 0; times < 2; times += 1) expect(await given(connection.tls)).toEqual({ ca: CA, ...localhost });
    put(expired);
    expect(await given(connection.tls)).toEqual({ ca: CA, ...expired });
    now.delete('/key.pem');
    expect(await given(connection.tls)).toEqual({ ca: CA, ...expired });
    put({ ...expired, ca: Buffer.from('') });
    expect(await given(connection.tls)).toEqual({ ca: CA, ...expired });
    expect(warnings).toEqual([
      expect.stringMatching(
        /^TLS does not take the certificates and keys .*\. The certificates that were read last hold on/,
      ),
      expect.stringMatching(/^Cannot read .*there is no such file\. The certificates that were read last hold on/),
      expect.stringMatching(
        /ca\.pem \(ssl\.truststore\.location\) has no certificate .*\. The certificates that were read last/,
      ),
    ]);
    put({ ca: expired.cert });
    expect(await given(connection.tls)).toEqual({ ...expired, ca: expired.cert });
    expect(warnings).toHaveLength(3);
  });
});
