import { readFileSync } from 'node:fs';
import { Metadata } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { Connection as RealConnection } from './connection.ts';
import type { ConnectionContext } from './connection-context.ts';
import { Listener } from './listener.ts';
import { ScriptedBroker } from './testing/scripted-broker.ts';

/** What stands between two marks of this file, and the blocks of code in the README. */
const source = readFileSync(import.meta.filename, 'utf8');
const example = (name: string): string | undefined =>
  new RegExp(`Begin of ${name}\\.\\n(.*?)\\n *// End`, 's').exec(source)?.[1]?.replaceAll(/^ {2}/gm, '');
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const shown = [...readme.matchAll(/```ts\n(.*?)\n```/gs)].map(([, code]) => code);

it('connects as the README shows', async () => {
  const broker = await new ScriptedBroker({ ApiVersions: [0, 4], Metadata: [0, 12] }).start();
  broker.on(Metadata, () => ({ brokers: [], topics: [], clusterId: 'c' }));
  const Connection = {
    connect: (options: Parameters<typeof RealConnection.connect>[0]) =>
      RealConnection.connect({ ...options, host: '127.0.0.1', port: broker.port }),
  };
  // Begin of the client.
  const connection = await Connection.connect({ host: 'localhost', port: 9092, clientId: 'my-tool' });
  const { clusterId, brokers } = await connection.send(Metadata, 'auto', { topics: null });
  await connection.close();
  // End of the client.
  expect([clusterId, brokers]).toEqual(['c', []]);
  await broker.listener.close();
  expect(shown[0]).toBe(example('the client'));
});

it('listens as the README shows', async () => {
  const answer = (frame: Buffer, connection: ConnectionContext): Buffer[] => [Buffer.from(`${connection.id}`), frame];
  // Begin of the server.
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    handler: { handle: (frame, connection) => answer(frame, connection) },
  });
  const { port } = await listener.listen();
  // ...
  await listener.close();
  // End of the server.
  expect(port).toBeGreaterThan(0);
  expect(shown[1]).toBe(example('the server'));
});
