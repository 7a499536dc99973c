import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlacedPartition, type PlanBroker, planReassignment } from './reassignment-plan.ts';

const brokersOf = (...racks: (string | null)[]): PlanBroker[] => racks.map((rack, index) => ({ id: index + 1, rack }));

function placed(topic: string, ...replicas: number[][]): PlacedPartition[] {
  return replicas.map((each, partition) => ({ topic, partition, replicas: each }));
}

function spread(counts: Iterable<number>, brokers: readonly PlanBroker[]): number {
  const byBroker = new Map(brokers.map(({ id }) => [id, 0]));
  for (const id of counts) byBroker.set(id, byBroker.get(id)! + 1);
  return Math.max(...byBroker.values()) - Math.min(...byBroker.values());
}

describe('a plan to reassign partitions', () => {
  it('leaves alone what is spread well', () => {
    const now = placed('t', [1, 2], [2, 3], [3, 1]);
    expect(planReassignment(now, brokersOf(null, null, null))).toEqual(now);
  });

  it('moves no more than a new broker is to have', () => {
    const now = placed('t', [1, 2], [2, 1], [1, 2], [2, 1], [1, 2], [2, 1]);
    const plan = planReassignment(now, brokersOf(null, null, null));
    const come = plan.flatMap(({ replicas }, index) => replicas.filter((id) => !now[index]!.replicas.includes(id)));
    expect(come).toEqual([3, 3, 3, 3]);
    expect(plan.filter(({ replicas }) => replicas[0] === 3).length).toBe(2);
  });

  it('empties a broker that is not to hold anything any more', () => {
    const plan = planReassignment(placed('t', [1, 3], [3, 2], [2, 1]), brokersOf(null, null));
    expect(plan.map(({ replicas }) => [...replicas].sort())).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  it('has no rack lose all of a partition that can be in two', () => {
    const brokers = brokersOf('a', 'a', 'b', 'b');
    const plan = planReassignment(placed('t', [1, 2], [2, 1], [3, 4], [4, 3]), brokers);
    for (const { replicas } of plan) expect(replicas.map((id) => brokers[id - 1]!.rack).sort()).toEqual(['a', 'b']);
  });

  it('gives more replicas, or fewer, and keeps those that stay', () => {
    const now = placed('t', [1], [2]);
    const more = planReassignment(now, brokersOf(null, null, null), { replicationFactor: 3 });
    expect(more.map(({ replicas }) => replicas[0])).toEqual([1, 2]);
    expect(more.map(({ replicas }) => replicas.length)).toEqual([3, 3]);
    const fewer = planReassignment(more, brokersOf(null, null, null), { replicationFactor: 1 });
    expect(fewer.map(({ replicas }) => replicas)).toEqual([[1], [2]]);
  });

  it('spreads many small topics over all brokers too', () => {
    const now = Array.from({ length: 9 }, (_, index) => placed(`t${index}`, [1])).flat();
    const brokers = brokersOf(null, null, null);
    const plan = planReassignment(now, brokers);
    expect(
      spread(
        plan.flatMap(({ replicas }) => replicas),
        brokers,
      ),
    ).toBe(0);
  });

  it('is even, and right, whatever there is', () => {
    const bounds = { minLength: 1, maxLength: 7 };
    const cluster = fc.record({
      // By chance alone hardly ever are all in one, where the most is promised.
      racks: fc.oneof(fc.array(fc.constant(null), bounds), fc.array(fc.constantFrom('a', 'b', 'c', null), bounds)),
      topics: fc.array(fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 })), {
        maxLength: 4,
      }),
      factor: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(cluster, ({ racks, topics, factor: wanted }) => {
        const brokers = brokersOf(...racks);
        const factor = Math.min(wanted, brokers.length);
        const now = topics.flatMap((each, index) => placed(`t${index}`, ...each));
        const plan = planReassignment(now, brokers, { replicationFactor: factor });
        expect(plan.map(({ topic, partition }) => ({ topic, partition }))).toEqual(
          now.map(({ topic, partition }) => ({ topic, partition })),
        );
        const rackOf = new Map(brokers.map(({ id, rack }) => [id, rack]));
        const sizes = [...Map.groupBy(brokers, ({ rack }) => rack).values()].map((each) => each.length);
        // Racks of several sizes may need more of a partition than their share.
        const even = new Set(sizes).size === 1;
        for (const { replicas } of plan) {
          expect(new Set(replicas).size).toBe(factor);
          expect(replicas.every((id) => rackOf.has(id))).toBe(true);
          const perRack = [...Map.groupBy(replicas, (id) => rackOf.get(id)).values()].map((each) => each.length);
          expect(Math.max(...perRack)).toBeLessThanOrEqual(even ? Math.ceil(factor / sizes.length) : factor);
        }
        if (sizes.length > 1) return;
        for (const each of Map.groupBy(plan, ({ topic }) => topic).values()) {
          const replicas = each.flatMap((one) => one.replicas);
          expect(spread(replicas, brokers)).toBeLessThanOrEqual(1);
          const leaders = each.map((one) => one.replicas[0]!);
          if (factor === brokers.length) expect(spread(leaders, brokers)).toBeLessThanOrEqual(1);
        }
        expect(planReassignment(plan, brokers, { replicationFactor: factor })).toEqual(plan);
      }),
      // Leaders that were given one by one, in the order of the partitions, moved again in the plan of the plan.
      {
        examples: [
          [{ racks: [null, null, null, null], topics: [[[2], [4], [4], [1], [1], [1], [3], [3, 1]]], factor: 2 }],
        ],
      },
    );
  });

  it('moves no leader where they are spread evenly, whatever the order of the partitions', () => {
    const now = placed('t', [1, 2], [1, 2], [2, 1], [2, 1]);
    expect(planReassignment(now, brokersOf(null, null))).toEqual(now);
  });
});
