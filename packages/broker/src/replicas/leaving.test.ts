import { ErrorCode, Produce } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

describe('records that come while a broker hands over', () => {
  let cluster: TestReplicas;

  beforeEach(async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3, 1]]);
  });

  afterEach(() => cluster.stopAll());

  /** Sends one to broker 2; tells the error code of its answer once there is one. */
  function sent(value: string): () => number | undefined {
    const topicData = [{ name: 't', partitionData: [{ index: 0, records: batchOf([value]) }] }];
    let errorCode: number | undefined;
    void cluster.ask(2, Produce, 9, { acks: 1, timeoutMs: 5000, topicData }).then(({ responses }) => {
      errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    });
    return () => errorCode;
  }

  it('wait until others lead, so that no follower is ahead of its new leader and has to cut its log', async () => {
    const handedOver = cluster.broker(2).handOver();
    const answered = sent('a');
    await cluster.settle();
    await handedOver;
    expect(answered()).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    expect(cluster.partition(2, 't').log.logEndOffset).toBe(0);
  });

  it('are taken in their order where the controller does not answer soon', async () => {
    cluster.cut(2, 1);
    void cluster.broker(2).handOver();
    const answered = [sent('a'), sent('b')];
    await cluster.pass(30);
    expect(cluster.partition(2, 't').log.logEndOffset).toBe(0);
    await cluster.pass(100);
    expect(answered.map((each) => each())).toEqual([0, 0]);
    const { chunks } = await cluster.partition(2, 't').log.read(0, 1000, { isolation: 'logEnd', minOneBatch: true });
    expect(Buffer.concat(chunks).toString('latin1')).toMatch(/a.*b/s);
    cluster.heal();
  });
});
