import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { seededRandom } from '@millrace/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxiedNetwork } from './link-proxy.ts';

let network: ProxiedNetwork;
let server: Server;
let sockets: Socket[];
/** What the other end has heard, and how many connections it has. */
let heard: string;

beforeEach(async () => {
  network = new ProxiedNetwork(seededRandom(1));
  sockets = [];
  heard = '';
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      socket.write(`echo ${chunk.toString('latin1')}`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  await network.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

// A server that listens on TCP has such an address.
const serverPort = (): number => (server.address() as AddressInfo).port;

async function connect(port: number): Promise<{ socket: Socket; said: () => string }> {
  const socket = createConnection({ host: '127.0.0.1', port });
  sockets.push(socket);
  let said = '';
  socket
    .on('error', () => undefined)
    .on('data', (chunk) => {
      said += chunk.toString('latin1');
    });
  await once(socket, 'connect');
  return { socket, said: () => said };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The request of a broker, as far as its client id. */
function request(clientId: string): Buffer {
  const header = Buffer.alloc(14);
  header.writeInt32BE(10 + clientId.length);
  header.writeInt16BE(clientId.length, 12);
  return Buffer.concat([header, Buffer.from(clientId)]);
}

describe('a link through a proxy', () => {
  it('passes on both ways, and ends at one end when the other does', async () => {
    const { socket, said } = await connect(await network.way('broker 1', 'server 1', serverPort));
    socket.write('hello');
    await until(() => said() === 'echo hello');
    socket.end();
    await until(() => sockets.some((each) => each !== socket && each.destroyed));
  });

  it('that is cut holds back what is said until it is mended, and tells neither end', async () => {
    const { socket, said } = await connect(await network.way('broker 1', 'server 1', serverPort));
    socket.write('a');
    await until(() => said() === 'echo a');
    network.setBoth('broker 1', 'server 1', { isCut: true });
    socket.write('b');
    // Another way is as it was; when its echo is here, that of this one could be.
    const other = await connect(await network.way('broker 2', 'server 1', serverPort));
    other.socket.write('c');
    await until(() => other.said() === 'echo c');
    expect(heard).toBe('ac');
    expect(socket.destroyed).toBe(false);
    network.mend();
    await until(() => said() === 'echo aecho b');
  });

  it('that is cut one way delivers the other way', async () => {
    const { socket, said } = await connect(await network.way('broker 1', 'server 1', serverPort));
    network.set('server 1', 'broker 1', { isCut: true });
    socket.write('a');
    await until(() => heard === 'a');
    expect(said()).toBe('');
    network.mend();
    await until(() => said() === 'echo a');
  });

  it('that breaks delivers a part and ends the connection', async () => {
    const { socket } = await connect(await network.way('broker 1', 'server 1', serverPort));
    network.set('broker 1', 'server 1', { brokenShare: 1 });
    socket.write('abcd');
    await once(socket, 'close');
    await until(() => heard === 'ab');
  });

  it('of all brokers to one is that of the broker whose client id comes first, in however many pieces', async () => {
    const port = await network.wayOfBrokers('broker 3', serverPort);
    network.set('broker 2', 'broker 3', { isCut: true });
    const [first, second] = [await connect(port), await connect(port)];
    second.socket.write(request('broker-2-fetcher-0'));
    const asked = request('1');
    first.socket.write(asked.subarray(0, 9));
    await new Promise((resolve) => setImmediate(resolve));
    first.socket.write(asked.subarray(9));
    await until(() => first.said().endsWith('\x011'));
    expect(heard).toBe(asked.toString('latin1'));
    network.mend();
    await until(() => second.said().endsWith('broker-2-fetcher-0'));
  });
});
