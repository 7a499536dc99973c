/** Our own SDKs, as a user would call them. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { type ClientDriver, type ConsumerDriver, type ProducerDriver, pumpLots, type SendingJob } from './driver.ts';
import type { ConsumeJob } from './jobs.ts';

/** Promises that a user of `send` lets stand open. */
const SENDS_IN_FLIGHT_MAX = 50_000;
const LOT_RECORDS = 1_000;
const LOTS_IN_FLIGHT = 16;
const LOOK_RECORDS = 128;

export const driver: ClientDriver = {
  async producer(job) {
    const { topic } = job;
    const producer = new Producer({
      bootstrapServers: job.bootstrap,
      ...tlsOf(job),
      acks: job.acks === -1 ? 'all' : 1,
      ...(job.kind === 'produce' ? { compression: job.compression } : {}),
    });
    await producer.connect();
    return {
      pump: pumpFor(producer, job),
      send: (value) => producer.send({ topic, value }),
      close: () => producer.close(),
    };
  },

  async consumer(job) {
    const consumer = new Consumer({
      bootstrapServers: job.bootstrap,
      ...tlsOf(job),
      groupId: `bench-${randomUUID()}`,
      autoOffsetReset: 'earliest',
    });
    consumer.subscribe(job.topic);
    return { consume: consumeFor(consumer, job), close: () => consumer.close() };
  },
};

function tlsOf({ authority }: Pick<SendingJob, 'authority'>): { readonly tls?: { readonly ca: Buffer } } {
  return authority === undefined ? {} : { tls: { ca: readFileSync(authority) } };
}

function pumpFor(producer: Producer, { topic, mode }: SendingJob): ProducerDriver['pump'] {
  if (mode === 'enqueue') {
    return async (values, isOver) => {
      let sent = 0;
      // Asking for the time of every record would cost as much as sending it.
      for (let isFull = false; !(isFull || sent % LOOK_RECORDS === 0) || !isOver(); ) {
        isFull = !producer.enqueue({ topic, value: values[sent++ % values.length]! });
        if (isFull) await producer.ready();
      }
      await producer.flush();
      return sent;
    };
  }
  if (mode === 'sendBatch') {
    return (values, isOver) =>
      pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) =>
        producer.sendBatch(lot.map((value) => ({ topic, value }))),
      );
  }
  return (values, isOver) => pumpSends(producer, topic, values, isOver);
}

/** A promise for every record. */
function pumpSends(
  producer: Producer,
  topic: string,
  values: readonly Buffer[],
  isOver: () => boolean,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let acknowledged = 0;
    let isFilling = false;
    const fill = (): void => {
      isFilling = true;
      while (sent - acknowledged < SENDS_IN_FLIGHT_MAX && !isOver()) {
        producer.send({ topic, value: values[sent++ % values.length]! }).then(over, reject);
      }
      isFilling = false;
      if (acknowledged === sent) resolve(acknowledged);
    };
    const over = (): void => {
      acknowledged += 1;
      if (!isFilling && (acknowledged === sent || sent - acknowledged === SENDS_IN_FLIGHT_MAX / 2)) fill();
    };
    fill();
  });
}

function consumeFor(consumer: Consumer, { mode }: ConsumeJob): ConsumerDriver['consume'] {
  if (mode === 'batches') {
    return async (onRecords) => {
      for await (const batch of consumer.batches()) {
        let bytes = 0;
        for (const record of batch.records) bytes += record.value?.length ?? 0;
        if (!onRecords(batch.records.length, bytes)) return;
      }
    };
  }
  return async (onRecords) => {
    for await (const record of consumer) if (!onRecords(1, record.value?.length ?? 0)) return;
  };
}
