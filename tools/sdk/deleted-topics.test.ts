/** Topics that are deleted, and made again, under a consumer. */
import { Consumer } from '@millrace/consumer';
import { stringSerde } from '@millrace/serdes';
import { expect, it } from 'vitest';
import { Consuming } from './consuming.ts';
import { uniqueName } from './suite-cluster.ts';

const consuming = new Consuming();

function newMember(subscription: string | RegExp): { consumer: Consumer<Buffer, string>; seen: string[] } {
  const seen: string[] = [];
  const consumer = new Consumer<Buffer, string>({
    bootstrapServers: consuming.target.bootstrapServers,
    groupId: uniqueName('group'),
    autoOffsetReset: 'earliest',
    metadataMaxAgeMs: 200,
    valueDeserializer: stringSerde,
  });
  consumer.subscribe(subscription);
  void consumer.run({ eachRecord: ({ value }) => seen.push(value ?? '') });
  return { consumer, seen };
}

const write = (topic: string, ...values: string[]) =>
  consuming.producer.sendBatch(values.map((value) => ({ topic, value, partition: 0 })));

it.each([
  ['a regular expression', (topic: string): string | RegExp => new RegExp(`^${topic}$`)],
  ['its name', (topic: string): string | RegExp => topic],
])('a topic that a consumer reads by %s stays deleted, and closing waits for nothing', async (_how, subscription) => {
  const topic = await consuming.newTopic(3);
  await write(topic, 'a');
  const { consumer, seen } = newMember(subscription(topic));
  await expect.poll(() => seen).toEqual(['a']);
  await consuming.admin.deleteTopics([topic]);
  await expect.poll(() => consumer.assignment.length, { timeout: 10_000 }).toBe(0);
  const startMs = performance.now();
  await consumer.close({ timeoutMs: 20_000 });
  expect(performance.now() - startMs).toBeLessThan(20_000);
  expect(await consuming.admin.listTopics()).not.toContain(topic);
});

it('a topic that is made again is read from its beginning, though the old one was read further', async () => {
  const topic = await consuming.newTopic(1);
  await write(topic, 'old 0', 'old 1', 'old 2');
  const { consumer, seen } = newMember(topic);
  await expect.poll(() => seen.length).toBe(3);
  await consuming.admin.deleteTopics([topic]);
  await consuming.admin.createTopics([{ topic, partitions: 1 }]);
  await write(topic, 'new 0', 'new 1', 'new 2', 'new 3', 'new 4');
  await expect.poll(() => seen.slice(3), { timeout: 10_000 }).toEqual(['new 0', 'new 1', 'new 2', 'new 3', 'new 4']);
  await consumer.close();
});
