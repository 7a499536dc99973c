/** The admin's calls on transactions, a hanging one among them: made by what the coordinator is not asked about. */
import { Admin, AdminItemsError } from '@millrace/admin';
import { KafkaClient, UnsupportedVersionError } from '@millrace/client';
import { FatalTransactionError, Producer } from '@millrace/producer';
import { Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { startBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere, openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

let target: SuiteCluster;
let admin: Admin;
let client: KafkaClient;
beforeAll(async () => {
  target = await openSuiteCluster();
  admin = new Admin({ bootstrapServers: target.bootstrapServers });
  client = new KafkaClient({ bootstrapServers: target.bootstrapServers });
});
afterAll(async () => {
  await admin.close();
  await client.close();
  await target.close();
});

/** Whether brokers have what a call needs: Apache Kafka tells of transactions since 3.0, and of their age since 3.8. */
async function isServed(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof UnsupportedVersionError) return false;
    throw error;
  }
}

const tellsOfTransactions = (): Promise<boolean> => isServed(() => admin.listTransactions());
const tellsOfAges = (): Promise<boolean> => isServed(() => admin.listTransactions({ openForMs: 1 }));

async function newTopic(): Promise<string> {
  const topic = uniqueName('administered');
  await admin.createTopics([{ topic, partitions: 2 }]);
  return topic;
}

const newProducer = (transactionalId = uniqueName('id')): Producer =>
  new Producer({ bootstrapServers: target.bootstrapServers, transactionalId });

const stableEnd = async (topic: string): Promise<number> => {
  const [found] = await admin.listOffsets([{ topic, partition: 0, at: 'latest' }], {
    isolationLevel: 'read_committed',
  });
  return found!.offset;
};

/** Writes what comes after the end of a producer's transaction, as a request would that was held up on its way. */
async function produceLate(topic: string, transactionalId: string): Promise<void> {
  const [described] = await admin.describeProducers([{ topic, partition: 0 }]);
  const { producerId, producerEpoch, lastSequence } = described!.producers[0]!;
  const builder = new RecordBatchBuilder();
  builder.append(1_700_000_000_000, null, Buffer.from('late'), []);
  const records = builder.build({
    producerId,
    producerEpoch,
    baseSequence: lastSequence + 1,
    isTransactional: true,
  });
  const [found] = await admin.describeTopics([topic]);
  const body = {
    transactionalId,
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  };
  const answer = await client.sendToBroker(found!.partitions[0]!.leaderId, Produce, body, { versionMax: 9 });
  expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

const VERIFICATION = 'transaction.partition.verification.enable';

/** A transaction that begins at offset 2 and that nobody ends. */
async function leaveHanging(topic: string, transactionalId: string): Promise<void> {
  await using producer = newProducer(transactionalId);
  await producer.transaction((tx) => void tx.send({ topic, partition: 0, value: 'a' }));
  await expect.poll(() => stableEnd(topic)).toBe(2);
  await admin.alterConfigs([{ type: 'broker', name: '', set: { [VERIFICATION]: false } }]);
  try {
    await expect.poll(() => produceLate(topic, transactionalId).then(() => true)).toBe(true);
  } finally {
    await admin.alterConfigs([{ type: 'broker', name: '', unset: [VERIFICATION] }]);
  }
}

describe('transactions', () => {
  it('are listed by state and producer, and described with their partitions', async ({ skip }) => {
    skip(!(await tellsOfAges()), 'these brokers do not tell of it');
    const topic = await newTopic();
    const id = uniqueName('id');
    await using producer = newProducer(id);
    const open = await producer.begin();
    await open.send({ topic, partition: 1, value: 'a' });
    const listed = await admin.listTransactions({ states: ['Ongoing'] });
    const found = listed.find(({ transactionalId }) => transactionalId === id)!;
    expect(found).toMatchObject({ state: 'Ongoing', coordinatorId: expect.any(Number) });
    const { producerId } = found;
    expect(await admin.listTransactions({ producerIds: [producerId] })).toEqual([found]);
    expect(await admin.listTransactions({ producerIds: [producerId], states: ['Empty'] })).toEqual([]);
    expect(await admin.listTransactions({ producerIds: [producerId], openForMs: 3_600_000 })).toEqual([]);
    expect(await admin.describeTransactions([id])).toMatchObject([
      {
        transactionalId: id,
        producerId,
        state: 'Ongoing',
        timeoutMs: 60_000,
        startTimestamp: expect.any(Number),
        partitions: [{ topic, partition: 1 }],
        coordinator: { nodeId: found.coordinatorId },
      },
    ]);
    await open.abort();
    await expect.poll(async () => (await admin.describeTransactions([id]))[0]!.state).toBe('CompleteAbort');
  });

  it('of ids that nobody uses are a failure of each', async ({ skip }) => {
    skip(!(await tellsOfTransactions()), 'these brokers do not tell of it');
    const id = uniqueName('nobody');
    const failure: unknown = await admin.describeTransactions([id]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AdminItemsError);
    expect((failure as AdminItemsError).failures.get(id)?.code).toBe('KAFKA_TRANSACTIONAL_ID_NOT_FOUND');
  });

  it('are aborted when their producers are fenced, which cannot write any more', async () => {
    const topic = await newTopic();
    const id = uniqueName('id');
    await using zombie = newProducer(id);
    const open = await zombie.begin();
    await open.send({ topic, partition: 0, value: 'a' });
    expect(await admin.fenceProducers([id])).toMatchObject([{ transactionalId: id, producerId: expect.any(Number) }]);
    await expect(open.commit()).rejects.toBeInstanceOf(FatalTransactionError);
    expect(await stableEnd(topic)).toBe(2);
  });

  it.runIf(!isElsewhere)('are fenced where none may take a minute', async () => {
    await using broker = await startBroker({ config: { 'transaction.max.timeout.ms': 45_000 } });
    await using own = new Admin({ bootstrapServers: broker.bootstrapServers });
    const id = uniqueName('id');
    expect(await own.fenceProducers([id])).toMatchObject([{ transactionalId: id, producerEpoch: 0 }]);
    // One request is waited for no longer, however long it may be tried again.
    const fenced = await own.forceTerminateTransaction(id, { timeoutMs: 120_000 });
    expect(fenced.producerEpoch).toBeGreaterThan(0);
    expect(await own.describeTransactions([id])).toMatchObject([{ timeoutMs: 30_000 }]);
    await own.fenceProducers([id], { timeoutMs: 20_000 });
    expect(await own.describeTransactions([id])).toMatchObject([{ timeoutMs: 20_000 }]);
  });

  it('that are not begun are none that began longer ago', async ({ skip }) => {
    skip(!(await tellsOfAges()), 'these brokers do not tell of it');
    const id = uniqueName('id');
    const [fenced] = await admin.fenceProducers([id]);
    const producerIds = [fenced!.producerId];
    expect(await admin.listTransactions({ producerIds })).toMatchObject([{ transactionalId: id, state: 'Empty' }]);
    expect(await admin.listTransactions({ producerIds, openForMs: 0 })).toEqual([]);
  });

  it('are aborted by name, and whoever goes on in them is refused', async ({ skip }) => {
    skip(!(await tellsOfTransactions()), 'these brokers do not tell of it');
    const topic = await newTopic();
    const id = uniqueName('id');
    await using left = newProducer(id);
    const open = await left.begin();
    await open.send({ topic, partition: 0, value: 'a' });
    const [before] = await admin.describeTransactions([id]);
    const { producerId, producerEpoch } = await admin.forceTerminateTransaction(id);
    expect(producerId).toBe(before!.producerId);
    expect(producerEpoch).toBeGreaterThan(before!.producerEpoch);
    expect(await admin.describeTransactions([id])).toMatchObject([{ state: 'Empty', producerEpoch, partitions: [] }]);
    expect(await stableEnd(topic)).toBe(2);
    await expect(open.commit()).rejects.toBeInstanceOf(FatalTransactionError);
    await using next = newProducer(id);
    await next.transaction((tx) => void tx.send({ topic, partition: 0, value: 'b' }));
    await expect.poll(() => stableEnd(topic)).toBe(4);
  });
});

describe('a transaction that hangs', () => {
  it('is found, is told from one that is under way, and is aborted', async ({ skip }) => {
    skip(!(await tellsOfTransactions()), 'these brokers do not tell of it');
    const topic = await newTopic();
    const id = uniqueName('id');
    await leaveHanging(topic, id);
    await using other = newProducer();
    const open = await other.begin();
    await open.send({ topic, partition: 0, value: 'under way', timestamp: 1_700_000_000_000 });
    expect(await stableEnd(topic)).toBe(2);
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    expect(await admin.findHangingTransactions({ partitions, idleForMs: 10 ** 13 })).toEqual([]);
    const found = await admin.findHangingTransactions({ partitions });
    expect(found).toMatchObject([{ topic, partition: 0, startOffset: 2, transactionalId: id }]);
    await admin.abortTransactions(found);
    expect(await admin.findHangingTransactions({ partitions })).toEqual([]);
    await open.commit();
    await expect.poll(() => stableEnd(topic)).toBe(6);
  });

  it.runIf(!isElsewhere)(
    'is found though its id is forgotten, and its topic goes, while they are asked for',
    async () => {
      const broker = target.broker!;
      const topic = await newTopic();
      const id = uniqueName('id');
      await leaveHanging(topic, id);
      const partitions = [{ topic, partition: 0 }];
      const [found] = await admin.findHangingTransactions({ partitions });
      expect(found).toMatchObject({ ...partitions[0], transactionalId: id });
      const forgotten = broker.failNext('DescribeTransactions', 'TRANSACTIONAL_ID_NOT_FOUND');
      expect(await admin.findHangingTransactions({ partitions })).toEqual([found]);
      expect(forgotten.hits).toBe(1);
      broker.failNext('DescribeProducers', 'UNKNOWN_TOPIC_OR_PARTITION');
      expect(await admin.findHangingTransactions({ retries: 0 })).toEqual([]);
      broker.failNext('DescribeProducers', 'UNKNOWN_TOPIC_OR_PARTITION');
      const failed = { code: 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION' };
      await expect(admin.findHangingTransactions({ partitions, retries: 0 })).rejects.toMatchObject(failed);
      await admin.abortTransactions([found!]);
    },
  );

  it('is not aborted by somebody who knows an older epoch of its producer', async () => {
    const topic = await newTopic();
    await using producer = newProducer();
    await producer.transaction((tx) => void tx.send({ topic, partition: 0, value: 'a' }));
    await producer.transaction((tx) => void tx.send({ topic, partition: 0, value: 'a' }));
    const [described] = await admin.describeProducers([{ topic, partition: 0 }]);
    const { producerId, producerEpoch } = described!.producers[0]!;
    const place = { topic, partition: 0, producerId };
    await admin.abortTransactions([{ ...place, producerEpoch: producerEpoch + 1 }]);
    await expect(admin.abortTransactions([{ ...place, producerEpoch: 0 }])).rejects.toMatchObject({
      code: 'KAFKA_INVALID_PRODUCER_EPOCH',
    });
  });
});
