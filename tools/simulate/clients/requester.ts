import type { Clock, Timer } from '@millrace/ports';
import { type Api, decodeResponseFrame, encodeRequest } from '@millrace/protocol';
import type { SimulatedConnection } from '../world/connection.ts';
import type { Network } from '../world/network.ts';

/** Why a request has no answer. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** Whether the request has left the client, so that it may be carried out. */
  readonly wasSent: boolean;

  constructor(why: string, wasSent: boolean) {
    super(why);
    this.wasSent = wasSent;
  }
}

/** Who asks whom, and how it hears of the answers. */
export interface RequesterOptions {
  readonly client: string;
  /** The host it asks from. */
  readonly from: string;
  readonly to: string;
  readonly network: Network;
  readonly clock: Clock;
  /** What comes from the network reaches the asker by this: a process that is paused hears of it later, a dead one never. */
  readonly hear: (run: () => void) => void;
}

interface Waiting {
  answered(frame: Buffer): void;
  failed(error: NoAnswer): void;
}

/** A client's way to one broker: one connection at a time, made when needed; requests are pipelined and time out. */
export class Requester {
  readonly client: string;
  readonly #options: RequesterOptions;
  readonly #waiting = new Map<number, Waiting>();
  #connection: SimulatedConnection | undefined;
  #connecting: Promise<SimulatedConnection | undefined> | undefined;
  #correlationId = 0;
  /** Those who wait for a connection, one behind the other: nobody who comes later overtakes them. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(options: RequesterOptions) {
    this.client = options.client;
    this.#options = options;
  }

  /** How many requests wait for their answers. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /**
   * Asks, and waits for the answer. A request that times out takes the connection with it, as it does in Kafka's clients.
   * @throws NoAnswer
   */
  async ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
    timeoutMs: number,
  ): Promise<Res> {
    const connection = await this.#turn();
    const frame = await this.#exchange(connection, this.#frame(api, version, body), timeoutMs);
    return decodeResponseFrame(api, version, frame).body;
  }

  /** Sends what gets no answer. @throws NoAnswer when there is no connection */
  async tell<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Promise<void> {
    const connection = await this.#turn();
    connection.send(this.#frame(api, version, body));
  }

  /** Drops the connection. What it waits for has no answer; what it has sent may arrive. */
  disconnect(why: string): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
    this.#failAll(why);
  }

  #frame<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Buffer {
    this.#correlationId += 1;
    const header = { correlationId: this.#correlationId, clientId: this.client };
    // A copy, as what arrives at a socket is: the log writes into the frames that it is given.
    return Buffer.concat(encodeRequest(api, version, header, body)).subarray(4);
  }

  #exchange(connection: SimulatedConnection, frame: Buffer, timeoutMs: number): Promise<Buffer> {
    const correlationId = this.#correlationId;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const over = (): void => {
        timer?.cancel();
        this.#waiting.delete(correlationId);
      };
      this.#waiting.set(correlationId, {
        answered: (answer) => {
          over();
          resolve(answer);
        },
        failed: (error) => {
          over();
          reject(error);
        },
      });
      timer = this.#options.clock.schedule(timeoutMs, () => {
        const why = `no answer within ${timeoutMs} ms`;
        if (this.#connection === connection) this.disconnect(why);
        // The connection was given up before this request had left.
        else this.#waiting.get(correlationId)?.failed(new NoAnswer(why, false));
      });
      connection.send(frame);
    });
  }

  #turn(): Promise<SimulatedConnection> {
    const turn = this.#line.then(() => this.#connected());
    this.#line = turn.catch(() => {});
    return turn;
  }

  async #connected(): Promise<SimulatedConnection> {
    const open = this.#connection;
    if (open?.isOpen === true) return open;
    this.#connecting ??= this.#connect();
    const made = await this.#connecting;
    if (made === undefined || !made.isOpen) throw new NoAnswer('nobody listens', false);
    return made;
  }

  async #connect(): Promise<SimulatedConnection | undefined> {
    const { network, from, to, hear } = this.#options;
    const connection = await network.connect(this.client, from, to);
    this.#connecting = undefined;
    if (connection === undefined) return undefined;
    this.#connection = connection;
    connection.onFrame = (frame) => hear(() => this.#waiting.get(frame.readInt32BE(0))?.answered(frame));
    connection.onClosed = () =>
      hear(() => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#failAll('the connection was closed');
      });
    return connection;
  }

  #failAll(why: string): void {
    for (const waiting of [...this.#waiting.values()]) waiting.failed(new NoAnswer(why, true));
  }
}
