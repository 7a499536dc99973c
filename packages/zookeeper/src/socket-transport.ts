import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { ServerAddress } from './connect-string.ts';
import { GatheredWrites } from './gathered-writes.ts';
import type { Connect, Transport, TransportEvents } from './transport.ts';

/** How sockets are opened. */
export interface SocketOptions {
  /** TLS towards the servers: certificates as Node takes them. Undefined: none. */
  readonly tls?: TlsOptions | undefined;
  /** Unix socket to connect to in place of the server's address. */
  readonly socketPath?: string | undefined;
}

/** Connections over sockets. */
export function connectSocket(options: SocketOptions = {}): Connect {
  return (server, events) => new SocketTransport(server, options, events);
}

class SocketTransport implements Transport {
  readonly #socket: Socket;
  readonly #writes: GatheredWrites;
  #isOver = false;

  constructor({ host, port }: ServerAddress, { tls, socketPath }: SocketOptions, events: TransportEvents) {
    const target = socketPath === undefined ? { host, port } : { path: socketPath };
    const socket = tls === undefined ? connectTcp(target) : connectTls({ ...serverName(host), ...tls, ...target });
    this.#socket = socket;
    this.#writes = new GatheredWrites(socket);
    socket.setNoDelay(true);
    let failure: Error | undefined;
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#unlessOver(() => events.opened()));
    socket.on('data', (chunk: Buffer) => this.#unlessOver(() => events.received(chunk)));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.once('close', () =>
      this.#unlessOver(() => {
        this.#isOver = true;
        events.closed(failure);
      }),
    );
  }

  write(frame: Buffer): void {
    this.#writes.write(frame);
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #unlessOver(tell: () => void): void {
    if (!this.#isOver) tell();
  }
}

/** The name that a server is asked for by (SNI); an address is none. */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}
