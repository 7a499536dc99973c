import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { ServerAddress } from './connect-string.ts';
import { GatheredWrites } from './gathered-writes.ts';
import type { Connect, Transport, TransportEvents } from './transport.ts';

/** How sockets are opened. */
export interface SocketOptions {
  /** TLS towards the servers: certificates as Node takes them, or who is asked for them at each connection. Undefined: none. */
  readonly tls?: TlsOptions | (() => TlsOptions | Promise<TlsOptions>) | undefined;
  /** Unix socket to connect to in place of the server's address. */
  readonly socketPath?: string | undefined;
}

/** Connections over sockets. */
export function connectSocket(options: SocketOptions = {}): Connect {
  return (server, events) => new SocketTransport(server, options, events);
}

class SocketTransport implements Transport {
  readonly #server: ServerAddress;
  readonly #options: SocketOptions;
  readonly #events: TransportEvents;
  #socket: Socket | undefined;
  #writes: GatheredWrites | undefined;
  #isOver = false;

  constructor(server: ServerAddress, options: SocketOptions, events: TransportEvents) {
    this.#server = server;
    this.#options = options;
    this.#events = events;
    const { tls } = options;
    if (typeof tls === 'function') void this.#openWhenAsked(tls);
    else this.#open(tls);
  }

  async #openWhenAsked(tls: () => TlsOptions | Promise<TlsOptions>): Promise<void> {
    try {
      const asked = await tls();
      this.#unlessOver(() => this.#open(asked));
    } catch (error) {
      this.#close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #open(tls: TlsOptions | undefined): void {
    const { host, port } = this.#server;
    const { socketPath } = this.#options;
    const target = socketPath === undefined ? { host, port } : { path: socketPath };
    const socket = tls === undefined ? connectTcp(target) : connectTls({ ...serverName(host), ...tls, ...target });
    this.#socket = socket;
    this.#writes = new GatheredWrites(socket);
    socket.setNoDelay(true);
    let failure: Error | undefined;
    const events = this.#events;
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#unlessOver(() => events.opened()));
    socket.on('data', (chunk: Buffer) => this.#unlessOver(() => events.received(chunk)));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.once('close', () => this.#close(failure));
  }

  #close(failure: Error | undefined): void {
    this.#unlessOver(() => {
      this.#isOver = true;
      this.#events.closed(failure);
    });
  }

  write(frame: Buffer): void {
    this.#writes?.write(frame);
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket?.destroy();
  }

  #unlessOver(tell: () => void): void {
    if (!this.#isOver) tell();
  }
}

/** The name that a server is asked for by (SNI); an address is none. */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}
