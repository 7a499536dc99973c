import {
  AlterReplicaLogDirs,
  DeleteRecords,
  DescribeLogDirs,
  ErrorCode,
  InitProducerId,
  ListOffsets,
  OffsetForLeaderEpoch,
  type ListOffsetsResponseTopicPartition as OffsetResponse,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, batchOf, fetchFrom, produceTo, type TestConnection } from '../testing/test-broker.ts';

const START_MS = 1_700_000_000_000;
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;

let test: BrokerUnderTest;
let client: TestConnection;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  await test.createTopic('t');
  client = test.connect();
  await produceTo(test, 't', batchOf(['a', 'b'], {}, START_MS + 10));
  await produceTo(test, 't', batchOf(['c'], {}, START_MS + 30));
  await produceTo(test, 't', batchOf(['d'], {}, START_MS + 20));
});

afterEach(() => test.stop());

async function offsetOf(
  version: number,
  timestamp: number,
  overrides: object = {},
  topic = 't',
): Promise<OffsetResponse> {
  const partition = { partitionIndex: 0, timestamp, ...overrides };
  const answer = await client.ask(ListOffsets, version, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: [partition] }],
  });
  return answer.topics[0]!.partitions[0]!;
}

describe('ListOffsets', () => {
  it.each([1, 2, 4, 6, 9])('finds the ends and times in version %i', async (version) => {
    expect(await offsetOf(version, LATEST)).toMatchObject({ errorCode: 0, offset: 4, timestamp: -1 });
    expect(await offsetOf(version, EARLIEST)).toMatchObject({ errorCode: 0, offset: 0, timestamp: -1 });
    expect(await offsetOf(version, START_MS + 11)).toMatchObject({ offset: 2, timestamp: START_MS + 30 });
    expect(await offsetOf(version, START_MS + 99)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 });
    if (version >= 4) expect((await offsetOf(version, LATEST)).leaderEpoch).toBe(0);
  });

  it('answers v0 with a list', async () => {
    expect(await offsetOf(0, LATEST, { maxNumOffsets: 2 })).toMatchObject({ errorCode: 0, oldStyleOffsets: [4, 0] });
    expect(await offsetOf(0, LATEST)).toMatchObject({ oldStyleOffsets: [4] });
    expect(await offsetOf(0, EARLIEST)).toMatchObject({ oldStyleOffsets: [0] });
  });

  it('answers v0 with where segments begin, newest first, and the end', async () => {
    await test.createTopic('rolled', 1, { 'segment.bytes': '300' });
    for (const values of [['a', 'b'], ['c'], ['d', 'e', 'f']]) {
      await produceTo(test, 'rolled', batchOf([...values, 'x'.repeat(120)], {}, START_MS));
    }
    const all = { maxNumOffsets: 9 };
    expect(await offsetOf(0, LATEST, all, 'rolled')).toMatchObject({ oldStyleOffsets: [9, 5, 3, 0] });
    expect(await offsetOf(0, LATEST, { maxNumOffsets: 2 }, 'rolled')).toMatchObject({ oldStyleOffsets: [9, 5] });
    expect(await offsetOf(0, EARLIEST, all, 'rolled')).toMatchObject({ oldStyleOffsets: [0] });
  });

  it('knows the special times that came later only in the versions that have them', async () => {
    expect(await offsetOf(7, MAX_TIMESTAMP)).toMatchObject({ errorCode: 0, offset: 2, timestamp: START_MS + 30 });
    expect(await offsetOf(6, MAX_TIMESTAMP)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    expect(await offsetOf(8, -4)).toMatchObject({ errorCode: 0, offset: 0 });
    expect(await offsetOf(9, -5)).toMatchObject({ errorCode: 0, offset: -1 });
    expect(await offsetOf(9, -77)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
  });

  it('tells of damage in the way of a search', async () => {
    const { path } = test.disk.filesBelow('/data/t-0').find((file) => file.path.endsWith('.log'))!;
    test.disk.flipBit(path, 80, 1);
    expect(await offsetOf(4, START_MS + 11)).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE, offset: -1 });
    expect(await offsetOf(4, LATEST)).toMatchObject({ errorCode: 0, offset: 4 });
  });

  it('refuses what is unknown, out of date, or asked for twice', async () => {
    expect(await offsetOf(4, LATEST, { partitionIndex: 3 })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    expect(await offsetOf(4, LATEST, { currentLeaderEpoch: 5 })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH,
    });
    const twice = [0, 0].map((partitionIndex) => ({ partitionIndex, timestamp: LATEST }));
    const answer = await client.ask(ListOffsets, 4, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 't', partitions: twice }],
    });
    expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
    ]);
  });
});

describe('DeleteRecords', () => {
  const ask = async (version: number, offset: number, name = 't') => {
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }];
    return (await client.ask(DeleteRecords, version, { topics, timeoutMs: 1000 })).topics[0]!.partitions[0]!;
  };

  it.each([0, 2])('moves the log start in version %i', async (version) => {
    expect(await ask(version, 2)).toMatchObject({ errorCode: 0, lowWatermark: 2 });
    expect((await offsetOf(4, EARLIEST)).offset).toBe(2);
    expect((await fetchFrom(test, 't', 1)).responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  });

  it('takes -1 for the high watermark, and refuses what lies above it', async () => {
    expect(await ask(1, 5)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, lowWatermark: -1 });
    expect(await ask(1, -1)).toMatchObject({ errorCode: 0, lowWatermark: 4 });
  });

  it('refuses topics that are only compacted, internal ones, and unknown ones', async () => {
    await test.createTopic('compacted', 1, { 'cleanup.policy': 'compact' });
    expect((await ask(1, 0, 'compacted')).errorCode).toBe(ErrorCode.POLICY_VIOLATION);
    expect((await ask(1, 0, '__consumer_offsets')).errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
    expect((await ask(1, 0, 'missing')).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });
});

describe('InitProducerId', () => {
  it.each([0, 1, 2, 4, 5])('gives each producer an id of its own in version %i', async (version) => {
    const ask = () => client.ask(InitProducerId, version, { transactionalId: null, transactionTimeoutMs: 0 });
    const [first, second] = [await ask(), await ask()];
    expect(first).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    expect(second.producerId).not.toBe(first.producerId);
  });

  it('never gives an id twice, not even after a restart', async () => {
    const ask = () => test.connect().ask(InitProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
    const { producerId } = await ask();
    await test.restart();
    expect((await ask()).producerId).toBeGreaterThan(producerId);
  });

  it('refuses transactional ids without a name, and timeouts that no transaction may have', async () => {
    const ask = async (transactionalId: string, transactionTimeoutMs: number) =>
      (await client.ask(InitProducerId, 4, { transactionalId, transactionTimeoutMs })).errorCode;
    expect(await ask('', 1000)).toBe(ErrorCode.INVALID_REQUEST);
    expect(await ask('x', 0)).toBe(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    expect(await ask('x', 900_001)).toBe(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
  });
});

describe('OffsetForLeaderEpoch', () => {
  const ask = async (version: number, leaderEpoch: number, overrides: object = {}) => {
    const topics = [{ topic: 't', partitions: [{ partition: 0, leaderEpoch, ...overrides }] }];
    return (await client.ask(OffsetForLeaderEpoch, version, { topics })).topics[0]!.partitions[0]!;
  };

  it.each([0, 2, 3, 4])('tells where an epoch ended in version %i', async (version) => {
    expect(await ask(version, 0)).toMatchObject({ errorCode: 0, endOffset: 4 });
    expect(await ask(version, 7)).toMatchObject({ errorCode: 0, endOffset: -1 });
  });

  it('tells where the epochs before a restart ended', async () => {
    await test.restart();
    client = test.connect();
    await produceTo(test, 't', batchOf(['e']));
    expect(await ask(4, 0)).toMatchObject({ errorCode: 0, leaderEpoch: 0, endOffset: 4 });
  });

  it('refuses who believes in another leader, and what is unknown', async () => {
    expect(await ask(4, 0, { currentLeaderEpoch: 9 })).toMatchObject({ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH });
    expect(await ask(4, 0, { partition: 9 })).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  });
});

describe('DescribeLogDirs', () => {
  it.each([0, 1, 2, 4])('tells of folders, partitions and sizes in version %i', async (version) => {
    const answer = await client.ask(DescribeLogDirs, version, { topics: null });
    expect(answer).toMatchObject({ errorCode: 0, results: [{ errorCode: 0, logDir: '/data' }] });
    const partition = answer.results[0]?.topics.find(({ name }) => name === 't')?.partitions[0];
    expect(partition).toMatchObject({ partitionIndex: 0, offsetLag: 0, isFutureKey: false });
    expect(partition?.partitionSize).toBe(batchOf(['a', 'b']).length + batchOf(['c']).length + batchOf(['d']).length);
  });

  it('tells how large the volume is and what room is left, where the disk tells it', async () => {
    const [unknown] = (await client.ask(DescribeLogDirs, 4, { topics: [] })).results;
    expect(unknown).toMatchObject({ totalBytes: -1, usableBytes: -1 });
    test.disk.capacityBytes = test.disk.usedBytes + 5000;
    const [known] = (await client.ask(DescribeLogDirs, 4, { topics: [] })).results;
    expect(known).toMatchObject({ totalBytes: test.disk.capacityBytes, usableBytes: 5000 });
    const fullLogDirs = async (): Promise<readonly string[]> => (await test.broker.health()).fullLogDirs;
    expect(await fullLogDirs()).toEqual(['/data']);
    test.disk.capacityBytes += 2 ** 20;
    expect(await fullLogDirs()).toEqual([]);
  });

  it('tells only of the partitions asked for, and of a folder that has failed', async () => {
    await test.createTopic('other', 2);
    const topics = [{ topic: 'other', partitions: [1] }];
    const some = await client.ask(DescribeLogDirs, 1, { topics });
    expect(some.results[0]?.topics).toMatchObject([{ name: 'other', partitions: [{ partitionIndex: 1 }] }]);
    test.disk.fault = ({ kind }) =>
      kind === 'write' ? Object.assign(new Error('broken'), { code: 'EIO' }) : undefined;
    await expect(produceTo(test, 't', batchOf(['x']))).rejects.toThrow(`error ${ErrorCode.KAFKA_STORAGE_ERROR}`);
    const failed = await client.ask(DescribeLogDirs, 1, { topics: null });
    expect(failed.results).toMatchObject([{ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, topics: [] }]);
    expect(await test.broker.health()).toMatchObject({ offlineLogDirs: ['/data'], fullLogDirs: [] });
  });
});

describe('AlterReplicaLogDirs', () => {
  const alter = async (version: number, path: string, name = 't', partitions: readonly number[] = [0]) => {
    const dirs = [{ path, topics: [{ name, partitions: [...partitions] }] }];
    const { results } = await client.ask(AlterReplicaLogDirs, version, { dirs });
    return results.flatMap(({ topicName, partitions: found }) => [
      topicName,
      ...found.map(({ errorCode }) => errorCode),
    ]);
  };
  const placesOf = async (name: string) => {
    const { results } = await client.ask(DescribeLogDirs, 4, { topics: null });
    return results.flatMap(({ logDir, topics }) =>
      topics
        .filter((topic) => topic.name === name)
        .flatMap((topic) => topic.partitions.map((each) => ({ logDir, ...each }))),
    );
  };
  const settled = async (name: string): Promise<string> => {
    for (;;) {
      const places = await placesOf(name);
      if (places.length === 1 && places[0]!.isFutureKey === false) return places[0]!.logDir;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  beforeEach(async () => {
    await test.stop();
    test = await BrokerUnderTest.start({ 'log.dirs': '/data,/other' });
    await test.createTopic('t');
    client = test.connect();
    await produceTo(test, 't', batchOf(['a', 'b']));
  });

  it.each([0, 1, 2])('moves a partition that is read and written in version %i', async (version) => {
    const from = await settled('t');
    const to = from === '/data' ? '/other' : '/data';
    expect(await alter(version, to)).toEqual(['t', 0]);
    await produceTo(test, 't', batchOf(['c']));
    expect(await settled('t')).toBe(to);
    await produceTo(test, 't', batchOf(['d']));
    expect(await offsetOf(4, LATEST)).toMatchObject({ errorCode: 0, offset: 4 });
    expect((await fetchFrom(test, 't', 0)).errorCode).toBe(0);
    // Where it is already is no move.
    expect(await alter(version, to)).toEqual(['t', 0]);
    expect(await settled('t')).toBe(to);
  });

  it('shows a copy that is on its way, how large it is and how far behind', async () => {
    const rate = 'replica.alter.log.dirs.io.max.bytes.per.second';
    await test.stop();
    test = await BrokerUnderTest.start({ 'log.dirs': '/data,/other', [rate]: '1' });
    await test.createTopic('t');
    client = test.connect();
    await produceTo(test, 't', batchOf(['a', 'b']));
    const from = await settled('t');
    await alter(2, from === '/data' ? '/other' : '/data');
    const copy = async () => (await placesOf('t')).find(({ isFutureKey }) => isFutureKey);
    while ((await copy()) === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await copy()).toMatchObject({ logDir: from === '/data' ? '/other' : '/data', offsetLag: 2 });
    const back = alter(2, from);
    await test.clock.advanceAsync(2000);
    expect(await back).toEqual(['t', 0]);
    expect(await settled('t')).toBe(from);
  });

  it('answers as Kafka does for what is not there', async () => {
    expect(await alter(2, '/nowhere')).toEqual(['t', ErrorCode.LOG_DIR_NOT_FOUND]);
    expect(await alter(2, '/other', 'nobody')).toEqual(['nobody', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    expect(await alter(2, '/other', 't', [0, 7])).toEqual(['t', 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    expect(await alter(2, '/other', 'a'.repeat(230))).toEqual(['a'.repeat(230), ErrorCode.INVALID_TOPIC_EXCEPTION]);
    expect(await alter(2, '/other', '../t')).toEqual(['../t', ErrorCode.INVALID_TOPIC_EXCEPTION]);
  });

  it('has a partition made where it is wished for', async () => {
    await alter(2, '/other', 'later');
    await alter(2, '/data', 'later', [1]);
    await test.createTopic('later', 2);
    expect((await placesOf('later')).map(({ logDir, partitionIndex }) => [partitionIndex, logDir]).toSorted()).toEqual([
      [0, '/other'],
      [1, '/data'],
    ]);
  });
});
