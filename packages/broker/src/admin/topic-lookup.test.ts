import { MemoryMetadataStore, type MetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { ErrorCode, FindCoordinator, OffsetCommit, OffsetFetch } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ClusterImage } from '../cluster/cluster-image.ts';
import { silentLogger } from '../shared/logger.ts';
import { encodeTopic, paths, settledAssignment } from '../store/znodes.ts';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';
import { TopicLookup } from './topic-lookup.ts';

const {
  NONE,
  UNKNOWN_TOPIC_OR_PARTITION: UNKNOWN,
  COORDINATOR_NOT_AVAILABLE: UNSURE,
  INVALID_TOPIC_EXCEPTION: INVALID,
} = ErrorCode;
const ID = 'untoldAAAAAAAAAAAAAAAA';
/** A broker that never was, so no controller can tell anybody of a leader. */
const NOBODY = 9;

async function addUntold(store: MetadataStore, partitions = 2): Promise<void> {
  const assignments = Array.from({ length: partitions }, () => settledAssignment([NOBODY]));
  await store.create(paths.topic('untold'), encodeTopic(ID, assignments));
}

async function treeWith(...nodes: readonly string[]): Promise<MetadataStore> {
  const store = new MemoryMetadataStore({ clock: new ManualClock() }).openSession();
  for (const path of ['/brokers', '/brokers/topics', '/admin', '/admin/delete_topics', ...nodes]) {
    await store.create(path, Buffer.alloc(0));
  }
  return store;
}

function lookupIn(store: MetadataStore, cluster = new ClusterImage(), clock = new ManualClock()): TopicLookup {
  return new TopicLookup({ store, cluster, clock, logger: silentLogger });
}

describe('a topic that this broker has not been told of', () => {
  it('is found in the store, with its partitions and no others', async () => {
    const store = await treeWith();
    await addUntold(store);
    const lookup = lookupIn(store).forRequest();
    expect(await lookup.errorOf('untold', 1)).toBe(NONE);
    expect([0, 1, 2, -1].map((partition) => lookup.errorOf('untold', partition))).toEqual([
      NONE,
      NONE,
      UNKNOWN,
      UNKNOWN,
    ]);
    expect(await lookup.errorOf('never', 0)).toBe(UNKNOWN);
    expect(await lookup.errorOf('no/name', 0)).toBe(INVALID);
  });

  it('is not there while it is being deleted, nor where its deletion has been told', async () => {
    const store = await treeWith(paths.deleteTopic('untold'));
    await addUntold(store);
    expect(await lookupIn(store).forRequest().errorOf('untold', 0)).toBe(UNKNOWN);
    await store.delete(paths.deleteTopic('untold'), 'any');
    const cluster = new ClusterImage();
    expect(await lookupIn(store, cluster).forRequest().errorOf('untold', 0)).toBe(NONE);
    const gone = { topic: 'untold', topicId: ID, partition: 0, controllerEpoch: 1, leader: -2, leaderEpoch: 0 };
    const rest = { isr: [], partitionEpoch: 0, replicas: [NOBODY], offlineReplicas: [] };
    const partitions = [{ ...gone, ...rest }];
    cluster.apply({ controllerId: 1, controllerEpoch: 1, liveBrokers: [], brokerEpoch: -1, partitions });
    expect(await lookupIn(store, cluster).forRequest().errorOf('untold', 0)).toBe(UNKNOWN);
  });

  it('is to be asked for again where the store does not answer in time, or what it says cannot be read', async () => {
    const clock = new ManualClock();
    const store = await treeWith();
    const silent = Object.assign(Object.create(store), { get: () => new Promise(() => {}) }) as MetadataStore;
    const asked = lookupIn(silent, new ClusterImage(), clock).forRequest().errorOf('untold', 0);
    await clock.advance(1000);
    expect(await asked).toBe(UNSURE);
    await store.create(paths.topic('untold'), Buffer.from('{'));
    expect(await lookupIn(store).forRequest().errorOf('untold', 0)).toBe(UNSURE);
  });

  it('costs no more looks at once than 100, and no more for one request than 1,000', async () => {
    let looks = 0;
    const store = await treeWith();
    const counting = Object.assign(Object.create(store), {
      get: (path: string) => {
        looks += 1;
        return store.get(path);
      },
    }) as MetadataStore;
    const lookup = lookupIn(counting);
    const names = Array.from({ length: 1500 }, (_, index) => `t${index}`);
    const atOnce = await Promise.all(names.slice(0, 150).map((name) => lookup.forRequest().errorOf(name, 0)));
    expect([looks, atOnce.filter((code) => code === UNSURE).length]).toEqual([100, 50]);
    const request = lookup.forRequest();
    for (const name of names) expect(await request.errorOf(name, 0)).toBe(UNKNOWN);
    expect(looks).toBe(1100);
  });
});

/** A broker that coordinates groups and was not told of the topic. */
async function withUntold(): Promise<BrokerUnderTest> {
  const test = await BrokerUnderTest.start();
  const found = await test.connect().ask(FindCoordinator, 3, { key: 'g', keyType: 0 });
  expect(found.errorCode).toBe(NONE);
  await addUntold(test.store.openSession());
  return test;
}

describe('a coordinator whose broker has not been told of a topic', () => {
  it('takes offsets for it, in all ways', async () => {
    const test = await withUntold();
    const partitions = [0, 7].map((partitionIndex) => ({ partitionIndex, committedOffset: 5, committedMetadata: '' }));
    for (const version of [0, 8]) {
      const body = { groupId: 'g', memberId: '', topics: [{ name: 'untold', partitions }] };
      const { topics } = await test.connect().ask(OffsetCommit, version, body);
      expect(topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([NONE, UNKNOWN]);
      const topicsToFetch = [{ name: 'untold', partitionIndexes: [0] }];
      const fetched = await test
        .connect()
        .ask(OffsetFetch, Math.min(version, 7), { groupId: 'g', topics: topicsToFetch });
      expect(fetched.topics[0]!.partitions).toMatchObject([{ committedOffset: 5, errorCode: NONE }]);
    }
    await test.stop();
  });

  it.each([false, true])('takes it into transactions (of the new protocol: %s)', async (isRaising) => {
    const test = await withUntold();
    const producer = await TestProducer.start(test, 'p', isRaising);
    if (!isRaising) {
      expect(await producer.add('untold', [0])).toBe(NONE);
      expect(await producer.add('untold', [2])).toBe(UNKNOWN);
      expect(await producer.addOffsets('g')).toBe(NONE);
    }
    expect(await producer.commitOffset('g', 'untold', 3)).toBe(NONE);
    expect(await producer.commitOffset('g', 'never', 3)).toBe(UNKNOWN);
    await test.stop();
  });
});
