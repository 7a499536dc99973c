import { Produce } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

it('a broker that hands over what it leads does not begin to follow what it is left out of', async () => {
  const cluster = await TestReplicas.start(3);
  try {
    await cluster.createTopic('t', [[2, 3, 1]]);
    const produced = async (leader: number, value: string): Promise<void> => {
      const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf([value]) }] }];
      const answer = cluster.ask(leader, Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
      let errorCode: number | undefined;
      void answer.then(({ responses }) => {
        errorCode = responses[0]?.partitionResponses[0]?.errorCode;
      });
      await cluster.until('an answer to Produce', () => errorCode !== undefined);
      expect(errorCode).toBe(0);
    };
    await produced(2, 'a');
    let hasHandedOver = false;
    const handedOver = cluster.broker(2).handOver();
    void handedOver.then(() => {
      hasHandedOver = true;
    });
    await cluster.until('the hand-over', () => hasHandedOver);
    await produced(3, 'b');
    await cluster.pass(1000);
    expect([1, 2, 3].map((id) => cluster.partition(id, 't').log.logEndOffset)).toEqual([2, 1, 2]);
    expect(cluster.partition(3, 't').isr.toSorted()).toEqual([1, 3]);
  } finally {
    await cluster.stopAll();
  }
});
