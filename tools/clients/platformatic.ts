/** @platformatic/kafka. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { CLIENT_MS_MAX, CODECS, type ForeignClient, type TextRecord, within } from './client.ts';

/** The heart of a member must beat well within the session, or a slow machine expires it. */
const SESSION_MS = 10_000;

export const platformatic: ForeignClient = {
  name: 'platformatic',
  codecs: CODECS,

  async version() {
    const manifest = fileURLToPath(new URL('../package.json', import.meta.resolve('@platformatic/kafka')));
    return `@platformatic/kafka ${JSON.parse(readFileSync(manifest, 'utf8')).version}`;
  },

  async produce(bootstrap, topic, codec, records) {
    const producer = new Producer<string, string, string, string>({
      clientId: 'platformatic',
      bootstrapBrokers: [bootstrap],
      serializers: stringSerializers,
    });
    try {
      const messages = records.map(({ key, value, headers }) => ({
        topic,
        partition: 0,
        headers: { ...headers },
        ...(key === null ? {} : { key }),
        ...(value === null ? {} : { value }),
      }));
      await producer.send({ messages, acks: -1, compression: codec });
    } finally {
      await producer.close();
    }
  },

  consume(bootstrap, topic, count) {
    return this.consumeInGroup(bootstrap, topic, `platformatic-${randomUUID()}`, count);
  },

  async consumeInGroup(bootstrap, topic, group, count) {
    const consumer = new Consumer<string, string, string, string>({
      clientId: 'platformatic',
      groupId: group,
      bootstrapBrokers: [bootstrap],
      deserializers: stringDeserializers,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: 500,
      maxWaitTime: 500,
    });
    try {
      return await within(CLIENT_MS_MAX, `@platformatic/kafka reading ${topic}`, take(consumer, topic, count));
    } finally {
      await consumer.close(true);
    }
  },
};

async function take(
  consumer: Consumer<string, string, string, string>,
  topic: string,
  count: number,
): Promise<TextRecord[]> {
  const stream = await consumer.consume({
    topics: [topic],
    autocommit: false,
    mode: 'committed',
    fallbackMode: 'earliest',
  });
  const taken: TextRecord[] = [];
  for await (const message of stream) {
    taken.push({
      key: message.key ?? null,
      value: message.value ?? null,
      headers: Object.fromEntries(message.headers),
    });
    await message.commit();
    if (taken.length === count) break;
  }
  return taken;
}
