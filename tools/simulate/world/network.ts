import type { RequestHandler } from '@millrace/network';
import { type ConnectionHost, type DeadDirection, type Latency, SimulatedConnection } from './connection.ts';
import type { Dice } from './dice.ts';
import type { SimulatedClock } from './simulated-clock.ts';

const USUAL: Latency = { leastMs: 0.05, mostMs: 2 };

/** How long a client waits before it learns that nobody listens. */
const REFUSED_MS = 5;

/** The network between the clients and the broker's machine. */
export class Network {
  readonly #clock: SimulatedClock;
  readonly #dice: Dice;
  readonly #note: (message: string) => void;
  readonly #connections = new Set<SimulatedConnection>();
  #handler: RequestHandler | undefined;
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

  /** The broker listens, or no longer does. */
  serve(handler: RequestHandler | undefined): void {
    this.#handler = handler;
  }

  /** A connection; undefined when nobody listens, or nothing gets through. */
  async connect(client: string): Promise<SimulatedConnection | undefined> {
    await this.#clock.sleep(this.#dice.time(this.#latency.leastMs, this.#latency.mostMs));
    const handler = this.#handler;
    if (handler === undefined || this.#clock.monotonic() < this.#downUntilMs) {
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
      note: this.#note,
      gone: (connection) => this.#connections.delete(connection),
    };
    const connection = new SimulatedConnection(this.#connectionId, client, host);
    this.#connections.add(connection);
    return connection;
  }

  /** The broker's process is dead, and with it its ends of all connections. */
  brokerDied(tellsClients: boolean): void {
    this.#handler = undefined;
    for (const connection of [...this.#connections]) connection.brokerDied(tellsClients);
  }

  /** Cuts one connection, or all of them. */
  cut(all: boolean): void {
    for (const connection of this.#some(all)) connection.cut();
  }

  breakSilently(direction: DeadDirection, all: boolean): void {
    for (const connection of this.#some(all)) connection.breakSilently(direction);
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
    this.#latency = USUAL;
  }

  #some(all: boolean): SimulatedConnection[] {
    const connections = [...this.#connections];
    return all || connections.length === 0 ? connections : [this.#dice.pick(connections)];
  }
}
