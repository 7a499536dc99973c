import { once } from 'node:events';
import type { Socket } from 'node:net';
import { ManualClock } from '@millrace/ports';
import { afterEach, describe, expect, it } from 'vitest';
import type { RequestAdmission } from './connection-context.ts';
import type { Listener } from './listener.ts';
import { RequestMemory } from './request-memory.ts';
import { ResponseMemory } from './response-memory.ts';
import {
  cleanUp,
  closed,
  collect,
  echo,
  framed,
  gatedHandler,
  recordingLogger,
  request,
  startListener,
  startPeer,
  until,
} from './testing/peers.ts';

afterEach(cleanUp);

describe('the bounds of a listener', () => {
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

  it('stops reading from a client that never reads, with a bounded amount held', async () => {
    let handled = 0;
    const responseBytes = 100_000;
    const { port, listener } = await startListener({
      handler: {
        handle: () => {
          handled += 1;
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
    for (let round = 0; round < 2000 && flowing; round += 1) {
      flowing = peer.write(flood) || (await Promise.race([once(peer, 'drain').then(() => true), stuck(listener)]));
    }
    const [connection] = [...listener.connections()];
    await until(() => connection?.reading === false);
    const before = handled;
    for (let turn = 0; turn < 50; turn += 1) {
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

  it('lets a frame that stands still lose its place to others, and its connection with it', async () => {
    const clock = new ManualClock();
    const memory = new RequestMemory(1000);
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({ handler: { handle: echo }, memory, clock, logger });
    const stalled: Socket[] = [];
    // The bound, everybody's share beyond it, and the one that may overrun.
    for (let i = 0; i < 4; i += 1) {
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
    for (let i = 0; i < 4; i += 1) {
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
