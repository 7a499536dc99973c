import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';

it('sends an order again that the broker had no answer for', async () => {
  await using broker = await startBroker({ topics: ['orders'] });
  await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
  broker.dropNext('Produce', { when: 'after' });
  const { offset } = await producer.send({ topic: 'orders', value: 'one cake' });
  // It was written the first time already, and is there once.
  expect(offset).toBe(0);
});
