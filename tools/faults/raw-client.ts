/** A socket to a broker without any manners: sends what it is told, and tells what came back. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { type Api, decodeResponseHeader, encodeRequest, Reader } from '@millrace/protocol';
import { within } from '../clients/client.ts';

/** Long enough for a machine that does much else. */
export const PATIENCE_MS = 60_000;

export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  #received: Buffer[] = [];
  #correlationId = 0;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#wake?.();
    });
    // Being cut off is what many of these connections are for.
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        resolve();
        this.#wake?.();
      });
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Sends a frame: a size, then `bytes`. */
  writeFrame(bytes: Uint8Array, sizeBytes: number = bytes.length): void {
    const size = Buffer.alloc(4);
    size.writeInt32BE(sizeBytes);
    this.socket.write(Buffer.concat([size, bytes]));
  }

  /** Sends a request and does not wait for the answer. */
  post<Req, Res, ReqInput, ResInput>(api: Api<Req, Res, ReqInput, ResInput>, version: number, body: ReqInput): void {
    const correlationId = ++this.#correlationId;
    for (const chunk of encodeRequest(api, version, { correlationId, clientId: 'raw' }, body)) this.socket.write(chunk);
  }

  /** Sends a request and takes the next answer for its own. */
  async ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Promise<Res> {
    this.post(api, version, body);
    const frame = await this.nextFrame();
    const { correlationId, bodyOffset } = decodeResponseHeader(api, version, frame);
    if (correlationId !== this.#correlationId) throw new Error(`answer ${correlationId} to ${this.#correlationId}`);
    return api.response.decode(new Reader(frame, bodyOffset), version);
  }

  /** The next whole frame that comes back, without its size. @throws Error when the connection ends before. */
  async nextFrame(): Promise<Buffer> {
    const whole = async (): Promise<Buffer> => {
      for (;;) {
        const bytes = this.received;
        const end = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + bytes.readInt32BE(0);
        if (bytes.length >= end) {
          this.#received = [bytes.subarray(end)];
          return bytes.subarray(4, end);
        }
        if (this.socket.destroyed) throw new Error('the broker closed the connection');
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return within(PATIENCE_MS, 'an answer', whole());
  }

  /** Waits until the broker has closed the connection. @throws Error when it does not. */
  async cutOff(timeoutMs: number = PATIENCE_MS): Promise<void> {
    await within(timeoutMs, 'the end of the connection', this.closed);
  }

  close(): void {
    this.socket.destroy();
  }
}
