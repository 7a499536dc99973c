import { Fetch } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

it('a leader answers followers that wait when it hears of another partition, so that they can ask for it on the same connection', async () => {
  const cluster = await TestReplicas.start(3);
  try {
    await cluster.createTopic('t', [[1, 2, 3]]);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
    const waiting = { replicaId: 2, maxWaitMs: 60_000, minBytes: 1, topics: [{ topic: 't', partitions }] };
    let isAnswered = false;
    void cluster.ask(1, Fetch, 12, waiting).then(() => {
      isAnswered = true;
    });
    await cluster.pass(1000);
    expect(isAnswered).toBe(false);
    await cluster.createTopic('u', [[1, 2, 3]]);
    expect(isAnswered).toBe(true);
  } finally {
    await cluster.stopAll();
  }
});
