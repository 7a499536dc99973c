import { jsonSerde, stringSerde } from '@millrace/serdes';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { rangeAssignor } from './assignors/range.ts';
import { Consumer } from './consumer.ts';
import { type ConsumerOptions, consumerSettings } from './options.ts';
import type { ConsumerRecord } from './record.ts';

const bootstrapServers = 'localhost:9092';

describe('options', () => {
  it('have defaults as in Kafka', () => {
    const settings = consumerSettings({ bootstrapServers, groupId: 'g' });
    expect(settings).toMatchObject({
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 3_000,
      maxPollIntervalMs: 300_000,
      rebalanceTimeoutMs: 300_000,
      autoCommit: true,
      autoCommitIntervalMs: 5_000,
      autoOffsetReset: 'latest',
      fetchWaitMsMax: 500,
      checkCrcs: true,
    });
    expect(settings.assignors.map(({ name }) => name)).toEqual(['cooperative-sticky', 'range']);
    expect(consumerSettings({ bootstrapServers }).autoCommit).toBe(false);
  });

  it.each<[string, Partial<ConsumerOptions<never, never>>]>([
    ['groupId must be text', { groupId: '' }],
    ['fromBeginning is no option', { fromBeginning: true } as never],
    ['did you mean heartbeatIntervalMs?', { heartbeatIntervalMS: 5 } as never],
    ['give the number 1000', { fetchBytesMax: '1000' as never }],
    ['fetchBytesMax', { fetchBytesMax: 1000.5 }],
    ['fetchWaitMsMax', { fetchWaitMsMax: 1e10 }],
    ['clientId', { clientId: 5 as never }],
    ['isolationLevel', { isolationLevel: 'committed' as never }],
    ['valueDeserializer must be an object with deserialize()', { valueDeserializer: (() => 1) as never }],
    ['autoCommit needs a groupId', { autoCommit: true }],
    ['groupInstanceId needs a groupId', { groupInstanceId: 'x' }],
    ['heartbeatIntervalMs', { groupId: 'g', heartbeatIntervalMs: 5_000, sessionTimeoutMs: 5_000 }],
    ['assignors is empty', { groupId: 'g', assignors: [] }],
    ['assignors has a name twice', { groupId: 'g', assignors: [rangeAssignor, rangeAssignor] }],
    ['autoOffsetReset', { autoOffsetReset: 'first' as never }],
    ['autoOffsetReset', { autoOffsetReset: { durationMs: -1 } }],
    ['partitionBytesMax', { partitionBytesMax: 0 }],
    ['fetchWaitMsMax', { fetchWaitMsMax: Number.NaN }],
  ])('are refused when they make no sense: %s', (what, options) => {
    expect(() => new Consumer({ bootstrapServers, ...options })).toThrow(
      expect.objectContaining({ code: 'CONSUMER_INVALID_OPTION', message: expect.stringContaining(what) }),
    );
  });
});

describe('types', () => {
  it('flow from deserializers to records', () => {
    const typed = new Consumer({
      bootstrapServers,
      keyDeserializer: stringSerde,
      valueDeserializer: jsonSerde<{ id: number }>(),
    });
    const plain = new Consumer({ bootstrapServers });
    const waiting = new Consumer({
      bootstrapServers,
      valueDeserializer: { async: true, deserialize: async (bytes) => bytes.length },
    });
    expectTypeOf<Next<typeof waiting>>().toEqualTypeOf<ConsumerRecord<Buffer, number>>();
    expectTypeOf<Next<typeof typed>>().toEqualTypeOf<ConsumerRecord<string, { id: number }>>();
    expectTypeOf<Next<typeof typed>['value']>().toEqualTypeOf<{ id: number } | null>();
    expectTypeOf<Next<typeof plain>['key']>().toEqualTypeOf<Buffer | null>();
  });
});

type Next<T extends AsyncIterable<unknown>> = T extends AsyncIterable<infer Item> ? Item : never;

describe('a consumer', () => {
  it('connects to nobody before it has something to read, and closes', async () => {
    const consumer = new Consumer({ bootstrapServers: '127.0.0.1:1', groupId: 'g' });
    expect([consumer.assignment, consumer.subscription, consumer.memberId, consumer.paused]).toEqual([[], [], '', []]);
    await consumer.close();
    await consumer.close();
    expect(() => consumer.subscribe('t')).toThrow(expect.objectContaining({ code: 'CONSUMER_CLOSED' }));
    await expect(consumer[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'CONSUMER_CLOSED' });
  });

  it('reads either what it subscribes to or what it is assigned', async () => {
    await using consumer = new Consumer({ bootstrapServers: '127.0.0.1:1', groupId: 'g' });
    consumer.subscribe(['t']);
    expect(() => consumer.assign([{ topic: 't', partition: 0 }])).toThrow('topics are subscribed');
    expect(() => consumer.subscribe([])).toThrow('there is no topic in the list');
    expect(() => consumer.subscribe([''])).toThrow('no topic can be called ""');
    expect(() => consumer.subscribe('a b')).toThrow('no topic can be called "a b"');
    await using other = new Consumer({ bootstrapServers: '127.0.0.1:1', groupId: 'g' });
    other.assign([{ topic: 't', partition: 0 }]);
    expect(() => other.subscribe('t')).toThrow('assigned by hand');
    expect(() => other.seek({ topic: 't', partition: 1, offset: 0 })).toThrow(
      expect.objectContaining({ code: 'CONSUMER_NOT_ASSIGNED', topic: 't', partition: 1 }),
    );
    expect(other.position({ topic: 't', partition: 0 })).toBeUndefined();
  });
});
