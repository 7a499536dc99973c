import { Connection } from '@millrace/network';
import { CreateTopics, Metadata } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BrokerProcess } from './broker-process.ts';
import { ZooKeeperScene } from './testing/zookeeper-scene.ts';

let scene: ZooKeeperScene;

beforeEach(async () => {
  scene = await ZooKeeperScene.open();
});
afterEach(() => scene.close());

function start(name: string, overrides: Readonly<Record<string, string>> = {}): Promise<BrokerProcess> {
  return scene.start(name, { 'zookeeper.connect': `${scene.address}/kafka`, ...overrides });
}

async function connectTo(broker: BrokerProcess): Promise<Connection> {
  const { host, port } = broker.endpoints[0]!;
  return Connection.connect({ host, port, clientId: 'test' });
}

async function brokerIds(broker: BrokerProcess): Promise<number[]> {
  const client = await connectTo(broker);
  const { brokers } = await client.send(Metadata, 9, { topics: [] });
  await client.close();
  return brokers.map(({ nodeId }) => nodeId).toSorted();
}

/** Asks until the brokers have heard of each other. */
async function untilSeen(broker: BrokerProcess, ids: readonly number[]): Promise<void> {
  await expect.poll(() => brokerIds(broker), { timeout: 10_000 }).toEqual(ids);
}

describe('brokers on ZooKeeper', () => {
  it('find each other, and hold a topic three times over', async () => {
    const brokers = [];
    for (const id of [1, 2, 3]) brokers.push(await start(`b${id}`, { 'broker.id': String(id) }));
    for (const broker of brokers) await untilSeen(broker, [1, 2, 3]);
    const client = await connectTo(brokers[0]!);
    const { topics } = await client.send(CreateTopics, 6, {
      topics: [{ name: 't', numPartitions: 3, replicationFactor: 3, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    expect(topics).toMatchObject([{ name: 't', errorCode: 0 }]);
    const found = await client.send(Metadata, 9, { topics: [{ name: 't' }] });
    await client.close();
    expect(found.topics[0]?.partitions.map(({ leaderId }) => leaderId).toSorted()).toEqual([1, 2, 3]);
    expect(await scene.root.children('/kafka/brokers/ids')).toHaveLength(3);
  });

  it('give a broker without a number the next one, which it keeps', async () => {
    const first = await start('b');
    expect(await brokerIds(first)).toEqual([1001]);
    await first.stop();
    expect(await brokerIds(await start('b'))).toEqual([1001]);
    await untilSeen(await start('c'), [1001, 1002]);
  });

  it('take one another for the same cluster, and a broker of another one for a stranger', async () => {
    const first = await start('b', { 'broker.id': '1' });
    await first.stop();
    const other = start('b', { 'broker.id': '1', 'zookeeper.connect': `${scene.address}/other` });
    await expect(other).rejects.toMatchObject({ code: 'START_FOLDER_FOREIGN' });
  });

  it('do not start beside a broker with the same number, nor beside one that advertises the same address', async () => {
    await start('b', { 'broker.id': '1', 'advertised.listeners': 'PLAINTEXT://broker.test:9092' });
    const soon = { 'zookeeper.session.timeout.ms': '1000' };
    const twin = start('c', { ...soon, 'broker.id': '1' });
    const squatter = start('d', { ...soon, 'broker.id': '2', 'advertised.listeners': 'PLAINTEXT://broker.test:9092' });
    const [byNumber, byAddress] = await Promise.allSettled([twin, squatter]);
    expect(byNumber).toMatchObject({ reason: { code: 'START_BROKER_ID_IN_USE', exitCode: 69 } });
    expect(byAddress).toMatchObject({ reason: { code: 'START_BROKER_ADDRESS_IN_USE', exitCode: 69 } });
    expect(String((byAddress as PromiseRejectedResult).reason)).toMatch(/broker 1 advertises broker\.test:9092 too/);
  });

  it.each([
    [{ 'broker.id': '-1' }, /broker\.id=-1 is no number .* Give the broker a number/],
    [{}, /broker\.id is not set, and .* Give the broker a number/],
  ])(
    'do not start without a number where none may be taken: another may have that of a single broker (%o)',
    async (id, message) => {
      const nameless = start('b', { ...id, 'broker.id.generation.enable': 'false' });
      await expect(nameless).rejects.toMatchObject({
        code: 'START_CONFIG_INVALID',
        message: expect.stringMatching(message),
      });
    },
  );

  it('give up an ensemble that cannot be reached when they are told to, and say so', async () => {
    const starting = start('b', { 'zookeeper.connect': '127.0.0.1:1', 'zookeeper.connection.timeout.ms': '100' });
    await expect(starting).rejects.toMatchObject({
      code: 'START_METADATA_UNREACHABLE',
      exitCode: 69,
      message: expect.stringMatching(/127\.0\.0\.1:1 could be reached within 100 ms.*zookeeper\.connect/),
    });
  });

  it.each([
    [{ 'zookeeper.connect': 'a/b,c/d' }, /zk1:2181/],
    [{ 'zookeeper.set.acl': 'true' }, /millrace\.zookeeper\.digest/],
    [{ 'zookeeper.ssl.client.enable': 'true', 'zookeeper.ssl.keystore.location': '/x/keys.jks' }, /cannot be read/],
    [{ 'zookeeper.ssl.client.enable': 'true', 'zookeeper.ssl.truststore.location': '/x/trust.p12' }, /cannot be read/],
    [{ 'zookeeper.ssl.client.enable': 'true', 'zookeeper.ssl.truststore.location': '/none.pem' }, /cannot be read/],
    [{ 'zookeeper.ssl.client.enable': 'true', 'zookeeper.ssl.enabled.protocols': 'TLSv1.1' }, /TLSv1\.2/],
  ])('say what to do about settings that cannot be: %o', async (overrides, message) => {
    await expect(start('b', overrides)).rejects.toMatchObject({
      code: 'START_CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });
});
