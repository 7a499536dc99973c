import type { KafkaClient } from '@millrace/client';
import { describe, expect, it } from 'vitest';
import { ClusterTransport } from './cluster-transport.ts';

/** A transport over one connection, which the test closes. */
function start() {
  const closed = Promise.withResolvers<{ code: string }>();
  const refreshed: (readonly string[])[] = [];
  const client = {
    connectionTo: async () => ({ closed: closed.promise, sendOneWay: async () => undefined }),
    refreshTopics: async (topics: readonly string[]) => void refreshed.push(topics),
  };
  const settings = { acks: 0, requestTimeoutMs: 1000, transactionalId: undefined } as const;
  const connection = client.connectionTo();
  client.connectionTo = () => connection;
  const transport = new ClusterTransport(client as unknown as KafkaClient, settings);
  const produce = (topic: string): Promise<unknown> =>
    transport.produce(1, [{ topic, partition: 0, records: new Uint8Array() }]);
  const close = async (code: string): Promise<void> => {
    closed.resolve({ code });
    await closed.promise;
  };
  return { produce, close, refreshed };
}

describe('with acks 0, where nobody answers', () => {
  it('topics are asked for anew when the broker hangs up, since it can refuse in no other way', async () => {
    const { produce, close, refreshed } = start();
    for (const topic of ['a', 'b', 'a']) expect(await produce(topic)).toBeUndefined();
    expect(refreshed).toEqual([]);
    await close('NETWORK_CONNECTION_LOST');
    expect(refreshed).toEqual([['a', 'b']]);
  });

  it('nothing is asked when the client itself closes the connection', async () => {
    const { produce, close, refreshed } = start();
    await produce('a');
    await close('NETWORK_CONNECTION_CLOSED');
    expect(refreshed).toEqual([]);
  });
});
