import type { ConnectionContext, RequestHandler } from '@millrace/network';
import type { Dice } from './dice.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/** How long a frame is under way, in milliseconds: the least and the most. */
export interface Latency {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What a connection needs of the network it runs through. */
export interface ConnectionHost {
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  readonly handler: RequestHandler;
  latency(): Latency;
  /** For how long nothing gets through in a direction. */
  blockedMs(direction: 'requests' | 'responses'): number;
  note(message: string): void;
  gone(connection: SimulatedConnection): void;
}

/** Which direction of a half-open connection is dead. */
export type DeadDirection = 'requests' | 'responses' | 'both';

/** A request whose response has not left yet. */
interface Slot {
  done: boolean;
  chunks: readonly Uint8Array[] | null;
  whenSent: (() => void) | undefined;
}

/**
 * A connection between a client and the broker: frames arrive late, but whole and in order, as TCP has it. It can be cut, at
 * which what is under way is lost or not, and it can be half open: one side sends, and nothing arrives.
 *
 * The broker's side does what `ServerConnection` does: requests are handed over as they come, responses leave in their order.
 */
export class SimulatedConnection {
  readonly context: ConnectionContext;
  readonly client: string;
  /** Called with each response, without its size. */
  onFrame: (frame: Buffer) => void = () => {};
  /** Called once when the client learns that the connection is gone. */
  onClosed: () => void = () => {};
  readonly #host: ConnectionHost;
  readonly #slots: Slot[] = [];
  #brokerOpen = true;
  #clientOpen = true;
  #dead: DeadDirection | undefined;
  /** When the last frame of a direction arrives: the next comes behind it. */
  #requestsDueMs = 0;
  #responsesDueMs = 0;

  constructor(id: number, client: string, host: ConnectionHost) {
    this.client = client;
    this.#host = host;
    const isOpen = (): boolean => this.#brokerOpen;
    this.context = {
      id,
      clientHost: '10.0.0.1',
      clientPort: 10_000 + id,
      serverHost: '10.0.0.2',
      serverPort: 9092,
      listenerName: 'PLAINTEXT',
      securityProtocol: 'PLAINTEXT',
      principal: 'User:ANONYMOUS',
      authentication: { stage: 'none' },
      get open() {
        return isOpen();
      },
      disconnect: (reason) => {
        this.#host.note(`the broker closes the connection of ${client}: ${reason}`);
        this.#closeBrokerSide(true);
      },
      // Nobody in the simulated world is held back yet.
      restFor: () => {},
    };
  }

  get isOpen(): boolean {
    return this.#clientOpen;
  }

  /** The client sends a frame (without its size). */
  send(frame: Buffer): void {
    if (!this.#clientOpen || this.#dead === 'requests' || this.#dead === 'both') return;
    this.#requestsDueMs = this.#later('requests', () => this.#arrived(frame));
  }

  /** The client closes its end. What it has sent may arrive all the same. */
  close(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    if (this.#host.dice.chance(50)) this.#closeBrokerSide(false);
    else this.#later('requests', () => this.#closeBrokerSide(false));
  }

  /** The connection breaks. Both ends learn of it, each in its time; what is under way arrives or not. */
  cut(): void {
    const { dice } = this.#host;
    if (dice.chance(50)) this.#closeBrokerSide(false);
    else this.#later('requests', () => this.#closeBrokerSide(false));
    if (dice.chance(50)) this.#closeClientSide();
    else this.#later('responses', () => this.#closeClientSide());
  }

  /** From now on nothing arrives in one direction or both, and nobody is told. */
  breakSilently(direction: DeadDirection): void {
    this.#dead = direction;
  }

  /** The broker's process is dead. The client may learn of it soon, or only when it asks in vain. */
  brokerDied(tellsClient: boolean): void {
    this.#brokerOpen = false;
    for (const slot of this.#slots.splice(0)) if (slot.done) slot.whenSent?.();
    this.#host.gone(this);
    if (tellsClient) this.#later('responses', () => this.#closeClientSide());
    else this.#dead = 'both';
  }

  /** The client's process is dead. The broker learns of it as of a close, or not at all when the machine died with it. */
  clientDied(tellsBroker: boolean): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    if (tellsBroker) this.#later('requests', () => this.#closeBrokerSide(false));
    else this.#dead = 'both';
  }

  #arrived(frame: Buffer): void {
    if (!this.#brokerOpen) return;
    const slot: Slot = { done: false, chunks: null, whenSent: undefined };
    this.#slots.push(slot);
    const answered = (chunks: readonly Uint8Array[] | null): void => {
      slot.done = true;
      slot.chunks = chunks;
      if (!this.#brokerOpen) slot.whenSent?.();
      this.#flush();
    };
    const failed = (error: unknown): void => {
      if (!this.#brokerOpen) return;
      this.#host.note(`a request of ${this.client} failed: ${String(error)}`);
      this.#closeBrokerSide(true);
    };
    try {
      const answer = this.#host.handler.handle(frame, this.context, {
        release: () => {},
        holdDecoded: () => {},
        park: () => true,
        reserveResponse: (bytes) => bytes,
        whenSent: (done) => {
          slot.whenSent = done;
        },
      });
      if (answer instanceof Promise) answer.then(answered, failed);
      else answered(answer);
    } catch (error) {
      failed(error);
    }
  }

  #flush(): void {
    while (this.#brokerOpen && this.#slots[0]?.done === true) {
      const { chunks, whenSent } = this.#slots.shift()!;
      if (chunks === null || this.#dead === 'responses' || this.#dead === 'both') {
        whenSent?.();
        continue;
      }
      // The chunks may be views of the log's buffers, which do not change: as a socket does, copy them when they leave.
      const frame = Buffer.concat(chunks).subarray(4);
      whenSent?.();
      this.#responsesDueMs = this.#later('responses', () => {
        if (this.#clientOpen) this.onFrame(frame);
      });
    }
  }

  #closeBrokerSide(tellsClient: boolean): void {
    if (tellsClient) this.#later('responses', () => this.#closeClientSide());
    if (!this.#brokerOpen) return;
    this.#brokerOpen = false;
    for (const slot of this.#slots.splice(0)) if (slot.done) slot.whenSent?.();
    this.#host.gone(this);
    this.#host.handler.connectionClosed?.(this.context);
  }

  #closeClientSide(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.onClosed();
  }

  /** Runs `arrive` after a network's delay, and not before what went before. Returns when that is. */
  #later(direction: 'requests' | 'responses', arrive: () => void): number {
    const { clock, dice } = this.#host;
    const { leastMs, mostMs } = this.#host.latency();
    const behindMs = direction === 'requests' ? this.#requestsDueMs : this.#responsesDueMs;
    const delayMs = this.#host.blockedMs(direction) + dice.time(leastMs, mostMs);
    const dueMs = Math.max(behindMs, clock.monotonic() + delayMs);
    clock.schedule(dueMs - clock.monotonic(), arrive);
    return dueMs;
  }
}
