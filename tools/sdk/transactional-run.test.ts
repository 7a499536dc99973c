/** `consumer.run` in transactions, and offsets of a consumer in a transaction, while the group goes on without the consumer. */
import { Consumer, type ConsumerOptions } from '@millrace/consumer';
import { AbortableTransactionError, Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, uniqueName } from './suite-cluster.ts';

const LAST = 'last';
const VALUES = ['a', 'b', 'c', LAST];

let broker: TestBroker;
let closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  broker = await startBroker();
});
afterEach(async () => {
  broker.clearFaults();
  for (const close of closing.splice(0).reverse()) await close();
  closing = [];
});
afterAll(() => broker.close());

/** A topic with the values in each partition, one to copy them to, and a group of the same name. */
async function newJob(partitions = 1): Promise<{ source: string; copied: string }> {
  const source = uniqueName('source');
  const copied = `${source}-copied`;
  await broker.createTopic({ topic: source, partitions });
  await broker.createTopic({ topic: copied, partitions });
  await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
  for (let partition = 0; partition < partitions; partition += 1) {
    await producer.sendBatch(VALUES.map((value) => ({ topic: source, partition, value })));
  }
  return { source, copied };
}

function newConsumer(groupId: string, options: Partial<ConsumerOptions> = {}): Consumer {
  const consumer = new Consumer({
    bootstrapServers: broker.bootstrapServers,
    groupId,
    autoCommit: false,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
    heartbeatIntervalMs: 50,
    ...options,
  });
  closing.push(() => consumer.close());
  return consumer;
}

function newProducer(): Producer {
  const producer = new Producer({ bootstrapServers: broker.bootstrapServers, transactionalId: uniqueName('id') });
  closing.push(() => producer.close());
  return producer;
}

/** Has a consumer copy in transactions until the test is over; `before` is awaited in each, and nothing may have ended it. */
function copy(
  { source, copied }: { source: string; copied: string },
  consumer: Consumer,
  before: (partition: number, values: readonly string[]) => unknown = () => {},
): { calls: number; failure: unknown } {
  const stop = new AbortController();
  const seen = { calls: 0, failure: undefined as unknown };
  consumer.subscribe(source);
  const run = consumer.run({
    transactionalProducer: newProducer(),
    signal: stop.signal,
    eachBatch: async ({ records, partition }, { transaction }) => {
      seen.calls += 1;
      for (const { value } of records) void transaction.send({ topic: copied, partition, value: String(value) });
      await before(
        partition,
        records.map(({ value }) => String(value)),
      );
    },
  });
  const over = run.catch((error: unknown) => {
    seen.failure = error;
  });
  closing.push(async () => {
    stop.abort();
    await over;
  });
  return seen;
}

async function committed(topic: string, partition = 0): Promise<string[]> {
  await using consumer = new Consumer({
    bootstrapServers: broker.bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  await using producer = newProducer();
  await producer.transaction((tx) => void tx.send({ topic, partition, value: 'END' }));
  consumer.assign([{ topic, partition }]);
  const values: string[] = [];
  for await (const { value } of consumer) {
    if (String(value) === 'END') break;
    values.push(String(value));
  }
  return values;
}

/** Until the group holds the values as copied, by the offsets that it has committed. */
async function copiedAll(groupId: string, topic: string, partition = 0): Promise<void> {
  await using consumer = new Consumer({ bootstrapServers: broker.bootstrapServers, groupId });
  const offset = async (): Promise<number | undefined> => (await consumer.committed([{ topic, partition }]))[0]?.offset;
  await expect.poll(offset, { timeout: 10_000 }).toBe(VALUES.length);
}

/** The group counts the consumer out, which it joins again at once, as another member. */
async function countOut(groupId: string, consumer: Consumer): Promise<void> {
  const before = consumer.memberId;
  broker.expireMember(groupId, before);
  await expect
    .poll(() => consumer.memberId !== before && consumer.assignment.length > 0, { timeout: 10_000 })
    .toBe(true);
}

function gate(): { reached: Promise<void>; pass: () => Promise<void>; open: () => void } {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: () => opened.resolve(),
    pass: () => {
      reached.resolve();
      return opened.promise;
    },
  };
}

describe.runIf(!isElsewhere)('a run in transactions', () => {
  it('copies nothing twice when the consumer is counted out before its transaction has begun', async () => {
    const job = await newJob();
    const beginning = broker.holdNext('InitProducerId');
    const consumer = newConsumer(job.source);
    const seen = copy(job, consumer);
    await beginning.done;
    await countOut(job.source, consumer);
    beginning.remove();
    await copiedAll(job.source, job.source);
    expect(await committed(job.copied)).toEqual(VALUES);
    // What was lost is not worth a call.
    expect(seen).toEqual({ calls: 1, failure: undefined });
  });

  it('copies nothing twice when the consumer is counted out while a handler works', async () => {
    const job = await newJob();
    const { reached, pass, open } = gate();
    const consumer = newConsumer(job.source);
    const seen = copy(job, consumer, () => (seen.calls === 1 ? pass() : undefined));
    await reached;
    await countOut(job.source, consumer);
    open();
    await copiedAll(job.source, job.source);
    expect(await committed(job.copied)).toEqual(VALUES);
    expect(seen).toEqual({ calls: 2, failure: undefined });
  });

  it('copies nothing twice when another has done so since a handler made no progress', async () => {
    const job = await newJob();
    const { reached, pass, open } = gate();
    const slow = copy(job, newConsumer(job.source, { maxPollIntervalMs: 200 }), () =>
      slow.calls === 1 ? pass() : undefined,
    );
    await reached;
    copy(job, newConsumer(job.source));
    await copiedAll(job.source, job.source);
    open();
    await expect.poll(() => slow.failure).toBe(undefined);
    expect(await committed(job.copied)).toEqual(VALUES);
  });

  it('commits what a handler has done over a rebalance that leaves it its partition', async () => {
    const job = await newJob(2);
    const { reached, pass, open } = gate();
    const first = newConsumer(job.source);
    const kept = 1;
    const seen = copy(job, first, (partition) => (partition === kept ? pass() : undefined));
    await reached;
    const second = newConsumer(job.source);
    copy(job, second);
    await expect
      .poll(() => second.assignment, { timeout: 10_000 })
      .toEqual([{ topic: job.source, partition: 1 - kept }]);
    expect(first.assignment).toEqual([{ topic: job.source, partition: kept }]);
    open();
    for (const partition of [0, 1]) {
      await copiedAll(job.source, job.source, partition);
      expect(await committed(job.copied, partition)).toEqual(VALUES);
    }
    // Nothing was aborted.
    expect(seen.calls).toBeLessThanOrEqual(2);
    expect(seen.failure).toBe(undefined);
  });

  it('goes on, without retry, when its generation has gone while it commits', async () => {
    const job = await newJob();
    const { reached, pass, open } = gate();
    const clientId = uniqueName('client');
    const seen = copy(job, newConsumer(job.source, { clientId }), () => (seen.calls === 1 ? pass() : undefined));
    await reached;
    // Another joins, and this one is late: the coordinator knows of a generation of which the member does not.
    const joining = broker.holdNext('JoinGroup', { clientId });
    const other = newConsumer(job.source);
    other.subscribe(job.source);
    void other[Symbol.asyncIterator]().next();
    await joining.done;
    const refused = broker.failNext('TxnOffsetCommit', 'ILLEGAL_GENERATION');
    open();
    await refused.done;
    joining.remove();
    await copiedAll(job.source, job.source);
    expect(await committed(job.copied)).toEqual(VALUES);
    expect(seen.failure).toBe(undefined);
  });

  it('goes on, without retry, when the group does not know it any more', async () => {
    const job = await newJob();
    // It hears of that by its commit, long before the next heartbeat is due.
    const consumer = newConsumer(job.source, { heartbeatIntervalMs: 10_000 });
    const seen = copy(job, consumer, () => {
      if (seen.calls === 1) broker.expireMember(job.source, consumer.memberId);
    });
    await copiedAll(job.source, job.source);
    expect(await committed(job.copied)).toEqual(VALUES);
    expect(seen).toEqual({ calls: 2, failure: undefined });
  });

  it('ends with what a handler throws, where there is no retry', async () => {
    const job = await newJob();
    const seen = copy(job, newConsumer(job.source), () => {
      throw new Error('boom');
    });
    await expect.poll(() => seen.failure).toMatchObject({ code: 'CONSUMER_HANDLER_FAILED' });
    expect(seen.calls).toBe(1);
  });
});

describe.runIf(!isElsewhere)('offsets of a consumer in a transaction of its program', () => {
  it.each([
    ['counted out', countOut],
    ['unsubscribed', (_groupId: string, consumer: Consumer) => consumer.unsubscribe()],
    ['closed', (_groupId: string, consumer: Consumer) => consumer.close()],
  ])('are refused while a loop has in hand what was lost: %s', async (_name, lose) => {
    const job = await newJob();
    const producer = newProducer();
    const consumer = newConsumer(job.source, { closeTimeoutMs: 500 });
    consumer.subscribe(job.source);
    const batches = consumer.batches();
    const batch = (await batches.next()).value!;
    const { groupMetadata } = consumer;
    expect(batch.lost).toBe(false);
    await lose(job.source, consumer);
    expect(batch.lost).toBe(true);
    expect(consumer.groupMetadata).toEqual(groupMetadata);
    const offsets = [{ topic: job.source, partition: 0, offset: batch.nextOffset }];
    for (const group of [consumer, consumer.groupMetadata]) {
      const late = producer.transaction((tx) => tx.sendOffsets(group, offsets));
      await expect(late).rejects.toBeInstanceOf(AbortableTransactionError);
    }
  });

  it('are taken when the loop has come back for what it lost', async () => {
    const job = await newJob();
    const producer = newProducer();
    const consumer = newConsumer(job.source);
    consumer.subscribe(job.source);
    const batches = consumer.batches();
    await batches.next();
    await countOut(job.source, consumer);
    const again = (await batches.next()).value!;
    expect(again.records.map(({ value }) => String(value))).toEqual(VALUES);
    const offsets = [{ topic: job.source, partition: 0, offset: again.nextOffset }];
    await producer.transaction((tx) => tx.sendOffsets(consumer, offsets));
    await copiedAll(job.source, job.source);
  });

  it('are refused of partitions that have gone to another, of which nothing is in hand', async () => {
    const job = await newJob(2);
    const producer = newProducer();
    const consumer = newConsumer(job.source);
    consumer.subscribe(job.source);
    const batches = consumer.batches();
    const first = (await batches.next()).value!;
    await batches.next();
    const other = newConsumer(job.source);
    other.subscribe(job.source);
    void other.batches().next();
    await expect
      .poll(() => other.assignment, { timeout: 10_000 })
      .toEqual([{ topic: job.source, partition: first.partition }]);
    const offsets = [{ topic: job.source, partition: first.partition, offset: first.nextOffset }];
    const late = producer.transaction((tx) => tx.sendOffsets(consumer, offsets));
    await expect(late).rejects.toThrow(/is not the consumer's any more/);
  });
});
