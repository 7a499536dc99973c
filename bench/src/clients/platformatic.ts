/** @platformatic/kafka, used as fast as it can be: many messages per call, several calls at a time; its stream when reading. */
import { randomUUID } from 'node:crypto';
import { Consumer, Producer } from '@platformatic/kafka';
import { type ClientDriver, pumpLots } from './driver.ts';

const LOT_RECORDS = 1_000;
const LOTS_IN_FLIGHT = 8;

export const driver: ClientDriver = {
  async producer(job) {
    const { topic, acks } = job;
    const producer = new Producer({
      clientId: 'bench',
      bootstrapBrokers: [job.bootstrap],
      ...(job.kind === 'produce' ? { compression: job.compression } : {}),
    });
    return {
      pump: (values, isOver) =>
        pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) =>
          producer.send({ acks, messages: lot.map((value) => ({ topic, value })) }),
        ),
      send: (value) => producer.send({ acks, messages: [{ topic, value }] }),
      close: () => producer.close(),
    };
  },

  async consumer(job) {
    const consumer = new Consumer({
      clientId: 'bench',
      groupId: `bench-${randomUUID()}`,
      bootstrapBrokers: [job.bootstrap],
      maxWaitTime: 500,
    });
    const stream = await consumer.consume({ topics: [job.topic], mode: 'earliest', autocommit: true });
    return {
      consume: (onRecords) =>
        new Promise((resolve, reject) => {
          stream.on('error', reject);
          stream.on('data', ({ value }) => {
            if (!onRecords(1, value?.length ?? 0)) {
              stream.removeAllListeners('data');
              stream.pause();
              resolve();
            }
          });
        }),
      close: async () => {
        await stream.close();
        await consumer.close(true);
      },
    };
  },
};
