import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Connection } from '@millrace/network';
import { AbortableTransactionError, Producer, type Transaction } from '@millrace/producer';
import { ApiVersions, ErrorCode, OffsetCommit, OffsetFetch } from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from '../../apps/broker/src/index.ts';
import { type ApacheKafka, startApacheKafka } from '../kafka/broker.ts';
import { has, may, whyNoKafka } from '../needs/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';

const START_MS_MAX = 120_000;
const RECORDS = 300;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const isRunnable = may(whyNoKafka(), import.meta.url) && has('zookeeper', import.meta.url);

describe.skipIf(!isRunnable)('Apache Kafka 3.9.1 and Millrace in one cluster', () => {
  let folder: string;
  let ensemble: ZooKeeperEnsemble;
  let kafka: ApacheKafka;
  let startKafka: () => Promise<ApacheKafka>;
  const millraces: BrokerProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-mixed-'));
    ensemble = await ZooKeeperEnsemble.start({ tickMs: 500 });
    const connect = `${ensemble.connectString}/mixed`;
    const config = {
      'offsets.topic.replication.factor': '3',
      'min.insync.replicas': '2',
      'zookeeper.session.timeout.ms': '6000',
      'transaction.state.log.replication.factor': '3',
      'transaction.state.log.min.isr': '2',
      'transaction.state.log.num.partitions': '2',
    };
    startKafka = () =>
      startApacheKafka({ zooKeeper: { connect, brokerId: 1 }, config, heap: '256m', folder: join(folder, '1') });
    kafka = await startKafka();
    for (const id of [2, 3]) {
      const overrides = {
        'broker.id': String(id),
        'log.dirs': join(folder, String(id)),
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'advertised.listeners': 'PLAINTEXT://127.0.0.1:0',
        'millrace.http.port': '',
        'zookeeper.connect': connect,
        'offsets.topic.num.partitions': '4',
        ...config,
      };
      millraces.push(await startBrokerProcess({ env: {}, logger: silent, overrides }));
    }
  }, START_MS_MAX);

  afterAll(async () => {
    for (const broker of millraces) await broker.stop();
    await kafka?.stop();
    await ensemble?.stop();
    await rm(folder, { recursive: true, force: true });
  }, START_MS_MAX);

  const bootstrapOf = (broker: BrokerProcess): string => `127.0.0.1:${broker.endpoints[0]?.port}`;

  it(
    'hold every partition together, whoever leads it, and show one cluster to those who ask either',
    async () => {
      for (const bootstrap of [kafka.bootstrap, ...millraces.map(bootstrapOf)]) {
        await using admin = new Admin({ bootstrapServers: bootstrap });
        await expect
          .poll(async () => (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId).toSorted(), {
            timeout: 20_000,
          })
          .toEqual([1, 2, 3]);
      }
      await using admin = new Admin({ bootstrapServers: bootstrapOf(millraces[0] as BrokerProcess) });
      await admin.createTopics([{ topic: 't', partitions: 3, replicationFactor: 3 }]);
      await using producer = new Producer({ bootstrapServers: kafka.bootstrap });
      const sends = Array.from({ length: RECORDS }, (_, index) =>
        producer.send({ topic: 't', key: `k${index}`, value: `v${index}` }),
      );
      const partitions = new Set((await Promise.all(sends)).map(({ partition }) => partition));
      expect(partitions.size).toBe(3);
      const leaders = (await admin.describeTopics(['t']))[0]?.partitions;
      expect(leaders?.map(({ leaderId }) => leaderId).toSorted()).toEqual([1, 2, 3]);
      await expect
        .poll(
          async () =>
            (await admin.describeTopics(['t']))[0]?.partitions.map(({ inSyncReplicas }) => inSyncReplicas.length),
          {
            timeout: 20_000,
          },
        )
        .toEqual([3, 3, 3]);
      const values = new Set<string>();
      await using consumer = new Consumer({
        bootstrapServers: kafka.bootstrap,
        groupId: 'g',
        autoOffsetReset: 'earliest',
      });
      consumer.subscribe('t');
      for await (const record of consumer) {
        values.add(String(record.value));
        if (values.size === RECORDS) break;
      }
      expect(values.size).toBe(RECORDS);
    },
    START_MS_MAX,
  );

  it(
    'keep one set of offsets in ZooKeeper for consumers of old, whichever of them is asked (OffsetCommit, OffsetFetch 0)',
    async () => {
      const brokers = [kafka.bootstrap, bootstrapOf(millraces[0] as BrokerProcess)];
      const connections = await Promise.all(
        brokers.map((bootstrap) => {
          const [host = '', port] = bootstrap.split(':');
          return Connection.connect({ host, port: Number(port) });
        }),
      );
      const topics = [
        { name: 't', partitionIndexes: [0, 1, 2, 9] },
        { name: 'nowhere', partitionIndexes: [0] },
      ];
      try {
        for (const [index, connection] of connections.entries()) {
          const partitions = [index, 9].map((partitionIndex) => ({ partitionIndex, committedOffset: 7 + index }));
          const committed = await connection.send(OffsetCommit, 0, {
            groupId: 'old',
            topics: [{ name: 't', partitions }],
          });
          // Kafka names those first that it refuses.
          const codes = committed.topics[0]?.partitions.map((each) => [each.partitionIndex, each.errorCode]);
          expect(codes?.toSorted()).toEqual([
            [index, ErrorCode.NONE],
            [9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
          ]);
        }
        const told = await Promise.all(
          connections.map((connection) => connection.send(OffsetFetch, 0, { groupId: 'old', topics })),
        );
        const offsets = told.map(({ topics: each }) =>
          each
            .flatMap(({ name, partitions }) =>
              partitions.map((one) => `${name}-${one.partitionIndex} ${one.committedOffset} ${one.errorCode}`),
            )
            .toSorted(),
        );
        expect(offsets[1]).toEqual(offsets[0]);
        expect(offsets[0]).toEqual(expect.arrayContaining(['t-0 7 0', 't-1 8 0']));
      } finally {
        await Promise.all(connections.map((connection) => connection.close()));
      }
    },
    START_MS_MAX,
  );

  it(
    'lose nothing when the Kafka broker, which is the controller, is killed, and take it back when it returns',
    async () => {
      const bootstrapServers = millraces.map(bootstrapOf);
      await using admin = new Admin({ bootstrapServers });
      expect((await admin.describeCluster()).controllerId).toBe(1);
      await using producer = new Producer({ bootstrapServers, deliveryTimeoutMs: 60_000 });
      const acknowledged: Promise<unknown>[] = [];
      const send = (count: number): void => {
        for (let index = 0; index < count; index += 1) {
          const value = `w${acknowledged.length}`;
          acknowledged.push(producer.send({ topic: 't', key: value, value }));
        }
      };
      send(RECORDS);
      await kafka.stop('SIGKILL');
      send(RECORDS);
      await Promise.all(acknowledged);
      const partitions = async () => (await admin.describeTopics(['t']))[0]?.partitions ?? [];
      await expect
        .poll(async () => (await partitions()).map(({ inSyncReplicas }) => inSyncReplicas.toSorted().join()), {
          timeout: 30_000,
        })
        .toEqual(['2,3', '2,3', '2,3']);
      expect([2, 3]).toContain((await admin.describeCluster()).controllerId);
      kafka = await startKafka();
      await expect
        .poll(async () => (await partitions()).map(({ inSyncReplicas }) => inSyncReplicas.toSorted().join()), {
          timeout: 30_000,
        })
        .toEqual(['1,2,3', '1,2,3', '1,2,3']);
      send(RECORDS);
      await Promise.all(acknowledged);
      const values: string[] = [];
      await using consumer = new Consumer({
        bootstrapServers: kafka.bootstrap,
        groupId: 'after',
        autoOffsetReset: 'earliest',
      });
      consumer.subscribe('t');
      for await (const record of consumer) {
        values.push(String(record.value));
        if (values.length === RECORDS + acknowledged.length) break;
      }
      expect(new Set(values).size).toBe(values.length);
    },
    START_MS_MAX,
  );

  /** `transaction.version` as a broker tells whoever connects now. */
  async function levelOf(bootstrap: string): Promise<number> {
    const [host = '', port] = bootstrap.split(':');
    const connection = await Connection.connect({ host, port: Number(port) });
    try {
      const { finalizedFeatures } = await connection.send(ApiVersions, 3, {
        clientSoftwareName: 'test',
        clientSoftwareVersion: '1',
      });
      return finalizedFeatures.find(({ name }) => name === 'transaction.version')?.maxVersionLevel ?? 0;
    } finally {
      await connection.close();
    }
  }

  /** What an older broker refuses is aborted, once, and begun anew in a way that it knows. */
  async function again(transact: () => Promise<unknown>): Promise<void> {
    try {
      await transact();
    } catch (error) {
      if (!(error instanceof AbortableTransactionError)) throw error;
      await transact();
    }
  }

  it(
    'end what was begun with new transactions before the Kafka broker joined, and go on with old ones, whoever coordinates',
    async () => {
      const bootstrapServers = millraces.map(bootstrapOf);
      const levels = async (): Promise<number[]> => Promise.all(bootstrapServers.map(levelOf));
      await using admin = new Admin({ bootstrapServers });
      const newProducer = (transactionalId: string): Producer => new Producer({ bootstrapServers, transactionalId });
      const sendAll = (transaction: Transaction, value: string): Promise<unknown> =>
        Promise.all([0, 1, 2].map((partition) => transaction.send({ topic: 'x', partition, value })));
      await admin.createTopics([{ topic: 'x', partitions: 3, replicationFactor: 3 }]);
      await using older = newProducer('older');
      await older.transaction((transaction) => sendAll(transaction, 'a'));
      expect(await levels()).toEqual([0, 0]);
      await kafka.stop();
      await expect.poll(levels, { timeout: 20_000 }).toEqual([2, 2]);
      await using producer = newProducer('newer');
      await producer.transaction((transaction) => sendAll(transaction, 'b'));
      const open = await producer.begin();
      await sendAll(open, 'c');
      await using other = newProducer('other');
      const aborted = await other.begin();
      await sendAll(aborted, 'lost');
      kafka = await startKafka();
      await expect.poll(levels, { timeout: 20_000 }).toEqual([0, 0]);
      await open.commit();
      await aborted.abort();
      await producer.transaction((transaction) => sendAll(transaction, 'd'));
      // Kafka coordinates, and leads, from here on.
      const places = [0, 1].map((partition) => ({ topic: '__transaction_state', partition }));
      const led = [...places, ...[0, 1, 2].map((partition) => ({ topic: 'x', partition }))];
      await admin.alterPartitionReassignments(led.map((place) => ({ ...place, replicas: [1, 2, 3] })));
      const leaders = async (): Promise<number[]> => {
        await admin.electLeaders(led).catch(() => undefined);
        const topics = await admin.describeTopics(['__transaction_state', 'x']);
        return topics.flatMap(({ partitions }) => partitions.map(({ leaderId }) => leaderId));
      };
      await expect.poll(leaders, { timeout: 30_000, interval: 500 }).toEqual(led.map(() => 1));
      for (const [each, value] of [
        [producer, 'e'],
        [older, 'f'],
        [other, 'g'],
      ] as const) {
        await again(() => each.transaction((transaction) => sendAll(transaction, value)));
      }
      const [described] = await admin.describeTransactions(['newer']);
      expect(described?.coordinator.nodeId).toBe(1);
      await using consumer = new Consumer({
        bootstrapServers,
        isolationLevel: 'read_committed',
        autoOffsetReset: 'earliest',
      });
      consumer.assign([0, 1, 2].map((partition) => ({ topic: 'x', partition })));
      const values: string[][] = [[], [], []];
      for await (const { partition, value } of consumer) {
        values[partition]?.push(String(value));
        if (values.every((each) => each.at(-1) === 'g')) break;
      }
      for (const each of values) expect(each).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    },
    START_MS_MAX,
  );
});

describe.skipIf(!isRunnable)('a cluster of Apache Kafka 3.9.1 and one of Millrace on one ensemble, by chroot', () => {
  it(
    'have the same broker id and the same topic, and neither sees anything of the other',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-chroot-'));
      const ensemble = await ZooKeeperEnsemble.start({ tickMs: 500 });
      const stops: (() => Promise<unknown>)[] = [
        () => rm(folder, { recursive: true, force: true }),
        () => ensemble.stop(),
      ];
      try {
        const at = (chroot: string): string => `${ensemble.connectString}/${chroot}`;
        const kafka = await startApacheKafka({
          zooKeeper: { connect: at('theirs'), brokerId: 1 },
          heap: '256m',
          folder: join(folder, 'theirs'),
        });
        stops.push(() => kafka.stop());
        const overrides = {
          'broker.id': '1',
          'log.dirs': join(folder, 'ours'),
          listeners: 'PLAINTEXT://127.0.0.1:0',
          'millrace.http.port': '',
          'zookeeper.connect': at('ours'),
        };
        const millrace = await startBrokerProcess({ env: {}, logger: silent, overrides });
        stops.push(() => millrace.stop());
        const clusters = [
          { bootstrapServers: kafka.bootstrap, own: 'theirs', partitions: 2 },
          { bootstrapServers: `127.0.0.1:${millrace.endpoints[0]?.port}`, own: 'ours', partitions: 3 },
        ];
        for (const { bootstrapServers, own, partitions } of clusters) {
          await using admin = new Admin({ bootstrapServers });
          expect(await admin.listTopics()).toEqual([]);
          await admin.createTopics(['t', own].map((topic) => ({ topic, partitions })));
        }
        // Of each is asked when both have made theirs: who is asked before has nothing to see of the other yet.
        const ids = new Set<string>();
        for (const { bootstrapServers, own, partitions } of clusters) {
          await using admin = new Admin({ bootstrapServers });
          const topics = await admin.describeTopics(['t', own]);
          expect(topics.map((each) => each.partitions.length)).toEqual([partitions, partitions]);
          expect(await admin.listTopics()).toEqual([own, 't'].toSorted());
          const { clusterId, brokers, controllerId } = await admin.describeCluster();
          expect(brokers.map(({ nodeId }) => nodeId)).toEqual([1]);
          expect(controllerId).toBe(1);
          ids.add(clusterId);
        }
        expect(ids.size).toBe(2);
      } finally {
        for (const stop of stops.toReversed()) await stop();
      }
    },
    START_MS_MAX,
  );
});
