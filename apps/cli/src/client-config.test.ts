import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type ClientConfig, clientConfigOf, readClientConfig } from './client-config.ts';

const files: Readonly<Record<string, string>> = {
  '/ca.pem': 'CA',
  '/me.pem': 'ME',
  '/me.p12': '0 is how DER begins',
  '/client.properties': 'client.id=me\nfoo.bar=1\n',
  '/producer.properties': 'acks=all\n',
  '/prose': 'hello world\n',
  '/key.pem': '-----BEGIN KEY-----\nZjJpch/XvNnRw2xc5ws3ZpECARhXQk0=\n',
  '/binary': '0\u0001\u0002',
};

async function read(path: string): Promise<Buffer> {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
  return Buffer.from(text);
}

function config(properties: Readonly<Record<string, string>>): Promise<ClientConfig> {
  return clientConfigOf(new Map(Object.entries(properties)), read);
}

describe('client properties', () => {
  it('are read from a file, and names that mean nothing are told', async () => {
    expect(await readClientConfig('/client.properties', read)).toMatchObject({
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
    await expect(readClientConfig(path, read)).rejects.toThrow(
      expect.objectContaining({ code: 'CLI_CONFIG_INVALID', message: expect.stringContaining(why) }),
    );
    expect((await readClientConfig('/producer.properties', read)).unused).toEqual(['acks']);
  });

  it('say whom to trust and who this is, as files', async () => {
    const { connection, unused } = await config({
      'security.protocol': 'SSL',
      'ssl.truststore.location': '/ca.pem',
      'ssl.truststore.type': 'PEM',
      'ssl.keystore.location': '/me.p12',
      'ssl.keystore.password': 'secret',
      'ssl.endpoint.identification.algorithm': '',
    });
    expect(connection.tls).toEqual({
      ca: Buffer.from('CA'),
      pfx: Buffer.from('0 is how DER begins'),
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
    const { ca, cert, key } = connection.tls as TlsOptions;
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
    expect(connection.tls).toEqual({ ca: Buffer.from('CA'), cert: Buffer.from('ME'), key: Buffer.from('ME') });
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
  ])('are refused where they cannot be used: %o', async (properties, message) => {
    await expect(config(properties as unknown as Record<string, string>)).rejects.toThrow(message);
  });
});
