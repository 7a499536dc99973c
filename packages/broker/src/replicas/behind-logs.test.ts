import { InitProducerId, Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { decodePartitionState, encodePartitionState, type LeaderAndIsr, paths } from '../store/znodes.ts';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

const PATH = paths.partitionState('t', 0);

async function state(): Promise<LeaderAndIsr> {
  return decodePartitionState(PATH, (await cluster.store.get(PATH)).data);
}

/** Puts the state of the partition into the store, as if an older copy of it had been put back. */
async function putBack(older: LeaderAndIsr): Promise<void> {
  await cluster.store.set(PATH, encodePartitionState(older), 'any');
}

async function produced(leader: number, value: string): Promise<void> {
  const answer = cluster.ask(leader, Produce, 9, {
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf([value]) }] }],
  });
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await cluster.until('an answer to Produce', () => isAnswered, 6000);
  expect((await answer).responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0 });
}

/** A record in each of so many epochs, each of another leadership. */
async function leadOn(epochs: number): Promise<void> {
  for (let round = 0; round < epochs; round += 1) {
    const leader = cluster.leaderOf('t');
    await cluster.kill(leader);
    await cluster.start(leader);
    await cluster.until('a leader', () => cluster.leaderOf('t') > 0);
    await produced(cluster.leaderOf('t'), `of round ${round}`);
  }
}

const isrOf = (leader: number): string => cluster.partition(leader, 't').isr.toSorted().join();
const latestEpoch = (id: number): number => cluster.partition(id, 't').log.latestEpoch;

const controllerEpochOf = (id: number): number => cluster.broker(id).services.commands.controllerEpoch;
const idempotent = { transactionalId: null, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };

async function expectEqualLogs(ids: readonly number[]): Promise<void> {
  await cluster.pass(600);
  const logs = ids.map(async (id) => {
    const { log } = cluster.partition(id, 't');
    const read = await log.read(0, 10_000_000, { isolation: 'logEnd', minOneBatch: true });
    return Buffer.concat(read.chunks).toString('hex');
  });
  expect(new Set(await Promise.all(logs)).size).toBe(1);
}

describe('an ensemble that was put back from an older copy', () => {
  it('has leaders lead above every epoch that logs know when all brokers start again', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    const older = await state();
    await leadOn(3);
    const known = latestEpoch(cluster.leaderOf('t'));
    expect(known).toBeGreaterThan(older.leaderEpoch + 2);
    await cluster.until('all in sync', () => isrOf(cluster.leaderOf('t')) === '1,2,3');
    await cluster.stopAll();
    await putBack(older);
    for (const id of [1, 2, 3]) await cluster.start(id);
    await cluster.until('all in sync', () => isrOf(cluster.leaderOf('t')) === '1,2,3');
    await produced(cluster.leaderOf('t'), 'after');
    await cluster.pass(600);
    expect((await state()).leaderEpoch).toBeGreaterThan(1000 + known);
    for (const id of [1, 2, 3]) expect(latestEpoch(id)).toBeGreaterThan(1000 + known);
    await expectEqualLogs([1, 2, 3]);
  });

  it('has them do so under brokers that run on, which register in it anew', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]]);
    const older = await state();
    await leadOn(3);
    await cluster.until('all in sync', () => isrOf(cluster.leaderOf('t')) === '1,2');
    const known = latestEpoch(cluster.leaderOf('t'));
    await putBack(older);
    for (const id of [1, 2]) await cluster.expire(id);
    await cluster.until('a leader above all', () => {
      const leader = cluster.leaderOf('t');
      return leader > 0 && cluster.partition(leader, 't').leaderEpoch > 1000 + known && isrOf(leader) === '1,2';
    });
    await produced(cluster.leaderOf('t'), 'after');
    await expectEqualLogs([1, 2]);
  });

  it('has controllers and producer ids go on above what brokers that run on remember', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]]);
    const older = await state();
    const epoch = (await cluster.store.get(paths.controllerEpoch)).data;
    const ids = (await cluster.store.get(paths.producerIdBlock)).data;
    await leadOn(3);
    const { producerId: given } = await cluster.ask(1, InitProducerId, 4, idempotent);
    await cluster.until('all in sync', () => isrOf(cluster.leaderOf('t')) === '1,2');
    await putBack(older);
    await cluster.store.set(paths.controllerEpoch, epoch, 'any');
    await cluster.store.set(paths.producerIdBlock, ids, 'any');
    for (const id of [1, 2]) await cluster.expire(id);
    await cluster.until('a leader that all know', () => {
      const leader = cluster.leaderOf('t');
      return leader > 0 && isrOf(leader) === '1,2' && cluster.partition(leader, 't').leaderEpoch > 1000;
    });
    await produced(cluster.leaderOf('t'), 'after');
    for (const id of [1, 2]) {
      await cluster.stop(id);
      await cluster.start(id);
      const { producerId } = await cluster.ask(id, InitProducerId, 4, idempotent);
      expect(producerId).toBeGreaterThan(given + 1_000_000);
    }
  });

  it('has a controller that has just started go on above what others remember, who refuse it first', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]]);
    const older = await state();
    const epoch = (await cluster.store.get(paths.controllerEpoch)).data;
    await leadOn(3);
    await cluster.stop(1);
    const remembered = controllerEpochOf(2);
    expect(remembered).toBeGreaterThan(Number(epoch) + 1);
    cluster.pause(2);
    await cluster.expire(2);
    await putBack(older);
    await cluster.store.set(paths.controllerEpoch, epoch, 'any');
    await cluster.start(1);
    expect(controllerEpochOf(1)).toBeLessThan(remembered);
    await cluster.resume(2);
    await cluster.until('both are commanded', () => controllerEpochOf(2) > remembered);
    expect([controllerEpochOf(1) > remembered, cluster.broker(1).services.controller.isActive]).toEqual([true, true]);
    await cluster.until('both in sync', () => isrOf(cluster.leaderOf('t')) === '1,2');
    await produced(cluster.leaderOf('t'), 'after');
    await expectEqualLogs([1, 2]);
  });

  it('has who leads already go on in a later epoch when somebody comes whose log knows more', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3]]);
    await produced(2, 'a');
    const older = await state();
    // Broker 3 is away while 2 goes on alone, in epochs that are far from those in which 3 will lead.
    await cluster.stop(3);
    await putBack({ ...(await state()), leaderEpoch: 10 });
    await cluster.kill(2);
    await cluster.start(2);
    await cluster.until('a leader', () => cluster.leaderOf('t') === 2);
    await produced(2, 'lost with what is put back');
    expect(latestEpoch(2)).toBeGreaterThan(10);
    const known = latestEpoch(2);
    await cluster.stop(2);
    await cluster.stop(1);
    await putBack({ ...older, leader: 3, isr: [3] });
    await cluster.start(1);
    await cluster.start(3);
    await cluster.until('a leader', () => cluster.leaderOf('t') === 3);
    await produced(3, 'b');
    expect(latestEpoch(3)).toBeLessThan(10);
    await cluster.start(2);
    await cluster.until('both in sync', () => isrOf(3) === '2,3');
    expect(cluster.leaderOf('t')).toBe(3);
    expect(cluster.partition(3, 't').leaderEpoch).toBeGreaterThan(1000 + known);
    await produced(3, 'c');
    await expectEqualLogs([2, 3]);
    expect(cluster.partition(2, 't').log.logEndOffset).toBe(3);
  });
});
