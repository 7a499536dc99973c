import { Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

/** Produces to the leader, letting time pass until it is answered. */
async function produced(leader: number, topic: string, values: readonly string[]): Promise<void> {
  const partitionData = [{ index: 0, records: batchOf(values) }];
  const topicData = [{ name: topic, partitionData }];
  const answer = cluster.ask(leader, Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await cluster.until('an answer to Produce', () => isAnswered);
  expect((await answer).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

const endsOf = (topic: string, ids = [1, 2, 3]): number[][] =>
  ids.map((id) => {
    const { log } = cluster.partition(id, topic);
    return [log.logEndOffset, log.highWatermark];
  });

const isrOf = (topic: string): readonly number[] => {
  const leader = cluster.leaderOf(topic);
  return leader < 0 ? [] : cluster.partition(leader, topic).isr.toSorted();
};

describe('a topic whose node has lost its id, as an old tool leaves it (KAFKA-14190)', () => {
  const node = '/brokers/topics/t';

  /** Three brokers with records, and a node without the id; resolves with the id. */
  async function stripped(): Promise<string> {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[1, 2, 3]]);
    await produced(1, 't', ['a', 'b']);
    const id = cluster.partition(1, 't').topicId;
    await cluster.store.set(node, Buffer.from('{"version":1,"partitions":{"0":[1,2,3]}}'), 'any');
    return id;
  }

  const idOf = async (): Promise<unknown> =>
    (JSON.parse((await cluster.store.get(node)).data.toString()) as Record<string, unknown>)['topic_id'];

  it('gets it back from the next controller, who was told of it', async () => {
    const id = await stripped();
    await cluster.kill(1);
    await cluster.until('another leader', () => cluster.leaderOf('t') > 1);
    expect(await idOf()).toBe(id);
    await cluster.start(1);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    await cluster.pass(600);
    expect(endsOf('t', [1])).toEqual([[2, 2]]);
  });

  it('gets it back from the logs when all brokers were down, and keeps its records', async () => {
    const id = await stripped();
    for (const each of [1, 2, 3]) await cluster.kill(each);
    for (const each of [2, 1, 3]) await cluster.start(each);
    await cluster.until('the full in-sync set', () => isrOf('t').join() === '1,2,3');
    expect(await idOf()).toBe(id);
    await cluster.pass(600);
    expect(endsOf('t')).toEqual([1, 2, 3].map(() => [2, 2]));
  });
});

describe('a follower that starts while nobody leads, twice (KAFKA-1647)', () => {
  it('still knows what was committed', async () => {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3]], { 'min.insync.replicas': '1' });
    for (let round = 0; round < 5; round += 1) await produced(2, 't', ['a']);
    await cluster.pass(6000, 100);
    await cluster.kill(3);
    await cluster.until('one in sync', () => isrOf('t').join() === '2');
    await cluster.kill(2);
    for (let life = 0; life < 2; life += 1) {
      await cluster.start(3);
      await cluster.pass(6000, 100);
      expect(cluster.leaderOf('t')).toBe(-1);
      expect(endsOf('t', [3])).toEqual([[5, 5]]);
      await cluster.kill(3);
    }
  });
});

describe('a config that changes while a topic is being made (KAFKA-8813)', () => {
  it('is that of every replica, whenever it came', async () => {
    cluster = await TestReplicas.start(3);
    const turnsOf = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    // A slow disk: the log takes its config long before it is there.
    cluster.nodes.get(3)!.disk.fault = async ({ path }) => {
      if (/\/t\d+-0/.test(path)) await turnsOf(10);
      return undefined;
    };
    for (let turns = 0; turns < 120; turns += 6) {
      const name = `t${turns}`;
      const node = `/config/topics/${name}`;
      const { store } = cluster;
      const creating = cluster.createTopic(name, [[1, 2, 3]]);
      while ((await store.exists(node)) === undefined) await turnsOf(1);
      await turnsOf(turns);
      await store.set(node, Buffer.from('{"version":1,"config":{"retention.ms":"777"}}'), 'any');
      const note = Buffer.from(`{"version":2,"entity_path":"topics/${name}"}`);
      await store.create('/config/changes/config_change_', note, { sequential: true });
      await cluster.pass(200);
      await creating;
      const kept = [1, 2, 3].map((id) => cluster.partition(id, name).log.config.retentionMs);
      expect([turns, ...kept]).toEqual([turns, 777, 777, 777]);
    }
  });
});
