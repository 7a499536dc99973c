/** Transactions on a cluster whose brokers, coordinators among them, are killed. */
import { Consumer } from '@millrace/consumer';
import { AbortableTransactionError, Producer } from '@millrace/producer';
import { startCluster, type TestCluster } from '@millrace/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { isElsewhere, uniqueName } from './suite-cluster.ts';

let cluster: TestCluster;

afterEach(() => cluster?.close());

const FAST = { retryBackoffMs: 5, requestTimeoutMs: 3000 };
const PARTITIONS = [0, 1, 2];

/** What a partition holds for those who read what is committed, up to a value. */
async function committedUntil(partition: number, last: string, topic = 't'): Promise<string[]> {
  await using consumer = new Consumer({
    bootstrapServers: cluster.bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
    ...FAST,
  });
  consumer.assign([{ topic, partition }]);
  const values: string[] = [];
  for await (const record of consumer) {
    values.push(String(record.value));
    if (record.value?.toString() === last) break;
  }
  return values;
}

/** Sends numbered transactions over all partitions, each again until it is committed, while something happens. */
async function transactWhile(count: number, happens: (sent: number) => Promise<void>): Promise<number> {
  const options = { bootstrapServers: cluster.bootstrapServers, transactionalId: uniqueName('id'), ...FAST };
  await using producer = new Producer(options);
  let aborted = 0;
  for (let index = 0; index < count; index += 1) {
    await happens(index);
    for (;;) {
      try {
        await producer.transaction((tx) => {
          for (const partition of PARTITIONS) void tx.send({ topic: 't', partition, value: `v${index}` });
        });
        break;
      } catch (error) {
        if (!(error instanceof AbortableTransactionError)) throw error;
        aborted += 1;
      }
    }
  }
  return aborted;
}

/** Copies from one topic to another, each batch in a transaction, until it is told to stop or a broker's death ends it. */
async function copy(instance: number, signal: AbortSignal): Promise<void> {
  const { bootstrapServers } = cluster;
  await using producer = new Producer({ bootstrapServers, transactionalId: `copy-${instance}`, ...FAST });
  await using consumer = new Consumer({
    bootstrapServers,
    groupId: 'copy',
    autoCommit: false,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
    sessionTimeoutMs: 6000,
    ...FAST,
  });
  consumer.subscribe('t');
  await consumer.run({
    transactionalProducer: producer,
    batchRecordsMax: 5,
    retry: { retries: 1000, backoffMs: 20, backoffMsMax: 200 },
    signal,
    eachBatch: ({ records, partition }, { transaction }) => {
      for (const { value } of records) void transaction.send({ topic: 'copied', partition, value });
    },
  });
}

describe.runIf(!isElsewhere)('transactions on a cluster', () => {
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `v${index}`);

  it('reach partitions of all brokers, each record once, in order', { timeout: 60_000 }, async () => {
    cluster = await startCluster({ topics: [{ topic: 't', partitions: 3 }] });
    expect(await transactWhile(30, async () => {})).toBe(0);
    for (const partition of PARTITIONS) expect(await committedUntil(partition, 'v29')).toEqual(numbered(30));
  });

  it('lose and repeat nothing when brokers are killed, whoever coordinates', { timeout: 120_000 }, async () => {
    cluster = await startCluster({ topics: [{ topic: 't', partitions: 3 }] });
    await transactWhile(40, async (index) => {
      if (index % 10 !== 5) return;
      const victim = (Math.floor(index / 10) % 3) + 1;
      await cluster.kill(victim);
      void cluster.start(victim);
    });
    await cluster.settled();
    for (const partition of PARTITIONS) expect(await committedUntil(partition, 'v39')).toEqual(numbered(40));
  });

  it('let two instances copy a topic, each record once, while brokers are killed', { timeout: 180_000 }, async () => {
    cluster = await startCluster({ topics: ['t', 'copied'].map((topic) => ({ topic, partitions: 3 })) });
    const stop = new AbortController();
    const copies = [1, 2].map((instance) => copy(instance, stop.signal));
    await transactWhile(60, async (index) => {
      if (index % 20 !== 10) return;
      const victim = (Math.floor(index / 20) % 3) + 1;
      await cluster.kill(victim);
      void cluster.start(victim);
    });
    for (const partition of PARTITIONS) expect(await committedUntil(partition, 'v59', 'copied')).toEqual(numbered(60));
    stop.abort();
    await Promise.all(copies);
  });
});
