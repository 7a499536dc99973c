import { runNextTurn } from '@millrace/ports';
import { nameOf } from '../connect-string.ts';
import type { ServerConnection } from '../server/connection.ts';
import type { ZooKeeperServer } from '../server/server.ts';
import type { Connect, Transport, TransportEvents } from '../transport.ts';

/** What a server's address leads to. */
export type Destination =
  | ZooKeeperServer
  /** Nobody listens. */
  | 'refuses'
  /** Whatever is sent is lost. */
  | 'silent'
  /** Whoever says something is hung up on, as by a server that has no majority. */
  | 'hangs up'
  /** Whatever is sent is answered with these bytes. */
  | Buffer;

/** A network in memory between clients and servers, in which servers fall silent and go away when they are told to; for tests. */
export class MemoryNetwork {
  readonly #destinations = new Map<string, Destination>();
  readonly #open = new Set<MemoryTransport>();
  /** Where clients have tried to connect to, in their order. */
  readonly attempts: string[] = [];
  /** Bytes that clients have sent. */
  sentBytes = 0;

  lead(server: string, to: Destination): void {
    this.#destinations.set(server, to);
  }

  /** Connections to a server stay open, and nothing comes through any more. */
  mute(server: string): void {
    this.lead(server, 'silent');
    for (const transport of this.#open) if (transport.server === server) transport.isMute = true;
  }

  /** A server goes away, and its connections with it. */
  stop(server: string): void {
    this.lead(server, 'refuses');
    for (const transport of this.#open) if (transport.server === server) transport.fail(new Error('it was stopped'));
  }

  readonly connect: Connect = (address, events) => {
    const server = nameOf(address);
    this.attempts.push(server);
    const transport = new MemoryTransport(server, events, {
      sent: (bytes) => {
        this.sentBytes += bytes;
      },
      gone: () => void this.#open.delete(transport),
    });
    this.#open.add(transport);
    const destination = this.#destinations.get(server) ?? 'refuses';
    runNextTurn(() => transport.begin(destination));
    return transport;
  };
}

class MemoryTransport implements Transport {
  readonly server: string;
  isMute = false;
  readonly #events: TransportEvents;
  readonly #told: { sent(bytes: number): void; gone(): void };
  #peer: ServerConnection | undefined;
  #answer: Buffer | undefined;
  #hangsUp = false;
  #isOver = false;

  constructor(server: string, events: TransportEvents, told: { sent(bytes: number): void; gone(): void }) {
    this.server = server;
    this.#events = events;
    this.#told = told;
  }

  begin(destination: Destination): void {
    if (this.#isOver) return;
    if (destination === 'refuses') {
      this.fail(new Error('connection refused'));
      return;
    }
    if (destination === 'silent') this.isMute = true;
    else if (destination === 'hangs up') this.#hangsUp = true;
    else if (Buffer.isBuffer(destination)) this.#answer = destination;
    else this.#peer = destination.accept(this.#clientSocket());
    this.#events.opened();
  }

  write(frame: Buffer): void {
    if (this.#isOver) return;
    this.#told.sent(frame.length);
    const copy = Buffer.from(frame);
    runNextTurn(() => {
      if (this.isMute || this.#isOver) return;
      if (this.#hangsUp) {
        this.#end();
        this.#events.closed(undefined);
      } else if (this.#answer === undefined) this.#peer?.received(copy);
      else this.#events.received(Buffer.from(this.#answer));
    });
  }

  destroy(): void {
    if (this.#end()) this.#peer?.closed();
  }

  fail(error: Error): void {
    if (!this.#end()) return;
    this.#peer?.closed();
    this.#events.closed(error);
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#told.gone();
    return true;
  }

  #clientSocket(): Parameters<ZooKeeperServer['accept']>[0] {
    return {
      unsentBytes: 0,
      write: (frame) => {
        const copy = Buffer.from(frame);
        runNextTurn(() => {
          if (!this.isMute && !this.#isOver) this.#events.received(copy);
        });
      },
      pause: () => {},
      resume: () => {},
      destroy: () =>
        runNextTurn(() => {
          if (!this.isMute && this.#end()) this.#events.closed(undefined);
        }),
    };
  }
}
