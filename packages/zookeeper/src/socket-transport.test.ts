import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type ConnectionOptions as TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectSocket } from './socket-transport.ts';
import type { Transport } from './transport.ts';

const pem = (name: string): Buffer => readFileSync(new URL(`../../network/fixtures/${name}`, import.meta.url));
const server = createServer({ key: pem('localhost.key.pem'), cert: pem('localhost.cert.pem') }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
let connections = 0;
server.on('connection', () => {
  connections += 1;
});
server.on('tlsClientError', () => {});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

/** What one connection tells: what it receives for what it writes, or why it has failed. */
async function echoed(tls: () => TlsOptions | Promise<TlsOptions>): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const told = Promise.withResolvers<string>();
  const transport: Transport = connectSocket({ tls })(
    { host: 'localhost', port },
    {
      opened: () => transport.write(Buffer.from('echo')),
      received: (chunk) => told.resolve(chunk.toString()),
      closed: (error) => told.resolve(`closed: ${error?.message}`),
    },
  );
  const answer = await told.promise;
  transport.destroy();
  return answer;
}

describe('TLS that a function tells', () => {
  it('is asked for at each connection, so that what is replaced counts at the next', async () => {
    let ca = pem('authority.cert.pem');
    const tls = (): TlsOptions => ({ ca });
    expect(await echoed(tls)).toMatch(/^closed: .*certificate/);
    ca = pem('localhost.cert.pem');
    expect(await echoed(tls)).toBe('echo');
    expect(await echoed(async () => ({ ca }))).toBe('echo');
  });

  it('fails the connection where it throws', async () => {
    expect(await echoed(() => Promise.reject(new Error('no file')))).toBe('closed: no file');
    expect(
      await echoed(() => {
        throw new Error('no file at once');
      }),
    ).toBe('closed: no file at once');
  });

  it('opens nothing that was given up meanwhile', async () => {
    const before = connections;
    const held = Promise.withResolvers<TlsOptions>();
    const { port } = server.address() as AddressInfo;
    const never = (): void => expect.unreachable();
    const events = { opened: never, received: never, closed: never };
    const transport = connectSocket({ tls: () => held.promise })({ host: 'localhost', port }, events);
    transport.destroy();
    held.resolve({ ca: pem('localhost.cert.pem') });
    expect(await echoed(() => ({ ca: pem('localhost.cert.pem') }))).toBe('echo');
    expect(connections).toBe(before + 1);
  });
});
