import type { AddressInfo } from 'node:net';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type CapturedFrame, type CaptureProxy, startCaptureProxy } from './proxy.ts';
import { selectFrames } from './select.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

/** A server that answers each frame as `answer` says, and a proxy before it. */
async function proxied(answer: (socket: Socket, frame: Buffer) => void) {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => answer(socket, chunk.subarray(4)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const proxy: CaptureProxy = await startCaptureProxy(
    { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    0,
  );
  closers.push(() => proxy.close());
  const client = createConnection({ host: '127.0.0.1', port: proxy.port });
  closers.push(() => client.destroy());
  const frames: CapturedFrame[] = [];
  proxy.onFrame = (frame) => frames.push(frame);
  return { client, frames };
}

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

/** Metadata v4 with correlation id 7 and client id "c", and a body of two bytes. */
const REQUEST = Buffer.from('0003000400000007000163beef', 'hex');
const RESPONSE = Buffer.from('00000007cafe', 'hex');

describe('the capture proxy', () => {
  it('passes bytes on unchanged, and tells a response by its request', async () => {
    const { client, frames } = await proxied((socket) => socket.write(sized(RESPONSE)));
    client.write(sized(REQUEST));
    const answer = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    expect(answer).toEqual(sized(RESPONSE));
    const header = { connection: 1, apiKey: 3, apiVersion: 4, correlationId: 7, clientId: 'c' };
    expect(frames).toEqual([
      { ...header, direction: 'request', bytes: REQUEST },
      { ...header, direction: 'response', bytes: RESPONSE },
    ]);
  });

  it('puts frames together that arrive in pieces', async () => {
    const { client, frames } = await proxied((socket) => {
      const whole = sized(RESPONSE);
      socket.write(whole.subarray(0, 3));
      setImmediate(() => socket.write(whole.subarray(3)));
    });
    client.write(sized(REQUEST));
    let received = 0;
    await new Promise<void>((resolve) => {
      client.on('data', (chunk) => {
        received += chunk.length;
        if (received === RESPONSE.length + 4) resolve();
      });
    });
    expect(frames.map((frame) => frame.bytes)).toEqual([REQUEST, RESPONSE]);
  });

  it('closes one side when the other is gone', async () => {
    const { client } = await proxied((socket) => socket.destroy());
    client.write(sized(REQUEST));
    await new Promise<void>((resolve) => client.once('close', () => resolve()));
    expect(client.destroyed).toBe(true);
  });
});

describe('what is kept of a session', () => {
  const frame = (apiKey: number, length: number): CapturedFrame => ({
    connection: 1,
    direction: 'request',
    apiKey,
    apiVersion: 1,
    correlationId: 1,
    clientId: null,
    bytes: Buffer.alloc(length),
  });

  it('is little of what repeats, and all that differs in API or in size class', () => {
    const kept = selectFrames([frame(1, 20), frame(1, 21), frame(1, 22), frame(1, 200), frame(2, 20)]);
    expect(kept.map((line) => [line.api, Buffer.from(line.base64, 'base64').length])).toEqual([
      [1, 20],
      [1, 21],
      [1, 200],
      [2, 20],
    ]);
  });

  it('leaves out what is large', () => {
    expect(selectFrames([frame(1, 100_000)])).toEqual([]);
  });
});
