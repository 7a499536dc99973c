import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@millrace/broker';
import { MetadataError } from '@millrace/metadata';
import { Connection } from '@millrace/network';
import { IncrementalAlterConfigs, Metadata, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { METADATA_FOLDER } from './metadata-engine.ts';
import { StartError, startErrorOf } from './start-error.ts';

let folder: string;
let started: BrokerProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-process-'));
  started = [];
});

afterEach(async () => {
  await Promise.all(started.map((broker) => broker.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** Starts a broker on ports of the system's choice. */
async function start(overrides: Readonly<Record<string, string>> = {}, configFile?: string): Promise<BrokerProcess> {
  const broker = await startBrokerProcess({
    configFile,
    env: {},
    logger: silentLogger,
    overrides: {
      'log.dirs': join(folder, 'data'),
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'millrace.http.port': '',
      ...overrides,
    },
  });
  started.push(broker);
  return broker;
}

async function errorOf(starting: Promise<unknown>): Promise<StartError> {
  const error = await starting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StartError)) throw new Error('The broker started', { cause: error });
  return error;
}

async function codeOf(starting: Promise<unknown>): Promise<[string, number]> {
  const { code, exitCode } = await errorOf(starting);
  return [code, exitCode];
}

async function connectTo(broker: BrokerProcess): Promise<Connection> {
  const { host, port } = broker.endpoints[0]!;
  return Connection.connect({ host, port, clientId: 'test' });
}

describe('a broker process', () => {
  it('serves clients on the port that the system chose, and tells them that one', async () => {
    const broker = await start();
    const client = await connectTo(broker);
    const { brokers } = await client.send(Metadata, 9, { topics: [] });
    expect(brokers).toMatchObject([{ host: '127.0.0.1', port: broker.endpoints[0]!.port }]);
    await client.close();
  });

  it('says so when it could not stop in order, and closes the rest all the same', async () => {
    const broker = await start();
    const client = await connectTo(broker);
    await client.send(Metadata, 9, { topics: [{ name: 't' }], allowAutoTopicCreation: true });
    await client.close();
    await rm(join(folder, 'data'), { recursive: true });
    await expect(broker.stop()).rejects.toThrow('in order');
    await expect(connectTo(broker)).rejects.toThrow();
    started.pop();
  });

  it('takes up a limit of connections that is set while it runs, and keeps it for the next start', async () => {
    const broker = await start();
    const client = await connectTo(broker);
    const configs = [{ name: 'max.connections', configOperation: 0, value: '1' }];
    const resources = [{ resourceType: 4, resourceName: '', configs }];
    const { responses } = await client.send(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
    expect(responses[0]).toMatchObject({ errorCode: 0 });
    await expect(connectTo(broker)).rejects.toThrow();
    await client.close();
    await broker.stop();
    const again = await start();
    const first = await connectTo(again);
    await expect(connectTo(again)).rejects.toThrow();
    await first.close();
  });

  it('keeps what was written over a restart, and marks its folder as cleanly closed in between', async () => {
    const first = await start();
    const client = await connectTo(first);
    await client.send(Metadata, 9, { topics: [{ name: 't' }], allowAutoTopicCreation: true });
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, Buffer.from('value'));
    const body = (records: Buffer) => ({
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
    });
    await client.send(Produce, 9, body(builder.build()));
    await client.close();
    await first.stop();
    expect(await readdir(join(folder, 'data'))).toEqual(
      expect.arrayContaining(['.kafka_cleanshutdown', 'meta.properties', METADATA_FOLDER, 't-0']),
    );
    const second = await connectTo(await start());
    builder.reset();
    builder.append(Date.now(), null, Buffer.from('value'));
    const answer = await second.send(Produce, 9, body(builder.build()));
    expect(answer.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await second.close();
  });

  it('takes settings from a file, the environment and overrides, the last being the strongest', async () => {
    const file = join(folder, 'server.properties');
    await writeFile(file, `# a comment\nnode.id=7\nbroker.rack=file\nlog.dirs=${join(folder, 'never')}\n`);
    const broker = await startBrokerProcess({
      configFile: file,
      env: { KAFKA_BROKER_RACK: 'environment', KAFKA_LISTENERS: 'PLAINTEXT://127.0.0.1:1' },
      logger: silentLogger,
      overrides: {
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'log.dirs': join(folder, 'data'),
        'millrace.http.port': '',
      },
    });
    started.push(broker);
    const client = await connectTo(broker);
    const { brokers } = await client.send(Metadata, 9, { topics: [] });
    expect(brokers).toMatchObject([{ nodeId: 7, rack: 'environment' }]);
    await client.close();
  });

  it('stops while clients are connected and wait', async () => {
    const broker = await start();
    const client = await connectTo(broker);
    await broker.stop();
    await expect(client.send(Metadata, 9, { topics: [] })).rejects.toThrow();
  });

  it('shows its metrics and its health over HTTP', async () => {
    const broker = await start({ 'millrace.http.port': '0', 'millrace.log.producer.ids.max': '77' });
    const get = (path: string) => fetch(`http://127.0.0.1:${broker.httpPort}${path}`);
    const client = await connectTo(broker);
    await client.send(Metadata, 9, { topics: [{ name: 't' }], allowAutoTopicCreation: true });
    const health = await get('/health');
    expect([health.status, await health.json()]).toEqual([
      200,
      expect.objectContaining({ status: 'up', brokerId: 1, offlineLogDirs: [], fullLogDirs: [] }),
    ]);
    for (let scrape = 0; scrape < 2; scrape += 1) {
      const text = await (await get('/metrics')).text();
      expect(text).toContain('kafka_controller_kafkacontroller_activecontrollercount 1\n');
      expect(text).toContain('kafka_log_log_size{topic="t",partition="0"} 0\n');
      expect(text).toContain('millrace_log_producer_ids_max 77\n');
      expect(text).toMatch(/millrace_log_open_files \d+\n/);
      expect(text).toMatch(/kafka_network_requestmetrics_totaltimems_count\{request="Metadata"\} 1\n/);
      expect(text).toMatch(/^millrace_transactions\{state="Ongoing"\} 0$/m);
      expect(text).toMatch(/^millrace_transactions_oldest_open_ms 0$/m);
      expect(text).toMatch(/^kafka_server_replicamanager_partitionswithlatetransactionscount 0$/m);
      expect(text).toMatch(
        /^kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize 0$/m,
      );
      expect(text).toMatch(/^kafka_server_addpartitionstotxnmanager_verificationtimems_count/m);
    }
    expect((await get('/other')).status).toBe(404);
    await client.close();
  });
});

describe('a broker process that cannot start', () => {
  let blocker: Server | undefined;

  afterEach(() => {
    blocker?.close();
    blocker = undefined;
  });

  /** Takes a port of the system's choice. */
  async function takePort(): Promise<number> {
    blocker = createServer();
    await new Promise<void>((resolve) => blocker?.listen(0, '127.0.0.1', resolve));
    return (blocker.address() as { port: number }).port;
  }

  it('says which settings are wrong', async () => {
    const overrides = { 'num.partitions': 'many', 'millrace.http.port': '99999', 'millrace.nonsense': '1' };
    const starting = start(overrides);
    expect(await codeOf(starting)).toEqual(['START_CONFIG_INVALID', 78]);
    await expect(starting).rejects.toThrow(/num\.partitions/);
    await expect(starting).rejects.toThrow(/millrace\.http\.port=99999 is no port/);
    await expect(starting).rejects.toThrow(/millrace\.nonsense is no setting/);
  });

  it('says that the file with the settings is missing', async () => {
    const missing = join(folder, 'missing.properties');
    expect(await codeOf(start({}, missing))).toEqual(['START_CONFIG_UNREADABLE', 78]);
    await expect(start({}, missing)).rejects.toThrow(`${missing}: there is no such file`);
  });

  it('takes no file for settings whose lines would set nothing, though it asks for logins', async () => {
    const file = join(folder, 'wide.properties');
    await writeFile(file, 'listeners=SASL_SSL://127.0.0.1:0', 'utf16le');
    expect(await codeOf(start({}, file))).toEqual(['START_CONFIG_UNREADABLE', 78]);
    await expect(start({}, file)).rejects.toThrow('it is not a text file in UTF-8');
  });

  it.each([
    ['is empty', '\n \n'],
    ['has control characters', 'listeners=SASL_SSL://127.0.0.1:0\n\u0001\u0002'],
    ['none of its 2 names is that of a setting (hello)', 'hello world\nwhat=ever\n'],
    ['its only name is not that of a setting (ZjJpch/XvNnRw2xc5ws3ZpECARhXQk0)', 'ZjJpch/XvNnRw2xc5ws3ZpECARhXQk0=\n'],
  ])('takes no other file for settings: %s', async (why, content) => {
    const file = join(folder, 'other.properties');
    await writeFile(file, content);
    const error = await errorOf(start({}, file));
    expect([error.code, error.exitCode, error.message]).toEqual([
      'START_CONFIG_UNREADABLE',
      78,
      expect.stringContaining(why),
    ]);
    expect(await readdir(folder)).toEqual(['other.properties']);
  });

  it('takes a file of comments alone, and one that sets a listener or a setting of the process alone', async () => {
    const file = join(folder, 'few.properties');
    for (const content of [
      '# all default\n',
      'millrace.log.level=info\n',
      'listener.name.plaintext.max.connections=5\n',
    ]) {
      await writeFile(file, content);
      await (await start({}, file)).stop();
    }
  });

  it('tells of advertised listeners alone where no others were given', async () => {
    const starting = startBrokerProcess({
      env: {},
      logger: silentLogger,
      overrides: { 'log.dirs': join(folder, 'data'), 'advertised.listeners': 'foo' },
    });
    await expect(starting).rejects.toThrow(/^The settings cannot be used:\n {2}[^\n]*advertised\.listeners[^\n]*$/);
  });

  it('says that a port is taken, and leaves nothing open and nothing on the disk', async () => {
    const port = await takePort();
    expect(await codeOf(start({ listeners: `PLAINTEXT://127.0.0.1:${port}` }))).toEqual(['START_PORT_IN_USE', 69]);
    expect(await codeOf(start({ 'millrace.http.port': String(port) }))).toEqual(['START_PORT_IN_USE', 69]);
    expect(await readdir(folder)).toEqual([]);
    await start();
  });

  it.each([
    ['START_FOLDER_DAMAGED', 74, Buffer.from([1, 0, 254, 254])],
    ['START_FOLDER_DAMAGED', 74, 'hello'],
    ['START_FOLDER_DAMAGED', 74, ''],
    ['START_FOLDER_FOREIGN', 78, 'version=0\nbroker.id=5\n'],
  ])('leaves a folder as it is whose meta.properties is %s', async (code, exitCode, content) => {
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'meta.properties'), content);
    expect(await codeOf(start())).toEqual([code, exitCode]);
    expect(await readdir(join(folder, 'data'))).toEqual(['meta.properties']);
  });

  it('says that another broker has the folder', async () => {
    await start();
    expect(await codeOf(start())).toEqual(['START_FOLDER_LOCKED', 69]);
  });

  it('leaves a new first folder alone where another is in use', async () => {
    await start({ 'log.dirs': join(folder, 'used') });
    const [first, used] = [join(folder, 'first'), join(folder, 'used')];
    const before = await readdir(used);
    const error = await errorOf(start({ 'log.dirs': `${first},${used}` }));
    expect([error.code, error.exitCode, error.message]).toEqual([
      'START_FOLDER_LOCKED',
      69,
      `The data folder ${used} is in use by another broker. Stop that one, or set log.dirs to another folder`,
    ]);
    expect([await readdir(folder), await readdir(used)]).toEqual([['used'], before]);
  });

  it('leaves folders alone that belong to different clusters', async () => {
    const names = ['first', 'second', 'third'];
    for (const name of names.slice(1)) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'meta.properties'), `version=0\nbroker.id=1\ncluster.id=of-the-${name}\n`);
    }
    const dirs = names.map((name) => join(folder, name));
    const error = await errorOf(start({ 'log.dirs': dirs.join(',') }));
    expect([error.code, error.exitCode, error.message]).toEqual([
      'START_FOLDER_FOREIGN',
      78,
      `The data folders belong to different clusters: ${dirs[1]} is of cluster of-the-second, ${dirs[2]} is of cluster of-the-third. Give log.dirs folders of one cluster, or new ones`,
    ]);
    expect(await readdir(folder)).toEqual(['second', 'third']);
    for (const dir of dirs.slice(1)) expect(await readdir(dir)).toEqual(['meta.properties']);
    // With the id of the other, a new store is of its cluster.
    await start({ 'log.dirs': `${dirs[0]},${dirs[2]}` });
  });

  it('says that two of its data folders are one, or one within the other, by a link', async () => {
    const at = (name: string): string => join(folder, name);
    await mkdir(at('first/inner'), { recursive: true });
    await symlink(at('first'), at('linked'));
    await symlink(at('first/inner'), at('within'));
    const twice = await errorOf(start({ 'log.dirs': `${at('first')},${at('linked')}` }));
    expect([twice.code, twice.exitCode, twice.message]).toEqual([
      'START_CONFIG_INVALID',
      78,
      `log.dirs: ${at('linked')} and ${at('first')} are the same folder, under two names. Name each folder once, and none within another`,
    ]);
    const within = await errorOf(start({ 'log.dirs': `${at('within')},${at('first')}` }));
    expect(within.message).toContain(`${at('within')} leads to a folder that lies in ${at('first')}`);
    expect(await readdir(at('first'))).toEqual(['inner']);
  });

  it('says that the data folder is a file, or belongs to another cluster', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect(await codeOf(start({ 'log.dirs': file }))).toEqual(['START_FOLDER_DENIED', 77]);
    await (await start()).stop();
    const owner = 'version=0\nbroker.id=1\ncluster.id=another-cluster\n';
    await writeFile(join(folder, 'data', 'meta.properties'), owner);
    expect(await codeOf(start())).toEqual(['START_FOLDER_FOREIGN', 78]);
  });

  it('says that there can be no data folder, or that its disk does not work', async () => {
    expect(await codeOf(start({ 'log.dirs': '/proc/millrace/data' }))).toEqual(['START_FOLDER_IMPOSSIBLE', 78]);
    expect(await codeOf(start({ 'log.dirs': `${folder}/${'x'.repeat(300)}` }))).toEqual([
      'START_FOLDER_IMPOSSIBLE',
      78,
    ]);
    const broken = Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO', path: '/data/t-0/0.log' });
    const error = startErrorOf(broken, '/other, /data');
    expect([error.code, error.exitCode]).toEqual(['START_DISK_FAILED', 74]);
    expect(startErrorOf({ ...broken, path: '/database/x' }, '/data').code).toBe('START_FAILED');
  });

  it('says that the disk is full, whichever room found out', () => {
    const cause = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const error = startErrorOf(new Error('Opening failed', { cause }), '/data');
    expect([error.code, error.exitCode]).toEqual(['START_DISK_FULL', 74]);
    expect(error.message).toContain('/data is full');
  });

  it.each(['SESSION_EXPIRED', 'CONNECTION_LOSS'] as const)('takes %s for metadata that came too late', (code) => {
    const error = startErrorOf(new MetadataError(code, 'It is over'), '/data');
    expect([error.code, error.exitCode]).toEqual(['START_METADATA_UNREACHABLE', 69]);
    expect(error.message).toBe('It is over, before the broker was ready. Is this machine too busy, or was it paused?');
  });

  it('refuses a protocol that it does not serve', async () => {
    expect(await codeOf(start({ listeners: 'SSL://127.0.0.1:0' }))).toEqual(['START_CONFIG_INVALID', 78]);
  });
});

describe('bad input on the Kafka port', () => {
  /** Sends bytes and resolves with what comes back until the broker closes. */
  function provoke(broker: BrokerProcess, bytes: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const { host, port } = broker.endpoints[0]!;
      let answer = '';
      const socket = connectSocket(port, host, () => socket.write(bytes));
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });
  }

  const size = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };

  it.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a frame of 2 GiB', Buffer.concat([size(2 ** 31 - 1), Buffer.alloc(100)])],
    ['a frame of negative length', size(-1)],
    ['an unknown API', Buffer.concat([size(10), Buffer.from('03e7000000000007ffff', 'hex')])],
    ['a version that is not served', Buffer.concat([size(11), Buffer.from('000c006300000007ffff00', 'hex')])],
    ['a body that does not decode', Buffer.concat([size(14), Buffer.from('0003000100000007ffff7fffffff', 'hex')])],
    ['noise', Buffer.from('8f'.repeat(200), 'hex')],
  ])('closes the connection of who sends %s, and serves the others', async (_what, bytes) => {
    const broker = await start();
    const other = await connectTo(broker);
    await provoke(broker, bytes);
    expect((await other.send(Metadata, 9, { topics: [] })).brokers.length).toBe(1);
    await other.close();
  });
});
