import { ManualClock } from '@millrace/ports';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionContext } from './connection-context.ts';
import { Listener } from './listener.ts';
import { LAST_WORD_MS } from './server-connection.ts';
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
          if (frame.subarray(2).toString() === 'throw') throw new Error('cannot decode');
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

  it.each([
    ['PROTOCOL_TRUNCATED', false],
    ['ERR_OUT_OF_RANGE', true],
    ['ENOSPC', true],
    [undefined, true],
  ])('tells where in the program a request failed only where that is its fault: %s', async (code, isFault) => {
    const { lines, logger } = recordingLogger();
    const handle = () => Promise.reject(Object.assign(new Error('too short'), { code }));
    const { port } = await startListener({ handler: { handle }, logger });
    const peer = await startPeer(port);
    peer.write(request('any'));
    await closed(peer);
    const [line] = lines.filter(({ level }) => level === 'warn');
    expect('err' in (line?.fields ?? {})).toBe(isFault);
    expect(line?.message).toMatch(isFault ? /: its request failed$/ : /: its request failed: too short$/);
    expect(lines.some(({ level, fields }) => level === 'debug' && 'err' in fields)).toBe(!isFault);
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

  it('answers what is in flight before it closes, and cuts what takes longer than the grace time', async () => {
    const { gates, handle } = gatedHandler();
    const clock = new ManualClock();
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({ handler: { handle }, clock, logger });
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
    expect(lines.at(-1)?.message).toMatch(/not answered after 1000 ms are cut: 1$/);
  });

  it('says nothing of connections that it was to cut at once', async () => {
    const { gates, handle } = gatedHandler();
    const { lines, logger } = recordingLogger();
    const clock = new ManualClock();
    const { port, listener } = await startListener({ handler: { handle }, logger, clock });
    const peer = await startPeer(port);
    peer.write(request('a'));
    await until(() => gates.length === 1);
    const closing = listener.close(0);
    clock.advance(0);
    await closing;
    await closed(peer);
    expect(lines).toEqual([]);
  });

  it('sends the answer before a handler disconnects the client, and leaves it time to read it before the end', async () => {
    const clock = new ManualClock();
    const { port } = await startListener({
      clock,
      handler: {
        handle: (frame, connection) => {
          connection.disconnect('authentication failed');
          return echo(frame);
        },
      },
    });
    const peer = await startPeer(port);
    const texts = collect(peer);
    let hasEnded = false;
    peer.on('end', () => {
      hasEnded = true;
    });
    peer.write(Buffer.concat([request('denied'), request('ignored')]));
    await until(() => texts.length === 1);
    clock.advance(LAST_WORD_MS - 1);
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    expect(hasEnded).toBe(false);
    clock.advance(1);
    await closed(peer);
    expect(texts).toEqual(['denied']);
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
