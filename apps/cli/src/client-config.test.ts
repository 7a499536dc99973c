import { describe, expect, it } from 'vitest';
import { type ClientConfig, clientConfigOf, readClientConfig } from './client-config.ts';

const files: Readonly<Record<string, string>> = {
  '/ca.pem': 'CA',
  '/me.pem': 'ME',
  '/me.p12': 'P12',
  '/client.properties': 'client.id=me\nfoo.bar=1\n',
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
      pfx: Buffer.from('P12'),
      passphrase: 'secret',
      checkServerIdentity: expect.any(Function),
    });
    expect(unused).toEqual([]);
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
    [{ 'security.protocol': 'SSL', 'ssl.truststore.location': '/a.jks' }, 'is a JKS store'],
    [{ 'security.protocol': 'SSL', 'ssl.ca.location': '/gone.pem' }, 'Cannot read /gone.pem'],
  ])('are refused where they cannot be used: %o', async (properties, message) => {
    await expect(config(properties as unknown as Record<string, string>)).rejects.toThrow(message);
  });
});
