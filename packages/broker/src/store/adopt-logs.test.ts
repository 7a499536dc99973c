import { MemoryMetadataStore } from '@millrace/metadata';
import { seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { adoptLogs, compareWithStore } from './adopt-logs.ts';
import type { FoundLog } from './found-logs.ts';
import { assertLogsKnown } from './logs-known.ts';
import {
  decodeConfig,
  decodeControllerEpoch,
  decodePartitionState,
  decodeProducerIdBlock,
  decodeTopic,
  encodePartitionState,
  encodeProducerIdBlock,
  encodeTopic,
  paths,
  settledAssignment,
} from './znodes.ts';

const NOW_MS = 1_790_000_000_000;
const ID = 'hjJbGqW-RXmPYLiRzAvnkA';
const log = (topic: string, partition: number, leaderEpoch = -1, topicId: string | undefined = ID): FoundLog => ({
  topic,
  partition,
  leaderEpoch,
  topicId,
});

const adopt = (store: MemoryMetadataStore, logs: FoundLog[], clusterId?: string, restorations = 0) =>
  adoptLogs(store, { logs, brokerId: 7, clusterId, restorations, random: seededRandom(1), nowMs: NOW_MS });

async function stateOf(store: MemoryMetadataStore, topic: string, partition: number) {
  const path = paths.partitionState(topic, partition);
  return decodePartitionState(path, (await store.get(path)).data);
}

describe('a store that is made from logs', () => {
  it('has their topics with their ids, partitions and epochs, and the cluster id of their folders', async () => {
    const store = new MemoryMetadataStore();
    const adoption = await adopt(store, [log('a', 0, 4), log('a', 2, 9), log('__consumer_offsets', 0)], 'the-cluster');
    expect(adoption.topics).toEqual([
      { name: 'a', partitions: 3, missing: [1] },
      { name: '__consumer_offsets', partitions: 1, missing: [] },
    ]);
    const topic = decodeTopic('a', (await store.get(paths.topic('a'))).data);
    expect(topic).toEqual({ topicId: ID, partitions: Array(3).fill(settledAssignment([7])) });
    expect(await stateOf(store, 'a', 2)).toMatchObject({ leader: 7, leaderEpoch: 1009, isr: [7] });
    expect(await stateOf(store, 'a', 1)).toMatchObject({ leader: 7, leaderEpoch: 1000 });
    expect(String((await store.get(paths.clusterId)).data)).toContain('the-cluster');
    const config = paths.topicConfig('__consumer_offsets');
    expect(decodeConfig(config, (await store.get(config)).data)).toEqual({ 'cleanup.policy': 'compact' });
    expect(await compareWithStore(store, [log('a', 0, 4)])).toEqual({ unknown: [], ahead: [], misnamed: [] });
  });

  it('comes to epochs above those of earlier restorations, though nothing of what came of them can be read', async () => {
    const epochs: number[][] = [];
    for (const restorations of [0, 1, 2]) {
      // Each time it is the same state of long ago that is whole.
      const store = new MemoryMetadataStore();
      await adopt(store, [log('a', 0, 4)], undefined, restorations);
      const controllerEpoch = decodeControllerEpoch((await store.get(paths.controllerEpoch)).data);
      epochs.push([controllerEpoch, (await stateOf(store, 'a', 0)).leaderEpoch]);
    }
    expect(epochs).toEqual([
      [1000, 1004],
      [2000, 2004],
      [3000, 3004],
    ]);
  });

  it('takes the id that most of a topic’s logs name', async () => {
    const store = new MemoryMetadataStore();
    await adopt(store, [log('a', 0, 0, 'damaged'), log('a', 1), log('a', 2), log('a', 3, 0, undefined)]);
    expect(decodeTopic('a', (await store.get(paths.topic('a'))).data).topicId).toBe(ID);
  });
});

describe('a store that is made from the logs of several brokers', () => {
  /** A log of a broker, with so many records. */
  const on = (brokerId: number, partition: number, leaderEpoch: number, endOffset: number): FoundLog => ({
    ...log('a', partition, leaderEpoch),
    brokerId,
    endOffset: () => Promise.resolve(endOffset),
  });

  it('has replicas where the logs lie, and those in sync that have all that any of them has', async () => {
    const store = new MemoryMetadataStore();
    // Of partition 1 broker 2 has most; in partition 2 broker 3 has been in an epoch that the longer log of broker 1 has not seen.
    const logs = [on(1, 0, 4, 10), on(2, 0, 4, 10), on(3, 0, 4, 10), on(1, 1, 4, 8), on(2, 1, 4, 9), on(3, 1, 3, 20)];
    await adopt(store, [...logs, on(1, 2, 4, 30), on(3, 2, 5, 9)]);
    const topic = decodeTopic('a', (await store.get(paths.topic('a'))).data);
    expect(topic.partitions.map(({ replicas }) => replicas)).toEqual([
      [1, 2, 3],
      [2, 1, 3],
      [3, 1],
    ]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 1, isr: [1, 2, 3], leaderEpoch: 1004 });
    expect(await stateOf(store, 'a', 1)).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 1004 });
    expect(await stateOf(store, 'a', 2)).toMatchObject({ leader: 3, isr: [3], leaderEpoch: 1005 });
  });

  it('has leaders spread where all have the same', async () => {
    const store = new MemoryMetadataStore();
    await adopt(
      store,
      [1, 2, 3].flatMap((id) => [on(id, 0, 0, 5), on(id, 1, 0, 5), on(id, 2, 0, 5)]),
    );
    const leaders = await Promise.all(
      [0, 1, 2].map(async (partition) => (await stateOf(store, 'a', partition)).leader),
    );
    expect(leaders).toEqual([1, 2, 3]);
  });

  it('takes no log for the one with everything whose epoch is damaged', async () => {
    const store = new MemoryMetadataStore();
    await adopt(store, [on(1, 0, 4, 10), on(2, 0, 2 ** 30 + 4, 3)]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 1004 });
  });

  it('has in sync by the logs where the state is an older one, though it had others in sync', async () => {
    const store = new MemoryMetadataStore();
    await adopt(store, [on(1, 0, 4, 10), on(2, 0, 4, 10), on(3, 0, 4, 10)]);
    const behind = encodePartitionState({ ...(await stateOf(store, 'a', 0)), leaderEpoch: 2 });
    await store.set(paths.partitionState('a', 0), behind, 'any');
    // Brokers 1 and 3 have been away since.
    await adopt(store, [on(1, 0, 2, 10), on(2, 0, 5, 12), on(3, 0, 5, 11)]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 1005 });
    // Since then it has moved where the state that is read now knows nothing of.
    await store.set(paths.partitionState('a', 0), behind, 'any');
    await adopt(store, [on(4, 0, 9, 12), on(5, 0, 9, 12), on(2, 0, 5, 12)]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 4, isr: [4, 5], leaderEpoch: 1009 });
    const topic = decodeTopic('a', (await store.get(paths.topic('a'))).data);
    expect(topic).toMatchObject({ topicId: ID, partitions: [{ replicas: [4, 5, 2] }] });
  });

  it('keeps who is in sync where the state is not behind', async () => {
    const store = new MemoryMetadataStore();
    await adopt(store, [on(1, 0, 4, 10), on(2, 0, 4, 10)]);
    const state = { ...(await stateOf(store, 'a', 0)), leader: 1, isr: [1] };
    await store.set(paths.partitionState('a', 0), encodePartitionState(state), 'any');
    await adopt(store, [on(1, 0, 4, 10), on(2, 0, 4, 12)]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 1, isr: [1] });
  });
});

describe('a store that is behind its logs', () => {
  async function oldStore(): Promise<MemoryMetadataStore> {
    const store = new MemoryMetadataStore();
    await adopt(store, [log('a', 0, 3)]);
    await store.set(paths.controllerEpoch, Buffer.from('5'), 'any');
    const path = paths.partitionState('a', 0);
    const state = await stateOf(store, 'a', 0);
    await store.set(path, encodePartitionState({ ...state, leaderEpoch: 3 }), 'any');
    return store;
  }

  it('gets the partitions it lacks, keeps what it has, and goes on above every epoch and producer id', async () => {
    const store = await oldStore();
    const block = { brokerId: 7, first: 0, last: NOW_MS + 5000 };
    await store.set(paths.producerIdBlock, encodeProducerIdBlock(block), 'any');
    const adoption = await adopt(store, [log('a', 0, 12), log('a', 1, 2)]);
    expect(adoption).toEqual({ topics: [{ name: 'a', partitions: 2, missing: [] }], raised: 1 });
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leaderEpoch: 1012 });
    expect(await stateOf(store, 'a', 1)).toMatchObject({ leaderEpoch: 1002 });
    expect(decodeControllerEpoch((await store.get(paths.controllerEpoch)).data)).toBeGreaterThan(1000);
    expect(decodeProducerIdBlock((await store.get(paths.producerIdBlock)).data)?.last).toBe(NOW_MS + 5000);
  });

  it('gets states for partitions that were made after it, with epochs above all that clients can have been told', async () => {
    const store = await oldStore();
    await store.delete(paths.partitionState('a', 0), 'any');
    await store.delete(paths.partition('a', 0), 'any');
    await adopt(store, [log('a', 0, 12)]);
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leader: 7, leaderEpoch: 1012, isr: [7] });
  });

  it('is refused at a start where topics are missing, with their names and what to do', async () => {
    const store = await oldStore();
    await store.set(paths.topic('a'), encodeTopic(ID, [settledAssignment([7])]), 'any');
    const logs = Array.from({ length: 9 }, (_, index) => log('gone', index));
    await expect(assertLogsKnown(store, [log('a', 0), ...logs], told())).rejects.toMatchObject({
      code: 'BROKER_METADATA_BEHIND',
      message: expect.stringMatching(/gone-0, gone-1, gone-2, gone-3, gone-4 and 4 more.*metadata restore/),
    });
  });

  it('has its leader epochs raised at a start, and says so', async () => {
    const store = await oldStore();
    const warnings: string[] = [];
    await assertLogsKnown(store, [log('a', 0, 9)], told({ warn: (_, message) => warnings.push(message) }));
    expect(await stateOf(store, 'a', 0)).toMatchObject({ leaderEpoch: 1009, leader: 7 });
    // What nobody's log knows goes on above all that can have been, too.
    expect(decodeControllerEpoch((await store.get(paths.controllerEpoch)).data)).toBe(1005);
    expect(decodeProducerIdBlock((await store.get(paths.producerIdBlock)).data)?.last).toBe(NOW_MS);
    expect(warnings).toEqual([expect.stringContaining('behind the leader epochs')]);
    await assertLogsKnown(store, [log('a', 0, 9)], told());
  });

  it('gives a log its topic id back whose small file names another, for that one has no checksum', async () => {
    const store = await oldStore();
    const corrected: unknown[] = [];
    const correct = async ({ topic, partition }: FoundLog, topicId: string) =>
      void corrected.push([topic, partition, topicId]);
    await assertLogsKnown(store, [log('a', 0, 0, 'AAAAAAAAAAAAAAAAAAAAAA')], { ...told(), correct });
    await assertLogsKnown(store, [log('a', 0, 0, undefined), log('a', 0)], { ...told(), correct });
    expect(corrected).toEqual([['a', 0, ID]]);
  });

  it('takes the id that all logs of a topic name, where it comes from an export that is older than the topic', async () => {
    const store = await oldStore();
    const newId = 'BBBBBBBBBBBBBBBBBBBBBB';
    await adopt(store, [log('a', 0, 3, newId), log('a', 1, 3, newId)]);
    expect(decodeTopic('a', (await store.get(paths.topic('a'))).data).topicId).toBe(newId);
  });
});

function told(logger: Partial<Logger> = {}) {
  return { logger: { ...silentLogger, ...logger }, brokerId: 7, nowMs: NOW_MS, correct: async () => {} };
}
