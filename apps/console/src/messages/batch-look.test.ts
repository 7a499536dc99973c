import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../api/contract.ts';
import { type Console, createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';
import { openTriedBroker, type TriedCluster } from '../testing/test-cluster.ts';

describe('the batch of a message', () => {
  let broker: TriedCluster<TestBroker>;
  let served: Console;
  let port: number;

  beforeAll(async () => {
    broker = await openTriedBroker(['plain', 'decided', 'open']);
    served = await createConsole({ clusters: { local: { bootstrapServers: broker.bootstrapServers } } });
    port = await served.listen({ port: 0 });
  });
  afterAll(async () => {
    await served.close();
    await broker.close();
  });

  function message(topic: string, offset: number): Promise<Message> {
    const route = 'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset';
    return askConsole({ port }, route, { cluster: 'local', topic, partition: 0, offset });
  }

  it('tells codec, place and sequence of what was sent by an idempotent producer in no transaction', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers, compression: 'gzip' });
    const values = ['a', 'b', 'c'].map((value) => ({ topic: 'plain', value: value.repeat(200) }));
    await producer.sendBatch(values);
    const { batch } = await message('plain', 1);
    expect(batch).toMatchObject({
      firstOffset: 0,
      lastOffset: 2,
      records: 3,
      compression: 'gzip',
      isAppendTime: false,
      producer: { sequence: 1 },
      transaction: null,
      marker: null,
    });
  });

  it('tells none of a producer that is not idempotent', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers, idempotent: false });
    const { offset = 0 } = await producer.send({ topic: 'plain', value: 'plain' });
    expect((await message('plain', offset)).batch).toMatchObject({ producer: null, transaction: null });
  });

  it('tells whether the transaction was committed or aborted, and shows the markers that say so', async () => {
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers, transactionalId: 'shop' });
    for (const end of ['abort', 'commit', 'abort'] as const) {
      const transaction = await producer.begin();
      await transaction.send({ topic: 'decided', value: end });
      await transaction[end]();
    }
    const all = await Promise.all([0, 1, 2, 3, 4, 5].map((offset) => message('decided', offset)));
    expect(all.map(({ batch }) => batch?.transaction ?? batch?.marker?.kind)).toEqual([
      'aborted',
      'abort',
      'committed',
      'commit',
      'aborted',
      'abort',
    ]);
    const ids = new Set(all.map(({ batch }) => batch?.producer?.id));
    expect(ids.size).toBe(1);
    expect(all[1]).toMatchObject({ key: { shape: 'null' }, value: { shape: 'null' }, offset: 1 });
    expect(all[1]?.timestamp).toBeGreaterThan(0);
  });

  it('tells that it is not yet decided, beside another that was aborted', async () => {
    const { bootstrapServers } = broker;
    await using one = new Producer({ bootstrapServers, transactionalId: 'one' });
    await using other = new Producer({ bootstrapServers, transactionalId: 'other' });
    const open = await one.begin();
    await open.send({ topic: 'open', value: 'open' });
    const aborted = await other.begin();
    await aborted.send({ topic: 'open', value: 'aborted' });
    await aborted.abort();
    expect((await message('open', 0)).batch?.transaction).toBe('open');
    await open.commit();
    expect((await message('open', 0)).batch?.transaction).toBe('committed');
    expect((await message('open', 1)).batch?.transaction).toBe('aborted');
  });

  it('is not there for an offset that is not', async () => {
    await expect(message('plain', 10_000)).rejects.toMatchObject({ status: 404 });
  });
});
