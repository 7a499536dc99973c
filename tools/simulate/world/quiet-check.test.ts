import type { Operation, OperationResult } from '@millrace/metadata';
import { MemoryDisk } from '@millrace/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { partitionNotInSync, partitionNotLed, type QuietMachine, unrestOf } from './quiet-check.ts';
import { StateWatch } from './state-watch.ts';

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const state = (leader: number, isr: readonly number[], leaderEpoch = 0): Buffer =>
  json({ leader, leader_epoch: leaderEpoch, controller_epoch: 1, isr });

interface Known {
  partition: number;
  leader: number;
  leaderEpoch: number;
  isr: number[];
}

/** What a broker knows of the cluster, to be spoilt. */
class Cluster {
  brokers = new Set([1, 2]);
  controllerId = 1;
  topics = new Map<string, { partitions: (Known | undefined)[] }>([
    [
      't',
      {
        partitions: [
          { partition: 0, leader: 1, leaderEpoch: 0, isr: [1, 2] },
          { partition: 1, leader: 2, leaderEpoch: 0, isr: [2, 1] },
        ],
      },
    ],
  ]);
}

describe('a cluster at rest', () => {
  let states: StateWatch;
  let clusters: Cluster[];
  let disks: MemoryDisk[];
  let machines: QuietMachine[];

  const write = (path: string, data: Buffer, type: 'create' | 'set' = 'set'): void => {
    const operation: Operation =
      type === 'create' ? { type, path, data } : { type, path, data, expected: { exactly: 0 } };
    states.applied([operation], [{} as OperationResult]);
  };

  beforeEach(() => {
    states = new StateWatch((anomaly, _, message) => {
      // The office is taken without an epoch here.
      if (anomaly !== 'two-controllers') throw new Error(`${anomaly}: ${message}`);
    });
    write('/controller', json({ brokerid: 1 }), 'create');
    write('/brokers/topics/t', json({ partitions: { 0: [1, 2], 1: [2, 1] } }), 'create');
    write('/brokers/topics/t/partitions/0/state', state(1, [1, 2]), 'create');
    write('/brokers/topics/t/partitions/1/state', state(2, [2, 1]), 'create');
    clusters = [new Cluster(), new Cluster()];
    disks = clusters.map(() => new MemoryDisk());
    machines = clusters.map((cluster, index) => ({
      id: index + 1,
      folders: ['/data'],
      disk: disks[index]!,
      serving: { broker: { services: { cluster } } },
    }));
  });

  const unrest = (): string | undefined => {
    const found = unrestOf(machines, states);
    return found && `${found.anomaly}: ${found.message}`;
  };

  it('is at rest', () => {
    expect(unrest()).toBeUndefined();
    expect(partitionNotInSync(states, new Map([['t', 2]]))).toBeUndefined();
  });

  it('has a broker that does not serve: stale-view', () => {
    machines[1] = { ...machines[1]!, serving: undefined };
    expect(unrest()).toBe('stale-view: broker 2 does not serve');
  });

  it('has a broker that does not know another: stale-view', () => {
    clusters[0]!.brokers.delete(2);
    expect(unrest()).toBe('stale-view: broker 1 knows nothing of broker 2');
  });

  it('has a broker that takes for the controller who is none: stale-view', () => {
    clusters[1]!.controllerId = 7;
    expect(unrest()).toBe('stale-view: broker 2 takes 7 for the controller, and 1 has taken office last');
  });

  it('has a broker that takes for the controller who is no more, and lives: stale-view', () => {
    write('/controller', json({ brokerid: 2 }), 'create');
    clusters[0]!.controllerId = 2;
    expect(unrest()).toBe('stale-view: broker 2 takes 1 for the controller, and 2 has taken office last');
    clusters[1]!.controllerId = 2;
    expect(unrest()).toBeUndefined();
  });

  it.each<[string, (known: Known) => void]>([
    ['leader', (known) => (known.leader = 2)],
    ['leader epoch', (known) => (known.leaderEpoch = 1)],
    ['set of in-sync replicas', (known) => (known.isr = [1])],
  ])('has a broker that knows another %s than stands in the store: stale-view', (_, spoil) => {
    spoil(clusters[0]!.topics.get('t')!.partitions[0]!);
    expect(unrest()).toMatch(/^stale-view: broker 1 takes t-0 for /);
  });

  it('has a broker that knows a topic and not all of its partitions: stale-view', () => {
    clusters[1]!.topics.get('t')!.partitions.pop();
    expect(unrest()).toBe('stale-view: broker 2 knows nothing of t-1');
  });

  it('has a broker that does not know a topic: stale-view', () => {
    clusters[1]!.topics.clear();
    expect(unrest()).toBe('stale-view: broker 2 knows nothing of the topic t');
  });

  it('has a broker that knows a topic which is gone: stale-view', () => {
    for (const { topics } of clusters) topics.set('gone', { partitions: [] });
    expect(unrest()).toBe('stale-view: broker 1 knows the topic gone, which is gone');
  });

  it('has a broker with files of a topic that is gone: stray-replica', async () => {
    await disks[1]!.makeFolder('/data/gone-0');
    await (await disks[1]!.open('/data/gone-0/00000000000000000000.log', { create: true })).close();
    expect(unrest()).toMatch(/^stray-replica: broker 2 still has \/data\/gone-0/);
  });

  it('has a replica that is still on its way into another folder: unavailable', async () => {
    await disks[0]!.makeFolder('/data/t-0.abc-future');
    await (await disks[0]!.open('/data/t-0.abc-future/00000000000000000000.log', { create: true })).close();
    expect(unrest()).toMatch(/^unavailable: broker 1 still moves /);
  });

  it.each([
    ['no leader', -1, [1, 2]],
    ['a replica out of sync', 1, [1]],
  ])('has a partition with %s, of a topic that no plan knows of', (_, leader, isr) => {
    write('/brokers/topics/__consumer_offsets', json({ partitions: { 0: [1, 2] } }), 'create');
    write('/brokers/topics/__consumer_offsets/partitions/0/state', state(leader, isr), 'create');
    expect(partitionNotInSync(states, new Map([['t', 2]]))).toMatch(/^__consumer_offsets-0 on 1,2: /);
  });

  it('has a partition of which nothing stands in the store but its replicas', () => {
    write('/brokers/topics/t', json({ partitions: { 0: [1, 2], 1: [2, 1], 2: [1, 2] } }));
    expect(partitionNotInSync(states, new Map())).toBe('t-2 on 1,2: undefined');
  });

  it('has in sync one that has no replica any more', () => {
    write('/brokers/topics/t', json({ partitions: { 0: [1], 1: [2, 1] } }));
    expect(partitionNotInSync(states, new Map())).toMatch(/^t-0 on 1: /);
  });

  describe('with broker 2 down', () => {
    const one = { id: 1, leads: (): boolean => true };

    it('has nobody lead, or one who is down, what broker 1 is in sync with', () => {
      expect(partitionNotLed([one], states)).toMatch(/^t-1 on 2,1: /);
      write('/brokers/topics/t/partitions/1/state', state(-1, [1], 1));
      expect(partitionNotLed([one], states)).toMatch(/^t-1 on 2,1: /);
      write('/brokers/topics/t/partitions/1/state', state(1, [1], 2));
      expect(partitionNotLed([one], states)).toBeUndefined();
      expect(partitionNotLed([{ id: 1, leads: () => false }], states)).toMatch(/^t-0 on 1,2: /);
    });

    it('has nobody lead what only broker 2 is in sync with, and that is right, but where any replica may lead', () => {
      write('/brokers/topics/t/partitions/1/state', state(-1, [2], 1));
      expect(partitionNotLed([one], states)).toBeUndefined();
      states.uncleanTopics.add('t');
      expect(partitionNotLed([one], states)).toMatch(/^t-1 on 2,1: /);
    });

    it('has nobody lead a topic that is being deleted, and that is right', () => {
      write('/admin/delete_topics/t', json({}), 'create');
      expect(partitionNotLed([one], states)).toBeUndefined();
    });
  });

  it('has a partition of fewer replicas than the plan says', () => {
    expect(partitionNotInSync(states, new Map([['t', 3]]))).toMatch(/^t-0 on 1,2: /);
  });
});
