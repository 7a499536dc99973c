/** Records what clients and a real server say to one another: the golden bytes of the codec. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { FrameCutter } from '@millrace/zookeeper/internal';
import { ZooKeeperEnsemble } from './ensemble.ts';
import { zkCli } from './zk-cli.ts';

/** A frame without its length. */
interface Recorded {
  readonly connection: number;
  readonly from: 'client' | 'server';
  readonly hex: string;
}

const COMMANDS = [
  'create /java one',
  'create -e /java/e two',
  'create -s /java/s_ three',
  'get -s -w /java',
  'set -v 0 /java four',
  'set -v 0 /java five',
  'stat -w /none',
  'ls -s -w /java',
  'ls -R /java',
  'getAcl -s /java',
  'create /none x',
  'delete /none',
  'delete -v 3 /java',
  'get /missing',
  'sync /java',
  'addauth digest a:b',
  'deleteall /java',
];

/** Writes the frames of both directions into a file, one JSON line each. */
export async function capture(file: string): Promise<void> {
  const ensemble = await ZooKeeperEnsemble.start();
  const frames: Recorded[] = [];
  const proxy = await recordingProxy(ensemble.portOf(1), frames);
  try {
    await zkCli(proxy.port, COMMANDS);
    await useClient(proxy.port);
    await writeFile(file, `${frames.map((frame) => JSON.stringify(frame)).join('\n')}\n`);
  } finally {
    proxy.close();
    await ensemble.stop();
  }
}

/** What the command line cannot say: transactions, and watches that are set again. */
async function useClient(port: number): Promise<void> {
  const store = await ZooKeeperMetadataStore.open({ connect: `127.0.0.1:${port}`, sessionTimeoutMs: 2000 });
  const data = Buffer.from('content');
  await store.multi([
    { type: 'create', path: '/m', data },
    { type: 'set', path: '/m', data, expected: { exactly: 0 } },
    { type: 'check', path: '/m', expected: { exactly: 1 } },
    { type: 'create', path: '/m/s_', data, options: { sequential: true, ephemeral: true } },
  ]);
  const failing = store.multi([
    { type: 'set', path: '/m', data, expected: 'any' },
    { type: 'check', path: '/m', expected: { exactly: 7 } },
    { type: 'delete', path: '/m', expected: 'any' },
  ]);
  await failing.catch(() => {});
  await store.get('/m', { watch: () => {} });
  await store.exists('/later', { watch: () => {} });
  await store.children('/m', { watch: () => {} });
  store.client.breakConnection();
  await store.set('/m', data, 'any');
  await store.close();
}

async function recordingProxy(port: number, frames: Recorded[]): Promise<{ port: number; close(): void }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const connection = connections;
    connections += 1;
    const upstream = connect(port, '127.0.0.1');
    pass(client, upstream, { connection, from: 'client' }, frames);
    pass(upstream, client, { connection, from: 'server' }, frames);
    for (const socket of [client, upstream]) sockets.add(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function pass(from: Socket, to: Socket, side: Omit<Recorded, 'hex'>, frames: Recorded[]): void {
  const cutter = new FrameCutter(1024 * 1024);
  from.on('data', (chunk: Buffer) => {
    to.write(chunk);
    cutter.push(chunk);
    for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) {
      frames.push({ ...side, hex: frame.toString('hex') });
    }
  });
  from.on('error', () => {});
  from.on('close', () => to.destroy());
}
