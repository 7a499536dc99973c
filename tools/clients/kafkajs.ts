/** kafkajs, with the codecs its users plug in. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajsModule, {
  type Consumer,
  type EachMessagePayload,
  type KafkaConfig,
  type Kafka as KafkaType,
} from 'kafkajs';
import snappyCodec from 'kafkajs-snappy';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import './kafkajs-warnings.ts';
import { CLIENT_MS_MAX, CODECS, type Codec, type ForeignClient, type TextRecord, within } from './client.ts';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajsModule;

// kafkajs brings gzip only; the others are registered as its documentation shows.
CompressionCodecs[CompressionTypes.Snappy] = snappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => compressFrameSync(buffer),
  decompress: async (buffer: Buffer) => decompressFrameSync(buffer),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => zstdCompressSync(buffer),
  decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
});

const types: Readonly<Record<Codec, number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

/** A kafkajs client that prints nothing. */
export function connectKafkaJs(bootstrap: string, options: Partial<KafkaConfig> = {}): KafkaType {
  return new Kafka({ clientId: 'kafkajs', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING, ...options });
}

export const kafkajs: ForeignClient = {
  name: 'kafkajs',
  codecs: CODECS,

  async version() {
    return `kafkajs ${createRequire(import.meta.url)('kafkajs/package.json').version}`;
  },

  async produce(bootstrap, topic, codec, records) {
    const producer = connectKafkaJs(bootstrap).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    try {
      const messages = records.map((record) => ({ ...record, partition: 0 }));
      await producer.send({ topic, acks: -1, compression: types[codec], messages });
    } finally {
      await producer.disconnect();
    }
  },

  consume(bootstrap, topic, count) {
    return this.consumeInGroup(bootstrap, topic, `kafkajs-${randomUUID()}`, count);
  },

  async consumeInGroup(bootstrap, topic, group, count) {
    const consumer = connectKafkaJs(bootstrap).consumer({ groupId: group, heartbeatInterval: 500 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      return await within(CLIENT_MS_MAX, `kafkajs reading ${topic}`, take(consumer, count));
    } finally {
      await consumer.disconnect();
    }
  },
};

/** Runs the consumer until it has had `count` records, and has committed them one by one. */
async function take(consumer: Consumer, count: number): Promise<TextRecord[]> {
  const taken: TextRecord[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ topic, partition, message }: EachMessagePayload): Promise<void> => {
      if (taken.length >= count) return;
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      taken.push({
        key: message.key?.toString() ?? null,
        value: message.value?.toString() ?? null,
        headers: Object.fromEntries(headers),
      });
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
      if (taken.length === count) resolve();
    };
    consumer.run({ autoCommit: false, eachMessage }).catch(reject);
  });
  return taken;
}
