import { readFileSync } from 'node:fs';
import { SaslAuthenticate, SaslHandshake } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ListenerOptions } from './listener.ts';
import type { SaslOptions } from './sasl/mechanism.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';
import type { TlsSource } from './tls-settings.ts';

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
const both = (name: string) => ({ key: fixture(`${name}.pem`), cert: fixture(`${name}.pem`) });

const localhost = { key: fixture('localhost.key.pem'), cert: fixture('localhost.cert.pem') };
const first = { ...both('issued-first'), ca: fixture('authority.cert.pem') };
const VERSIONS = { ApiVersions: [0, 4], Metadata: [0, 12], SaslHandshake: [0, 1], SaslAuthenticate: [0, 2] } as const;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBroker(options: Partial<ListenerOptions> = {}): Promise<ScriptedBroker> {
  const broker = await new ScriptedBroker(VERSIONS, options).start();
  cleanups.push(() => broker.listener.close(0));
  return broker;
}

async function connect(port: number, options: Partial<ConnectionOptions>): Promise<Connection> {
  const connection = await Connection.connect({ host: 'localhost', port, ...options });
  cleanups.push(() => connection.close());
  return connection;
}

describe('settings of TLS that a function gives', () => {
  it('are asked for at every connection, so that an authority and a certificate may be replaced', async () => {
    const broker = await startBroker({ tls: first, clientAuth: 'required' });
    let given = { ca: first.ca, ...both('issued-second') };
    const tls = async () => given;
    await connect(broker.port, { tls });
    broker.listener.updateTls({ ...localhost, ca: localhost.cert });
    await expect(connect(broker.port, { tls })).rejects.toMatchObject({ code: 'NETWORK_TLS_FAILED' });
    given = { ca: localhost.cert, ...localhost };
    await connect(broker.port, { tls });
  });

  const throwing: TlsSource = () => {
    throw new Error('the vault is closed');
  };
  it.each<[string, TlsSource | (() => unknown), string]>([
    ['throws', throwing, 'the vault is closed'],
    ['rejects', async () => throwing(), 'the vault is closed'],
    ['gives nothing', () => undefined, 'it must give true or the options of node:tls, not undefined'],
    ['gives false', () => false, 'it must give true or the options of node:tls, not false'],
    ['gives the path of a file', () => ({ ca: '/ca.pem' }), 'tls.ca must be the content of a PEM file'],
    ['gives another key', () => ({ cert: localhost.cert, key: first.key }), 'does not take the option tls'],
  ])('fail as a connection does that may succeed later, where it %s', async (_, tls, why) => {
    const broker = await startBroker();
    await expect(connect(broker.port, { tls: tls as TlsSource })).rejects.toMatchObject({
      name: 'ConnectionError',
      code: 'NETWORK_CREDENTIALS_FAILED',
      retriable: true,
      message: expect.stringMatching(`^Cannot connect to localhost:${broker.port}: .*${why}`),
      cause: expect.any(Error),
    });
    // Least of all is anything sent in the open.
    expect(broker.listener.stats()).toMatchObject({ connectionsAccepted: 0, bytesIn: 0 });
  });

  it('are waited for as long as a connection may take, and then it is told whom it waited for', async () => {
    const tls = (): Promise<never> => new Promise(() => undefined);
    await expect(connect(1, { tls, connectTimeoutMs: 30 })).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_TIMED_OUT',
      message: expect.stringMatching(/after 30 ms .*: the function tls has not given its settings$/),
    });
    const gone = AbortSignal.abort(new Error('no more'));
    await expect(connect(1, { tls, signal: gone })).rejects.toMatchObject({ code: 'NETWORK_REQUEST_ABORTED' });
  });

  it('that are no function fail for good where node:tls does not take them', async () => {
    await expect(connect(1, { tls: { cert: localhost.cert, key: first.key } })).rejects.toMatchObject({
      code: 'NETWORK_TLS_FAILED',
      retriable: false,
      cause: expect.any(Error),
    });
  });
});

describe('passwords and tokens that a function gives', () => {
  const fails = (): never => {
    throw new Error('the vault is closed');
  };
  const wrong = (() => 12_345) as unknown as () => string;
  it.each<[string, SaslOptions, string]>([
    ['PLAIN', { mechanism: 'PLAIN', username: 'a', password: fails }, 'the vault is closed'],
    ['SCRAM', { mechanism: 'SCRAM-SHA-256', username: 'a', password: async () => fails() }, 'the vault is closed'],
    ['OAUTHBEARER', { mechanism: 'OAUTHBEARER', token: fails }, 'the vault is closed'],
    ['its own', { mechanism: 'OWN', exchange: fails }, 'the vault is closed'],
    ['no text', { mechanism: 'PLAIN', username: 'a', password: wrong }, 'the function password gave no text'],
  ])('fail a connection that may succeed later, where they fail: %s', async (_, sasl, why) => {
    const broker = await startBroker();
    broker.on(SaslHandshake, () => ({ errorCode: 0, mechanisms: [sasl.mechanism] }));
    broker.on(SaslAuthenticate, ({ authBytes }) => ({
      errorCode: 0,
      errorMessage: null,
      authBytes: firstOfServer(authBytes),
      sessionLifetimeMs: 0,
    }));
    const refused = await connect(broker.port, { sasl }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'NETWORK_CREDENTIALS_FAILED',
      retriable: true,
      message: expect.stringMatching(`^SASL ${sasl.mechanism} at localhost:.*${why}$`),
      cause: expect.any(Error),
    });
    expect(String(refused)).not.toContain('12345');
  });
});

/** What SCRAM's server says first: the client's nonce and more, a salt, and how often. */
function firstOfServer(clientFirst: Buffer): Buffer {
  const nonce = /r=([^,]+)/.exec(clientFirst.toString())?.[1];
  return Buffer.from(`r=${nonce}server,s=c2FsdA==,i=4096`);
}
