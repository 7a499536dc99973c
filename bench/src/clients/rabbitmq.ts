/** RabbitMQ streams through `rabbitmq-stream-js-client`; a record counts when the broker has confirmed it. */
import { createRequire } from 'node:module';
import { type Client, connect, Offset } from 'rabbitmq-stream-js-client';
import { type ClientDriver, pumpLots } from './driver.ts';

const LOT_RECORDS = 1_000;
const LOTS_IN_FLIGHT = 8;

/**
 * RabbitMQ before 3.11, as Debian 12 has it, ends the connection when the client asks which versions of commands it knows. The
 * first version of each, which the client falls back to, is what it knows.
 */
const { Connection } = createRequire(import.meta.url)('rabbitmq-stream-js-client/dist/connection.js') as {
  readonly Connection: { readonly prototype: { exchangeCommandVersions(): Promise<void> } };
};
Connection.prototype.exchangeCommandVersions = async () => {};

function open(bootstrap: string): Promise<Client> {
  const [hostname = '', port = ''] = bootstrap.split(':');
  return connect({ hostname, port: Number(port), username: 'guest', password: 'guest', vhost: '/' });
}

export const driver: ClientDriver = {
  async producer({ bootstrap, topic }) {
    const client = await open(bootstrap);
    await client.createStream({ stream: topic, arguments: {} });
    const publisher = await client.declarePublisher({ stream: topic, maxChunkLength: LOT_RECORDS });
    const unconfirmed = new Map<bigint, PromiseWithResolvers<void>>();
    publisher.on('publish_confirm', (code, ids) => {
      for (const id of ids) {
        const waiting = unconfirmed.get(id);
        unconfirmed.delete(id);
        if (code === null) waiting?.resolve();
        else waiting?.reject(new Error(`the broker refused a record with ${code}`));
      }
    });
    let lastId = 0n;
    const send = async (value: Buffer): Promise<void> => {
      const confirmed = Promise.withResolvers<void>();
      const id = ++lastId;
      unconfirmed.set(id, confirmed);
      await publisher.basicSend(id, value);
      await confirmed.promise;
    };
    return {
      pump: (values, isOver) =>
        pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) => Promise.all(lot.map(send))),
      send,
      close: () => client.close(),
    };
  },

  async consumer({ bootstrap, topic }) {
    const client = await open(bootstrap);
    return {
      consume: (onRecords) =>
        new Promise((resolve, reject) => {
          let isOver = false;
          const declared = client.declareConsumer({ stream: topic, offset: Offset.first() }, ({ content }) => {
            if (isOver || onRecords(1, content.length)) return;
            isOver = true;
            resolve();
          });
          declared.catch(reject);
        }),
      close: () => client.close(),
    };
  },
};
