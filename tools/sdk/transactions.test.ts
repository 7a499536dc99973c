import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import {
  AbortableTransactionError,
  FatalTransactionError,
  Producer,
  type ProducerOptions,
  type Transaction,
} from '@millrace/producer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

let target: SuiteCluster;
let admin: Admin;

async function newTopic(partitions = 1): Promise<string> {
  const topic = uniqueName('transacted');
  await admin.createTopics([{ topic, partitions }]);
  return topic;
}

function newProducer(options: Partial<ProducerOptions> = {}): Producer {
  return new Producer({
    bootstrapServers: target.bootstrapServers,
    transactionalId: uniqueName('id'),
    ...options,
  });
}

/** So that what can happen by itself does. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What a partition holds for those who read what is committed, up to the value that was sent last. */
async function committedUntil(topic: string, partition: number, last: string): Promise<string[]> {
  await using consumer = new Consumer({
    bootstrapServers: target.bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  consumer.assign([{ topic, partition }]);
  const values: string[] = [];
  for await (const { value } of consumer) {
    values.push(value === null ? '' : value.toString());
    if (values.includes(last)) break;
  }
  return values;
}

/** A cluster elsewhere has the one that it has. */
const VERSIONS = isElsewhere ? ([undefined] as const) : ([0, 2] as const);

describe.each(VERSIONS)('with transaction.version %s, a producer with a transactionalId', (transactionVersion) => {
  beforeAll(async () => {
    target = await openSuiteCluster(transactionVersion === undefined ? {} : { transactionVersion });
    admin = new Admin({ bootstrapServers: target.bootstrapServers });
  });
  afterAll(async () => {
    await admin.close();
    await target.close();
  });

  it('commits what a function sends over several partitions, and aborts when it throws', async () => {
    const topic = await newTopic(3);
    await using producer = newProducer();
    const boom = new Error('boom');
    const send = (tx: Transaction, name: string): void => {
      for (let partition = 0; partition < 3; partition += 1) void tx.send({ topic, partition, value: name });
    };
    await producer.transaction((tx) => send(tx, 'a'));
    const failed = producer.transaction(async (tx) => {
      await tx.sendBatch([{ topic, partition: 0, value: 'lost' }]);
      send(tx, 'lost');
      throw boom;
    });
    await expect(failed).rejects.toBe(boom);
    await producer.transaction((tx) => send(tx, 'b'));
    await producer.transaction((tx) => send(tx, 'last'));
    for (let partition = 0; partition < 3; partition += 1) {
      expect(await committedUntil(topic, partition, 'last')).toEqual(['a', 'b', 'last']);
    }
  });

  it('commits offsets of a group with its records', async () => {
    const topic = await newTopic();
    const groupId = uniqueName('group');
    await using producer = newProducer();
    const offsetOf = async (): Promise<number | undefined> =>
      (await admin.listGroupOffsets(groupId, [{ topic, partition: 0 }]))[0]?.offset ?? undefined;
    await producer.transaction(async (tx) => {
      void tx.send({ topic, value: 'a' });
      await tx.sendOffsets(groupId, [{ topic, partition: 0, offset: 7 }]);
    });
    await using aborted = await producer.begin();
    await aborted.sendOffsets({ groupId }, [{ topic, partition: 0, offset: 9 }]);
    await aborted.abort();
    expect(await offsetOf()).toBe(7);
  });

  it('commits offsets that nobody waited for with its records, or not at all', async () => {
    const topic = await newTopic();
    const groupId = uniqueName('group');
    await using producer = newProducer();
    const offsetOf = async (): Promise<number | null | undefined> =>
      (await admin.listGroupOffsets(groupId, [{ topic, partition: 0 }]))[0]?.offset;
    for (let offset = 1; offset <= 20; offset += 1) {
      await producer.transaction((tx) => {
        void tx.send({ topic, value: 'a' });
        void tx.sendOffsets(groupId, [{ topic, partition: 0, offset }]);
      });
      // Markers are written when the end has been answered.
      await expect.poll(offsetOf).toBe(offset);
      const aborted = await producer.begin();
      void aborted.sendOffsets(groupId, [{ topic, partition: 0, offset: 1000 + offset }]);
      await aborted.abort();
    }
    await producer.transaction((tx) => void tx.send({ topic, value: 'last' }));
    expect(await offsetOf()).toBe(20);
  });

  it('copies each record once by `consumer.run` with a transactionalProducer, though runs end half way', async () => {
    const [source, copied] = [await newTopic(2), await newTopic(2)];
    const groupId = uniqueName('group');
    await using sender = newProducer();
    const send = (tx: Transaction, values: readonly string[]): void => {
      for (const partition of [0, 1]) for (const value of values) void tx.send({ topic: source, partition, value });
    };
    /** Copies until a value is copied of both partitions; `fails` the first of its transactions of each. */
    const copyUntil = async (last: string, fails: boolean): Promise<void> => {
      await using producer = newProducer();
      await using consumer = new Consumer({
        bootstrapServers: target.bootstrapServers,
        groupId,
        autoCommit: false,
        isolationLevel: 'read_committed',
        autoOffsetReset: 'earliest',
      });
      consumer.subscribe(source);
      const stop = new AbortController();
      const failing = new Set(fails ? [0, 1] : []);
      const run = consumer.run({
        transactionalProducer: producer,
        retry: { retries: 3 },
        signal: stop.signal,
        eachBatch: async ({ records, partition }, { transaction }) => {
          for (const { value } of records) void transaction.send({ topic: copied, partition, value });
          if (failing.delete(partition)) throw new Error('half way');
        },
      });
      for (const partition of [0, 1]) await committedUntil(copied, partition, last);
      stop.abort();
      await run;
    };
    await sender.transaction((tx) => send(tx, ['a', 'b', 'c']));
    const lost = await sender.begin();
    await lost.sendBatch([0, 1].map((partition) => ({ topic: source, partition, value: 'lost' })));
    await lost.abort();
    await copyUntil('c', true);
    await sender.transaction((tx) => send(tx, ['d', 'last']));
    await copyUntil('last', false);
    for (const partition of [0, 1]) {
      expect(await committedUntil(copied, partition, 'last')).toEqual(['a', 'b', 'c', 'd', 'last']);
    }
    // Three records and their marker, an aborted one and its marker, and two more.
    const offsets = await admin.listGroupOffsets(
      groupId,
      [0, 1].map((partition) => ({ topic: source, partition })),
    );
    for (const { offset } of offsets) expect(offset).toBeGreaterThanOrEqual(8);
  });

  it.runIf(!isElsewhere)(
    'ends a transaction when what it asked for before is answered, whoever waits for it',
    async () => {
      const broker = target.broker!;
      const topic = await newTopic();
      const groupId = uniqueName('group');
      await using producer = newProducer();
      const offsets = (offset: number) => [{ topic, partition: 0, offset }];
      const committed = async (): Promise<number | null | undefined> =>
        (await admin.listGroupOffsets(groupId, [{ topic, partition: 0 }]))[0]?.offset;
      // The coordinator of the group, of offsets, is slower than that of transactions.
      const slow = broker.holdNext('TxnOffsetCommit');
      const ended = broker.holdNext('EndTxn');
      const commit = producer.transaction((tx) => void tx.sendOffsets(groupId, offsets(7)));
      await slow.done;
      await turns();
      expect(ended.hits).toBe(0);
      slow.remove();
      await ended.done;
      ended.remove();
      await commit;
      await expect.poll(committed).toBe(7);

      const asked = broker.holdNext(transactionVersion === 2 ? 'TxnOffsetCommit' : 'AddOffsetsToTxn');
      const late = broker.holdNext('EndTxn');
      const transaction = await producer.begin();
      void transaction.sendOffsets(uniqueName('other'), offsets(8));
      await asked.done;
      const aborted = transaction.abort();
      await turns();
      expect(late.hits).toBe(0);
      // What would be asked for next would be for the next transaction.
      const next = broker.holdNext('TxnOffsetCommit');
      asked.remove();
      await late.done;
      late.remove();
      await aborted;
      expect(next.hits).toBe(0);
      next.remove();
      await producer.transaction((tx) => void tx.sendOffsets(groupId, offsets(9)));
      await expect.poll(committed).toBe(9);
    },
  );

  it('is fenced by a newer one with its transactionalId, whose transactions go on', async () => {
    const topic = await newTopic();
    const transactionalId = uniqueName('id');
    await using zombie = newProducer({ transactionalId });
    await using producer = newProducer({ transactionalId });
    const old = await zombie.begin();
    await old.send({ topic, value: 'of the zombie' });
    await producer.transaction((tx) => void tx.send({ topic, value: 'new' }));
    await expect(old.commit()).rejects.toBeInstanceOf(FatalTransactionError);
    await expect(zombie.begin()).rejects.toBeInstanceOf(FatalTransactionError);
    expect(await committedUntil(topic, 0, 'new')).toEqual(['new']);
  });

  it('aborts what has failed, and goes on with the next', async () => {
    const topic = await newTopic();
    await using producer = newProducer({ deliveryTimeoutMs: 3000, blockMsMax: 3000 });
    const failed = producer.transaction(async (tx) => {
      await tx.send({ topic, value: 'lost' });
      await tx.sendOffsets({ groupId: uniqueName('group'), generationId: 5, memberId: 'nobody' }, [
        { topic, partition: 0, offset: 1 },
      ]);
    });
    await expect(failed).rejects.toBeInstanceOf(AbortableTransactionError);
    await producer.transaction((tx) => void tx.send({ topic, value: 'kept' }));
    expect(await committedUntil(topic, 0, 'kept')).toEqual(['kept']);
  });

  it.each<[string, (tx: Transaction, topic: string) => unknown]>([
    ['a record that is none', (tx, topic) => tx.send({ topic } as never)],
    ['a record for a partition that there is not', (tx, topic) => tx.send({ topic, partition: 9, value: 'x' })],
    ['a list of records that is none', (tx, topic) => tx.sendBatch({ topic } as never)],
    ['offsets of nobody', (tx, topic) => tx.sendOffsets(5 as never, [{ topic, partition: 0, offset: 1 }])],
    ['an offset that is none', (tx, topic) => tx.sendOffsets('g', [{ topic, partition: 'x' as never, offset: 1 }])],
  ])('commits nothing without %s that was not waited for', async (_name, refused) => {
    const topic = await newTopic();
    await using producer = newProducer();
    const failed = producer.transaction((tx) => {
      void tx.send({ topic, value: 'lost' });
      void refused(tx, topic);
    });
    await expect(failed).rejects.toMatchObject({
      code: 'PRODUCER_TRANSACTION_FAILED',
      cause: { code: expect.stringMatching(/^PRODUCER_INVALID_(RECORD|ARGUMENT)$/) },
    });
    const tx = await producer.begin();
    void refused(tx, topic);
    await expect(tx.commit()).rejects.toMatchObject({ code: 'PRODUCER_TRANSACTION_FAILED' });
    await tx.abort();
    await producer.transaction((next) => void next.send({ topic, value: 'kept' }));
    expect(await committedUntil(topic, 0, 'kept')).toEqual(['kept']);
  });

  it('gets nothing from a transaction that is over into the next one', async () => {
    const topic = await newTopic();
    await using producer = newProducer();
    const over = await producer.begin();
    await over.commit();
    await producer.transaction(async (tx) => {
      await expect(over.send({ topic, value: 'late' })).rejects.toMatchObject({ code: 'PRODUCER_NO_TRANSACTION' });
      await expect(over.abort()).rejects.toMatchObject({ code: 'PRODUCER_NO_TRANSACTION' });
      await tx.send({ topic, value: 'kept' });
    });
    expect(await committedUntil(topic, 0, 'kept')).toEqual(['kept']);
  });

  it('sends nothing outside of a transaction, and has one at a time', async () => {
    const topic = await newTopic();
    await using producer = newProducer();
    await expect(producer.send({ topic, value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_NO_TRANSACTION' });
    const open = await producer.begin();
    await expect(producer.begin()).rejects.toMatchObject({ code: 'PRODUCER_TRANSACTION_UNDER_WAY' });
    await open.abort();
    await expect(open.send({ topic, value: 'x' })).rejects.toMatchObject({ code: 'PRODUCER_NO_TRANSACTION' });
    await using plain = new Producer({ bootstrapServers: target.bootstrapServers });
    await expect(plain.begin()).rejects.toMatchObject({ code: 'PRODUCER_NO_TRANSACTION' });
  });

  it('commits a hundred transactions in a row, of which readers see all', async () => {
    const topic = await newTopic(2);
    await using producer = newProducer();
    for (let n = 0; n < 100; n += 1) {
      await producer.transaction((tx) => void tx.send({ topic, partition: n % 2, value: `${n}` }));
    }
    await producer.transaction((tx) => {
      for (const partition of [0, 1]) void tx.send({ topic, partition, value: 'end' });
    });
    const ends = async (): Promise<number[]> => {
      const offsets = await admin.listOffsets([0, 1].map((partition) => ({ topic, partition, at: 'latest' as const })));
      return offsets.map(({ offset }) => offset);
    };
    // Each transaction has left a record and its marker.
    await expect.poll(ends).toEqual([102, 102]);
    const [described] = await admin.describeProducers([{ topic, partition: 0 }]);
    // The epoch is raised with each transaction, or with none.
    const epochs = described!.producers.map(({ producerEpoch }) => producerEpoch);
    if (transactionVersion !== undefined) expect(epochs).toEqual([transactionVersion === 2 ? 101 : 0]);
  });

  it('is replaced after an administrator has fenced it, and what it left open is seen by nobody', async () => {
    const topic = await newTopic();
    const transactionalId = uniqueName('id');
    await using producer = newProducer({ transactionalId });
    const open = await producer.begin();
    await open.send({ topic, value: 'lost' });
    await admin.fenceProducers([transactionalId]);
    await expect(open.commit()).rejects.toBeInstanceOf(FatalTransactionError);
    await using next = newProducer({ transactionalId });
    await next.transaction((tx) => void tx.send({ topic, value: 'kept' }));
    expect(await committedUntil(topic, 0, 'kept')).toEqual(['kept']);
  });

  it('aborts what is open when it is closed', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    const open = await producer.begin();
    await open.send({ topic, value: 'lost' });
    await producer.close();
    await using next = newProducer();
    await next.transaction((tx) => void tx.send({ topic, value: 'kept' }));
    expect(await committedUntil(topic, 0, 'kept')).toEqual(['kept']);
  });
});
