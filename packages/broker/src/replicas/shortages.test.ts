import { ErrorCode, Produce } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';
import { Shortages } from './shortages.ts';

let cluster: TestReplicas;

beforeEach(async () => {
  cluster = await TestReplicas.start(3);
});
afterEach(() => cluster.stopAll());

/** What a leader answers to a record, letting time pass until it does. */
async function produce(leader: number, value: string): Promise<number> {
  const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf([value]) }] }];
  const answer = cluster.ask(leader, Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await cluster.until('an answer to Produce', () => isAnswered);
  return (await answer).responses[0]!.partitionResponses[0]!.errorCode;
}

function leaveRoom(id: number, bytes: number): void {
  const { disk } = cluster.nodes.get(id)!;
  disk.capacityBytes = disk.usedBytes + bytes;
}

const isrOf = (): string => {
  const leader = cluster.leaderOf('t');
  return leader < 0 ? '' : cluster.partition(leader, 't').isr.toSorted().join();
};

/** A producer that tries again, until the leader is another or has tried for a while. */
async function refusedBy(leader: number, tries: number): Promise<void> {
  for (let turn = 0; turn < tries && cluster.leaderOf('t') === leader; turn += 1) {
    expect(await produce(leader, 'refused')).not.toBe(ErrorCode.NONE);
    await cluster.pass(400, 50);
  }
}

describe('a replica whose disk has been full for a while', () => {
  it('lets another lead, and comes into sync again by itself when there is room', async () => {
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produce(1, 'a'.repeat(20_000))).toBe(ErrorCode.NONE);
    // Room to cut the log, and none for a record.
    leaveRoom(1, 20);
    await refusedBy(1, 20);
    await cluster.until('another leader', () => cluster.leaderOf('t') > 1);
    // With nothing new to fetch it could be in sync, and hold up what comes.
    await cluster.pass(5000, 100);
    expect(isrOf()).toBe('2,3');
    expect(await produce(cluster.leaderOf('t'), 'b')).toBe(ErrorCode.NONE);
    await cluster.pass(5000, 100);
    expect(isrOf()).toBe('2,3');
    leaveRoom(1, Number.POSITIVE_INFINITY);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3');
    await cluster.pass(600);
    expect([1, 2, 3].map((id) => cluster.partition(id, 't').log.highWatermark)).toEqual([2, 2, 2]);
  });

  it('lets another lead after a second, though its producer does not try again meanwhile', async () => {
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produce(1, 'a'.repeat(20_000))).toBe(ErrorCode.NONE);
    leaveRoom(1, 20);
    expect(await produce(1, 'refused')).not.toBe(ErrorCode.NONE);
    await cluster.pass(900, 50);
    expect(cluster.leaderOf('t')).toBe(1);
    await cluster.pass(300, 50);
    expect(cluster.leaderOf('t')).toBeGreaterThan(1);
    expect(await produce(cluster.leaderOf('t'), 'b')).toBe(ErrorCode.NONE);
    leaveRoom(1, Number.POSITIVE_INFINITY);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3');
  });

  it('leads on where one record did not fit and there is room by the time', async () => {
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produce(1, 'a'.repeat(20_000))).toBe(ErrorCode.NONE);
    leaveRoom(1, 20);
    expect(await produce(1, 'refused')).not.toBe(ErrorCode.NONE);
    leaveRoom(1, Number.POSITIVE_INFINITY);
    await cluster.pass(2000, 50);
    expect(cluster.leaderOf('t')).toBe(1);
    expect(await produce(1, 'b')).toBe(ErrorCode.NONE);
  });

  it('is not waited for by the leader until it has lagged for too long', async () => {
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    expect(await produce(1, 'a')).toBe(ErrorCode.NONE);
    leaveRoom(2, 0);
    // `replica.lag.time.max.ms` is 30 s.
    expect(await produce(1, 'b')).toBe(ErrorCode.NONE);
    expect(isrOf()).toBe('1,3');
    leaveRoom(2, Number.POSITIVE_INFINITY);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3');
  });

  it('leads on where it is the only one in sync, so that it can be read, and takes records again when there is room', async () => {
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1' });
    expect(await produce(1, 'a')).toBe(ErrorCode.NONE);
    await cluster.kill(2);
    await cluster.until('one in sync', () => isrOf() === '1');
    leaveRoom(1, 0);
    await refusedBy(1, 10);
    expect(cluster.leaderOf('t')).toBe(1);
    leaveRoom(1, Number.POSITIVE_INFINITY);
    await cluster.pass(2000, 100);
    expect(await produce(1, 'b')).toBe(ErrorCode.NONE);
  });
});

describe('a replica that was given up', () => {
  it('is taken back at once where it leads alone after all, though its disk is as full as before', async () => {
    const alive = new Set([1, 2]);
    const logs = { volumeOf: async () => ({ totalBytes: 1000, usableBytes: 10 }) };
    const shortages = new Shortages({ brokerId: 1, logs, isAlive: (id) => alive.has(id) });
    await cluster.createTopic('t', [[1, 2]]);
    const partition = cluster.partition(1, 't');
    const known = cluster.broker(1).services.cluster.partition('t', 0)!;
    const state = { ...known, addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false };
    expect([shortages.noted(partition, 999), shortages.noted(partition, 1000)]).toEqual([false, true]);
    expect(await shortages.holdsBack(state)).toBe(true);
    alive.delete(2);
    expect(await shortages.holdsBack(state)).toBe(false);
    expect(shortages.noted(partition, 1000)).toBe(false);
  });
});
