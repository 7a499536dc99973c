import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Assignment, AssignmentMember, Assignor } from './assignor.ts';
import { rangeAssignor } from './range.ts';
import { roundRobinAssignor } from './round-robin.ts';
import { cooperativeStickyAssignor, stickyAssignor } from './sticky.ts';
import { readStickyUserData, writeStickyUserData } from './sticky-user-data.ts';

function member(memberId: string, topics: string[], rest: Partial<AssignmentMember> = {}): AssignmentMember {
  return {
    memberId,
    topics,
    groupInstanceId: null,
    ownedPartitions: new Map(),
    generationId: -1,
    userData: null,
    rackId: null,
    ...rest,
  };
}

function plain(assignment: Assignment): Record<string, Record<string, number[]>> {
  return Object.fromEntries([...assignment].map(([memberId, topics]) => [memberId, Object.fromEntries(topics)]));
}

const all = [rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor];

describe('range', () => {
  it('divides every topic by itself, the first members getting one more', () => {
    const members = [member('b', ['t0', 't1']), member('a', ['t0', 't1'])];
    const partitionCounts = new Map([
      ['t0', 3],
      ['t1', 3],
    ]);
    expect(plain(rangeAssignor.assign({ members, partitionCounts }))).toEqual({
      a: { t0: [0, 1], t1: [0, 1] },
      b: { t0: [2], t1: [2] },
    });
  });

  it('takes static members by their name, before the others', () => {
    const members = [member('a', ['t']), member('z', ['t'], { groupInstanceId: 'i1' })];
    expect(plain(rangeAssignor.assign({ members, partitionCounts: new Map([['t', 1]]) }))).toEqual({
      a: {},
      z: { t: [0] },
    });
  });
});

describe('round robin', () => {
  it('deals out all partitions, as in the example of its Java namesake', () => {
    const members = [member('C0', ['t0']), member('C1', ['t0', 't1']), member('C2', ['t0', 't1', 't2'])];
    const partitionCounts = new Map([
      ['t0', 1],
      ['t1', 2],
      ['t2', 3],
    ]);
    expect(plain(roundRobinAssignor.assign({ members, partitionCounts }))).toEqual({
      C0: { t0: [0] },
      C1: { t1: [0] },
      C2: { t1: [1], t2: [0, 1, 2] },
    });
  });
});

const subscriptions = fc.array(fc.subarray(['t0', 't1', 't2'], { minLength: 1 }), { minLength: 1, maxLength: 6 });
const counts = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)).map(
  ([a, b, c]) =>
    new Map([
      ['t0', a],
      ['t1', b],
      ['t2', c],
    ]),
);

describe.each(all)('$name', (assignor: Assignor) => {
  it('gives every partition that somebody reads to exactly one member that subscribes to it', () => {
    fc.assert(
      fc.property(subscriptions, counts, (topicLists, partitionCounts) => {
        const members = topicLists.map((topics, index) => member(`m${index}`, topics));
        const assignment = assignor.assign({ members, partitionCounts });
        const given: string[] = [];
        for (const { memberId, topics } of members) {
          for (const [topic, partitions] of assignment.get(memberId) ?? []) {
            expect(topics).toContain(topic);
            given.push(...partitions.map((partition) => `${topic}-${partition}`));
          }
        }
        const wanted = [...partitionCounts].flatMap(([topic, count]) =>
          topicLists.some((topics) => topics.includes(topic))
            ? Array.from({ length: count }, (_, p) => `${topic}-${p}`)
            : [],
        );
        expect(given.sort()).toEqual(wanted.sort());
      }),
    );
  });
});

function loads(assignment: Assignment): number[] {
  return [...assignment.values()].map((topics) =>
    [...topics.values()].reduce((sum, partitions) => sum + partitions.length, 0),
  );
}

/** What the members say of themselves in the rebalance after this assignment. */
function afterwards(members: AssignmentMember[], assignment: Assignment, generationId: number): AssignmentMember[] {
  return members.map((each) => {
    const ownedPartitions = assignment.get(each.memberId) ?? new Map<string, number[]>();
    return { ...each, ownedPartitions, generationId, userData: writeStickyUserData(ownedPartitions, generationId) };
  });
}

describe.each([stickyAssignor, cooperativeStickyAssignor])('$name', (assignor) => {
  const partitionCounts = new Map([['t', 12]]);
  const three = ['a', 'b', 'c'].map((id) => member(id, ['t']));

  it('changes nothing when nothing changes', () => {
    const first = assignor.assign({ members: three, partitionCounts });
    expect(plain(assignor.assign({ members: afterwards(three, first, 1), partitionCounts }))).toEqual(plain(first));
  });

  it('moves no more than the newcomer gets, and ends up even', () => {
    const first = assignor.assign({ members: three, partitionCounts });
    let members = [...afterwards(three, first, 1), member('d', ['t'])];
    let next = assignor.assign({ members, partitionCounts });
    // The cooperative one takes away first and gives in the round after.
    members = afterwards(members, next, 2);
    next = assignor.assign({ members, partitionCounts });
    expect(loads(next)).toEqual([3, 3, 3, 3]);
    for (const id of ['a', 'b', 'c']) {
      const before = new Set(first.get(id)?.get('t'));
      expect(
        next
          .get(id)
          ?.get('t')
          ?.every((partition) => before.has(partition)),
      ).toBe(true);
    }
  });

  it('lets nobody keep what two claim for the same generation, and believes the younger generation', () => {
    const owned = new Map([['t', [0, 1]]]);
    const claim = (id: string, generationId: number) =>
      member(id, ['t'], { ownedPartitions: owned, generationId, userData: writeStickyUserData(owned, generationId) });
    const younger = stickyAssignor.assign({
      members: [claim('a', 4), claim('b', 5)],
      partitionCounts: new Map([['t', 2]]),
    });
    expect(loads(younger)).toEqual([1, 1]);
    const same = stickyAssignor.assign({
      members: [claim('a', 4), claim('b', 4)],
      partitionCounts: new Map([['t', 2]]),
    });
    expect(loads(same)).toEqual([1, 1]);
  });

  it('is as even as the subscriptions allow', () => {
    fc.assert(
      fc.property(subscriptions, counts, (topicLists, anyCounts) => {
        const members = topicLists.map((topics, index) => member(`m${index}`, topics));
        const assignment = assignor.assign({ members, partitionCounts: anyCounts });
        const load = (id: string) =>
          [...(assignment.get(id)?.values() ?? [])].reduce((sum, partitions) => sum + partitions.length, 0);
        for (const { memberId } of members) {
          for (const [topic, partitions] of assignment.get(memberId) ?? []) {
            if (partitions.length === 0) continue;
            for (const other of members)
              if (other.topics.includes(topic)) expect(load(memberId) - load(other.memberId)).toBeLessThan(2);
          }
        }
      }),
    );
  });
});

it('the cooperative assignor gives nobody what somebody else still owns', () => {
  const owner = member('a', ['t'], { ownedPartitions: new Map([['t', [0, 1, 2, 3]]]), generationId: 1 });
  const assignment = cooperativeStickyAssignor.assign({
    members: [owner, member('b', ['t'])],
    partitionCounts: new Map([['t', 4]]),
  });
  expect(assignment.get('a')?.get('t')).toHaveLength(2);
  expect(assignment.get('b')?.get('t') ?? []).toEqual([]);
});

describe('sticky user data', () => {
  it('reads what it writes', () => {
    const owned = new Map([
      ['orders', [0, 5]],
      ['zahlungen-ä', [1]],
    ]);
    expect(readStickyUserData(writeStickyUserData(owned, 7))).toEqual({ owned, generationId: 7 });
  });

  it('takes any other bytes for owning nothing, or for what they say', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(() => readStickyUserData(Buffer.from(bytes))).not.toThrow();
      }),
    );
  });
});
