import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect as connectPlain, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ManualClock } from '@millrace/ports';
import { Heartbeat, ListOffsets, Metadata, Produce, SaslAuthenticate, SaslHandshake } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ListenerOptions } from './listener.ts';
import { SOFTWARE_VERSION } from './software.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');

const VERSIONS = {
  ApiVersions: [0, 4],
  Metadata: [0, 12],
  Heartbeat: [0, 3],
  Produce: [0, 11],
  SaslHandshake: [0, 1],
  SaslAuthenticate: [0, 2],
} as const;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup();
  }
});

async function startBroker(
  advertised: ConstructorParameters<typeof ScriptedBroker>[0] = VERSIONS,
  options: Partial<ListenerOptions> = {},
): Promise<ScriptedBroker> {
  const broker = await new ScriptedBroker(advertised, options).start();
  cleanups.push(() => broker.listener.close(0));
  return broker;
}

async function connectTo(broker: { port: number }, options: Partial<ConnectionOptions> = {}): Promise<Connection> {
  const connection = await Connection.connect({ host: '127.0.0.1', port: broker.port, ...options });
  cleanups.push(() => connection.close());
  return connection;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const emptyMetadata = { brokers: [], topics: [], clusterId: 'c', controllerId: 1 };

describe('Connection', () => {
  it('negotiates versions and says who it is', async () => {
    const broker = await startBroker();
    const connection = await connectTo(broker, { clientId: 'my-app' });
    expect(broker.requests).toEqual([
      {
        api: 'ApiVersions',
        version: 4,
        clientId: 'my-app',
        body: { clientSoftwareName: 'millrace', clientSoftwareVersion: packageJson.version },
      },
    ]);
    expect(connection.apiVersions.get(Metadata.key)).toEqual({ min: 0, max: 12 });
    expect(connection.features.get('transaction.version')).toEqual({ min: 0, max: 2 });
    expect(SOFTWARE_VERSION).toBe(packageJson.version);
  });

  it.each([
    [3, [4, 3]],
    [0, [4, 0]],
  ])('falls back to ApiVersions %i when the broker knows no higher', async (max, asked) => {
    const broker = await startBroker({ ...VERSIONS, ApiVersions: [0, max] });
    const connection = await connectTo(broker);
    expect(broker.requests.map((request) => request.version)).toEqual(asked);
    expect(connection.apiVersions.get(Metadata.key)?.max).toBe(12);
  });

  it('chooses the highest version in common, within what the caller allows', async () => {
    const broker = await startBroker();
    broker.on(Metadata, () => emptyMetadata).on(Heartbeat, () => ({ errorCode: 27 }));
    const connection = await connectTo(broker);
    expect((await connection.send(Metadata, 'auto', { topics: null })).clusterId).toBe('c');
    expect((await connection.send(Metadata, 'auto', { topics: null }, { versionMax: 7 })).controllerId).toBe(1);
    await connection.send(Metadata, 9, (version) => ({ topics: version === 9 ? null : [] }));
    expect(broker.requests.slice(1).map((request) => request.version)).toEqual([12, 7, 9]);
    const beat = { groupId: 'g', generationId: 1, memberId: 'm' };
    expect((await connection.send(Heartbeat, 'auto', beat)).errorCode).toBe(27);
    expect(broker.requests.at(-1)?.version).toBe(3);
    await expect(connection.send(Heartbeat, 'auto', beat, { versionMin: 4 })).rejects.toMatchObject({
      code: 'NETWORK_UNSUPPORTED_VERSION',
      retriable: false,
    });
    expect(() => connection.versionFor(ListOffsets)).toThrow('does not serve ListOffsets');
  });

  it('sends Produce with acks=0 without waiting for a response', async () => {
    const broker = await startBroker();
    broker.on(Metadata, () => emptyMetadata).on(Produce, () => null);
    const connection = await connectTo(broker);
    const body = { acks: 0, timeoutMs: 1000, topicData: [] };
    await expect(connection.send(Produce, 'auto', body)).rejects.toThrow(TypeError);
    await connection.sendOneWay(Produce, 'auto', body);
    await connection.send(Metadata, 'auto', { topics: null });
    expect(broker.requests.map((request) => request.api)).toEqual(['ApiVersions', 'Produce', 'Metadata']);
  });

  it('reports connect, request and close on diagnostics channels', async () => {
    const events: [string | symbol, unknown][] = [];
    const listen = (message: unknown, name: string | symbol): void => void events.push([name, message]);
    const names = ['connect', 'request', 'close'].map((name) => `millrace:connection:${name}`);
    for (const name of names) {
      subscribe(name, listen);
      cleanups.push(() => unsubscribe(name, listen));
    }
    const broker = await startBroker();
    broker.on(Metadata, () => emptyMetadata);
    const connection = await connectTo(broker);
    await connection.send(Metadata, 'auto', { topics: null });
    await connection.close();
    await until(() => events.length === 3);
    expect(events.map(([name]) => name)).toEqual(names);
    expect(events[1]?.[1]).toMatchObject({ api: 'Metadata', version: 12, port: broker.port });
    expect(events[2]?.[1]).toMatchObject({ reason: { code: 'NETWORK_CONNECTION_CLOSED' } });
  });

  it('reports no failure of an attempt that is given up', async () => {
    const events: unknown[] = [];
    const listen = (message: unknown): void => void events.push(message);
    subscribe('millrace:connection:connect', listen);
    cleanups.push(() => unsubscribe('millrace:connection:connect', listen));
    const silent = createServer();
    cleanups.push(() => void silent.close());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const client = new AbortController();
    silent.once('connection', (socket) => {
      cleanups.push(() => void socket.destroy());
      client.abort(new Error('the client is closed'));
    });
    const port = (silent.address() as AddressInfo).port;
    await expect(Connection.connect({ host: '127.0.0.1', port, signal: client.signal })).rejects.toThrow();
    expect(events).toEqual([]);
  });

  it('rejects what is in flight when it is closed, and everything after', async () => {
    const broker = await startBroker();
    broker.on(Metadata, () => new Promise(() => {}));
    const connection = await connectTo(broker);
    const pending = connection.send(Metadata, 'auto', { topics: null });
    await until(() => broker.requests.length === 2);
    await Promise.all([
      expect(pending).rejects.toMatchObject({ code: 'NETWORK_CONNECTION_CLOSED', retriable: true }),
      connection.close(),
    ]);
    await expect(connection.send(Metadata, 'auto', { topics: null })).rejects.toMatchObject({
      code: 'NETWORK_CONNECTION_CLOSED',
    });
  });

  it('says that nothing listens', async () => {
    const broker = await startBroker();
    await broker.listener.close();
    await expect(connectTo(broker)).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_FAILED',
      retriable: true,
      message: expect.stringContaining('nothing listens there'),
    });
  });

  it('gives up a peer that accepts and says nothing', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const clock = new ManualClock();
    const { port } = server.address() as { port: number };
    const attempt = expect(connectTo({ port }, { clock, connectTimeoutMs: 3000 })).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_TIMED_OUT',
    });
    const [socket] = await once(server, 'connection');
    await once(socket, 'data');
    clock.advance(3000);
    await attempt;
    socket.destroy();
  });

  it('stops connecting when the caller aborts', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const { port } = server.address() as { port: number };
    const controller = new AbortController();
    const attempt = expect(connectTo({ port }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'NETWORK_REQUEST_ABORTED',
    });
    const [socket] = await once(server, 'connection');
    controller.abort(new Error('enough'));
    await attempt;
    socket.destroy();
    await expect(connectTo({ port }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'NETWORK_REQUEST_ABORTED',
    });
  });

  it('asks about TLS and SASL when the broker hangs up at once', async () => {
    const server = createServer((socket) => socket.on('data', () => socket.destroy())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    await expect(connectTo(server.address() as { port: number })).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_FAILED',
      message: expect.stringContaining('Does this port want TLS or SASL?'),
    });
  });

  it('asks about SASL when the broker hangs up on the first request', async () => {
    const broker = await startBroker();
    broker.on(Metadata, () => {
      throw new Error('not authenticated');
    });
    const connection = await connectTo(broker);
    await expect(connection.send(Metadata, 'auto', { topics: null })).rejects.toThrow('Does this port want SASL?');
    const known = await connectTo(broker, { isLoginKnown: true });
    const peer = `127.0.0.1:${broker.port}`;
    await expect(known.send(Metadata, 'auto', { topics: null })).rejects.toThrow(
      /^Metadata v12 was not answered: connection to [^ ]+ was lost: [^?]+$/,
    );
    expect((await known.closed).message).toContain(peer);
  });

  it('rests when a response asks for it', async () => {
    const clock = new ManualClock();
    const broker = await startBroker();
    broker.on(Metadata, () => ({ ...emptyMetadata, throttleTimeMs: 700 }));
    const connection = await connectTo(broker, { clock });
    await connection.send(Metadata, 'auto', { topics: null });
    const second = connection.send(Metadata, 'auto', { topics: null });
    await new Promise((resolve) => setImmediate(resolve));
    expect(broker.requests.length).toBe(2);
    clock.advance(700);
    await second;
  });
});

describe('Connection over TLS', () => {
  const tls = { key: fixture('localhost.key.pem'), cert: fixture('localhost.cert.pem') };

  it('connects, checks the certificate, and tells the broker who it is', async () => {
    const principals: string[] = [];
    const broker = await startBroker(VERSIONS, {
      tls: { ...tls, requestCert: true, rejectUnauthorized: true, ca: tls.cert },
    });
    broker.on(Metadata, (_, __, connection) => {
      principals.push(connection.principal, connection.securityProtocol);
      return emptyMetadata;
    });
    const connection = await connectTo(broker, { host: 'localhost', tls: { ...tls, ca: tls.cert } });
    await connection.send(Metadata, 'auto', { topics: null });
    expect(principals).toEqual(['User:CN=localhost,OU=dev,O=Example', 'SSL']);
    await connection.close();
    await until(() => broker.listener.stats().connectionsOpen === 0);
  });

  it('is cut when the listener closes, in a handshake too', async () => {
    const broker = await startBroker(VERSIONS, { tls });
    const connection = await connectTo(broker, { host: 'localhost', tls: { ca: tls.cert } });
    const silent = connectPlain({ port: broker.port, host: '127.0.0.1' });
    await once(silent, 'connect');
    await broker.listener.close(0);
    expect(await connection.closed).toMatchObject({ code: 'NETWORK_CONNECTION_LOST' });
    if (!silent.closed) await once(silent, 'close');
  });

  it('refuses a certificate that nobody vouches for', async () => {
    const broker = await startBroker(VERSIONS, { tls });
    await expect(connectTo(broker, { tls: true })).rejects.toMatchObject({
      code: 'NETWORK_TLS_FAILED',
      retriable: false,
      message: expect.stringMatching(
        /self-signed certificate.*: no authority that is trusted here .* as tls\.ca, .* \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/,
      ),
    });
  });

  it('does not try again where the broker wants a certificate and there is none, which TLS 1.3 tells after the handshake', async () => {
    for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
      const broker = await startBroker(VERSIONS, { tls: { ...tls, ca: tls.cert, maxVersion }, clientAuth: 'required' });
      await expect(connectTo(broker, { host: 'localhost', tls: { ca: tls.cert } })).rejects.toMatchObject({
        code: 'NETWORK_TLS_FAILED',
        retriable: false,
      });
    }
  });

  it('asks about a certificate where the broker hangs up after the handshake, as those do that do not trust it', async () => {
    const server = createTlsServer(tls, (socket) => socket.on('data', () => socket.destroy())).listen(0, 'localhost');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const to = server.address() as { port: number };
    for (const [own, wanted] of [
      [{}, 'SASL or a client certificate'],
      [tls, 'SASL or another client certificate'],
    ] as const) {
      await expect(connectTo(to, { host: 'localhost', tls: { ...own, ca: tls.cert } })).rejects.toMatchObject({
        code: 'NETWORK_CONNECT_FAILED',
        message: expect.stringContaining(`Does this port want ${wanted}?`),
      });
    }
  });

  it('tells whose certificate has expired, or is not trusted', async () => {
    const messages: string[] = [];
    const log = (_: object, message: string): void => void messages.push(message);
    const logger = { debug: () => {}, info: log, warn: log, error: log };
    const expired = { key: fixture('expired.key.pem'), cert: fixture('expired.cert.pem') };
    for (const clientAuth of ['required', 'requested'] as const) {
      for (const own of [expired, tls]) {
        const broker = await startBroker(VERSIONS, { tls: { ...tls, ca: expired.cert }, clientAuth, logger });
        await connectTo(broker, { host: 'localhost', tls: { ...own, ca: tls.cert } }).catch(() => {});
        await until(() => broker.listener.stats().tlsHandshakesFailed === 1);
      }
    }
    const where = '(127\\.0\\.0\\.1|::1):[1-9]\\d*';
    expect(messages).toEqual([
      expect.stringMatching(`^TLS handshake with ${where} failed: its certificate has expired$`),
      expect.stringMatching(`^TLS handshake with ${where} failed: its certificate is not trusted: \\w+$`),
      expect.stringMatching(`^Closing connection of ${where}: its certificate has expired$`),
      expect.stringMatching(`^Closing connection of ${where}: its certificate is not trusted: \\w+$`),
    ]);
  });

  it('explains plaintext on a TLS port and TLS on a plaintext port', async () => {
    const messages: string[] = [];
    const log = (_: object, message: string): void => void messages.push(message);
    const logger = { debug: log, info: log, warn: log, error: log };
    const secure = await startBroker(VERSIONS, { tls, logger });
    await expect(connectTo(secure)).rejects.toThrow('TLS');
    await until(() => secure.listener.stats().tlsHandshakesFailed === 1);
    expect(messages.some((message) => message.includes('speaks plaintext'))).toBe(true);
    const plain = await startBroker(VERSIONS, { logger });
    await expect(connectTo(plain, { tls: true })).rejects.toMatchObject({
      code: 'NETWORK_CONNECT_FAILED',
      retriable: true,
      message: expect.stringContaining('Does this port speak TLS?'),
    });
    expect(messages.some((message) => message.includes('TLS handshake on a plaintext listener'))).toBe(true);
  });
});

describe('Connection with SASL', () => {
  function withPlain(broker: ScriptedBroker, sessionLifetimeMs = 0): ScriptedBroker {
    return broker
      .on(SaslHandshake, ({ mechanism }) =>
        mechanism === 'PLAIN' ? { errorCode: 0, mechanisms: ['PLAIN'] } : { errorCode: 33, mechanisms: ['PLAIN'] },
      )
      .on(SaslAuthenticate, ({ authBytes }) =>
        authBytes.toString() === '\0alice\0secret'
          ? { errorCode: 0, errorMessage: null, authBytes: Buffer.alloc(0), sessionLifetimeMs }
          : {
              errorCode: 58,
              errorMessage: 'Authentication failed: Invalid username or password',
              authBytes: Buffer.alloc(0),
            },
      );
  }
  const sasl = { mechanism: 'PLAIN', username: 'alice', password: 'secret' } as const;

  it('authenticates before the first request', async () => {
    const broker = withPlain(await startBroker()).on(Metadata, () => emptyMetadata);
    const connection = await connectTo(broker, { sasl });
    await connection.send(Metadata, 'auto', { topics: null });
    expect(broker.requests.map(({ api, version }) => `${api} ${version}`)).toEqual([
      'ApiVersions 4',
      'SaslHandshake 1',
      'SaslAuthenticate 2',
      'Metadata 12',
    ]);
  });

  it('passes on why the broker refused', async () => {
    const broker = withPlain(await startBroker());
    await expect(connectTo(broker, { sasl: { ...sasl, password: 'wrong' } })).rejects.toMatchObject({
      code: 'NETWORK_AUTHENTICATION_FAILED',
      retriable: false,
      errorCode: 58,
      message: expect.stringContaining('Invalid username or password'),
    });
    await expect(connectTo(broker, { sasl: { mechanism: 'OAUTHBEARER', token: () => 'token' } })).rejects.toThrow(
      'it offers PLAIN',
    );
    await until(() => broker.listener.stats().connectionsOpen === 0);
  });

  it('authenticates again before the session ends, with new requests waiting meanwhile', async () => {
    const clock = new ManualClock();
    const broker = withPlain(await startBroker(), 10_000).on(Metadata, () => emptyMetadata);
    const connection = await connectTo(broker, { sasl, clock });
    clock.advance(8400);
    expect(broker.requests.length).toBe(3);
    clock.advance(1100);
    await connection.send(Metadata, 'auto', { topics: null });
    expect(broker.requests.slice(3).map(({ api }) => api)).toEqual(['SaslHandshake', 'SaslAuthenticate', 'Metadata']);
    clock.advance(9500);
    await until(() => broker.requests.length === 8);
    expect(connection.open).toBe(true);
  });

  it('closes when the broker no longer takes the credentials', async () => {
    const clock = new ManualClock();
    const broker = withPlain(await startBroker(), 10_000);
    let password = 'secret';
    const connection = await connectTo(broker, { sasl: { ...sasl, password: () => password }, clock });
    password = 'changed';
    clock.advance(9500);
    expect(await connection.closed).toMatchObject({ code: 'NETWORK_AUTHENTICATION_FAILED' });
  });
});
