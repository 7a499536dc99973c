import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

// One broker for the file; each test has topics and groups of its own.
let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

it('delivers again what failed, and sets nothing aside', async () => {
  await broker.createTopic('parcels');
  await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
  await producer.send({ topic: 'parcels', value: 'one cake' });
  const attempts: string[] = [];
  const consumer = new Consumer({
    bootstrapServers: broker.bootstrapServers,
    groupId: 'couriers',
    // The record is there before the group is.
    autoOffsetReset: 'earliest',
  });
  consumer.subscribe('parcels');
  await consumer.run({
    retry: { retries: 2, backoffMs: 1 },
    eachRecord: ({ value }) => {
      attempts.push(String(value));
      if (attempts.length === 1) throw new Error('nobody at home');
      void consumer.close();
    },
  });
  expect(attempts).toEqual(['one cake', 'one cake']);
  expect(consumer.metrics()).toMatchObject({ handlerFailures: 1, deadLetters: 0 });
});
