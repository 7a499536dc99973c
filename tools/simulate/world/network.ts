import type { RequestHandler } from '@millrace/network';
import { type ConnectionHost, type DeadDirection, type Latency, SimulatedConnection } from './connection.ts';
import type { Dice } from './dice.ts';
import type { SimulatedClock } from './simulated-clock.ts';

const USUAL: Latency = { leastMs: 0.05, mostMs: 2 };

/** How long a client waits before it learns that nobody listens. */
const REFUSED_MS = 5;

/** How long a client waits for an answer to its first packet before it takes a host for out of reach. */
const CONNECT_MS_MAX = 200;

/** A connection and the two hosts that it joins. */
interface Joined {
  readonly connection: SimulatedConnection;
  readonly from: string;
  readonly to: string;
}

/**
 * The network between hosts: brokers' machines, which serve, and clients, which connect; brokers connect to one another too.
 * What goes wrong strikes a connection, everything, or the link between two hosts in one direction.
 */
export class Network {
  readonly #clock: SimulatedClock;
  readonly #dice: Dice;
  readonly #note: (message: string) => void;
  readonly #connections = new Map<SimulatedConnection, Joined>();
  /** By host, who answers there. */
  readonly #handlers = new Map<string, RequestHandler>();
  /** By `from>to`, until when nothing gets through. */
  readonly #blockedUntilMs = new Map<string, number>();
  #connectionId = 0;
  #latency = USUAL;
  #slowUntilMs = 0;
  #downUntilMs = 0;
  connectionsMade = 0;

  constructor(clock: SimulatedClock, dice: Dice, note: (message: string) => void) {
    this.#clock = clock;
    this.#dice = dice;
    this.#note = note;
  }

  get openCount(): number {
    return this.#connections.size;
  }

  /** The broker of a host listens, or no longer does. */
  serve(host: string, handler: RequestHandler | undefined): void {
    if (handler === undefined) this.#handlers.delete(host);
    else this.#handlers.set(host, handler);
  }

  /** A connection from one host to another; undefined when nobody listens there, or nothing gets through. */
  async connect(client: string, from: string, to: string): Promise<SimulatedConnection | undefined> {
    await this.#clock.sleep(this.#dice.time(this.#latency.leastMs, this.#latency.mostMs));
    const blockedMs = Math.max(this.#blockedMs(from, to), this.#blockedMs(to, from));
    if (blockedMs > 0) await this.#clock.sleep(Math.min(blockedMs, CONNECT_MS_MAX));
    const handler = this.#handlers.get(to);
    if (handler === undefined || blockedMs > CONNECT_MS_MAX || this.#clock.monotonic() < this.#downUntilMs) {
      await this.#clock.sleep(REFUSED_MS);
      return undefined;
    }
    this.#connectionId += 1;
    this.connectionsMade += 1;
    const host: ConnectionHost = {
      clock: this.#clock,
      dice: this.#dice,
      handler,
      latency: () => (this.#clock.monotonic() < this.#slowUntilMs ? this.#latency : USUAL),
      blockedMs: (direction) => (direction === 'requests' ? this.#blockedMs(from, to) : this.#blockedMs(to, from)),
      note: this.#note,
      gone: (connection) => this.#connections.delete(connection),
    };
    const connection = new SimulatedConnection(this.#connectionId, client, host);
    this.#connections.set(connection, { connection, from, to });
    return connection;
  }

  /** A host's process is dead, and with it its ends of all connections, those that it had made included. */
  brokerDied(host: string, tellsOthers: boolean): void {
    this.#handlers.delete(host);
    for (const { connection, from, to } of [...this.#connections.values()]) {
      if (to === host) connection.brokerDied(tellsOthers);
      else if (from === host) connection.clientDied(tellsOthers);
    }
  }

  /** Cuts one connection, or all of them. */
  cut(all: boolean): void {
    for (const connection of this.#some(all)) connection.cut();
  }

  /** Cuts all connections that a host has taken. */
  cutFrom(host: string): void {
    for (const { connection, to } of [...this.#connections.values()]) if (to === host) connection.cut();
  }

  breakSilently(direction: DeadDirection, all: boolean): void {
    for (const connection of this.#some(all)) connection.breakSilently(direction);
  }

  /**
   * For a time nothing gets from one host to another; what is sent meanwhile arrives when the link is back, as TCP sends it
   * again. The other direction is a link of its own.
   */
  blockLink(from: string, to: string, durationMs: number): void {
    this.#blockedUntilMs.set(`${from}>${to}`, this.#clock.monotonic() + durationMs);
  }

  slowDown(latency: Latency, durationMs: number): void {
    this.#latency = latency;
    this.#slowUntilMs = this.#clock.monotonic() + durationMs;
  }

  /** No new connection can be made for a time. */
  takeDown(durationMs: number): void {
    this.#downUntilMs = this.#clock.monotonic() + durationMs;
    this.cut(true);
  }

  heal(): void {
    this.#slowUntilMs = 0;
    this.#downUntilMs = 0;
    this.#blockedUntilMs.clear();
    this.#latency = USUAL;
  }

  #blockedMs(from: string, to: string): number {
    const untilMs = this.#blockedUntilMs.get(`${from}>${to}`) ?? 0;
    return Math.max(0, untilMs - this.#clock.monotonic());
  }

  #some(all: boolean): SimulatedConnection[] {
    const connections = [...this.#connections.keys()];
    return all || connections.length === 0 ? connections : [this.#dice.pick(connections)];
  }
}
