import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Logger } from '@millrace/ports';
import { ManualClock } from '@millrace/ports';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionContext, RequestAdmission } from './connection-context.ts';
import { Listener, type ListenerOptions } from './listener.ts';
import { RequestMemory } from './request-memory.ts';
import { ResponseMemory } from './response-memory.ts';

function framed(body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body as string);
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeInt32BE(bytes.length);
  bytes.copy(frame, 4);
  return frame;
}

/** Request bodies carry an API key in front, as real ones do; 99 is no serial API. */
function request(text: string, apiKey = 99): Buffer {
  const body = Buffer.alloc(2 + text.length);
  body.writeInt16BE(apiKey);
  body.write(text, 2);
  return framed(body);
}

const echo = (frame: Buffer): Uint8Array[] => [framed(frame.subarray(2))];

interface Gate {
  readonly text: string;
  open(chunks?: Uint8Array[] | null): void;
  fail(error: Error): void;
}

/** A handler whose requests wait until the test opens them. */
function gatedHandler() {
  const gates: Gate[] = [];
  const handle = (frame: Buffer): Promise<Uint8Array[] | null> =>
    new Promise((resolve, reject) => {
      const text = frame.subarray(2).toString();
      gates.push({ text, open: (chunks) => resolve(chunks === undefined ? [framed(text)] : chunks), fail: reject });
    });
  return { gates, handle };
}

function recordingLogger() {
  const lines: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, logger };
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup();
  }
});

async function startListener(options: Partial<ListenerOptions> & Pick<ListenerOptions, 'handler'>) {
  const listener = new Listener({ host: '127.0.0.1', ...options });
  const { port } = await listener.listen();
  cleanups.push(() => listener.close(0));
  return { listener, port };
}

async function startPeer(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Collects whole response frames as text. */
function collect(socket: Socket): string[] {
  const texts: string[] = [];
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const end = 4 + pending.readInt32BE(0);
      texts.push(pending.subarray(4, end).toString());
      pending = pending.subarray(end);
    }
  });
  return texts;
}

const closed = async (socket: Socket): Promise<void> => {
  if (!socket.closed) {
    await once(socket, 'close');
  }
};

describe('Listener', () => {
  it('answers pipelined requests in order', async () => {
    const { port } = await startListener({ handler: { handle: echo } });
    const peer = await startPeer(port);
    const texts = collect(peer);
    const all = Array.from({ length: 500 }, (_, index) => `request ${index}`);
    peer.write(Buffer.concat(all.map((text) => request(text))));
    await until(() => texts.length === all.length);
    expect(texts).toEqual(all);
  });

  it('assembles requests that come byte by byte', async () => {
    const { port, listener } = await startListener({ handler: { handle: echo } });
    const peer = await startPeer(port);
    const texts = collect(peer);
    for (const byte of Buffer.concat([request('first'), request('second')])) {
      peer.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => texts.length === 2);
    expect(texts).toEqual(['first', 'second']);
    expect(listener.stats().requests).toBe(2);
  });

  it('sends responses in the order of requests though handlers finish out of order', async () => {
    const { gates, handle } = gatedHandler();
    const { port } = await startListener({ handler: { handle } });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat([request('a'), request('b'), request('c')]));
    await until(() => gates.length === 3);
    gates[2]!.open();
    gates[1]!.open(null);
    await new Promise((resolve) => setImmediate(resolve));
    expect(texts).toEqual([]);
    gates[0]!.open();
    await until(() => texts.length === 2);
    expect(texts).toEqual(['a', 'c']);
  });

  it('sends chunk lists as one frame and nothing for acks=0', async () => {
    const { port } = await startListener({
      handler: {
        handle: (frame) =>
          frame.subarray(2).toString() === 'silent' ? null : [Buffer.of(0, 0, 0), Buffer.of(4, 97), Buffer.from('bcd')],
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat([request('silent'), request('loud')]));
    await until(() => texts.length === 1);
    expect(texts).toEqual(['abcd']);
  });

  it('tells handlers who is calling and when the connection is gone', async () => {
    const seen: ConnectionContext[] = [];
    const gone: ConnectionContext[] = [];
    const { port } = await startListener({
      name: 'INTERNAL',
      handler: {
        handle: (frame, connection) => {
          connection.authentication = { stage: 'done', mechanism: 'PLAIN', expiresAtMs: undefined };
          seen.push(connection);
          return echo(frame);
        },
        connectionClosed: (connection) => void gone.push(connection),
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat([request('a'), request('b')]));
    await until(() => texts.length === 2);
    expect(seen[0]).toBe(seen[1]);
    expect(seen[0]).toMatchObject({
      clientHost: '127.0.0.1',
      clientPort: peer.localPort,
      listenerName: 'INTERNAL',
      securityProtocol: 'PLAINTEXT',
      principal: 'User:ANONYMOUS',
      serverPort: port,
      open: true,
    });
    expect(seen[1]?.authentication.stage).toBe('done');
    peer.destroy();
    await until(() => gone.length === 1);
    expect(gone[0]).toBe(seen[0]);
    expect(gone[0]?.open).toBe(false);
  });

  it('shows IPv4 addresses as such when it listens on all addresses', async () => {
    const hosts: string[] = [];
    const { port } = await startListener({
      host: undefined,
      handler: {
        handle: (frame, connection) => {
          hosts.push(connection.clientHost, connection.serverHost);
          return echo(frame);
        },
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(request('who am I'));
    await until(() => texts.length === 1);
    expect(hosts).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  it.each([
    ['-1', -1, 'a negative size'],
    ['2 GiB', 0x7fffffff, 'socket.request.max.bytes'],
  ])('closes a connection that announces a request of %s bytes and serves the others', async (_, size, reason) => {
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({ handler: { handle: echo }, logger });
    const [bad, good] = [await startPeer(port), await startPeer(port)];
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(size);
    bad.write(prefix);
    await closed(bad);
    const warning = lines.find((line) => line.level === 'warn');
    expect(warning?.message).toContain(reason);
    expect(warning?.message).toContain(`127.0.0.1`);
    expect(warning?.fields).toMatchObject({ sizeBytes: size });
    const texts = collect(good);
    good.write(request('still here'));
    await until(() => texts.length === 1);
    expect(listener.stats().memory.assemblingBytes).toBe(0);
  });

  it('answers an HTTP request with a readable 400 and says so in the log', async () => {
    const { lines, logger } = recordingLogger();
    const { port } = await startListener({ handler: { handle: echo }, logger });
    const peer = await startPeer(port);
    let answer = '';
    peer.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    peer.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed(peer);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('Kafka protocol');
    expect(lines.some((line) => line.message.includes('HTTP'))).toBe(true);
  });

  it('recognises a TLS handshake on a plaintext port', async () => {
    const { lines, logger } = recordingLogger();
    const { port } = await startListener({ handler: { handle: echo }, logger });
    const peer = await startPeer(port);
    peer.write(Buffer.from('160301020001000001fc0303', 'hex'));
    await closed(peer);
    expect(lines.some((line) => line.message.includes('TLS handshake'))).toBe(true);
  });

  it('closes a connection whose handler rejects or throws, and survives random bytes', async () => {
    const { lines, logger } = recordingLogger();
    const { port } = await startListener({
      handler: {
        handle: (frame) => {
          if (frame.subarray(2).toString() === 'throw') {
            throw new Error('cannot decode');
          }
          return Promise.reject(new Error('cannot answer'));
        },
      },
      logger,
    });
    for (const bytes of [request('throw'), request('reject'), framed(''), Buffer.from('00000003ffffff', 'hex')]) {
      const peer = await startPeer(port);
      peer.write(bytes);
      await closed(peer);
    }
    expect(lines.filter((line) => line.level === 'warn').length).toBe(4);
  });

  it('stops reading at the bound of requests in flight and goes on as they finish', async () => {
    const { gates, handle } = gatedHandler();
    const { port, listener } = await startListener({ handler: { handle }, inFlightRequestsMax: 2 });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat(['a', 'b', 'c', 'd'].map((text) => request(text))));
    await until(() => gates.length === 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gates.length).toBe(2);
    expect([...listener.connections()][0]?.reading).toBe(false);
    gates[0]!.open();
    await until(() => gates.length === 3);
    gates[1]!.open();
    gates[2]!.open();
    await until(() => gates.length === 4);
    gates[3]!.open();
    await until(() => texts.length === 4);
    expect(texts).toEqual(['a', 'b', 'c', 'd']);
    expect([...listener.connections()][0]?.reading).toBe(true);
  });

  it('starts one Fetch at a time per connection', async () => {
    const { gates, handle } = gatedHandler();
    const { port } = await startListener({ handler: { handle } });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat([request('fetch 1', 1), request('fetch 2', 1)]));
    await until(() => gates.length === 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gates.length).toBe(1);
    gates[0]!.open();
    await until(() => gates.length === 2);
    expect(texts).toEqual(['fetch 1']);
  });

  it('goes on with a client that stopped reading for a while, though less waits than a socket calls much', async () => {
    const { port, listener } = await startListener({
      handler: { handle: () => [framed(Buffer.alloc(50_000))] },
    });
    const peer = await startPeer(port);
    peer.pause();
    const fetches = 400;
    peer.write(Buffer.concat(Array.from({ length: fetches }, () => request('more', 1))));
    const [connection] = [...listener.connections()];
    let still = 0;
    let requests = 0;
    await until(() => {
      still = listener.stats().requests === requests ? still + 1 : 0;
      requests = listener.stats().requests;
      return requests > 0 && still > 20;
    });
    expect(requests).toBeLessThan(fetches);
    expect(connection?.reading).toBe(false);
    const texts = collect(peer);
    peer.resume();
    await until(() => texts.length === fetches);
  });

  it('serves others whatever bytes a client sends', async () => {
    const { port } = await startListener({ handler: { handle: echo }, requestBytesMax: 1000 });
    const good = await startPeer(port);
    const texts = collect(good);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const peer = await startPeer(port);
        peer.end(bytes);
        peer.resume();
        await closed(peer);
        const before = texts.length;
        good.write(request('fine'));
        await until(() => texts.length > before);
      }),
      { numRuns: 50 },
    );
  });

  it('holds back all connections at the bound over all, and a handler that waits can give its bytes back', async () => {
    const admissions: RequestAdmission[] = [];
    const memory = new RequestMemory(100);
    const { gates, handle } = gatedHandler();
    const { port } = await startListener({
      handler: {
        handle: (frame, _, admission) => {
          admissions.push(admission);
          return handle(frame);
        },
      },
      memory,
    });
    const [first, second] = [await startPeer(port), await startPeer(port)];
    const text = 'x'.repeat(98);
    first.write(request(text));
    await until(() => gates.length === 1);
    second.write(request(text));
    await until(() => memory.stats().waitingConnections === 1);
    expect(gates.length).toBe(1);
    admissions[0]!.release();
    admissions[0]!.release();
    await until(() => gates.length === 2);
    expect(memory.stats().handlingBytes).toBe(100);
    gates[0]!.open();
    gates[1]!.open();
    await until(() => memory.stats().handlingBytes === 0);
  });

  it('tells when a response has left, or its client has gone, and not before', async () => {
    const sent: string[] = [];
    const { port, listener } = await startListener({
      handler: {
        handle: (frame, _, admission) => {
          const text = frame.subarray(2).toString();
          admission.whenSent(() => sent.push(text));
          return [framed(text === 'large' ? Buffer.alloc(50_000_000) : text)];
        },
      },
    });
    const [peer, gone] = [await startPeer(port), await startPeer(port)];
    const texts = collect(peer);
    peer.write(Buffer.concat([request('a'), request('b')]));
    await until(() => sent.length === 2);
    await until(() => texts.length === 2);
    gone.pause();
    gone.write(request('large'));
    await until(() => [...listener.connections()].some(({ heldBytes }) => heldBytes > 1_000_000));
    expect(sent).toEqual(['a', 'b']);
    gone.resetAndDestroy();
    await until(() => listener.stats().connectionsOpen === 1);
    peer.write(request('c'));
    await until(() => texts.length === 3);
    expect(sent).toEqual(['a', 'b', 'large', 'c']);
  });

  it('stops reading from a client that never reads, with a bounded amount held', async () => {
    let handled = 0;
    const responseBytes = 100_000;
    const { port, listener } = await startListener({
      handler: {
        handle: () => {
          handled++;
          return [framed(Buffer.alloc(responseBytes))];
        },
      },
      unsentResponseBytesMax: 500_000,
      inFlightRequestsMax: 4,
    });
    const peer = await startPeer(port);
    peer.pause();
    let flowing = true;
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => request('more')));
    for (let round = 0; round < 2000 && flowing; round++) {
      flowing = peer.write(flood) || (await Promise.race([once(peer, 'drain').then(() => true), stuck(listener)]));
    }
    const [connection] = [...listener.connections()];
    await until(() => connection?.reading === false);
    const before = handled;
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(handled).toBe(before);
    // The bound, one round of requests that were let in just below it, and what was read of the flood.
    expect(connection!.heldBytes).toBeLessThan(500_000 + 5 * responseBytes + 2 * 65_536);
    peer.resume();
    await until(() => handled > before);
  });

  it('holds little for a client that announces much and stalls, and closes it when idle', async () => {
    const clock = new ManualClock();
    const { port, listener } = await startListener({ handler: { handle: echo }, clock, idleMsMax: 60_000 });
    const peer = await startPeer(port);
    peer.write(Buffer.concat([Buffer.of(6, 0, 0, 0), Buffer.alloc(1000)]));
    await until(() => listener.stats().memory.assemblingBytes === 1000);
    clock.advance(59_000);
    expect(listener.stats().connectionsOpen).toBe(1);
    clock.advance(10_000);
    await closed(peer);
    await until(() => listener.stats().connectionsOpen === 0);
    expect(listener.stats()).toMatchObject({ connectionsClosedIdle: 1, memory: { assemblingBytes: 0 } });
  });

  it('does not take a request that is still being handled for idleness', async () => {
    const clock = new ManualClock();
    const { gates, handle } = gatedHandler();
    const { port } = await startListener({ handler: { handle }, clock, idleMsMax: 60_000 });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(request('long poll'));
    await until(() => gates.length === 1);
    clock.advance(600_000);
    gates[0]!.open();
    await until(() => texts.length === 1);
  });

  it('survives a client that goes away in the middle of a request and while it is being answered', async () => {
    const { gates, handle } = gatedHandler();
    const { port, listener } = await startListener({ handler: { handle } });
    const peer = await startPeer(port);
    peer.write(Buffer.concat([request('a'), request('cut short').subarray(0, 6)]));
    await until(() => gates.length === 1);
    peer.resetAndDestroy();
    await until(() => listener.stats().connectionsOpen === 0);
    gates[0]!.open();
    await until(() => listener.stats().requestsInFlight === 0);
    expect(listener.stats().memory).toMatchObject({ assemblingBytes: 0, handlingBytes: 0, handlingRequests: 0 });
  });

  it('refuses connections above the bounds', async () => {
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({ handler: { handle: echo }, connectionsPerAddressMax: 1, logger });
    const first = await startPeer(port);
    const second = await startPeer(port);
    await closed(second);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, connectionsRefused: 1 });
    expect(lines[0]?.message).toContain('max.connections.per.ip=1');
    first.destroy();
    await until(() => listener.stats().connectionsOpen === 0);
    const third = await startPeer(port);
    const texts = collect(third);
    third.write(request('welcome'));
    await until(() => texts.length === 1);
  });

  it('answers what is in flight before it closes, and cuts what takes longer than the grace time', async () => {
    const { gates, handle } = gatedHandler();
    const clock = new ManualClock();
    const { port, listener } = await startListener({ handler: { handle }, clock });
    const [quick, slow] = [await startPeer(port), await startPeer(port)];
    const texts = collect(quick);
    quick.write(request('quick'));
    slow.write(request('slow'));
    await until(() => gates.length === 2);
    let done = false;
    const closing = listener.close(1000).then(() => {
      done = true;
    });
    gates.find((gate) => gate.text === 'quick')!.open();
    await until(() => texts.length === 1);
    expect(done).toBe(false);
    clock.advance(1000);
    await closing;
    await closed(slow);
    await closed(quick);
  });

  it('sends the answer before a handler disconnects the client', async () => {
    const { port } = await startListener({
      handler: {
        handle: (frame, connection) => {
          connection.disconnect('authentication failed');
          return echo(frame);
        },
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(Buffer.concat([request('denied'), request('ignored')]));
    await closed(peer);
    expect(texts).toEqual(['denied']);
  });

  it('lets a frame that stands still lose its place to others, and its connection with it', async () => {
    const clock = new ManualClock();
    const memory = new RequestMemory(1000);
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({ handler: { handle: echo }, memory, clock, logger });
    const stalled: Socket[] = [];
    // The bound, everybody's share beyond it, and the one that may overrun.
    for (let i = 0; i < 4; i++) {
      const peer = await startPeer(port);
      stalled.push(peer);
      peer.write(Buffer.concat([Buffer.of(0, 0, 39, 16), Buffer.alloc(900)]));
    }
    const honest = await startPeer(port);
    const texts = collect(honest);
    const text = 'x'.repeat(700);
    honest.write(request(text).subarray(0, 300));
    await until(() => memory.stats().waitingConnections > 0);
    clock.advance(3000);
    honest.write(request(text).subarray(300));
    await until(() => memory.stats().evictedConnections > 0);
    await until(() => texts.length === 1);
    await until(() => stalled.some((peer) => peer.closed));
    expect(texts).toEqual([text]);
    expect(listener.stats().connectionsOpen).toBeGreaterThan(0);
    expect(lines.some(({ message }) => message.includes('stand still'))).toBe(true);
  });

  it('grants large responses what memory there is, and takes it from clients that do not read', async () => {
    const clock = new ManualClock();
    const responses = new ResponseMemory(8_000_000);
    const granted: number[] = [];
    const { port, listener } = await startListener({
      clock,
      responses,
      handler: {
        handle: (_, __, admission) => {
          const bytes = admission.reserveResponse(10_000_000);
          granted.push(bytes);
          return [framed(Buffer.alloc(8_000_000))];
        },
      },
    });
    const greedy: Socket[] = [];
    for (let i = 0; i < 4; i++) {
      const peer = await startPeer(port);
      peer.pause();
      peer.write(request('much', 1));
      greedy.push(peer);
      await until(() => granted.length === i + 1 || responses.stats().waitingConnections > 0);
    }
    expect(granted[0]).toBe(8_000_000);
    expect(granted.slice(1).every((bytes) => bytes < 8_000_000)).toBe(true);
    const honest = await startPeer(port);
    let taken = 0;
    honest.on('data', (chunk: Buffer) => {
      taken += chunk.length;
    });
    honest.write(request('much', 1));
    await until(() => {
      clock.advance(500);
      return taken === 8_000_004;
    });
    for (const peer of greedy) peer.destroy();
    await until(() => listener.stats().connectionsOpen === 1);
    await until(() => responses.stats().unsentBytes === 0);
  });

  it('sends a response of many pieces whole and in order to a client that reads slowly', async () => {
    const bytes = 20_000_000;
    const body = Buffer.alloc(bytes);
    for (let i = 0; i < bytes; i += 4) body.writeUInt32BE(i, i);
    const frame = framed(body);
    const responses = new ResponseMemory();
    const { port } = await startListener({
      responses,
      handler: {
        handle: (request) =>
          request.subarray(2).toString() === 'small'
            ? [framed('small')]
            : [frame.subarray(0, 5), frame.subarray(5, 9_000_001), frame.subarray(9_000_001)],
      },
    });
    const peer = await startPeer(port);
    const chunks: Buffer[] = [];
    let taken = 0;
    peer.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      taken += chunk.length;
      if (chunks.length % 50 === 0) {
        peer.pause();
        setImmediate(() => peer.resume());
      }
    });
    peer.write(Buffer.concat([request('large'), request('small')]));
    await until(() => taken === frame.length + 9);
    expect(Buffer.concat(chunks).subarray(0, frame.length).equals(frame)).toBe(true);
    expect(Buffer.concat(chunks).subarray(frame.length)).toEqual(framed('small'));
    await until(() => responses.stats().unsentBytes === 0);
  });

  it('does not start or read anything of a connection that rests, and answers what is in flight', async () => {
    const clock = new ManualClock();
    const { port, listener } = await startListener({
      clock,
      handler: {
        handle: (frame, connection) => {
          if (frame.subarray(2).toString() === 'too much') {
            connection.restFor(5_000);
            connection.restFor(1_000);
          }
          return echo(frame);
        },
      },
    });
    const [peer, other] = [await startPeer(port), await startPeer(port)];
    const [texts, others] = [collect(peer), collect(other)];
    peer.write(Buffer.concat([request('too much'), request('later')]));
    await until(() => texts.length === 1);
    other.write(request('other'));
    await until(() => others.length === 1);
    clock.advance(4_999);
    expect(listener.stats().requests).toBe(2);
    clock.advance(1);
    await until(() => texts.length === 2);
    expect(texts).toEqual(['too much', 'later']);
  });

  it('counts what requests take in memory once they are decoded, and lets so much of it wait', async () => {
    const memory = new RequestMemory(1_000_000);
    const parked: boolean[] = [];
    const { gates, handle } = gatedHandler();
    const { port } = await startListener({
      memory,
      handler: {
        handle: (frame, _, admission) => {
          const text = frame.subarray(2).toString();
          admission.holdDecoded(text === 'small' ? 1_000 : 200_000);
          admission.release();
          if (text !== 'busy') parked.push(admission.park());
          return handle(frame);
        },
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    const all = ['poll', 'poll', 'small', 'busy'];
    peer.write(Buffer.concat(all.map((text) => request(text))));
    await until(() => gates.length === 4);
    expect(parked).toEqual([true, false, true]);
    expect(memory.stats()).toMatchObject({ parkedBytes: 200_000, handlingBytes: 400_000 });
    for (const gate of gates) gate.open();
    await until(() => texts.length === 4);
    expect(memory.stats()).toMatchObject({ parkedBytes: 0, handlingBytes: 0 });
  });

  it('says what to do when the port is in use', async () => {
    const { port } = await startListener({ handler: { handle: echo } });
    const second = new Listener({ handler: { handle: echo }, host: '127.0.0.1', port, name: 'PLAINTEXT' });
    await expect(second.listen()).rejects.toMatchObject({
      code: 'NETWORK_ADDRESS_IN_USE',
      message: expect.stringContaining(String(port)),
    });
  });
});

/** Resolves false once the listener does not read its only connection any more. */
async function stuck(listener: Listener): Promise<boolean> {
  const [connection] = [...listener.connections()];
  let still = 0;
  await until(() => {
    still = connection?.reading === false ? still + 1 : 0;
    return still > 100;
  });
  return false;
}
