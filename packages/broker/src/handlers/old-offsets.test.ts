import { ErrorCode, OffsetCommit, OffsetFetch } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest } from '../testing/test-broker.ts';

let test: BrokerUnderTest;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
  await test.createTopic('t', 2);
});

afterEach(() => test.stop());

const WANTED = [{ name: 't', partitionIndexes: [0, 1, 7] }];
const UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;

async function commit(groupId: string, committedOffset: number, committedMetadata: string | null = null) {
  const partitions = [0, 7].map((partitionIndex) => ({ partitionIndex, committedOffset, committedMetadata }));
  const answer = await test.connect().ask(OffsetCommit, 0, { groupId, topics: [{ name: 't', partitions }] });
  return answer.topics[0]!.partitions.map(({ errorCode }) => errorCode);
}

async function fetched(version: number, groupId = 'g') {
  const answer = await test.connect().ask(OffsetFetch, version, { groupId, topics: WANTED });
  return answer.topics[0]!.partitions.map(({ committedOffset, metadata, errorCode }) => [
    committedOffset,
    metadata,
    errorCode,
  ]);
}

describe('version 0 of OffsetCommit and OffsetFetch', () => {
  it('keeps offsets where Kafka on ZooKeeper does, beside those of the group', async () => {
    for (const offset of [42, 41]) {
      expect(await commit('g', offset)).toEqual([0, UNKNOWN]);
      const node = await test.store.openSession().get('/consumers/g/offsets/t/0');
      expect(node.data.toString()).toBe(String(offset));
    }
    expect(await fetched(0)).toEqual([
      [41, '', 0],
      [-1, '', UNKNOWN],
      [-1, '', UNKNOWN],
    ]);
    expect((await fetched(1))[0]![0]).toBe(-1);
  });

  it('writes a partition once that a request names many times, with what it says last', async () => {
    const partitions = [1, 2, 3].map((offset) => ({
      partitionIndex: 0,
      committedOffset: offset,
      committedMetadata: '',
    }));
    const topics = [
      { name: 't', partitions },
      { name: 't', partitions: partitions.slice(0, 1) },
    ];
    const answer = await test.connect().ask(OffsetCommit, 0, { groupId: 'g', topics });
    const codes = answer.topics.map((topic) => topic.partitions.map(({ errorCode }) => errorCode));
    expect(codes).toEqual([[0, 0, 0], [0]]);
    const { data, stat } = await test.store.openSession().get('/consumers/g/offsets/t/0');
    // Made, and then set.
    expect([data.toString(), stat.version]).toEqual(['1', 1]);
  });

  it('writes again what may not have been written', async () => {
    test.loseNextWrite('after');
    expect(await commit('g', 5)).toEqual([0, UNKNOWN]);
    expect((await fetched(0))[0]).toEqual([5, '', 0]);
  });

  it('refuses what cannot be kept', async () => {
    expect(await commit('g', 1, 'm'.repeat(5000))).toEqual([ErrorCode.OFFSET_METADATA_TOO_LARGE, UNKNOWN]);
  });

  it.each(['', '.', '..', 'a/b', 'a\u0000', 'g'.repeat(600)])(
    'takes no group id that is no name of a node: %j',
    async (groupId) => {
      expect(await commit(groupId, 1)).toEqual([ErrorCode.INVALID_GROUP_ID, ErrorCode.INVALID_GROUP_ID]);
      expect((await fetched(0, groupId))[0]).toEqual([-1, '', ErrorCode.INVALID_GROUP_ID]);
    },
  );

  it('says that a node holds no offset, once it does not', async () => {
    await commit('g', 1);
    await test.store.openSession().set('/consumers/g/offsets/t/0', Buffer.from('nonsense'), 'any');
    expect((await fetched(0))[0]).toEqual([-1, '', ErrorCode.UNKNOWN_SERVER_ERROR]);
  });
});
