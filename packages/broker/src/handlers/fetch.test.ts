import {
  ErrorCode,
  Fetch,
  type FetchRequestInput,
  type FetchResponse,
  type FetchResponseResponsePartition,
  Metadata,
} from '@millrace/protocol';
import { Compression, convertUp, readRecords, refreshBatchCrc } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BrokerUnderTest,
  batchOf,
  fetchBody,
  fetchFrom,
  produceTo,
  type TestConnection,
} from '../testing/test-broker.ts';

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  await test.createTopic('t');
  client = test.connect();
});

afterEach(() => test.stop());

async function topicIdOf(topic: string): Promise<string> {
  const { topics } = await client.ask(Metadata, 12, { topics: [{ name: topic }] });
  return topics[0]!.topicId;
}

function onlyPartition(response: FetchResponse): FetchResponseResponsePartition {
  expect(response.errorCode).toBe(0);
  return response.responses[0]!.partitions[0]!;
}

function valuesOf(records: Buffer | null): (string | undefined)[] {
  const values: (string | undefined)[] = [];
  for (let at = 0; records !== null && at < records.length; at += 12 + records.readInt32BE(at + 8)) {
    for (const { value } of readRecords(records.subarray(at))) values.push(value?.toString());
  }
  return values;
}

/** Whether a promise has settled after the microtasks and immediates that are due. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('Fetch', () => {
  it.each([0, 1, 2, 3])(
    'gives messages that clients of version %i know, in a codec that the batch had',
    async (version) => {
      await produceTo(test, 't', batchOf(['a', 'b']));
      await produceTo(test, 't', batchOf(['c', 'd'], { compression: Compression.GZIP }));
      const read = async (offset: number): Promise<(string | undefined)[]> => {
        const partition = onlyPartition(await client.ask(Fetch, version, fetchBody({ topic: 't' }, offset)));
        expect(partition).toMatchObject({ errorCode: 0, highWatermark: 4 });
        expect(partition.records![16]).toBe(version <= 1 ? 0 : 1);
        return readRecords(convertUp(partition.records!)).map(({ value }) => value?.toString());
      };
      expect(await read(0)).toEqual(['a', 'b', 'c', 'd']);
      expect(await read(1)).toEqual(['b', 'c', 'd']);
      // A compressed message comes whole, with what lies before.
      expect(await read(3)).toEqual(['c', 'd']);
    },
  );

  it('tells old clients what they cannot have: no conversion, zstd, garbage', async () => {
    await test.createTopic('plain', 1, { 'message.downconversion.enable': 'false' });
    await produceTo(test, 'plain', batchOf(['a']));
    await produceTo(test, 't', batchOf(['z'], { compression: Compression.ZSTD }));
    await test.createTopic('bad');
    const garbage = batchOf(['g'], { compression: Compression.GZIP });
    garbage.fill(0xff, 71);
    refreshBatchCrc(garbage, 0);
    await produceTo(test, 'bad', garbage);
    const errorOf = async (topic: string, version: number): Promise<number> =>
      onlyPartition(await client.ask(Fetch, version, fetchBody({ topic }, 0))).errorCode;
    expect(await errorOf('plain', 3)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(await errorOf('plain', 4)).toBe(0);
    expect(await errorOf('t', 2)).toBe(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE);
    expect(await errorOf('bad', 3)).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect(await errorOf('bad', 12)).toBe(0);
  });

  it.each([4, 5, 7, 9, 11, 12])('gives records by the topic’s name in version %i', async (version) => {
    await produceTo(test, 't', batchOf(['a', 'b']));
    const partition = onlyPartition(await client.ask(Fetch, version, fetchBody({ topic: 't' }, 0)));
    expect(partition).toMatchObject({ errorCode: 0, highWatermark: 2 });
    expect(valuesOf(partition.records)).toEqual(['a', 'b']);
  });

  it.each([13, 16, 17])('gives records by the topic’s id in version %i', async (version) => {
    await produceTo(test, 't', batchOf(['a', 'b']));
    const topicId = await topicIdOf('t');
    const response = await client.ask(Fetch, version, fetchBody({ topicId }, 0));
    expect(response.responses[0]?.topicId).toBe(topicId);
    expect(valuesOf(onlyPartition(response).records)).toEqual(['a', 'b']);
  });

  it('gives whole batches from the one with the offset on', async () => {
    await produceTo(test, 't', batchOf(['a', 'b']));
    await produceTo(test, 't', batchOf(['c']));
    expect(valuesOf(onlyPartition(await fetchFrom(test, 't', 1)).records)).toEqual(['a', 'b', 'c']);
    expect(valuesOf(onlyPartition(await fetchFrom(test, 't', 2)).records)).toEqual(['c']);
    expect(onlyPartition(await fetchFrom(test, 't', 3))).toMatchObject({ errorCode: 0, highWatermark: 3 });
  });

  it('gives a batch that is larger than asked for, but no second one', async () => {
    await produceTo(test, 't', batchOf(['x'.repeat(500)]));
    await produceTo(test, 't', batchOf(['y']));
    const small = fetchBody({ topic: 't' }, 0, {}, { partitionMaxBytes: 10 });
    expect(valuesOf(onlyPartition(await client.ask(Fetch, 11, small)).records)).toEqual(['x'.repeat(500)]);
  });

  it.each([0, 1, 2])(
    'tells version %i of a batch that is larger than asked for by the front of a message, at once',
    async (version) => {
      await produceTo(test, 't', batchOf(['x'.repeat(500)]));
      const ask = async (partitionMaxBytes: number, minBytes = 1_000_000) => {
        const body = fetchBody({ topic: 't' }, 0, { minBytes, maxWaitMs: 600_000 }, { partitionMaxBytes });
        return onlyPartition(await client.ask(Fetch, version, body)).records!;
      };
      const front = await ask(100);
      expect(front.length).toBe(12);
      expect(front.readInt32BE(8)).toBeGreaterThan(100);
      expect((await ask(5)).length).toBe(5);
      expect(readRecords(convertUp(await ask(1000, 1)))).toHaveLength(1);
      // Who asks for nothing, or where there is nothing, gets nothing.
      const none = fetchBody({ topic: 't' }, 1, { maxWaitMs: 0 }, { partitionMaxBytes: 100 });
      expect(onlyPartition(await client.ask(Fetch, version, none)).records?.length).toBe(0);
    },
  );

  it('fills the response up to its limit, partition by partition', async () => {
    await test.createTopic('two', 2);
    const records = batchOf(['x'.repeat(300)]);
    await produceTo(test, 'two', Buffer.from(records));
    const body = (maxBytes: number): FetchRequestInput => ({
      ...fetchBody({ topic: 'two' }, 0, { maxBytes }),
      topics: [
        {
          topic: 'two',
          partitions: [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 100_000 })),
        },
      ],
    });
    const sizes = async (maxBytes: number): Promise<(number | undefined)[]> => {
      const { responses } = await client.ask(Fetch, 11, body(maxBytes));
      return responses[0]!.partitions.map((partition) => partition.records?.length);
    };
    expect(await sizes(1)).toEqual([records.length, 0]);
    expect(await sizes(100_000)).toEqual([records.length, 0]);
  });

  it('tells what is wrong with each partition', async () => {
    await produceTo(test, 't', batchOf(['a']));
    const errorOf = async (...body: Parameters<typeof fetchBody>): Promise<number> =>
      onlyPartition(await client.ask(Fetch, 11, fetchBody(...body))).errorCode;
    expect(await errorOf({ topic: 't' }, 2)).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(await errorOf({ topic: 'missing' }, 0)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await errorOf({ topic: 't' }, 0, {}, { partition: 5 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await errorOf({ topic: 't' }, 0, {}, { currentLeaderEpoch: 99 })).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
    const unknownId = fetchBody({ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }, 0);
    expect(onlyPartition(await client.ask(Fetch, 13, unknownId)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('tells where the logs part when the client has more of an epoch, and refuses one that never was', async () => {
    await produceTo(test, 't', batchOf(['a']));
    const ask = async (fetchOffset: number, lastFetchedEpoch: number) =>
      onlyPartition(await client.ask(Fetch, 12, fetchBody({ topic: 't' }, fetchOffset, {}, { lastFetchedEpoch })));
    expect(await ask(5, 0)).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: 0, endOffset: 1 } });
    expect(await ask(1, 0)).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: -1, endOffset: -1 } });
    expect(await ask(1, 7)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
  });

  it('gives read_committed the last stable offset and a list of aborted transactions', async () => {
    await produceTo(test, 't', batchOf(['a']));
    const response = await client.ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { isolationLevel: 1 }));
    expect(onlyPartition(response)).toMatchObject({ lastStableOffset: 1, abortedTransactions: [] });
    const uncommitted = await client.ask(Fetch, 11, fetchBody({ topic: 't' }, 0));
    expect(onlyPartition(uncommitted).abortedTransactions).toBeNull();
  });
});

describe('a Fetch that waits', () => {
  const waiting = (overrides: Partial<FetchRequestInput> = {}): Promise<FetchResponse> =>
    client.ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { maxWaitMs: 500, ...overrides }));

  it('is answered as soon as there is a record', async () => {
    const answer = waiting();
    expect(await isSettled(answer)).toBe(false);
    await produceTo(test, 't', batchOf(['a']));
    expect(valuesOf(onlyPartition(await answer).records)).toEqual(['a']);
  });

  it('is answered empty when its time is over, and not before', async () => {
    const answer = waiting();
    await test.clock.advanceAsync(499);
    expect(await isSettled(answer)).toBe(false);
    await test.clock.advanceAsync(1);
    expect(onlyPartition(await answer).records?.length).toBe(0);
  });

  it('waits until it has its least number of bytes', async () => {
    const size = batchOf(['a']).length;
    const answer = waiting({ minBytes: 3 * size });
    await produceTo(test, 't', batchOf(['a']));
    await produceTo(test, 't', batchOf(['b']));
    expect(await isSettled(answer)).toBe(false);
    await produceTo(test, 't', batchOf(['c']));
    expect(valuesOf(onlyPartition(await answer).records)).toEqual(['a', 'b', 'c']);
  });

  it('does not wait when something is wrong with a partition, or its topic goes', async () => {
    expect(
      onlyPartition(await client.ask(Fetch, 11, fetchBody({ topic: 'no' }, 0, { maxWaitMs: 500 }))).errorCode,
    ).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const answer = waiting();
    expect(await isSettled(answer)).toBe(false);
    test.broker.services.replicas.close();
    expect(onlyPartition(await answer).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  });

  it('ends with its connection, and with the broker', async () => {
    const { fetchWaits, deadlines } = test.broker.services;
    void waiting();
    expect([fetchWaits.size, await isSettled(waiting())]).toEqual([1, false]);
    client.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(fetchWaits.size).toBe(0);
    const other = test.connect();
    const answer = other.ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { maxWaitMs: 500 }));
    test.broker.finishWaits();
    expect(onlyPartition(await answer).errorCode).toBe(0);
    expect(deadlines.size).toBe(0);
  });
});

describe('fetch sessions', () => {
  it('tell only of partitions with news, and take offsets from request to request', async () => {
    await test.createTopic('two', 2);
    const all = {
      ...fetchBody({ topic: 'two' }, 0, { sessionEpoch: 0 }),
      topics: [
        {
          topic: 'two',
          partitions: [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })),
        },
      ],
    };
    const first = await client.ask(Fetch, 11, all);
    expect(first.sessionId).toBeGreaterThan(0);
    expect(first.responses[0]?.partitions.length).toBe(2);
    await produceTo(test, 'two', batchOf(['a']));
    const next = (sessionEpoch: number, topics: FetchRequestInput['topics'] = []): Promise<FetchResponse> =>
      client.ask(Fetch, 11, { ...all, sessionId: first.sessionId, sessionEpoch, topics });
    const second = await next(1);
    expect(second.responses[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0]);
    const read = [{ topic: 'two', partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1000 }] }];
    expect((await next(2, read)).responses).toEqual([]);
    expect((await next(2)).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
  });

  it('go by topic ids from version 13 on', async () => {
    const topicId = await topicIdOf('t');
    const first = await client.ask(Fetch, 13, fetchBody({ topicId }, 0, { sessionEpoch: 0 }));
    await produceTo(test, 't', batchOf(['a']));
    const { sessionId } = first;
    const second = await client.ask(Fetch, 13, {
      ...fetchBody({ topicId }, 0),
      sessionId,
      sessionEpoch: 1,
      topics: [],
    });
    expect(second.responses[0]?.topicId).toBe(topicId);
    expect(valuesOf(onlyPartition(second).records)).toEqual(['a']);
    const byName = await client.ask(Fetch, 12, {
      ...fetchBody({ topic: 't' }, 0),
      sessionId,
      sessionEpoch: 2,
      topics: [],
    });
    expect(byName.errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
  });
});
