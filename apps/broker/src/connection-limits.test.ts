import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@millrace/broker';
import { Connection } from '@millrace/network';
import { AlterClientQuotas, IncrementalAlterConfigs } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';

let folder: string;
let broker: BrokerProcess;
let sockets: Socket[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-limits-'));
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string>>): Promise<void> {
  broker = await startBrokerProcess({
    env: {},
    logger: silentLogger,
    overrides: {
      'log.dirs': join(folder, 'data'),
      'millrace.http.port': '',
      listeners: 'ONE://127.0.0.1:0,TWO://127.0.0.1:0',
      'listener.security.protocol.map': 'ONE:PLAINTEXT,TWO:PLAINTEXT',
      'inter.broker.listener.name': 'ONE',
      ...settings,
    },
  });
}

function portOf(listener: string): number {
  return broker.endpoints.find((each) => each.listener === listener)?.port ?? 0;
}

/** Long enough for a broker that is busy, and for one that would not answer at all. */
const ANSWER_MS = 5_000;
const SILENCE_MS = 500;

/** ApiVersions v0. */
const ASK = Buffer.from('00000013001200000000000100057465737400', 'hex').subarray(0, 4 + 15);
ASK.writeInt32BE(15);

type Outcome = 'answered' | 'closed' | 'silent';

/** What becomes of a connection that asks something at once; it is held open. */
function opened(listener: string, localAddress = '127.0.0.1', patienceMs = ANSWER_MS): Promise<Outcome> {
  const socket = connect({ port: portOf(listener), host: '127.0.0.1', localAddress });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.write(ASK);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silent'), patienceMs);
    const end = (outcome: Outcome) => () => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.once('data', end('answered'));
    socket.once('close', end('closed'));
  });
}

describe('the limits of a broker’s connections', () => {
  it('are held for each address, where one has an exception in numbers', async () => {
    await start({ 'max.connections.per.ip': '2', 'max.connections.per.ip.overrides': '127.0.0.3:1' });
    expect([await opened('ONE'), await opened('TWO')]).toEqual(['answered', 'answered']);
    expect([await opened('ONE'), await opened('TWO')]).toEqual(['closed', 'closed']);
    expect(await opened('ONE', '127.0.0.2')).toBe('answered');
    expect([await opened('ONE', '127.0.0.3'), await opened('ONE', '127.0.0.3')]).toEqual(['answered', 'closed']);
  });

  it('are held for each listener, whose connections beyond them wait until others have gone', async () => {
    await start({ 'listener.name.two.max.connections': '1' });
    expect([await opened('TWO'), await opened('TWO', '127.0.0.2', SILENCE_MS)]).toEqual(['answered', 'silent']);
    expect([await opened('ONE'), await opened('ONE')]).toEqual(['answered', 'answered']);
    const [first, waiting] = sockets;
    const answer = new Promise((resolve) => waiting?.once('data', resolve));
    first?.destroy();
    await answer;
  });

  it('are held for the rate of each listener', async () => {
    await start({ 'listener.name.two.max.connection.creation.rate': '1' });
    const outcomes = (listener: string) =>
      Promise.all(Array.from({ length: 30 }, () => opened(listener, '127.0.0.1', SILENCE_MS * 4)));
    expect(new Set(await outcomes('ONE'))).toEqual(new Set(['answered']));
    const limited = await outcomes('TWO');
    // Ten times as many may come at once.
    expect(limited.filter((each) => each === 'answered').length).toBeGreaterThanOrEqual(10);
    expect(limited.filter((each) => each === 'silent').length).toBeGreaterThanOrEqual(10);
  });

  it('are held for the rate of an address from when that is set as a quota, without a restart', async () => {
    await start({});
    const twenty = () => Promise.all(Array.from({ length: 30 }, () => opened('ONE', '127.0.0.4', SILENCE_MS * 4)));
    expect(new Set(await twenty())).toEqual(new Set(['answered']));
    const admin = await Connection.connect({ host: '127.0.0.1', port: portOf('ONE') });
    const entity = [{ entityType: 'ip', entityName: '127.0.0.4' }];
    const ops = [{ key: 'connection_creation_rate', value: 1, remove: false }];
    const answer = await admin.send(AlterClientQuotas, 1, { entries: [{ entity, ops }], validateOnly: false });
    expect(answer.entries[0]?.errorCode).toBe(0);
    await admin.close();
    // Other addresses have none.
    expect(await opened('ONE')).toBe('answered');
    const limited = await twenty();
    expect(limited.filter((each) => each !== 'answered').length).toBeGreaterThanOrEqual(10);
  });

  it('are taken up where one listener’s is set while the broker runs', async () => {
    await start({});
    const admin = await Connection.connect({ host: '127.0.0.1', port: portOf('ONE') });
    const configs = [{ name: 'listener.name.two.max.connections', configOperation: 0, value: '1' }];
    const resources = [{ resourceType: 4, resourceName: '1', configs }];
    const { responses } = await admin.send(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
    expect(responses[0]).toMatchObject({ errorCode: 0 });
    await admin.close();
    expect([await opened('TWO'), await opened('TWO', '127.0.0.1', SILENCE_MS)]).toEqual(['answered', 'silent']);
  });
});
