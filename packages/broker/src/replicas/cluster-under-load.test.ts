/** What goes on in a cluster while clients write to it all the time. */
import { AlterPartitionReassignments, DeleteRecords, ErrorCode } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Load } from '../testing/test-load.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

const LONG_MS = 60_000;

/** What did not arrive is soon said again. */
const IMPATIENT = { 'controller.socket.timeout.ms': '500', 'replica.socket.timeout.ms': '700' };

let cluster: TestReplicas;

afterEach(async () => {
  cluster.heal();
  await cluster.stopAll();
});

const isrOf = (topic: string, partition = 0): string => {
  const leader = cluster.leaderOf(topic, partition);
  return leader < 0 ? 'none' : cluster.partition(leader, topic, partition).isr.toSorted().join();
};

const controllerEpoch = async (): Promise<number> => Number((await cluster.store.get('/controller_epoch')).data);

/** The in-sync replicas of each state that is written of a topic from now on. */
function isrsWritten(topic: string): () => string[] {
  const from = cluster.written.length;
  return () =>
    cluster.written
      .slice(from)
      .flat()
      .filter(({ type, path }) => type === 'set' && path.startsWith(`/brokers/topics/${topic}/partitions/`))
      .map((operation) => (JSON.parse(String('data' in operation ? operation.data : '')) as { isr: number[] }).isr)
      .map((isr) => isr.toSorted().join());
}

describe('a rolling upgrade of inter.broker.protocol.version', () => {
  it(
    'from 2.8 to 3.9 loses nothing, and nobody leaves the in-sync replicas but who is stopped',
    async () => {
      const old = { 'inter.broker.protocol.version': '2.8' };
      const own = new Map<number, typeof old>([1, 2, 3].map((id) => [id, old]));
      cluster = await TestReplicas.start(3, old);
      await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
      const load = new Load(cluster, 't');
      const isrs = isrsWritten('t');
      /** Which version each API is spoken in, by who speaks it, since the last time that was asked. */
      const spoken = (): Map<string, Set<number>> => {
        const by = Map.groupBy(cluster.said.splice(0), ({ api, from }) => `${api} of ${from}`);
        return new Map([...by].map(([who, said]) => [who, new Set(said.map(({ version }) => version))]));
      };
      await cluster.pass(1000);
      expect(spoken().get('Fetch of 2')).toEqual(new Set([12]));
      for (const id of [3, 2, 1]) {
        own.set(id, { 'inter.broker.protocol.version': '3.9' });
        await cluster.stop(id);
        await cluster.pass(300);
        await cluster.start(id, own.get(id));
        await cluster.until('the full in-sync set', () => isrOf('t') === '1,2,3');
        await cluster.pass(500);
        const versions = spoken();
        for (const [broker, { 'inter.broker.protocol.version': release }] of own) {
          const fetches = versions.get(`Fetch of ${broker}`);
          // The leader fetches from nobody.
          if (fetches !== undefined && broker !== id) expect([...fetches]).toEqual([release === '3.9' ? 17 : 12]);
          for (const version of versions.get(`LeaderAndIsr of ${broker}`) ?? []) {
            expect([5, 7]).toContain(version);
          }
        }
      }
      expect(load.acknowledged).toBeGreaterThan(50);
      await load.endsWell(() => [1, 2, 3]);
      const versions = spoken();
      expect([...versions.values()].every((each) => each.size === 1)).toBe(true);
      // Three went and came back; in between, nobody else did.
      expect(isrs().filter((isr, at, all) => isr !== all[at - 1])).toEqual([
        '1,2',
        '1,2,3',
        '1,3',
        '1,2,3',
        '2,3',
        '1,2,3',
      ]);
    },
    LONG_MS,
  );
});

describe('a leader that is cut off from its followers alone', () => {
  it(
    'acknowledges nothing by itself, and loses nothing that it has acknowledged before or after',
    async () => {
      cluster = await TestReplicas.start(4, { ...IMPATIENT, 'replica.lag.time.max.ms': '1000' });
      // The controller is none of its replicas.
      await cluster.createTopic('t', [[2, 3, 4]], { 'min.insync.replicas': '2' });
      const load = new Load(cluster, 't');
      await cluster.pass(500);
      for (const id of [3, 4]) {
        cluster.cut(id, 2);
        cluster.cut(2, id);
      }
      await cluster.until('the leader alone in sync', () => isrOf('t') === '2');
      const before = load.acknowledged;
      expect(before).toBeGreaterThan(5);
      await cluster.pass(3000);
      expect(load.acknowledged).toBe(before);
      expect(cluster.leaderOf('t')).toBe(2);
      cluster.heal();
      await cluster.until('the full in-sync set', () => isrOf('t') === '2,3,4', 20_000);
      await cluster.until('records again', () => load.acknowledged > before + 5);
      await load.endsWell(() => [2, 3, 4]);
    },
    LONG_MS,
  );
});

describe('the sessions of all brokers', () => {
  it(
    'expire at once, and all is led again, with nothing lost',
    async () => {
      cluster = await TestReplicas.start(3);
      await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
      const load = new Load(cluster, 't');
      for (let round = 0; round < 3; round += 1) {
        const before = load.acknowledged;
        const epoch = await controllerEpoch();
        await cluster.until('records', () => load.acknowledged > before + 5);
        const at = load.acknowledged;
        await Promise.all([...cluster.nodes.values()].map(({ session }) => session.expireSession()));
        await cluster.settle();
        await cluster.until('records again', () => load.acknowledged > at + 5);
        await cluster.until('the full in-sync set', () => isrOf('t') === '1,2,3');
        expect(await controllerEpoch()).toBeGreaterThan(epoch);
      }
      await load.endsWell(() => [1, 2, 3]);
    },
    LONG_MS,
  );
});

describe('a storm of controllers', () => {
  it(
    'of a hundred terms leaves all as it stands in the store, and nothing lost',
    async () => {
      cluster = await TestReplicas.start(3);
      await cluster.createTopic('t', [[1, 2, 3]], { 'min.insync.replicas': '2' });
      const load = new Load(cluster, 't');
      const isrs = isrsWritten('t');
      const first = await controllerEpoch();
      for (let term = 0; term < 100; term += 1) {
        await cluster.store.delete('/controller', 'any').catch(() => undefined);
        await cluster.pass(term % 3 === 0 ? 30 : 10);
      }
      expect(await controllerEpoch()).toBeGreaterThanOrEqual(first + 100);
      const at = load.acknowledged;
      expect(at).toBeGreaterThan(20);
      await cluster.until('records again', () => load.acknowledged > at + 5);
      await load.endsWell(() => [1, 2, 3]);
      // Who takes office changes no state that needs no change.
      expect(isrs()).toEqual([]);
      const state = JSON.parse(
        String((await cluster.store.get('/brokers/topics/t/partitions/0/state')).data),
      ) as object;
      const controller = JSON.parse(String((await cluster.store.get('/controller')).data)) as { brokerid: number };
      for (const id of [1, 2, 3]) {
        const { cluster: image } = cluster.broker(id).services;
        expect(image.controllerId).toBe(controller.brokerid);
        const { leader, leaderEpoch, isr } = image.partition('t', 0)!;
        expect(state).toMatchObject({ leader, leader_epoch: leaderEpoch, isr: [...isr] });
      }
    },
    LONG_MS,
  );
});

describe('twenty partitions', () => {
  const PARTITIONS = 20;
  /** Three of four brokers. */
  const placed = (partition: number, first: number): number[] =>
    [0, 1, 2].map((place) => ((partition + first + place) % 4) + 1);

  it(
    'move over four brokers that are bounced, where all replicas must have what is acknowledged, and the logs begin behind 0',
    async () => {
      cluster = await TestReplicas.start(4, { 'log.flush.offset.checkpoint.interval.ms': '500' });
      const before = Array.from({ length: PARTITIONS }, (_, partition) => placed(partition, 0));
      await cluster.createTopic('t', before, { 'min.insync.replicas': '3' });
      const load = new Load(cluster, 't', PARTITIONS);
      await cluster.until('records', () => load.acknowledged > 5 * PARTITIONS, 20_000);
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        const topics = [{ name: 't', partitions: [{ partitionIndex: partition, offset: 2 }] }];
        await cluster.ask(cluster.leaderOf('t', partition), DeleteRecords, 2, { topics, timeoutMs: 0 });
      }
      // Where a log begins is lost with the power unless it was checkpointed.
      await cluster.pass(1500);
      const partitions = before.map((_, partition) => ({ partitionIndex: partition, replicas: placed(partition, 1) }));
      const controller = [...cluster.nodes.keys()].find((id) => cluster.broker(id).services.controller.isActive)!;
      const answer = await cluster.ask(controller, AlterPartitionReassignments, 0, {
        timeoutMs: 10_000,
        topics: [{ name: 't', partitions }],
      });
      expect(answer.errorCode).toBe(ErrorCode.NONE);
      for (const id of [4, 2, 1]) {
        await cluster.kill(id);
        await cluster.pass(100);
        await cluster.start(id);
      }
      const places = async (): Promise<Record<string, unknown>> =>
        JSON.parse(String((await cluster.store.get('/brokers/topics/t')).data)) as Record<string, unknown>;
      const isThere = (): boolean =>
        before.every((_, partition) => isrOf('t', partition) === placed(partition, 1).toSorted().join());
      await cluster.until('all moves', isThere, 30_000);
      await cluster.pass(2000);
      expect(await places()).toMatchObject({
        partitions: Object.fromEntries(partitions.map(({ partitionIndex, replicas }) => [partitionIndex, replicas])),
        adding_replicas: {},
        removing_replicas: {},
      });
      const at = load.acknowledged;
      await cluster.until('records again', () => load.acknowledged > at + PARTITIONS);
      await load.endsWell((partition) => placed(partition, 1));
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        const having = [1, 2, 3, 4].filter((id) =>
          cluster.nodes.get(id)!.disk.namesIn('/data').includes(`t-${partition}`),
        );
        expect(having).toEqual(placed(partition, 1).toSorted());
        for (const id of having) expect(cluster.partition(id, 't', partition).log.logStartOffset).toBe(2);
      }
    },
    2 * LONG_MS,
  );
});
