/** When an acknowledged record is safe, and when not: the rows of docs/durability.md that no other test shows. */
import { Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** What Kafka comes with: the system writes when it likes to. */
const UNSYNCED = { 'flush.messages': '9223372036854775807' };

async function threeWith(configs: Readonly<Record<string, string>>): Promise<void> {
  cluster = await TestReplicas.start(3);
  await cluster.createTopic('t', [[1, 2, 3]], configs);
}

/** Has the leader acknowledge a record of its own to the producer, at this offset. */
async function acknowledged(leader: number, baseOffset: number): Promise<void> {
  const answer = cluster.ask(leader, Produce, 9, {
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf([`at ${baseOffset}`]) }] }],
  });
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await cluster.until('an answer to Produce', () => isAnswered, 6000);
  expect((await answer).responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset });
}

const isrOf = (): string => {
  const leader = cluster.leaderOf('t');
  return leader < 0 ? '' : cluster.partition(leader, 't').isr.toSorted().join();
};
const endOf = (id: number): number => cluster.partition(id, 't').log.logEndOffset;

describe('what is acknowledged by three in-sync replicas', () => {
  it('is with the one that is left when two have lost their disks', async () => {
    await threeWith({ 'min.insync.replicas': '2' });
    for (let offset = 0; offset < 3; offset += 1) await acknowledged(1, offset);
    await cluster.pass(600);
    for (const id of [1, 2]) {
      await cluster.kill(id);
      cluster.replaceDisk(id);
    }
    await cluster.until('the third to lead', () => cluster.leaderOf('t') === 3);
    for (const id of [1, 2]) await cluster.start(id);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3', 60_000);
    expect([1, 2, 3].map(endOf)).toEqual([3, 3, 3]);
    await acknowledged(cluster.leaderOf('t'), 3);
  });
});

describe('a record that the followers have written and not synced', () => {
  it.each([
    ['is acknowledged when they have, as the topic asks', {}, false],
    ['is acknowledged, where the topic asks for no sync', UNSYNCED, true],
  ])('%s', async (_, configs, isBefore) => {
    await threeWith({ 'min.insync.replicas': '2', ...configs });
    await acknowledged(1, 0);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    for (const id of [2, 3]) {
      cluster.nodes.get(id)!.disk.fault = async ({ kind }) => {
        if (kind === 'sync') await held;
        return undefined;
      };
    }
    let isAcknowledged = false;
    const answer = acknowledged(1, 1).then(() => {
      isAcknowledged = true;
    });
    await cluster.pass(100);
    expect(isAcknowledged).toBe(isBefore);
    release();
    await answer;
  });
});

describe('without syncs, a broker that loses its power', () => {
  it('has them from the others, where nobody syncs', async () => {
    await threeWith({ 'min.insync.replicas': '2', ...UNSYNCED });
    for (let offset = 0; offset < 3; offset += 1) await acknowledged(1, offset);
    await cluster.kill(1);
    await cluster.until('another leader', () => ![1, -1].includes(cluster.leaderOf('t')));
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3', 60_000);
    expect([1, 2, 3].map(endOf)).toEqual([3, 3, 3]);
  });
});

describe('without syncs, all brokers that lose their power at once', () => {
  it('have lost what nobody had synced', async () => {
    await threeWith({ 'min.insync.replicas': '2', ...UNSYNCED });
    for (let offset = 0; offset < 3; offset += 1) await acknowledged(1, offset);
    for (const id of [1, 2, 3]) await cluster.kill(id);
    for (const id of [1, 2, 3]) await cluster.start(id);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3', 60_000);
    expect([1, 2, 3].map(endOf)).toEqual([0, 0, 0]);
  });
});

describe('a leader that was alone in sync and dies', () => {
  it('is waited for, and nobody else leads', async () => {
    await threeWith({ 'min.insync.replicas': '1' });
    await acknowledged(1, 0);
    for (const id of [2, 3]) await cluster.kill(id);
    await cluster.until('the leader to be alone', () => isrOf() === '1', 60_000);
    await acknowledged(1, 1);
    await cluster.kill(1);
    for (const id of [2, 3]) await cluster.start(id);
    await cluster.pass(2000);
    expect(cluster.leaderOf('t')).toBe(-1);
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => isrOf() === '1,2,3', 60_000);
    expect(cluster.leaderOf('t')).toBe(1);
    expect([1, 2, 3].map(endOf)).toEqual([2, 2, 2]);
  });
});
