import {
  DescribeCluster,
  DescribeTopicPartitions,
  ErrorCode,
  Metadata,
  type MetadataResponse,
  ZERO_UUID,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerUnderTest, batchOf, produceTo, type TestConnection } from '../testing/test-broker.ts';
import { OPERATIONS_NOT_ASKED } from './authorized-operations.ts';

let test: BrokerUnderTest;
let client: TestConnection;

async function start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  test = await BrokerUnderTest.start(settings);
  await test.createTopic('b', 2);
  await test.createTopic('a');
  client = test.connect();
}

beforeEach(() => start());
afterEach(() => test.stop());

function namesOf(response: MetadataResponse): (string | null)[] {
  return response.topics.map(({ name }) => name).sort();
}

describe('Metadata', () => {
  it.each([0, 1, 5, 8, 9, 10, 12])('tells of brokers, topics and leaders in version %i', async (version) => {
    const answer = await client.ask(Metadata, version, { topics: [{ name: 'b' }] });
    expect(answer.brokers).toMatchObject([{ nodeId: 1, host: 'broker.test', port: 9092 }]);
    expect(answer.topics).toMatchObject([{ errorCode: 0, name: 'b', isInternal: false }]);
    expect(answer.topics[0]?.partitions).toMatchObject([
      { errorCode: 0, partitionIndex: 0, leaderId: 1, replicaNodes: [1], isrNodes: [1] },
      { errorCode: 0, partitionIndex: 1, leaderId: 1, replicaNodes: [1], isrNodes: [1] },
    ]);
    if (version >= 1) expect(answer.controllerId).toBe(1);
    if (version >= 2) expect(answer.clusterId).toHaveLength(22);
    if (version >= 10) expect(answer.topics[0]?.topicId).not.toBe(ZERO_UUID);
  });

  it('tells of all topics when asked for none in v0, and for null later', async () => {
    expect(namesOf(await client.ask(Metadata, 0, { topics: [] }))).toEqual(['a', 'b']);
    expect(namesOf(await client.ask(Metadata, 1, { topics: null }))).toEqual(['a', 'b']);
    expect(namesOf(await client.ask(Metadata, 1, { topics: [] }))).toEqual([]);
  });

  it.each([1, 9])(
    'takes 100,000 topics in a request, however short their names are, in version %i',
    async (version) => {
      const topics = Array.from({ length: 100_000 }, (_, index) => ({ name: `t${index}` }));
      const auto = version < 4 ? {} : { allowAutoTopicCreation: false };
      expect((await client.ask(Metadata, version, { topics, ...auto })).topics).toHaveLength(100_000);
    },
  );

  it('gives up its turn while it looks up thousands of topics, and again while their answer is encoded', async () => {
    const names = Array.from({ length: 4_000 }, (_, index) => ({ name: `unknown-${index}` }));
    const { monotonic } = test.clock;
    // Every look at the clock finds a turn's time gone.
    let workedMs = 0;
    vi.spyOn(test.clock, 'monotonic').mockImplementation(() => {
      workedMs += 10;
      return monotonic.call(test.clock) + workedMs;
    });
    const schedule = vi.spyOn(test.clock, 'schedule');
    const asked = client.ask(Metadata, 9, { topics: names, allowAutoTopicCreation: false });
    let isAnswered = false;
    asked.finally(() => {
      isAnswered = true;
    });
    for (let tries = 0; !isAnswered && tries < 1_000; tries += 1) await test.clock.advanceAsync(0);
    expect((await asked).topics).toHaveLength(4_000);
    const turns = schedule.mock.calls.filter(([delayMs]) => delayMs === 0).length;
    const LOOKS_OF_ONE_PASS = 4_000 / 32;
    expect(turns).toBeGreaterThan(1.8 * LOOKS_OF_ONE_PASS);
  });

  it('creates a topic that is missing, and answers when it is there', async () => {
    const { topics } = await client.ask(Metadata, 4, { topics: [{ name: 'new' }], allowAutoTopicCreation: true });
    expect(topics).toMatchObject([{ errorCode: 0, name: 'new', partitions: [{ leaderId: 1 }] }]);
    expect(await produceTo(test, 'new', batchOf(['x']))).toBe(0);
  });

  it('creates it once, however many ask at the same time', async () => {
    const asks = Array.from({ length: 5 }, () => test.connect().ask(Metadata, 4, { topics: [{ name: 'new' }] }));
    for (const { topics } of await Promise.all(asks)) expect(topics).toMatchObject([{ errorCode: 0, name: 'new' }]);
  });

  it('creates none when the client or the broker forbids it', async () => {
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const ask = () => client.ask(Metadata, 4, { topics: [{ name: 'new' }], allowAutoTopicCreation: false });
    expect((await ask()).topics).toMatchObject([{ errorCode: unknown, partitions: [] }]);
    await test.stop();
    await start({ 'auto.create.topics.enable': 'false' });
    const { topics } = await client.ask(Metadata, 4, { topics: [{ name: 'new' }], allowAutoTopicCreation: true });
    expect(topics).toMatchObject([{ errorCode: unknown }]);
  });

  it('refuses names that no topic can have', async () => {
    for (const allowAutoTopicCreation of [true, false]) {
      const { topics } = await client.ask(Metadata, 4, { topics: [{ name: 'no good' }], allowAutoTopicCreation });
      expect(topics).toMatchObject([{ errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, name: 'no good' }]);
    }
  });

  it('finds topics by id', async () => {
    const byName = await client.ask(Metadata, 12, { topics: [{ name: 'a' }] });
    const topicId = byName.topics[0]!.topicId;
    const unknownId = 'AAAAAAAAAAAAAAAAAAAAAQ';
    const { topics } = await client.ask(Metadata, 12, {
      topics: [
        { topicId, name: null },
        { topicId: unknownId, name: null },
      ],
    });
    expect(topics).toMatchObject([
      { errorCode: 0, name: 'a', topicId },
      { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId: unknownId },
    ]);
  });

  it('tells what may be done when asked, and else that it was not', async () => {
    const quiet = await client.ask(Metadata, 8, { topics: [{ name: 'a' }] });
    expect([quiet.clusterAuthorizedOperations, quiet.topics[0]?.topicAuthorizedOperations]).toEqual([
      OPERATIONS_NOT_ASKED,
      OPERATIONS_NOT_ASKED,
    ]);
    const asked = await client.ask(Metadata, 8, {
      topics: [{ name: 'a' }, { name: 'missing' }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    });
    expect(asked.clusterAuthorizedOperations).toBe(8096);
    expect(asked.topics).toMatchObject([
      { name: 'a', errorCode: ErrorCode.NONE, topicAuthorizedOperations: 3576 },
      // What may be done with a topic is told also where it is not there.
      { name: 'missing', errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, topicAuthorizedOperations: 3576 },
    ]);
  });
});

describe('DescribeCluster', () => {
  it.each([0, 1])('tells of the brokers in version %i', async (version) => {
    expect(await client.ask(DescribeCluster, version, { includeClusterAuthorizedOperations: true })).toMatchObject({
      errorCode: 0,
      controllerId: 1,
      clusterId: test.broker.services.clusterId,
      brokers: [{ brokerId: 1, host: 'broker.test', port: 9092 }],
      clusterAuthorizedOperations: 8096,
    });
  });

  it('has no endpoints of controllers', async () => {
    const ask = (endpointType: number) =>
      client.ask(DescribeCluster, 1, { includeClusterAuthorizedOperations: false, endpointType });
    expect((await ask(2)).errorCode).toBe(ErrorCode.MISMATCHED_ENDPOINT_TYPE);
    expect((await ask(9)).errorCode).toBe(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE);
  });
});

describe('DescribeTopicPartitions', () => {
  const ask = (
    names: string[],
    responsePartitionLimit = 2000,
    cursor: { topicName: string; partitionIndex: number } | null = null,
  ) =>
    client.ask(DescribeTopicPartitions, 0, { topics: names.map((name) => ({ name })), responsePartitionLimit, cursor });

  it('tells of topics in the order of their names, all of them when asked for none', async () => {
    const { topics, nextCursor } = await ask([]);
    expect(topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(nextCursor).toBeNull();
  });

  it('goes on from the cursor where a response was full', async () => {
    const first = await ask([], 2);
    expect(first.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(first.nextCursor).toMatchObject({ topicName: 'b', partitionIndex: 1 });
    const second = await ask([], 2, first.nextCursor);
    expect(second.topics.map(({ name, partitions }) => [name, partitions[0]?.partitionIndex])).toEqual([['b', 1]]);
    expect(second.nextCursor).toBeNull();
  });

  it('tells which topics do not exist or cannot', async () => {
    const { topics } = await ask(['no good', 'missing']);
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['missing', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['no good', ErrorCode.INVALID_TOPIC_EXCEPTION],
    ]);
  });
});
