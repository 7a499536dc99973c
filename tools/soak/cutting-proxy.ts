/** Stands between the clients and the broker, knows where frames begin, and cuts connections inside of them or holds bytes back. */
import { createServer, type Server, Socket } from 'node:net';

const SIZE_BYTES = 4;

/** Which way bytes go. */
export type Direction = 'request' | 'response';

/** Follows the frames of one direction: how much of the frame that has begun is still to come. */
class FrameCounter {
  #sizeSeen = 0;
  #size = 0;
  #left = 0;

  /** Takes a chunk; returns where the first frame begins in it, and -1 where none does. */
  take(chunk: Buffer): number {
    let first = -1;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      if (this.#sizeSeen === 0 && first < 0) first = at;
      this.#size = this.#size * 256 + chunk[at++]!;
      if (++this.#sizeSeen < SIZE_BYTES) continue;
      this.#left = this.#size;
      this.#size = 0;
      this.#sizeSeen = 0;
    }
    return first;
  }
}

interface Link {
  readonly client: Socket;
  readonly broker: Socket;
}

export class CuttingProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #brokerPort = 0;
  /** Frames to be cut, by direction: how many of their bytes get through. */
  readonly #cuts: Record<Direction, number[]> = { request: [], response: [] };
  #held: Direction | undefined;
  #heldUntil: Promise<void> | undefined;
  /** Connections that were cut inside a frame. */
  cutsInFrames = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (client) => this.#connect(client));
  }

  static async open(): Promise<CuttingProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new CuttingProxy(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Where new connections lead. */
  set brokerPort(port: number) {
    this.#brokerPort = port;
  }

  get linkCount(): number {
    return this.#links.size;
  }

  /** Cuts all connections now. */
  cutAll(): void {
    for (const link of [...this.#links]) this.#cut(link);
  }

  /** Lets only so many bytes of the next frame in this direction through, of whatever connection, and cuts that connection. */
  cutNextFrame(direction: Direction, bytes: number): void {
    this.#cuts[direction].push(Math.max(bytes, 1));
  }

  /** Lets nothing through in one direction for a while; then all that has gathered. */
  hold(direction: Direction, ms: number): void {
    if (this.#heldUntil !== undefined) return;
    this.#held = direction;
    this.#heldUntil = new Promise((resolve) => {
      setTimeout(() => {
        this.#heldUntil = undefined;
        this.#held = undefined;
        resolve();
      }, ms);
    });
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #connect(client: Socket): void {
    const broker = new Socket();
    const link = { client, broker };
    this.#links.add(link);
    const cut = (): void => this.#cut(link);
    for (const socket of [client, broker]) socket.setNoDelay(true).on('error', cut).on('close', cut);
    broker.connect(this.#brokerPort, '127.0.0.1');
    void this.#pump(link, 'request', client, broker);
    void this.#pump(link, 'response', broker, client);
  }

  async #pump(link: Link, direction: Direction, from: Socket, to: Socket): Promise<void> {
    const frames = new FrameCounter();
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        while (this.#held === direction && this.#heldUntil !== undefined) await this.#heldUntil;
        const frameAt = frames.take(chunk);
        const cut = frameAt < 0 ? undefined : this.#cuts[direction].shift();
        if (cut !== undefined && frameAt >= 0) {
          this.cutsInFrames += 1;
          to.write(chunk.subarray(0, Math.min(frameAt + cut, chunk.length - 1)), () => this.#cut(link));
          return;
        }
        if (!to.write(chunk)) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
      }
    } catch {
      // The other side is told by the cut.
    }
    this.#cut(link);
  }

  #cut(link: Link): void {
    this.#links.delete(link);
    link.client.destroy();
    link.broker.destroy();
  }
}
