import { seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomUuid } from '../shared/uuid.ts';
import { type AssignableBroker, assignReplicas } from './replica-assignment.ts';

const anyBrokers = fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 12 }).chain((ids) =>
  fc.oneof(
    fc.constant(ids.map((id): AssignableBroker => ({ id, rack: null }))),
    fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: ids.length, maxLength: ids.length })
      .map((racks) => ids.map((id, index): AssignableBroker => ({ id, rack: racks[index] ?? null }))),
  ),
);

/** How often each broker comes. */
function countsOf(brokers: readonly AssignableBroker[], ids: readonly number[]): number[] {
  return brokers.map(({ id }) => ids.filter((each) => each === id).length);
}

describe('the assignment of replicas', () => {
  const anyAssignment = fc.record({
    brokers: anyBrokers,
    partitions: fc.integer({ min: 1, max: 60 }),
    seed: fc.nat(),
    factor: fc.nat(),
  });

  it('gives every partition distinct brokers and spreads first replicas evenly', () => {
    fc.assert(
      fc.property(anyAssignment, ({ brokers, partitions, seed, factor }) => {
        const replication = 1 + (factor % brokers.length);
        const assigned = assignReplicas(brokers, partitions, replication, seededRandom(seed));
        expect(assigned.length).toBe(partitions);
        const known = new Set(brokers.map(({ id }) => id));
        for (const replicas of assigned) {
          expect(new Set(replicas).size).toBe(replication);
          expect(replicas.every((id) => known.has(id))).toBe(true);
        }
        const leads = countsOf(
          brokers,
          assigned.map((replicas) => replicas[0] as number),
        );
        expect(Math.max(...leads) - Math.min(...leads)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('puts a partition into as many racks as it can', () => {
    fc.assert(
      fc.property(anyAssignment, ({ brokers, partitions, seed, factor }) => {
        fc.pre(brokers.every(({ rack }) => rack !== null));
        const replication = 1 + (factor % brokers.length);
        const rackOf = new Map(brokers.map(({ id, rack }) => [id, rack]));
        const rackCount = new Set(rackOf.values()).size;
        for (const replicas of assignReplicas(brokers, partitions, replication, seededRandom(seed))) {
          expect(new Set(replicas.map((id) => rackOf.get(id))).size).toBe(Math.min(replication, rackCount));
        }
      }),
    );
  });

  it('goes on where it stopped when partitions are added', () => {
    const brokers = [0, 1, 2].map((id): AssignableBroker => ({ id, rack: null }));
    const start = { firstBroker: 1, partition: 3 };
    const added = assignReplicas(brokers, 4, 1, seededRandom(1), start);
    expect(added).toEqual([[1], [2], [0], [1]]);
  });
});

describe('a random id', () => {
  it('has 22 characters and no dash in front', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(randomUuid(seededRandom(seed))).toMatch(/^[A-Za-z0-9_][\w-]{21}$/);
      }),
    );
  });
});
