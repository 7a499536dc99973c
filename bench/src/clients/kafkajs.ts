/** kafkajs, used as fast as it can be: many messages per call, several calls at a time; whole batches when reading. */
import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { type ClientDriver, pumpLots } from './driver.ts';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

// kafkajs brings gzip only; this is how its documentation has others plugged in.
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => compressFrameSync(buffer),
  decompress: async (buffer: Buffer) => decompressFrameSync(buffer),
});

const LOT_RECORDS = 1_000;
const LOTS_IN_FLIGHT = 8;

export const driver: ClientDriver = {
  async producer(job) {
    const { topic, acks } = job;
    const producer = connect(job.bootstrap).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    const isLz4 = job.kind === 'produce' && job.compression === 'lz4';
    const compression = isLz4 ? CompressionTypes.LZ4 : CompressionTypes.None;
    return {
      pump: (values, isOver) =>
        pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) =>
          producer.send({ topic, acks, compression, messages: lot.map((value) => ({ value })) }),
        ),
      send: (value) => producer.send({ topic, acks, compression, messages: [{ value }] }),
      close: () => producer.disconnect(),
    };
  },

  async consumer(job) {
    const consumer = connect(job.bootstrap).consumer({ groupId: `bench-${randomUUID()}` });
    await consumer.connect();
    await consumer.subscribe({ topics: [job.topic], fromBeginning: true });
    return {
      consume: (onRecords) =>
        new Promise((resolve, reject) => {
          let isOver = false;
          const count = (records: number, bytes: number): void => {
            if (isOver || onRecords(records, bytes)) return;
            isOver = true;
            resolve();
          };
          const handlers =
            job.mode === 'eachMessage'
              ? {
                  eachMessage: async ({ message }: { message: { value: Buffer | null } }) =>
                    count(1, message.value?.length ?? 0),
                }
              : {
                  eachBatch: async ({ batch }: { batch: { messages: { value: Buffer | null }[] } }) => {
                    let bytes = 0;
                    for (const { value } of batch.messages) bytes += value?.length ?? 0;
                    count(batch.messages.length, bytes);
                  },
                };
          consumer.run({ ...handlers, partitionsConsumedConcurrently: job.partitions }).catch(reject);
        }),
      close: () => consumer.disconnect(),
    };
  },
};

function connect(bootstrap: string): InstanceType<typeof Kafka> {
  return new Kafka({ clientId: 'bench', brokers: [bootstrap], logLevel: logLevel.ERROR });
}
