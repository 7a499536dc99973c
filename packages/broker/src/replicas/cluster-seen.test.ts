/** What a cluster shows of itself: metrics, hints to clients that ask the wrong broker, and the ways of its followers. */
import type { LogManager } from '@millrace/log';
import { ErrorCode, Fetch, Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { exposeRooms } from '../broker-gauges.ts';
import { noMetrics } from '../shared/metrics.ts';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;
afterEach(() => cluster.stopAll());

/** What a broker's gauges of the cluster tell now, of those whose names end so. */
function gauges(id: number, ...names: readonly string[]): number[] {
  const { services } = cluster.broker(id);
  const readers = new Map<string, () => unknown>();
  const metrics = {
    ...noMetrics,
    gauge: (name: string, _: string, read: () => unknown): void => {
      readers.set(name, read);
    },
  };
  // Of its log folders nothing is read here.
  exposeRooms({ ...services, metrics }, services.controller, {} as LogManager);
  return names.map((name) => {
    const found = [...readers].filter(([full]) => full.endsWith(`_${name}`));
    expect(found).toHaveLength(1);
    return found[0]?.[1]() as number;
  });
}

describe('the metrics of a cluster', () => {
  it('tell which partitions suffer, who is the controller, and what has no leader', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    await cluster.createTopic('lone', [[3]]);
    const suffering = (): number[] =>
      gauges(1, 'underreplicatedpartitions', 'atminisrpartitioncount', 'underminisrpartitioncount');
    const office = (id: number): number[] => gauges(id, 'activecontrollercount', 'offlinepartitionscount');
    expect([suffering(), office(1), office(2)]).toEqual([
      [0, 0, 0],
      [1, 0],
      [0, 0],
    ]);
    await cluster.kill(3);
    await cluster.pass(500);
    expect([suffering(), office(1), office(2)]).toEqual([
      [1, 1, 0],
      [1, 1],
      [0, 0],
    ]);
    await cluster.kill(2);
    await cluster.pass(500);
    expect(suffering()).toEqual([1, 0, 1]);
  });

  it('tell how far the follower here is behind that lags most, and 0 once it has caught up', async () => {
    cluster = await TestReplicas.start(2);
    const topics = ['t', 'u'];
    for (const topic of topics) await cluster.createTopic(topic, [[1, 2]], { 'min.insync.replicas': '1' });
    await cluster.kill(2);
    await cluster.until('one is in sync', () => topics.every((topic) => cluster.partition(1, topic).isr.length === 1));
    const records = batchOf(['x'.repeat(1000)]);
    for (const name of ['t', 't', 't', 'u', 'u', 't', 't']) {
      const topicData = [{ name, partitionData: [{ index: 0, records }] }];
      await cluster.ask(1, Produce, 9, { acks: 1, timeoutMs: 1000, topicData });
    }
    // A batch in each answer, and less than one a second.
    const { configRepository } = cluster.broker(1).services;
    for (const name of topics) {
      await configRepository.change({ type: 'topic', name }, () => ({
        'follower.replication.throttled.replicas': '*',
      }));
    }
    const rate = JSON.stringify({ version: 1, config: { 'follower.replication.throttled.rate': '500' } });
    await cluster.store.create('/config/brokers/2', Buffer.from(rate));
    await cluster.start(2, { 'replica.fetch.max.bytes': '1', 'replica.fetch.response.max.bytes': '1' });
    const seen = new Set<string>();
    const isBehind = (): boolean => {
      const lacking = topics.map(
        (topic) => cluster.partition(1, topic).log.highWatermark - cluster.partition(2, topic).log.logEndOffset,
      );
      seen.add(`${Math.max(...lacking)}: ${gauges(2, 'replicafetchermanager_maxlag')}`);
      return Math.max(...lacking) > 0;
    };
    await cluster.until('it has caught up', () => !isBehind(), 60_000);
    expect([...seen]).toEqual(['4: 4', '3: 3', '2: 2', '1: 1', '0: 0']);
    expect(gauges(1, 'replicafetchermanager_maxlag')).toEqual([0]);
  });
});

/** Brokers that count; what each has counted, by names without what stands before them. */
async function counting(brokers: number): Promise<(id: number, name: string) => number> {
  const counts = new Map<string, number>();
  cluster = await TestReplicas.start(0, { 'replica.lag.time.max.ms': '2000', 'replica.socket.timeout.ms': '1000' });
  cluster.metricsOf = (id) => ({
    ...noMetrics,
    counter: (name) => {
      const key = `${id} ${name.replace(/^kafka_\w+?_\w+?_/, '')}`;
      return { add: (amount) => void counts.set(key, (counts.get(key) ?? 0) + amount) };
    },
  });
  for (let id = 1; id <= brokers; id += 1) await cluster.start(id);
  return (id, name) => counts.get(`${id} ${name}_total`) ?? 0;
}

describe('what brokers count', () => {
  it('are the bytes that replication gives and takes, and the in-sync replicas that leave and come', async () => {
    const count = await counting(2);
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1' });
    const records = batchOf(['a', 'b']);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    await cluster.ask(1, Produce, 9, { acks: 1, timeoutMs: 1000, topicData });
    await cluster.until('it is copied', () => cluster.partition(2, 't').log.logEndOffset === 2);
    const bytes = records.length;
    expect([count(1, 'bytesin'), count(1, 'replicationbytesout'), count(2, 'replicationbytesin')]).toEqual([
      bytes,
      bytes,
      bytes,
    ]);
    expect([count(1, 'isrshrinks'), count(1, 'isrexpands')]).toEqual([0, 0]);
    cluster.cutFetches(2, 1);
    await cluster.ask(1, Produce, 9, { acks: 1, timeoutMs: 1000, topicData });
    await cluster.pass(4000, 50);
    cluster.heal();
    await cluster.until('it is in sync again', () => cluster.partition(1, 't').isr.length === 2);
    expect([count(1, 'isrshrinks'), count(1, 'isrexpands')]).toEqual([1, 1]);
  });
});

describe('a client that asks who led before', () => {
  it('is told who leads now, and where that is (KIP-951)', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    await cluster.stop(1);
    await cluster.start(1);
    await cluster.until('another leader', () => cluster.leaderOf('t') === 2);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf(['a']) }] }];
    const produced = await cluster.ask(1, Produce, 11, { acks: -1, timeoutMs: 1000, topicData });
    const { topicId } = cluster.partition(1, 't');
    const partitions = [{ partition: 0, currentLeaderEpoch: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
    const topics = [{ topicId, partitions }];
    const fetched = await cluster.ask(1, Fetch, 16, { maxWaitMs: 0, minBytes: 0, topics, forgottenTopicsData: [] });
    const currentLeader = { leaderId: 2, leaderEpoch: 1 };
    const nodeEndpoints = [{ nodeId: 2, host: 'broker-2.test', port: 9092 }];
    const notLeader = { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, currentLeader };
    const fenced = { errorCode: ErrorCode.FENCED_LEADER_EPOCH, currentLeader };
    expect(produced).toMatchObject({ responses: [{ partitionResponses: [notLeader] }], nodeEndpoints });
    expect(fetched).toMatchObject({ responses: [{ partitions: [fenced] }], nodeEndpoints });
  });
});

describe('several fetchers (num.replica.fetchers)', () => {
  it('share the partitions of a leader, each with a connection of its own, and leave none out', async () => {
    cluster = await TestReplicas.start(2, { 'num.replica.fetchers': '3' });
    const clientIds = new Set<string>();
    cluster.lineFault = (clientId) => {
      if (clientId.includes('fetcher')) clientIds.add(clientId);
      return undefined;
    };
    await cluster.createTopic(
      't',
      Array.from({ length: 12 }, () => [1, 2]),
    );
    const partitionData = Array.from({ length: 12 }, (_, index) => ({ index, records: batchOf(['a']) }));
    await cluster.ask(1, Produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] });
    await cluster.until('all is copied', () =>
      partitionData.every(({ index }) => cluster.partition(2, 't', index).log.logEndOffset === 1),
    );
    const names = [0, 1, 2].map((fetcher) => `broker-2-fetcher-${fetcher}`);
    expect([...clientIds].sort()).toEqual(names);
  });
});
