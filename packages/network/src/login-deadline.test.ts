import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { ManualClock } from '@millrace/ports';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionContext } from './connection-context.ts';
import { TRUSTED_FRAME_BYTES } from './frame-assembler.ts';
import { RequestMemory } from './request-memory.ts';
import {
  cleanUp,
  closed,
  collect,
  echo,
  recordingLogger,
  request,
  startListener,
  startPeer,
  until,
} from './testing/peers.ts';

const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/localhost.${name}.pem`, import.meta.url));
const tls = { key: pem('key'), cert: pem('cert') };

/** What a login may take where nothing is set, and the longest that the listener lets pass before it looks. */
const LOGIN_MS = 30_000;
const SWEEP_MS = 1_000;

afterEach(cleanUp);

/** Whoever says so is logged in; others are answered in the same words. */
function handle(frame: Buffer, connection: ConnectionContext): Uint8Array[] {
  if (frame.subarray(2).toString() === 'login') {
    connection.authentication = { stage: 'done', mechanism: 'PLAIN', expiresAtMs: undefined };
  }
  return echo(frame);
}

describe('a connection that is to log in', () => {
  it('has 30 s for it, however much it says meanwhile, and all the time in the world once it has', async () => {
    const clock = new ManualClock();
    const { lines, logger } = recordingLogger();
    const { port, listener } = await startListener({
      handler: { handle },
      securityProtocol: 'SASL_PLAINTEXT',
      clock,
      logger,
    });
    const [silent, talking, known] = await Promise.all([startPeer(port), startPeer(port), startPeer(port)]);
    const texts = [talking, known].map(collect);
    silent.resume();
    known.write(request('login'));
    await until(() => texts[1]?.length === 1 && listener.stats().connectionsOpen === 3);
    for (let second = 1; second < LOGIN_MS / 1000; second += 1) {
      clock.advance(1000);
      talking.write(request('still nobody'));
      await until(() => texts[0]?.length === second);
    }
    expect([silent.destroyed, talking.destroyed, listener.stats().connectionsOpen]).toEqual([false, false, 3]);
    clock.advance(1000 + SWEEP_MS);
    await Promise.all([closed(silent), closed(talking)]);
    const reasons = lines.filter(({ message }) => message.includes('has not logged in within'));
    expect(reasons.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Closing connection of 127\.0\.0\.1:\d+: it has not logged in within 30000 ms$/),
      expect.stringMatching(/it has not logged in within 30000 ms$/),
    ]);
    clock.advance(10 * LOGIN_MS);
    known.write(request('served'));
    await until(() => texts[1]?.length === 2);
    expect(listener.stats().connectionsOpen).toBe(1);
  });

  it('has no deadline where nobody logs in', async () => {
    const clock = new ManualClock();
    const { port } = await startListener({ handler: { handle: echo }, clock, loginMsMax: 1000 });
    const peer = await startPeer(port);
    const texts = collect(peer);
    peer.write(request('once'));
    await until(() => texts.length === 1);
    clock.advance(60_000);
    peer.write(request('again'));
    await until(() => texts.length === 2);
  });

  it('has the same time for its TLS handshake, before which nothing of it counts as a connection', async () => {
    const { lines, logger } = recordingLogger();
    const options = { handler: { handle }, tls, securityProtocol: 'SASL_SSL', loginMsMax: 300, logger } as const;
    const { port, listener } = await startListener(options);
    const silent = await startPeer(port);
    silent.resume();
    await until(() => listener.stats().newcomers === 1);
    const begun = performance.now();
    await closed(silent);
    expect(performance.now() - begun).toBeGreaterThan(200);
    expect(lines.map(({ message }) => message).join()).toMatch(
      /TLS handshake with 127\.0\.0\.1:\d+ failed: .*timeout/i,
    );
    await until(() => listener.stats().newcomers === 0);
    expect(listener.stats().connectionsOpen).toBe(0);
    // Who shakes hands and says nothing then has it once more, for the login.
    const shaken = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: pem('cert') });
    shaken.on('error', () => {}).resume();
    await closed(shaken);
    expect(lines.map(({ message }) => message).join()).toContain('it has not logged in within 300 ms');
  });
});

describe('sizes that are only announced (CVE-2022-34917)', () => {
  const CONNECTIONS = 1000;
  const SENT_BYTES = 512;
  /** What Node takes for a read of a socket, and all else in this process meanwhile. */
  const SOCKET_BYTES = 64 * 1024;
  const SLACK_BYTES = 16 * 1024 * 1024;
  const sizeOf = (bytes: number): Buffer => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes);
    return size;
  };

  // Whoever has not logged in is trusted with nothing that he announces.
  it.each<[string, number, number, object]>([
    ['100 MB on a listener without logins', 100_000_000, TRUSTED_FRAME_BYTES, {}],
    ['all that may come before a login', 512 * 1024, 0, { securityProtocol: 'SASL_PLAINTEXT' }],
  ])(
    'cost no more than the bytes that come, with a thousand connections: %s',
    async (_, announced, trustedBytes, secured) => {
      const memory = new RequestMemory();
      const loginMemory = new RequestMemory();
      const { port, listener } = await startListener({ handler: { handle }, memory, loginMemory, ...secured });
      const begun = Buffer.concat([sizeOf(announced), Buffer.alloc(SENT_BYTES)]);
      const peers = await Promise.all(Array.from({ length: CONNECTIONS }, () => startPeer(port)));
      const allocatedBytes = process.memoryUsage().arrayBuffers;
      for (const peer of peers) peer.write(begun);
      await until(() => listener.stats().bytesIn === CONNECTIONS * begun.length);
      const heldBytes = memory.stats().assemblingBytes + loginMemory.stats().assemblingBytes;
      expect(heldBytes).toBeGreaterThan(0);
      // Buffers are taken in powers of two.
      expect(heldBytes).toBeLessThanOrEqual(2 * CONNECTIONS * SENT_BYTES);
      // Sockets have buffers of their own to read into; those of frames are taken, and not touched, as far as a size is believed.
      const grownBytes = process.memoryUsage().arrayBuffers - allocatedBytes;
      expect(grownBytes).toBeLessThan(CONNECTIONS * (trustedBytes + SOCKET_BYTES + 2 * SENT_BYTES) + SLACK_BYTES);
      expect(listener.stats().connectionsOpen).toBe(CONNECTIONS);
      for (const peer of peers) peer.destroy();
      await until(() => listener.stats().connectionsOpen === 0);
      expect(memory.stats().assemblingBytes + loginMemory.stats().assemblingBytes).toBe(0);
    },
    60_000,
  );

  it('of 100 MB have a connection closed that is to log in, before a byte of it is kept', async () => {
    const loginMemory = new RequestMemory();
    const { port, listener } = await startListener({
      handler: { handle },
      loginMemory,
      securityProtocol: 'SASL_PLAINTEXT',
    });
    const peers = await Promise.all(Array.from({ length: CONNECTIONS }, () => startPeer(port)));
    const ends = peers.map((peer) => closed(peer.resume()));
    for (const peer of peers) peer.write(sizeOf(100_000_000));
    await Promise.all(ends);
    await until(() => listener.stats().connectionsOpen === 0);
    expect(loginMemory.stats().assemblingBytes).toBe(0);
  }, 60_000);
});
