import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { schemaSerde } from '@millrace/serdes';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

let target: SuiteCluster;
beforeAll(async () => {
  target = await openSuiteCluster();
});
afterAll(() => target.close());

it('has a schema of zod type what is sent and what is read, and refuse what does not fit', async () => {
  const serde = schemaSerde(
    z.object({
      id: z.number(),
      note: z.string().default('none'),
      at: z.iso.datetime().transform((text) => new Date(text)),
    }),
  );
  const topic = uniqueName('schema');
  const { bootstrapServers } = target;
  await using producer = new Producer({ bootstrapServers, valueSerializer: serde });
  await producer.send({ topic, value: { id: 1, at: '2020-01-01T00:00:00.000Z' } });
  // @ts-expect-error: the schema wants text
  await expect(producer.send({ topic, value: { id: 2, at: new Date() } })).rejects.toMatchObject({
    code: 'PRODUCER_SERIALIZER_FAILED',
    cause: { code: 'SERDE_VALUE_UNSUPPORTED' },
  });
  await using consumer = new Consumer({ bootstrapServers, valueDeserializer: serde });
  consumer.assign([{ topic, partition: 0, offset: 0 }]);
  for await (const { value } of consumer) {
    const at: Date | undefined = value?.at;
    expect(at).toEqual(new Date('2020-01-01'));
    expect(value).toMatchObject({ id: 1, note: 'none' });
    break;
  }
});
