import { MemoryMetadataStore, type MetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { ErrorCode, FindCoordinator, OffsetCommit, OffsetFetch } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ClusterImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import { partitionOf } from '../shared/java-hash.ts';
import { silentLogger } from '../shared/logger.ts';
import { encodeTopic, paths, settledAssignment } from '../store/znodes.ts';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';
import { CoordinatorTopics } from './coordinator-topics.ts';

const ID = 'offsetsAAAAAAAAAAAAAAA';
const OTHER_ID = 'offsetsBBBBBBBBBBBBBBB';
const PARTITIONS = 3;
const IDS = Array.from({ length: 9 }, (_, index) => `g${index}`);
/** A broker that never was, so that its partition never has a leader. */
const NOBODY = 9;

function commit(test: BrokerUnderTest, groupId: string, committedOffset: number): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
  const body = { groupId, memberId: '', topics: [{ name: 'orders', partitions }] };
  const answer = test.connect().ask(OffsetCommit, 8, body);
  return answer.then(({ topics }) => topics[0]?.partitions[0]?.errorCode ?? -1);
}

/** The committed offset, or the error's name. */
async function committed(test: BrokerUnderTest, groupId: string): Promise<number | string> {
  const topics = [{ name: 'orders', partitionIndexes: [0] }];
  const answer = await test.connect().ask(OffsetFetch, 7, { groupId, topics });
  if (answer.errorCode === ErrorCode.NOT_COORDINATOR) return 'NOT_COORDINATOR';
  return answer.errorCode === 0 ? (answer.topics[0]?.partitions[0]?.committedOffset ?? -1) : `${answer.errorCode}`;
}

async function find(test: BrokerUnderTest, key: string, keyType: number): Promise<number> {
  return (await test.connect().ask(FindCoordinator, 3, { key, keyType })).errorCode;
}

function ofLast(id: string): boolean {
  return partitionOf(id, PARTITIONS) === PARTITIONS - 1;
}

describe('a topic of coordinators of whose last partition nobody has been told', () => {
  it('has all groups where they are, though the state of that partition cannot be read at the start', async () => {
    const test = await BrokerUnderTest.start({ 'offsets.topic.num.partitions': String(PARTITIONS) });
    await test.createTopic('orders');
    expect(await find(test, 'g0', 0)).toBe(ErrorCode.NONE);
    for (const [offset, id] of IDS.entries()) expect(await commit(test, id, offset)).toBe(ErrorCode.NONE);
    const store = test.store.openSession();
    const path = paths.partitionState(OFFSETS_TOPIC, PARTITIONS - 1);
    const { data } = await store.get(path);
    await store.set(path, Buffer.from('{'), 'any');
    await test.restart();
    for (const [offset, id] of IDS.entries()) {
      const { COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NONE } = ErrorCode;
      expect([id, await find(test, id, 0)]).toEqual([id, ofLast(id) ? COORDINATOR_NOT_AVAILABLE : NONE]);
      expect([id, await committed(test, id)]).toEqual([id, ofLast(id) ? 'NOT_COORDINATOR' : offset]);
      expect([id, await commit(test, id, offset)]).toEqual([id, ofLast(id) ? NOT_COORDINATOR : NONE]);
    }
    await store.set(path, data, 'any');
    const last = IDS.find(ofLast) as string;
    await expect.poll(() => committed(test, last), { timeout: 10_000 }).toBe(IDS.indexOf(last));
    for (const [offset, id] of IDS.entries()) expect([id, await committed(test, id)]).toEqual([id, offset]);
    await test.stop();
  });

  it('has transactions where they are, though the only replica of that partition was down when it was made', async () => {
    const test = BrokerUnderTest.make();
    const store = test.store.openSession();
    for (const path of ['/brokers', '/brokers/topics']) await store.create(path, Buffer.alloc(0));
    const assignments = [1, 1, NOBODY].map((id) => settledAssignment([id]));
    await store.create(paths.topic(TRANSACTIONS_TOPIC), encodeTopic(ID, assignments));
    await test.broker.start();
    await test.createTopic('orders');
    for (const id of IDS) {
      const wanted = ofLast(id) ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.NONE;
      expect([id, await find(test, id, 1)]).toEqual([id, wanted]);
      if (ofLast(id)) continue;
      const producer = await TestProducer.start(test, id);
      expect(await producer.add('orders')).toBe(ErrorCode.NONE);
      expect(await producer.addOffsets('g0')).toBe(ErrorCode.NONE);
    }
    await test.stop();
  });
});

/** The count of `__consumer_offsets` over a store of its own, and what the controller has told. */
async function counted(): Promise<{
  store: MetadataStore;
  topics: CoordinatorTopics;
  clock: ManualClock;
  tell(id: string, partition: number): void;
}> {
  const clock = new ManualClock();
  const store = new MemoryMetadataStore({ clock }).openSession();
  for (const path of ['/brokers', '/brokers/topics']) await store.create(path, Buffer.alloc(0));
  const cluster = new ClusterImage();
  const topics = new CoordinatorTopics({ store, cluster, clock, logger: silentLogger });
  await topics.load();
  const tell = (topicId: string, partition: number): void => {
    const state = { topic: OFFSETS_TOPIC, topicId, partition, controllerEpoch: 1, leader: 1, leaderEpoch: 0, isr: [1] };
    const partitions = [{ ...state, partitionEpoch: 0, replicas: [1], offlineReplicas: [] }];
    cluster.apply({ controllerId: 1, controllerEpoch: 1, liveBrokers: [], brokerEpoch: -1, partitions });
  };
  return { store, topics, clock, tell };
}

function nodeOf(id: string, partitions: number): Buffer {
  return encodeTopic(
    id,
    Array.from({ length: partitions }, () => settledAssignment([1])),
  );
}

const PATH = paths.topic(OFFSETS_TOPIC);

describe('the number of partitions', () => {
  it('follows the store: the topic comes, grows, goes, and comes again', async () => {
    const { store, topics, clock } = await counted();
    const count = async (): Promise<number | undefined> => {
      await clock.advance(0);
      return topics.partitionCount(OFFSETS_TOPIC);
    };
    expect(await count()).toBeUndefined();
    await store.create(PATH, nodeOf(ID, 50));
    expect(await count()).toBe(50);
    await store.set(PATH, nodeOf(ID, 60), 'any');
    expect(await count()).toBe(60);
    await store.set(PATH, Buffer.from('{'), 'any');
    expect(await count()).toBe(60);
    await store.delete(PATH, 'any');
    expect(await count()).toBeUndefined();
    await store.create(PATH, nodeOf(OTHER_ID, 7));
    expect(await count()).toBe(7);
  });

  it('is not known while what the controller tells is of another topic of the name, or of more partitions', async () => {
    const { store, topics, tell } = await counted();
    await store.create(PATH, nodeOf(ID, 2));
    expect(await topics.find(OFFSETS_TOPIC)).toBe(2);
    tell(ID, 0);
    expect(topics.partitionCount(OFFSETS_TOPIC)).toBe(2);
    tell(ID, 2);
    expect(topics.partitionCount(OFFSETS_TOPIC)).toBeUndefined();
    await store.set(PATH, nodeOf(ID, 4), 'any');
    expect(await topics.find(OFFSETS_TOPIC)).toBe(4);
    tell(OTHER_ID, 0);
    expect(await topics.find(OFFSETS_TOPIC)).toBeUndefined();
    await store.set(PATH, nodeOf(OTHER_ID, 1), 'any');
    expect(await topics.find(OFFSETS_TOPIC)).toBe(1);
  });

  it('is not waited for longer than a second where the store says nothing', async () => {
    const clock = new ManualClock();
    const store = { get: () => new Promise(() => {}) } as unknown as MetadataStore;
    const topics = new CoordinatorTopics({ store, cluster: new ClusterImage(), clock, logger: silentLogger });
    const found = topics.find(OFFSETS_TOPIC);
    await clock.advance(1000);
    expect(await found).toBeUndefined();
  });
});
