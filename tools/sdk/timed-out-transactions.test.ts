/** What a producer is told whose transaction its coordinator has aborted, and that it goes on. */
import { Consumer } from '@millrace/consumer';
import { AbortableTransactionError, FatalTransactionError, Producer, type Transaction } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, uniqueName } from './suite-cluster.ts';

const TIMEOUT_MS = 30_000;
const OFFSETS = [{ topic: 't', partition: 0, offset: 1 }];

/** What meets a transaction that is over already: each way to go on with it. */
const WAYS: Readonly<Record<string, (transaction: Transaction) => Promise<unknown>>> = {
  'its commit': (transaction) => transaction.commit(),
  'a record for a partition of it': (transaction) => transaction.send({ topic: 't', partition: 0, value: 'late' }),
  'a record for another partition': (transaction) => transaction.send({ topic: 't', partition: 1, value: 'late' }),
  'offsets of a group': (transaction) => transaction.sendOffsets('group', OFFSETS),
  'its commit, with records not sent yet': (transaction) => {
    void transaction.send({ topic: 't', partition: 0, value: 'late' });
    return transaction.commit();
  },
};

let broker: TestBroker;
/** How far the producers' clock is ahead. */
let aheadMs = 0;

function newProducer(transactionalId: string): Producer {
  const { performance } = globalThis;
  const clock = {
    now: () => Date.now(),
    monotonic: () => performance.now() + aheadMs,
    schedule: (delayMs: number, run: () => void) => {
      const timer = setTimeout(run, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
  };
  const { bootstrapServers } = broker;
  return new Producer({ bootstrapServers, transactionalId, transactionTimeoutMs: TIMEOUT_MS, clock });
}

/** What partitions 0 and 1 hold for those who read what is committed, up to a record of the last transaction. */
async function committed(topic: string, last: string): Promise<string[]> {
  const { bootstrapServers } = broker;
  await using consumer = new Consumer({
    bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  consumer.assign([{ topic, partition: 0 }]);
  const values: string[] = [];
  for await (const { value } of consumer) {
    values.push(String(value));
    if (values.at(-1) === last) break;
  }
  return values;
}

describe.runIf(!isElsewhere).each([0, 2] as const)(
  'with transaction.version %s, a transaction that its coordinator has aborted',
  (level) => {
    beforeAll(async () => {
      broker = await startBroker({ topics: [{ topic: 't', partitions: 2 }], transactionVersion: level });
    });
    afterAll(() => broker.close());

    it.each(Object.keys(WAYS))('says to %s that it took too long, and its producer goes on', async (way) => {
      const id = uniqueName('id');
      const last = uniqueName('last');
      await using producer = newProducer(id);
      const transaction = await producer.begin();
      await transaction.send({ topic: 't', partition: 0, value: 'aborted' });
      expect(await broker.expireTransaction(id)).toBe(true);
      aheadMs += TIMEOUT_MS;
      const failure = await WAYS[way]!(transaction).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(AbortableTransactionError);
      expect(failure).toMatchObject({
        code: 'PRODUCER_TRANSACTION_TIMED_OUT',
        message: expect.stringMatching(
          /it took longer than its 30000 ms \(transactionTimeoutMs\), so its coordinator has aborted it; it was begun \d+ ms ago; abort it and do it again, in smaller transactions/,
        ),
      });
      await transaction.abort();
      await producer.transaction((next) => void next.send({ topic: 't', partition: 0, value: last }));
      const read = await committed('t', last);
      expect(read.filter((value) => value === 'aborted' || value === 'late')).toEqual([]);
    });

    it('says so before its time is over, too', async () => {
      const id = uniqueName('id');
      await using producer = newProducer(id);
      const transaction = await producer.begin();
      await transaction.send({ topic: 't', partition: 0, value: 'aborted' });
      await broker.expireTransaction(id);
      await expect(transaction.commit()).rejects.toThrow(
        /its coordinator has aborted it before its 30000 ms \(transactionTimeoutMs\) were over/,
      );
      await transaction.abort();
      await producer.transaction((next) => void next.send({ topic: 't', partition: 0, value: 'kept' }));
    });

    it.each(Object.keys(WAYS))(
      'is over for good, as %s or the abort tells, where another has taken over',
      async (way) => {
        const id = uniqueName('id');
        await using producer = newProducer(id);
        const transaction = await producer.begin();
        await transaction.send({ topic: 't', partition: 0, value: 'aborted' });
        await broker.expireTransaction(id);
        await using newer = newProducer(id);
        await newer.transaction((next) => void next.send({ topic: 't', partition: 0, value: 'of the newer' }));
        const failure = await WAYS[way]!(transaction).catch((error: unknown) => error);
        if (!(failure instanceof FatalTransactionError)) {
          await expect(transaction.abort()).rejects.toBeInstanceOf(FatalTransactionError);
        }
        await expect(producer.begin()).rejects.toBeInstanceOf(FatalTransactionError);
        // The newer one goes on undisturbed.
        await newer.transaction((next) => void next.send({ topic: 't', partition: 0, value: 'of the newer' }));
      },
    );
  },
);
