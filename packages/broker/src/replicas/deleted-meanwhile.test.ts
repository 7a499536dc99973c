import { DeleteRecords, Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** Produces one batch, letting time pass until it is answered; resolves with where it begins. */
async function produced(leader: number, values: readonly string[], acks = -1): Promise<number | undefined> {
  const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf(values) }] }];
  let partition: { readonly errorCode: number; readonly baseOffset: number } | undefined;
  void cluster.ask(leader, Produce, 9, { acks, timeoutMs: 5000, topicData }).then(({ responses }) => {
    partition = responses[0]!.partitionResponses[0]!;
  });
  await cluster.until('an answer to Produce', () => partition !== undefined);
  expect(partition?.errorCode).toBe(0);
  return partition?.baseOffset;
}

const isInSync = (): boolean => {
  const leader = cluster.leaderOf('t');
  return leader > 0 && cluster.partition(leader, 't').isr.length === 2;
};

/** What a replica's log holds, as bytes. */
async function bytesOf(id: number): Promise<string> {
  const { log } = cluster.partition(id, 't');
  const read = await log.read(log.logStartOffset, 10_000_000, { isolation: 'logEnd', minOneBatch: true });
  return Buffer.concat(read.chunks).toString('hex');
}

/** What of a batch of the former leader nobody else has, what the next one has there, and where its log begins once that was deleted. */
const HISTORIES = [
  ['behind where the other ends', ['x', 'y', 'z'], ['b'], [2, 2, 2]],
  ['in the middle of a batch of the other', ['x'], ['b', 'c'], [1, 2, 3]],
  ['where the other ends', ['x'], ['b'], [0, 2, 2]],
] as const;

describe('a former leader that comes back when the next one has deleted where their logs part', () => {
  it.each(HISTORIES)('begins anew where that does, also when it ends %s', async (_, former, next, ends) => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1' });
    expect(await produced(1, ['a'])).toBe(0);
    cluster.cut(2, 1);
    await cluster.pass(1000);
    expect(await produced(1, former, 1)).toBe(1);
    await cluster.kill(1);
    cluster.heal();
    await cluster.until('another leader', () => cluster.leaderOf('t') === 2);
    expect(await produced(2, next)).toBe(1);
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset: 2 }] }];
    const deleted = await cluster.ask(2, DeleteRecords, 2, { timeoutMs: 1000, topics });
    expect(deleted.topics[0]!.partitions[0]!.errorCode).toBe(0);
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => {
      // Nobody may come to lead with what the other has deleted, and no epoch tells any more whether it is the same.
      if (isInSync()) expect(cluster.partition(1, 't').log.logStartOffset).toBe(2);
      return isInSync();
    });
    const { log } = cluster.partition(1, 't');
    expect([log.firstSegmentOffset, log.logStartOffset, log.logEndOffset]).toEqual(ends);
    expect(await produced(2, ['d'])).toBe(ends[2]);
    await cluster.pass(600);
    expect(await bytesOf(1)).toBe(await bytesOf(2));
  });
});
