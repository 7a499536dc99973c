/**
 * A TCP proxy that changes nothing and records the Kafka frames of a real session, both ways. It knows of the protocol
 * only where frames begin and what stands in every request header, so what it records does not depend on our codec.
 */
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

/** One frame without its size prefix, with what its request's header says. */
export interface CapturedFrame {
  readonly connection: number;
  readonly direction: 'request' | 'response';
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly bytes: Buffer;
}

export interface CaptureProxy {
  readonly port: number;
  /** Called for each whole frame, in the order of arrival; may be replaced at any time. */
  onFrame: (frame: CapturedFrame) => void;
  close(): Promise<void>;
}

/** A frame larger than this is taken for a broken stream; clients of a capture write little. */
const FRAME_BYTES_MAX = 64 << 20;

type RequestHeader = Pick<CapturedFrame, 'apiKey' | 'apiVersion' | 'correlationId' | 'clientId'>;

/** Listens on `port` (0 takes a free one) and passes every connection on to `target`. */
export async function startCaptureProxy(
  target: { readonly host: string; readonly port: number },
  port: number,
): Promise<CaptureProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((client) => {
    const connection = ++connections;
    const upstream = createConnection(target);
    // Responses carry no API key: it is the request's with the same correlation id that tells.
    const waiting = new Map<number, RequestHeader>();
    const requests = frames((bytes) => {
      const header = requestHeader(bytes);
      waiting.set(header.correlationId, header);
      proxy.onFrame({ connection, direction: 'request', ...header, bytes });
    });
    const responses = frames((bytes) => {
      const header = waiting.get(bytes.readInt32BE(0));
      if (header !== undefined) {
        waiting.delete(header.correlationId);
        proxy.onFrame({ connection, direction: 'response', ...header, bytes });
      }
    });
    client.on('data', requests).pipe(upstream);
    upstream.on('data', responses).pipe(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject).listen(port, '127.0.0.1', resolve);
  });
  const proxy: CaptureProxy = {
    port: (server.address() as AddressInfo).port,
    onFrame: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) {
          socket.destroy();
        }
      }),
  };
  return proxy;
}

/** Cuts a stream into frames and hands each on without its four bytes of size. */
function frames(onFrame: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4) {
      const size = held.readInt32BE(0);
      if (size < 0 || size > FRAME_BYTES_MAX) throw new Error(`a frame of ${size} bytes: this is not a Kafka session`);
      if (held.length < 4 + size) return;
      onFrame(Buffer.from(held.subarray(4, 4 + size)));
      held = held.subarray(4 + size);
    }
  };
}

/** What stands in a request header of every version; flexible ones only add tagged fields behind it. */
function requestHeader(bytes: Buffer): RequestHeader {
  const clientIdBytes = bytes.readInt16BE(8);
  return {
    apiKey: bytes.readInt16BE(0),
    apiVersion: bytes.readInt16BE(2),
    correlationId: bytes.readInt32BE(4),
    clientId: clientIdBytes < 0 ? null : bytes.toString('utf8', 10, 10 + clientIdBytes),
  };
}
