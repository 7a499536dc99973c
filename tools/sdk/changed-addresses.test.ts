/** The SDKs on a cluster whose brokers come back on other ports, one after the other, until nobody is left where clients began. */
import { createServer, type Server } from 'node:net';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { afterEach, describe, expect, it } from 'vitest';
import type { BrokerProcess } from '../../apps/broker/src/index.ts';
import { ZooKeeperScene } from '../../apps/broker/src/testing/zookeeper-scene.ts';
import { isElsewhere } from './suite-cluster.ts';

const BROKER_IDS = [1, 2, 3];
const PARTITIONS = [0, 1, 2];
const FAST = { retryBackoffMs: 20, requestTimeoutMs: 3000 };
const SETTINGS = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.num.partitions': '3',
  'offsets.topic.replication.factor': '3',
  'group.initial.rebalance.delay.ms': '0',
};

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

function startBroker(scene: ZooKeeperScene, id: number): Promise<BrokerProcess> {
  return scene.start(`broker-${id}`, { ...SETTINGS, 'broker.id': String(id) });
}

function portOf(broker: BrokerProcess): number {
  return broker.endpoints[0]!.port;
}

/** Somebody else listens where a broker did, and hangs up on everybody: no broker gets that port again. */
async function occupy(port: number): Promise<void> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  endings.push(() => new Promise((resolve) => server.close(resolve)));
}

describe.skipIf(isElsewhere)('a cluster whose brokers change their addresses', () => {
  it('goes on for a producer, a consumer and an admin without an error', { timeout: 90_000 }, async () => {
    const scene = await ZooKeeperScene.open();
    endings.push(() => scene.close());
    const brokers = new Map<number, BrokerProcess>();
    for (const id of BROKER_IDS) brokers.set(id, await startBroker(scene, id));
    const formerPorts = BROKER_IDS.map((id) => portOf(brokers.get(id)!));
    const bootstrapServers = formerPorts.map((port) => `127.0.0.1:${port}`).join(',');
    await using admin = new Admin({ bootstrapServers, ...FAST });
    await using producer = new Producer({ bootstrapServers, ...FAST });
    await using consumer = new Consumer({ bootstrapServers, groupId: 'g', autoOffsetReset: 'earliest', ...FAST });
    await admin.createTopics([{ topic: 't', partitions: PARTITIONS.length, replicationFactor: BROKER_IDS.length }]);
    consumer.subscribe(['t']);
    const records = consumer[Symbol.asyncIterator]();
    const expected: string[] = [];
    const read: string[] = [];
    const goesOn = async (value: string): Promise<void> => {
      await Promise.all(PARTITIONS.map((partition) => producer.send({ topic: 't', partition, value })));
      expected.push(...PARTITIONS.map((partition) => `${value} ${partition}`));
      while (read.length < expected.length) {
        const next = await records.next();
        if (next.done !== true) read.push(`${next.value.value} ${next.value.partition}`);
      }
      expect(read.toSorted()).toEqual(expected.toSorted());
      await consumer.commit();
    };
    const inSync = async (): Promise<number[]> =>
      (await admin.describeTopics(['t'])).flatMap(({ partitions }) =>
        partitions.map((each) => each.inSyncReplicas.length),
      );
    await goesOn('a0');
    for (const [index, id] of BROKER_IDS.entries()) {
      const former = portOf(brokers.get(id)!);
      await brokers.get(id)!.stop();
      await occupy(former);
      await goesOn(`b${index}`);
      brokers.set(id, await startBroker(scene, id));
      await expect.poll(inSync, { timeout: 20_000 }).toEqual([3, 3, 3]);
      await goesOn(`c${index}`);
    }
    const ports = BROKER_IDS.map((id) => portOf(brokers.get(id)!));
    expect(formerPorts.filter((port) => ports.includes(port))).toEqual([]);
    // Whoever leads now is reached where it is now: all partitions are given to each in turn.
    for (const id of BROKER_IDS) {
      const replicas = [id, ...BROKER_IDS.filter((other) => other !== id)];
      const places = PARTITIONS.map((partition) => ({ topic: 't', partition }));
      await admin.alterPartitionReassignments(places.map((place) => ({ ...place, replicas })));
      await expect
        .poll(
          async () => {
            await admin.electLeaders(places).catch(() => undefined);
            const [topic] = await admin.describeTopics(['t']);
            return topic?.partitions.map(({ leaderId }) => leaderId);
          },
          { timeout: 20_000 },
        )
        .toEqual([id, id, id]);
      await goesOn(`d${id}`);
    }
    const { brokers: told } = await admin.describeCluster();
    expect(told.map(({ nodeId, port }) => [nodeId, port])).toEqual(BROKER_IDS.map((id, at) => [id, ports[at]]));
    await records.return?.();
  });
});
