import type { ServerAddress } from './connect-string.ts';

/** What a connection tells. Nothing is told any more after `closed`. */
export interface TransportEvents {
  /** The connection stands. */
  opened(): void;
  received(chunk: Buffer): void;
  closed(error: Error | undefined): void;
}

/** A connection to a server, or an attempt at one. */
export interface Transport {
  write(frame: Buffer): void;
  /** Gives it up at once; `closed` is not told. */
  destroy(): void;
}

/** Opens connections: over sockets in a process, over a made-up network in tests and simulations. */
export type Connect = (server: ServerAddress, events: TransportEvents) => Transport;
