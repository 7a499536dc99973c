/** What retention does on a broker that follows: by itself, up to its own high watermark, and never without where its leader's log begins. */
import { Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;
afterEach(() => cluster.stopAll());

const logOf = (id: number) => cluster.partition(id, 't').log;

/** One segment after the other, with a record each, on all brokers that these reach. */
async function segments(leader: number, count: number, acks: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf(['a']) }] }];
    const { responses } = await cluster.ask(leader, Produce, 9, { acks, timeoutMs: 5000, topicData });
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    await cluster.settle();
    for (const { id, isUp } of cluster.nodes.values()) if (isUp) logOf(id).roll();
  }
}

/** Where the log of a broker begins after it was looked at for what is to go. */
async function startAfterRetention(id: number): Promise<number> {
  await logOf(id).enforceRetention();
  return logOf(id).logStartOffset;
}

describe('a follower', () => {
  it.each([
    ['size', { 'retention.bytes': '0' }],
    ['age', { 'retention.ms': '1' }],
  ])('has retention by %s take what its high watermark has passed, and nothing else (KAFKA-5634)', async (_, limit) => {
    cluster = await TestReplicas.start(3, { 'replica.socket.timeout.ms': '1000' });
    await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '1', ...limit });
    await segments(1, 2, -1);
    await cluster.pass(600);
    // In sync still, and it gets nothing.
    cluster.cutFetches(3, 1);
    await segments(1, 3, 1);
    await cluster.pass(600);
    expect([logOf(2).logEndOffset, logOf(2).highWatermark]).toEqual([5, 2]);
    expect(await startAfterRetention(2)).toBe(2);
    cluster.heal();
    await cluster.until('all is committed', () => logOf(2).highWatermark === 5);
    expect(await startAfterRetention(2)).toBe(5);
  });

  it('begins where retention has left it, though its leader’s log begins before, and leads from there', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]], { 'min.insync.replicas': '1', 'retention.bytes': '0' });
    await segments(1, 3, -1);
    await cluster.pass(600);
    expect(await startAfterRetention(2)).toBe(3);
    await segments(1, 1, -1);
    await cluster.pass(600);
    expect([logOf(1).logStartOffset, logOf(2).logStartOffset, logOf(2).logEndOffset]).toEqual([0, 3, 4]);
    await cluster.kill(1);
    await cluster.until('another leads', () => cluster.leaderOf('t') === 2);
    await segments(2, 1, -1);
    await cluster.start(1);
    await cluster.until('both are in sync', () => cluster.partition(2, 't').isr.length === 2);
    expect([logOf(1).logStartOffset, logOf(1).logEndOffset]).toEqual([3, 5]);
  });

  it('begins where its leader’s log does, keeps that through a restart, and gives up the segments below', async () => {
    cluster = await TestReplicas.start(2);
    await cluster.createTopic('t', [[1, 2]], { 'retention.ms': '-1' });
    await segments(1, 4, -1);
    await cluster.pass(600);
    expect(await startAfterRetention(2)).toBe(0);
    expect(logOf(1).deleteRecordsBefore(2)).toMatchObject({ errorCode: 0 });
    await cluster.pass(600);
    expect([logOf(2).logStartOffset, logOf(2).segmentCount]).toEqual([2, 5]);
    expect(await startAfterRetention(2)).toBe(2);
    expect(logOf(2).segmentCount).toBe(3);
    await cluster.stop(2);
    await cluster.start(2);
    expect([logOf(2).logStartOffset, logOf(2).logEndOffset]).toEqual([2, 4]);
  });
});
