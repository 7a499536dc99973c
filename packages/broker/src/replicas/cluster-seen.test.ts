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
      readers.set(name.replace(/^kafka_\w+?_\w+?_/, ''), read);
    },
  };
  // Of its log folders nothing is read here.
  exposeRooms({ ...services, metrics }, services.controller, {} as LogManager);
  return names.map((name) => readers.get(name)?.() as number);
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
