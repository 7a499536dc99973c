import { readFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Handshakes } from './handshakes.ts';
import { cleanUp, closed, collect, echo, request, startListener, until } from './testing/peers.ts';

const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/localhost.${name}.pem`, import.meta.url));
const tls = { key: pem('key'), cert: pem('cert') };
const HANDSHAKES_MAX = 8;

afterEach(cleanUp);

describe('TLS handshakes under way', () => {
  it('are no more than there may be, whoever begins and ends them, and each newcomer gets a place', () => {
    const step = fc.record({ address: fc.integer({ min: 0, max: 4 }), port: fc.nat(30), begins: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const handshakes = new Handshakes(HANDSHAKES_MAX);
        const underWay = new Map<string, Socket>();
        for (const { address, port, begins } of steps) {
          const key = `${address}:${port}`;
          if (!begins) {
            handshakes.end(String(address), port);
            underWay.delete(key);
          } else if (!underWay.has(key)) {
            const socket = { key } as unknown as Socket;
            const sizes = Map.groupBy(underWay.keys(), (each) => each.split(':')[0]);
            const inTheWay = handshakes.begin(socket, String(address), port) as unknown as { key: string } | undefined;
            underWay.set(key, socket);
            if (inTheWay !== undefined) {
              const [crowded = '', gone = ''] = inTheWay.key.split(':');
              expect(sizes.get(crowded)?.length).toBe(Math.max(...[...sizes.values()].map(({ length }) => length)));
              // The listener closes it, and hears that it has gone.
              handshakes.end(crowded, Number(gone));
              underWay.delete(inTheWay.key);
            }
          }
          expect(handshakes.count).toBe(underWay.size);
          expect(underWay.size).toBeLessThanOrEqual(HANDSHAKES_MAX);
        }
      }),
    );
  });

  it('that nobody goes on with make room for others, those of the same address first', async () => {
    const { port, listener } = await startListener({ handler: { handle: echo }, tls, handshakesMax: HANDSHAKES_MAX });
    const silent = (localAddress: string): Socket => {
      const socket = connectSocket({ port, host: '127.0.0.1', localAddress });
      socket.on('error', () => {}).resume();
      return socket;
    };
    const bystander = silent('127.0.0.2');
    await until(() => listener.stats().tlsHandshakesUnderWay === 1);
    const crowd = Array.from({ length: 40 }, () => silent('127.0.0.1'));
    await Promise.all(crowd.slice(0, 20).map((socket) => closed(socket)));
    const honest = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: pem('cert') });
    const texts = collect(honest);
    honest.once('secureConnect', () => honest.write(request('served')));
    await until(() => texts.length === 1);
    expect(listener.stats().tlsHandshakesUnderWay).toBeLessThanOrEqual(HANDSHAKES_MAX);
    expect(bystander.destroyed).toBe(false);
    for (const socket of [...crowd, bystander, honest]) socket.destroy();
    await until(() => listener.stats().tlsHandshakesUnderWay === 0);
  });
});
