import type { KafkaClient, RoutedSendOptions } from '@millrace/client';
import { ManualClock } from '@millrace/ports';
import { ErrorCode, type TxnOffsetCommitResponse } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { TransactionTransport } from './transaction-transport.ts';

const PAUSE_MS = 100;
const IDENTITY = { producerId: 7, producerEpoch: 0 };
const SETTINGS = { transactionalId: 'id', transactionTimeoutMs: 60_000, blockMsMax: 60_000 };
const OFFSETS = [0, 1].map((partition) => ({ topic: 'orders', partition, offset: 1 }));

/** A client whose broker answers each request for offsets with the next list of codes, the last for ever. */
function answering(answers: readonly (readonly number[])[]) {
  const clock = new ManualClock();
  let asked = 0;
  const sendToCoordinator = async (
    _type: string,
    _key: string,
    _api: unknown,
    body: (version: number) => unknown,
    { errorOf }: RoutedSendOptions<TxnOffsetCommitResponse>,
  ) => {
    for (;;) {
      body(3);
      const codes = answers[Math.min(asked, answers.length - 1)] ?? [];
      asked += 1;
      const partitions = codes.map((errorCode, partitionIndex) => ({ partitionIndex, errorCode }));
      if (errorOf?.({ throttleTimeMs: 0, topics: [{ name: 'orders', partitions }] }) === 0) return;
      clock.advance(PAUSE_MS);
    }
  };
  const client = { settings: { clock }, sendToCoordinator } as unknown as KafkaClient;
  const transport = new TransactionTransport(client, SETTINGS);
  const commit = (): Promise<void> => transport.commitOffsets(IDENTITY, { groupId: 'g' }, OFFSETS, () => {});
  return { commit, clock, asked: () => asked };
}

const MISSING = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;

describe('offsets for a partition that brokers do not know', () => {
  it('are committed where it is heard of soon', async () => {
    const { commit, asked } = answering([
      [0, MISSING],
      [0, MISSING],
      [0, 0],
    ]);
    await commit();
    expect(asked()).toBe(3);
  });

  it('are refused after two seconds, with its name', async () => {
    const { commit, clock } = answering([[0, MISSING]]);
    await expect(commit()).rejects.toMatchObject({
      code: 'PRODUCER_INVALID_ARGUMENT',
      message: expect.stringContaining("group 'g' for topic 'orders', partition 1: "),
      cause: { code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION' },
    });
    expect(clock.monotonic()).toBe(2000);
  });

  it('say of how many it is true', async () => {
    await expect(answering([[MISSING, MISSING]]).commit()).rejects.toThrow('partition 0, and 1 more: ');
  });
});
