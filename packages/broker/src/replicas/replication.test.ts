import { Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../test-broker.ts';
import { TestReplicas } from '../test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** Produces to the leader; resolves with the partition's answer. */
function produce(leader: number, topic: string, values: readonly string[], acks = -1, timeoutMs = 5000) {
  return cluster
    .ask(leader, Produce, 9, {
      acks,
      timeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf(values) }] }],
    })
    .then((answer) => answer.responses[0]!.partitionResponses[0]!);
}

const endsOf = (topic: string, ids = [1, 2, 3]): number[][] =>
  ids.map((id) => {
    const { log } = cluster.partition(id, topic);
    return [log.logEndOffset, log.highWatermark];
  });

describe('three brokers', () => {
  it('hold what is acknowledged, all of them, without anybody waiting for time to pass', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    expect(cluster.leaderOf('t')).toBe(1);
    const startMs = cluster.clock.monotonic();
    for (let round = 0; round < 5; round += 1) {
      const answer = produce(1, 't', ['a', 'b']);
      await cluster.settle();
      expect(await answer).toMatchObject({ errorCode: 0, baseOffset: round * 2 });
    }
    expect(cluster.clock.monotonic()).toBe(startMs);
    await cluster.pass(600);
    expect(endsOf('t')).toEqual([
      [10, 10],
      [10, 10],
      [10, 10],
    ]);
  });
});
