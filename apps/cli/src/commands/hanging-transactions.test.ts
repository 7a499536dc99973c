/** Transactions that no coordinator will end, made by what nobody verifies: as brokers before KIP-890 take it, and every broker that is told to. */
import { KafkaClient } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { InitProducerId, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { startBroker, startCluster, type TestBroker, type TestCluster } from '@millrace/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

const UNVERIFIED = { 'transaction.partition.verification.enable': false };
/** Older than any transaction may be. */
const LONG_AGO_MS = 1_700_000_000_000;
/** Produce before records added partitions by themselves. */
const PRODUCE_VERSION = 9;

let cluster: TestBroker | TestCluster;
let client: KafkaClient;
const run = (...args: string[]): Promise<TestRun> => millrace(cluster.bootstrapServers, ['transactions', ...args]);

async function connect(to: TestBroker | TestCluster): Promise<void> {
  cluster = to;
  client = new KafkaClient({ bootstrapServers: to.bootstrapServers });
  await client.connect();
}

afterEach(async () => {
  await client.close();
  await cluster.close();
});

const coordinatorOf = async (id: string): Promise<number> => (await client.coordinatorFor('transaction', id)).nodeId;

async function leaderOf(topic: string): Promise<number> {
  const all = await client.allTopics();
  return all.find(({ name }) => name === topic)!.partitions[0]!.leaderId;
}

/** Writes a record in a transaction that its coordinator has not heard of; returns whose. */
async function leaveHanging(topic: string, transactionalId: string): Promise<number> {
  const init = { transactionalId, transactionTimeoutMs: 60_000 };
  const options = { errorOf: ({ errorCode }: { readonly errorCode: number }) => errorCode };
  const producer = await client.sendToCoordinator('transaction', transactionalId, InitProducerId, init, options);
  const builder = new RecordBatchBuilder();
  builder.append(LONG_AGO_MS, null, Buffer.from('hangs'), []);
  const records = builder.build({ ...producer, baseSequence: 0, isTransactional: true });
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
  const body = { transactionalId, acks: -1, timeoutMs: 5000, topicData };
  const answer = await client.sendToBroker(await leaderOf(topic), Produce, body, { versionMax: PRODUCE_VERSION });
  expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  return producer.producerId;
}

/** What readers of what is committed get, up to a value. */
async function committedUntil(topic: string, last: string): Promise<string[]> {
  const { bootstrapServers } = cluster;
  await using consumer = new Consumer({
    bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  });
  consumer.assign([{ topic, partition: 0 }]);
  const values: string[] = [];
  for await (const { value } of consumer) {
    values.push(String(value));
    if (values.at(-1) === last) break;
  }
  return values;
}

async function write(topic: string, value: string): Promise<void> {
  await using producer = new Producer({ bootstrapServers: cluster.bootstrapServers });
  await producer.send({ topic, partition: 0, value });
}

/** Finds the transaction that hangs, alone, and ends it: readers go on. */
async function findAndAbort(topic: string, transactionalId: string): Promise<void> {
  await write(topic, 'before');
  const producerId = await leaveHanging(topic, transactionalId);
  await write(topic, 'behind');
  // One that is open too, whose records are as old, and that its coordinator will end.
  await using other = new Producer({
    bootstrapServers: cluster.bootstrapServers,
    transactionalId: `${transactionalId}-other`,
  });
  const open = await other.begin();
  await open.send({ topic, partition: 0, value: 'under way', timestamp: LONG_AGO_MS });

  const found = await run('find-hanging', '--topic', topic);
  const [, ...lines] = found.stdout.trimEnd().split('\n');
  const when = '2023-11-14T22:13:20.000Z';
  expect(lines).toEqual([
    expect.stringMatching(
      new RegExp(`^${topic} +0 +1 +${producerId} +\\d+ +${when} +\\d+ d(?: \\d+ h)?  ${transactionalId}$`),
    ),
  ]);
  expect(found.stderr).toContain('transactions abort TOPIC --partition N --start-offset OFFSET');
  expect((await run('find-hanging', '--topic', topic, '--idle-for', '99999d')).stdout).toBe('No transaction hangs\n');
  // All topics, those of the brokers included.
  const everywhere = JSON.parse((await run('find-hanging', '--json')).stdout);
  expect(everywhere).toMatchObject([{ topic, partition: 0, startOffset: 1, producerId, transactionalId }]);

  const aborted = await run('abort', topic, '--partition', '0', '--start-offset', '1');
  expect(aborted).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`of producer ${producerId} `) });
  expect((await run('find-hanging')).stdout).toBe('No transaction hangs\n');
  await open.commit();
  expect(await committedUntil(topic, 'under way')).toEqual(['before', 'behind', 'under way']);
}

describe('a transaction that hangs', () => {
  it('on one broker is found by `find-hanging`, told from one that is under way, and ended', async () => {
    await connect(await startBroker({ topics: ['orders'], config: UNVERIFIED }));
    await findAndAbort('orders', 'shop');
  });

  it('on a cluster is, whether its coordinator leads the partition or another broker does', async () => {
    const brokers = await startCluster({ config: UNVERIFIED });
    await connect(brokers);
    const coordinator = await coordinatorOf('shop');
    for (const topic of ['near', 'far']) {
      await brokers.createTopic(topic);
      const isOther = (await leaderOf(topic)) !== coordinator;
      if (isOther !== (topic === 'far')) {
        const to = topic === 'near' ? coordinator : brokers.brokerIds.find((id) => id !== coordinator)!;
        await brokers.moveLeader(topic, 0, to);
        await expect.poll(() => leaderOf(topic)).toBe(to);
      }
    }
    for (const topic of ['near', 'far']) await findAndAbort(topic, 'shop');
    expect([await leaderOf('near'), await coordinatorOf('shop')]).toEqual([coordinator, coordinator]);
    expect(await leaderOf('far')).not.toBe(coordinator);
    // In the order of their places, whichever leader answers first.
    for (const topic of ['near', 'far']) await leaveHanging(topic, `left in ${topic}`);
    const found: { topic: string }[] = JSON.parse((await run('find-hanging', '--json')).stdout);
    expect(found.map(({ topic }) => topic)).toEqual(['far', 'near']);
  });
});
