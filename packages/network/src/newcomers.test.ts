import { readFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ManualClock } from '@millrace/ports';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionContext, RequestAdmission } from './connection-context.ts';
import { NEWCOMER_GRACE_MS, Newcomers } from './newcomers.ts';
import { RequestMemory } from './request-memory.ts';
import { cleanUp, closed, collect, echo, framed, request, startListener, startPeer, until } from './testing/peers.ts';

const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/localhost.${name}.pem`, import.meta.url));
const tls = { key: pem('key'), cert: pem('cert') };
const NEWCOMERS_MAX = 8;

afterEach(cleanUp);

function silent(port: number, localAddress: string): Socket {
  const socket = connectSocket({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {}).resume();
  return socket;
}

/** Whoever says so is logged in; others are answered in the same words. */
function handle(frame: Buffer, connection: ConnectionContext): Uint8Array[] {
  if (frame.subarray(2).toString() === 'login') {
    connection.authentication = { stage: 'done', mechanism: 'PLAIN', expiresAtMs: undefined };
  }
  return echo(frame);
}

describe('connections that have still to say who they are', () => {
  it('are no more than there may be, and the address with the most of them gives way', () => {
    const step = fc.record({
      address: fc.integer({ min: 0, max: 4 }),
      port: fc.nat(30),
      begins: fc.boolean(),
      passMs: fc.constantFrom(0, 100, NEWCOMER_GRACE_MS),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const newcomers = new Newcomers(NEWCOMERS_MAX);
        const underWay = new Map<string, number>();
        let nowMs = 0;
        for (const { address, port, begins, passMs } of steps) {
          nowMs += passMs;
          const key = `${address}:${port}`;
          if (!begins) {
            newcomers.end(String(address), port);
            underWay.delete(key);
          } else if (!underWay.has(key)) {
            const socket = { key } as unknown as Socket;
            const sizes = Map.groupBy(underWay.keys(), (each) => each.split(':')[0]);
            const most = Math.max(0, ...[...sizes.values()].map(({ length }) => length));
            const gone = newcomers.begin(socket, String(address), port, nowMs) as unknown as
              | { key: string }
              | undefined;
            if (gone?.key === key) {
              // It is of the address with the most, and all of those are as young as it is.
              expect(sizes.get(String(address))?.length).toBe(most);
              for (const other of sizes.get(String(address)) ?? []) {
                expect(nowMs - (underWay.get(other) ?? 0)).toBeLessThan(NEWCOMER_GRACE_MS);
              }
              continue;
            }
            underWay.set(key, nowMs);
            if (gone !== undefined) {
              const [crowded = '', port = ''] = gone.key.split(':');
              expect(sizes.get(crowded)?.length).toBe(most);
              // The listener closes it, and hears that it has gone.
              newcomers.end(crowded, Number(port));
              underWay.delete(gone.key);
            }
          }
          expect(newcomers.count).toBe(underWay.size);
          expect(underWay.size).toBeLessThanOrEqual(NEWCOMERS_MAX);
        }
      }),
    );
  });

  it('make room for others where nobody goes on with a TLS handshake, those of the same address first', async () => {
    const clock = new ManualClock();
    const options = { handler: { handle: echo }, tls, newcomersMax: NEWCOMERS_MAX, clock };
    const { port, listener } = await startListener(options);
    const bystander = silent(port, '127.0.0.2');
    await until(() => listener.stats().newcomers === 1);
    const crowd = Array.from({ length: 40 }, () => silent(port, '127.0.0.1'));
    await Promise.all(crowd.slice(NEWCOMERS_MAX - 1).map((socket) => closed(socket)));
    await clock.advance(NEWCOMER_GRACE_MS);
    const honest = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: pem('cert') });
    const texts = collect(honest);
    honest.once('secureConnect', () => honest.write(request('served')));
    await until(() => texts.length === 1);
    expect(listener.stats().newcomers).toBeLessThanOrEqual(NEWCOMERS_MAX);
    expect(bystander.destroyed).toBe(false);
    for (const socket of [...crowd, bystander, honest]) socket.destroy();
    await until(() => listener.stats().newcomers === 0);
  });

  it('make room in the same way where nobody logs in, by TLS or without, and count no more once they have', async () => {
    for (const secured of [{ tls, securityProtocol: 'SASL_SSL' }, { securityProtocol: 'SASL_PLAINTEXT' }] as const) {
      const { port, listener } = await startListener({ handler: { handle }, newcomersMax: NEWCOMERS_MAX, ...secured });
      const crowd = Array.from({ length: NEWCOMERS_MAX }, () => silent(port, '127.0.0.1'));
      await until(() => listener.stats().newcomers === NEWCOMERS_MAX);
      const from = { port, host: '127.0.0.1', localAddress: '127.0.0.2' };
      const honest = 'tls' in secured ? connectTls({ ...from, ca: pem('cert') }) : connectSocket(from);
      const texts = collect(honest);
      honest.write(request('still nobody'));
      await until(() => texts.length === 1);
      expect(listener.stats().newcomers).toBe(NEWCOMERS_MAX);
      honest.write(request('login'));
      await until(() => texts.length === 2);
      expect(listener.stats().newcomers).toBe(NEWCOMERS_MAX - 1);
      for (const socket of [...crowd, honest]) socket.destroy();
      await until(() => listener.stats().newcomers === 0);
    }
  });

  it('take nothing of the memory of those that have said it, and are held to a bound of their own', async () => {
    const memory = new RequestMemory(1_000_000);
    const loginMemory = new RequestMemory(1_000);
    const bounds = { memory, loginMemory, securityProtocol: 'SASL_PLAINTEXT', handler: { handle } } as const;
    const { port, listener } = await startListener(bounds);
    const hostile = await Promise.all(Array.from({ length: 5 }, () => startPeer(port)));
    const begun = framed(Buffer.alloc(900)).subarray(0, 600);
    for (const socket of hostile) socket.write(begun);
    await until(() => loginMemory.stats().waitingConnections > 0);
    expect(loginMemory.stats().assemblingBytes).toBeLessThanOrEqual(2_000);
    expect(memory.stats().assemblingBytes).toBe(0);
    const honest = await startPeer(port);
    const texts = collect(honest);
    // What begins before the login is done counts there to its end, and what comes after it here.
    honest.write(request('login'));
    await until(() => texts.length === 1);
    const large = framed(Buffer.alloc(50_000));
    honest.write(large.subarray(0, 40_000));
    await until(() => memory.stats().assemblingBytes === 39_996);
    honest.write(large.subarray(40_000));
    await until(() => texts.length === 2);
    for (const socket of [...hostile, honest]) socket.destroy();
    await until(() => listener.stats().connectionsOpen === 0);
    expect([memory.stats().assemblingBytes, loginMemory.stats().assemblingBytes]).toEqual([0, 0]);
  });

  it('have a place of their own for messages that are looked at', async () => {
    const memory = new RequestMemory(1_000_000, 1);
    const held: RequestAdmission[] = [];
    const { port } = await startListener({
      memory,
      securityProtocol: 'SASL_PLAINTEXT',
      handler: {
        handle: (frame, connection, admission) => {
          if (frame.subarray(2).toString() !== 'wait') return handle(frame, connection);
          held.push(admission);
          return new Promise(() => {});
        },
      },
    });
    const slow = await Promise.all(Array.from({ length: 3 }, () => startPeer(port)));
    for (const socket of slow) socket.write(request('wait'));
    await until(() => held.length === 3);
    expect(memory.stats().handlingRequests).toBe(0);
    const honest = await startPeer(port);
    const texts = collect(honest);
    honest.write(request('login'));
    honest.write(request('served'));
    await until(() => texts.length === 2);
  });
});
