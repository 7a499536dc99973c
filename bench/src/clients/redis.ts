/** Redis Streams through `redis`, the client of its own makers; commands of one turn of the event loop go out together. */
import { createClient, RESP_TYPES } from 'redis';
import { type ClientDriver, pumpLots } from './driver.ts';

const LOT_RECORDS = 1_000;
const LOTS_IN_FLIGHT = 4;
const READ_RECORDS = 1_000;
const READ_WAIT_MS = 500;

async function connect(bootstrap: string) {
  const client = createClient({ url: `redis://${bootstrap}` });
  await client.connect();
  return client;
}

/** What XREAD answers, when asked for buffers: for each stream its name and entries. */
type Answer =
  | { readonly messages: readonly { readonly id: Buffer; readonly message: Record<string, Buffer> }[] }[]
  | null;

export const driver: ClientDriver = {
  async producer({ bootstrap, topic }) {
    const client = await connect(bootstrap);
    const send = (value: Buffer): Promise<unknown> => client.xAdd(topic, '*', { value });
    return {
      pump: (values, isOver) =>
        pumpLots(values, LOT_RECORDS, LOTS_IN_FLIGHT, isOver, (lot) => Promise.all(lot.map(send))),
      send,
      close: async () => client.destroy(),
    };
  },

  async consumer({ bootstrap, topic }) {
    const client = await connect(bootstrap);
    const reader = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    return {
      async consume(onRecords) {
        for (let id = '0-0'; ; ) {
          const options = { COUNT: READ_RECORDS, BLOCK: READ_WAIT_MS };
          const answer = (await reader.xRead({ key: topic, id }, options)) as unknown as Answer;
          const messages = answer?.[0]?.messages ?? [];
          let bytes = 0;
          for (const { message } of messages) bytes += message.value?.length ?? 0;
          id = messages.at(-1)?.id.toString() ?? id;
          if (messages.length > 0 && !onRecords(messages.length, bytes)) return;
        }
      },
      close: async () => client.destroy(),
    };
  },
};
