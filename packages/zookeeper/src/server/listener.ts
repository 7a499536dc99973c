import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { GatheredWrites } from '../gathered-writes.ts';
import type { ZooKeeperServer } from './server.ts';

/** Where a server listens: on an address, or on a socket in a folder that only its owner may enter. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** The sockets of a {@link ZooKeeperServer}. */
export class ZooKeeperListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens for clients of a server.
   * @throws the system's error, such as EADDRINUSE
   */
  static async listen(server: ZooKeeperServer, address: ListenAddress): Promise<ZooKeeperListener> {
    const listener = new ZooKeeperListener(createServer());
    listener.#server.on('connection', (socket) => listener.#serve(server, socket));
    listener.#server.listen(address);
    await once(listener.#server, 'listening');
    return listener;
  }

  /** The port, where it listens on one; 0 otherwise. */
  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  /** Takes no more clients, and ends the connections of those that are here. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(server: ZooKeeperServer, socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const writes = new GatheredWrites(socket);
    const connection = server.accept({
      write: (frame) => writes.write(frame),
      get unsentBytes() {
        return socket.writableLength;
      },
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      // What was answered last, such as the end of a session, still leaves.
      destroy: () => socket.destroySoon(),
    });
    socket.on('data', (chunk) => connection.received(chunk));
    socket.on('drain', () => connection.drained());
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      connection.closed();
    });
  }
}
