/** NATS JetStream through `nats`: every message is acknowledged by the stream. */
import { AckPolicy, connect, DeliverPolicy, StorageType } from 'nats';
import { type ClientDriver, pumpLots } from './driver.ts';

const LOT_RECORDS = 500;
const LOTS_IN_FLIGHT = 4;
const PULLED_MAX = 5_000;
const TIMEOUT_MS = 20_000;

export const driver: ClientDriver = {
  async producer({ bootstrap, topic }) {
    const connection = await connect({ servers: bootstrap });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: topic, subjects: [topic], storage: StorageType.File });
    const stream = connection.jetstream({ timeout: TIMEOUT_MS });
    const send = (value: Buffer): Promise<unknown> => stream.publish(topic, value);
    return {
      pump: (values, isOver) =>
        pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) => Promise.all(lot.map(send))),
      send,
      close: () => connection.close(),
    };
  },

  async consumer({ bootstrap, topic }) {
    const connection = await connect({ servers: bootstrap });
    const manager = await connection.jetstreamManager();
    const name = `bench-${process.pid}`;
    const config = { durable_name: name, ack_policy: AckPolicy.None, deliver_policy: DeliverPolicy.All };
    await manager.consumers.add(topic, config);
    const consumer = await connection.jetstream().consumers.get(topic, name);
    return {
      async consume(onRecords) {
        for await (const { data } of await consumer.consume({ max_messages: PULLED_MAX })) {
          if (!onRecords(1, data.length)) return;
        }
      },
      close: () => connection.close(),
    };
  },
};
