/** Our own SDKs behind the interface of the foreign clients, to be mixed with them. */
import { Consumer, type ConsumerOptions } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { stringSerde } from '@millrace/serdes';
import { CLIENT_MS_MAX, CODECS, type ForeignClient, type TextRecord, within } from './client.ts';

export const millrace: ForeignClient = {
  name: 'millrace',
  codecs: CODECS,

  async version() {
    return '@millrace/producer and @millrace/consumer of this checkout';
  },

  async produce(bootstrap, topic, codec, records) {
    // Lingering brings the records together in one batch, which is what the codecs are tried with.
    await using producer = new Producer({ bootstrapServers: bootstrap, compression: codec, lingerMs: 20 });
    await producer.sendBatch(records.map((record) => ({ topic, partition: 0, ...record })));
  },

  async consume(bootstrap, topic, count) {
    await using consumer = new Consumer({ ...options(bootstrap), autoCommit: false });
    consumer.assign([{ topic, partition: 0, offset: 0 }]);
    return await within(CLIENT_MS_MAX, `@millrace/consumer reading ${topic}`, take(consumer, count));
  },

  async consumeInGroup(bootstrap, topic, group, count) {
    await using consumer = new Consumer({ ...options(bootstrap), groupId: group, autoCommit: false });
    consumer.subscribe(topic);
    return await within(CLIENT_MS_MAX, `@millrace/consumer reading ${topic}`, take(consumer, count));
  },
};

function options(bootstrap: string): ConsumerOptions<string, string> {
  return {
    bootstrapServers: bootstrap,
    keyDeserializer: stringSerde,
    valueDeserializer: stringSerde,
    autoOffsetReset: 'earliest',
  };
}

/** Reads `count` records and, in a group, commits each. */
async function take(consumer: Consumer<string, string>, count: number): Promise<TextRecord[]> {
  const taken: TextRecord[] = [];
  for await (const record of consumer) {
    const headers = record.headers.map(({ key, value }) => [key, String(value)]);
    taken.push({ key: record.key, value: record.value, headers: Object.fromEntries(headers) });
    if (consumer.memberId !== '') await consumer.commit(record);
    if (taken.length === count) break;
  }
  return taken;
}
