/**
 * The network between brokers, and from brokers to the servers of their ensemble, as proxies: each link between two of them can be cut,
 * both ways or one, be slow, or lose. What is cut is held back and not refused, as where packets vanish: neither end hears of the other,
 * an end of the connection neither, until the link is mended, and then what TCP would have sent again arrives.
 */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '@millrace/ports';

/** What becomes of bytes on their way in one direction. */
export interface Weather {
  readonly isCut?: boolean;
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  /** This share of what is sent is lost, and comes when TCP has sent it again. */
  readonly lostShare?: number;
  /** At this share of what is sent the connection breaks, with a part delivered. */
  readonly brokenShare?: number;
}

/** Who stands at an end of a link: `broker 1`, `server 3`. */
export type Place = `broker ${number}` | `server ${number}`;

const CLEAR: Weather = {};

/** TCP's first retransmission timeout on Linux. */
const RETRANSMIT_MS = 200;
const CHANCES = 1_000_000;
/** A direction that holds so much takes no more from its sender, as a full window would. */
const HELD_BYTES_MAX = 1 << 20;
/** The beginning of a connection that tells who has opened it. */
const HELLO_BYTES_MAX = 1 << 16;

export class ProxiedNetwork {
  readonly #random: Random;
  readonly #weather = new Map<string, Weather>();
  readonly #servers: Server[] = [];
  readonly #flows = new Set<Flow>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Opens the way of one to another, whose address is asked for at each connection; gives the proxy's port. */
  way(from: Place, to: Place, port: () => number): Promise<number> {
    return this.#listen((socket) => this.#connect(socket, from, to, port(), []));
  }

  /** Opens the way of all brokers to one. Whose a connection is, the client id of its first request tells. */
  wayOfBrokers(to: Place, port: () => number): Promise<number> {
    return this.#listen((socket) => {
      const chunks: Buffer[] = [];
      const hear = (chunk: Buffer): void => {
        chunks.push(chunk);
        const hello = Buffer.concat(chunks);
        const brokerId = senderOf(hello);
        if (brokerId === undefined && hello.length < HELLO_BYTES_MAX) return;
        socket.off('data', hear);
        socket.pause();
        if (brokerId === undefined) socket.destroy();
        else this.#connect(socket, `broker ${brokerId}`, to, port(), chunks);
      };
      socket.on('error', () => undefined).on('data', hear);
    });
  }

  /** From now on it is so on the way of one to another, connections that are there included. */
  set(from: Place, to: Place, weather: Weather): void {
    this.#weather.set(`${from} > ${to}`, weather);
    for (const flow of this.#flows) flow.changed();
  }

  /** The same both ways. */
  setBoth(one: Place, other: Place, weather: Weather): void {
    this.set(one, other, weather);
    this.set(other, one, weather);
  }

  /** Everything is well again. */
  mend(): void {
    this.#weather.clear();
    for (const flow of this.#flows) flow.changed();
  }

  async close(): Promise<void> {
    for (const flow of this.#flows) flow.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(take: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      take(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = server.close.bind(server);
    server.close = (done) => {
      for (const socket of sockets) socket.destroy();
      return close(done);
    };
    this.#servers.push(server);
    // A server that listens on TCP has such an address.
    return (server.address() as AddressInfo).port;
  }

  #connect(near: Socket, from: Place, to: Place, port: number, hello: readonly Buffer[]): void {
    const far = createConnection({ host: '127.0.0.1', port });
    const weather = (one: Place, other: Place) => () => this.#weather.get(`${one} > ${other}`) ?? CLEAR;
    const flows = [
      new Flow(near, far, weather(from, to), this.#random),
      new Flow(far, near, weather(to, from), this.#random),
    ];
    for (const chunk of hello) flows[0]!.take(chunk);
    for (const flow of flows) {
      this.#flows.add(flow);
      flow.onDone = () => this.#flows.delete(flow);
    }
    near.resume();
  }
}

/** One direction of one connection. */
class Flow {
  onDone: () => void = () => undefined;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: () => Weather;
  readonly #random: Random;
  readonly #held: { readonly chunk: Buffer; readonly dueMs: number; readonly isBroken: boolean }[] = [];
  #heldBytes = 0;
  #lastDueMs = 0;
  #hasEnded = false;
  #isDone = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, weather: () => Weather, random: Random) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    this.#random = random;
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => this.take(chunk));
    from.on('error', () => undefined);
    from.once('close', () => {
      this.#hasEnded = true;
      this.changed();
    });
  }

  take(chunk: Buffer): void {
    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY, lostShare = 0, brokenShare = 0 } = this.#weather();
    const lostMs = this.#happens(lostShare) ? RETRANSMIT_MS : 0;
    const sentMs = Math.max(performance.now() + delayMs + lostMs, this.#lastDueMs);
    this.#lastDueMs = sentMs + (chunk.length / bytesPerSecond) * 1000;
    this.#held.push({ chunk, dueMs: this.#lastDueMs, isBroken: this.#happens(brokenShare) });
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HELD_BYTES_MAX) this.#from.pause();
    this.changed();
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.nextInt(CHANCES) < share * CHANCES;
  }

  /** Passes on what is due, if anything may pass. */
  changed(): void {
    clearTimeout(this.#timer);
    if (this.#isDone || this.#weather().isCut === true) return;
    const now = performance.now();
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      if (next.dueMs > now) {
        this.#timer = setTimeout(() => this.changed(), next.dueMs - now);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= next.chunk.length;
      if (next.isBroken) {
        this.#to.write(next.chunk.subarray(0, next.chunk.length >> 1));
        this.#from.destroy();
        this.#end();
        return;
      }
      this.#to.write(next.chunk);
    }
    if (this.#heldBytes <= HELD_BYTES_MAX && this.#from.isPaused()) this.#from.resume();
    if (this.#hasEnded) this.#end();
  }

  #end(): void {
    this.#isDone = true;
    this.#to.destroySoon();
    this.onDone();
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#isDone = true;
    this.#from.destroy();
    this.#to.destroy();
    this.onDone();
  }
}

/** API key, version, correlation id, and the length of the client id that follows. */
const HEADER_BYTES = 10;
const SIZE_BYTES = 4;

/** The broker that a request is of, by the client id of its header: `1` or `broker-1-fetcher-0`. Undefined before the id is there. */
function senderOf(hello: Buffer): number | undefined {
  const begin = SIZE_BYTES + HEADER_BYTES;
  if (hello.length < begin) return undefined;
  const end = begin + Math.max(0, hello.readInt16BE(begin - 2));
  if (hello.length < end) return undefined;
  const digits = /\d+/.exec(hello.toString('utf8', begin, end))?.[0];
  return digits === undefined ? undefined : Number(digits);
}
