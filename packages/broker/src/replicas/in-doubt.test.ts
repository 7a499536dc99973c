import { ErrorCode, OffsetCommit, OffsetFetch } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

const OFFSETS = '__consumer_offsets';

/** What did not arrive is soon said again. */
const SETTINGS = { 'controller.socket.timeout.ms': '500', 'replica.socket.timeout.ms': '700' };

let cluster: TestReplicas;

afterEach(() => {
  cluster.heal();
  return cluster.stopAll();
});

/** Three brokers that keep the groups' offsets, the first of which coordinates. */
async function started(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  cluster = await TestReplicas.start(3, { ...SETTINGS, ...settings });
  await cluster.createTopic('t', [[1, 2, 3]]);
  await cluster.createTopic(OFFSETS, [[1, 2, 3]]);
  await cluster.until('a coordinator', () => cluster.leaderOf(OFFSETS) === 1);
}

/** Asks for a commit; what it is answered with comes when it comes. */
function commit(to: number, committedOffset: number): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
  const body = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name: 't', partitions }] };
  return cluster
    .ask(to, OffsetCommit, 7, body)
    .then(({ topics }) => topics[0]?.partitions[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR);
}

async function committed(to: number, offset: number): Promise<void> {
  let errorCode: number = ErrorCode.UNKNOWN_SERVER_ERROR;
  for (let attempt = 0; attempt < 100 && errorCode !== ErrorCode.NONE; attempt += 1) {
    let isAnswered = false;
    const answer = commit(to, offset).finally(() => {
      isAnswered = true;
    });
    await cluster.until('an answer to OffsetCommit', () => isAnswered, 10_000);
    errorCode = await answer;
  }
  expect(errorCode).toBe(ErrorCode.NONE);
}

/** What a broker says that is committed: the offset, or why it does not say. */
async function told(by: number): Promise<{ readonly errorCode: number; readonly offset: number | undefined }> {
  const topics = [{ name: 't', partitionIndexes: [0] }];
  const { errorCode, topics: answered } = await cluster.ask(by, OffsetFetch, 7, {
    groupId: 'g',
    topics,
    requireStable: false,
  });
  return { errorCode, offset: errorCode === 0 ? answered[0]?.partitions[0]?.committedOffset : undefined };
}

const NOT_COORDINATOR = { errorCode: ErrorCode.NOT_COORDINATOR, offset: undefined };

describe('a coordinator whose session has ended', () => {
  it('answers out of nothing that it knew before it is told who leads', async () => {
    await started();
    await committed(1, 1);
    // It registers anew, but the controller, which had another lead, does not get through to it.
    for (const from of [2, 3]) cluster.cut(from, 1);
    await cluster.expire(1);
    await cluster.until('another leader', () => [2, 3].some((id) => cluster.partition(id, OFFSETS).isLeader));
    expect(cluster.partition(1, OFFSETS).isLeader).toBe(true);
    const other = [2, 3].find((id) => cluster.partition(id, OFFSETS).isLeader)!;
    await committed(other, 81);
    expect(await told(1)).toEqual(NOT_COORDINATOR);
    expect(await told(other)).toEqual({ errorCode: 0, offset: 81 });
    cluster.heal();
    await cluster.until('word of the new leader', () => !cluster.partition(1, OFFSETS).isLeader);
    expect(await told(1)).toEqual(NOT_COORDINATOR);
  });

  it('goes on out of what it knows when a controller tells it in its new session that it still leads', async () => {
    cluster = await TestReplicas.start(3, SETTINGS);
    for (const topic of ['t', OFFSETS]) await cluster.createTopic(topic, [[2, 3]]);
    await committed(2, 7);
    // The controller is dead, and the ensemble has not noticed: nobody else is elected.
    expect(cluster.broker(1).services.controller.isActive).toBe(true);
    cluster.die(1);
    const epochOf = async (id: number): Promise<number> => (await cluster.store.exists(`/brokers/ids/${id}`))!.czxid;
    const former = await epochOf(2);
    await cluster.expire(2);
    await cluster.pass(100);
    expect(await told(2)).toEqual(NOT_COORDINATOR);
    const { commands, cluster: image } = cluster.broker(2).services;
    const more = { addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false };
    const partitions = [{ ...image.partition(OFFSETS, 0)!, ...more }];
    const command = { controllerId: 1, controllerEpoch: image.controllerEpoch, partitions, liveLeaders: [] };
    await commands.leaderAndIsr({ ...command, brokerEpoch: former });
    expect(await told(2)).toEqual(NOT_COORDINATOR);
    await commands.leaderAndIsr({ ...command, brokerEpoch: await epochOf(2) });
    expect(await told(2)).toEqual({ errorCode: 0, offset: 7 });
    expect(cluster.partition(2, OFFSETS).leaderEpoch).toBe(0);
    await committed(2, 8);
  });

  it('goes on when it is elected again, for nobody else can be', async () => {
    await started();
    for (const id of [2, 3]) await cluster.kill(id);
    await committed(1, 7);
    await cluster.expire(1);
    await cluster.until('a leader', () => cluster.leaderOf(OFFSETS) === 1);
    await committed(1, 8);
    expect(await told(1)).toEqual({ errorCode: 0, offset: 8 });
  });
});

describe('a coordinator that begins', () => {
  it('answers out of nothing that it alone may have', async () => {
    await started();
    await committed(1, 1);
    cluster.cutFetches(3, 1);
    // The fetch that is under way has been answered then.
    await cluster.pass(600);
    // The second has it, the third has not: it is not acknowledged, and would be lost with the second.
    void commit(1, 2).catch(() => undefined);
    const endOf = (id: number): number => cluster.partition(id, OFFSETS).log.logEndOffset;
    await cluster.until('a commit on one follower', () => endOf(2) > endOf(3));
    cluster.cutFetches(3, 2);
    await cluster.kill(1);
    await cluster.until('another leader', () => cluster.leaderOf(OFFSETS) === 2);
    await cluster.pass(50);
    expect(cluster.partition(2, OFFSETS).isr).toContain(3);
    expect((await told(2)).errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    cluster.heal();
    await cluster.until('a commit on both', () => endOf(2) === endOf(3));
    await cluster.pass(50);
    expect(await told(2)).toEqual({ errorCode: 0, offset: 2 });
  });
});

describe('a coordinator that is killed within a commit', () => {
  // In Kafka, where the leader alone was asked for, a commit that was acknowledged could be lost.
  it.each(['-1', '1'])(
    'has acknowledged nothing that its successor lacks, with offsets.commit.required.acks=%s',
    async (acks) => {
      await started({ 'offsets.commit.required.acks': acks });
      await committed(1, 1);
      for (const other of [2, 3]) {
        cluster.cut(other, 1);
        cluster.cut(1, other);
      }
      const outcomes: string[] = [];
      void commit(1, 2).then(
        (errorCode) => outcomes.push(`error ${errorCode}`),
        () => outcomes.push('lost'),
      );
      await cluster.pass(300);
      expect([cluster.partition(1, OFFSETS).log.logEndOffset, outcomes]).toEqual([2, []]);
      await cluster.kill(1);
      cluster.heal();
      await cluster.until('another leader', () => [2, 3].some((id) => cluster.partition(id, OFFSETS).isLeader));
      const other = [2, 3].find((id) => cluster.partition(id, OFFSETS).isLeader)!;
      await cluster.pass(300);
      expect([await told(other), outcomes]).toEqual([{ errorCode: 0, offset: 1 }, ['lost']]);
      await committed(other, 3);
      await cluster.start(1);
      await cluster.pass(1000);
      expect(await told(cluster.leaderOf(OFFSETS))).toEqual({ errorCode: 0, offset: 3 });
    },
  );
});
