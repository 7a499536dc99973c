import { ErrorCode, ZERO_UUID } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FetchSession, type FetchTarget, fetchVersionMax, sessionless } from './fetch-session.ts';

const ID_1 = 'AQEBAQEBAQEBAQEBAQEBAQ';
const ID_2 = 'AgICAgICAgICAgICAgICAg';

function target(partition: number, fetchOffset: number, rest: Partial<FetchTarget> = {}): FetchTarget {
  return { topic: 't', topicId: ID_1, partition, fetchOffset, leaderEpoch: 0, bytesMax: 100, ...rest };
}

describe('a fetch session', () => {
  it('begins with everything, and then names only what is different', () => {
    const session = new FetchSession();
    expect(session.next([target(0, 5), target(1, 7)], 17)).toMatchObject({
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topicId: ID_1, partitions: [{ fetchOffset: 5 }, { fetchOffset: 7 }] }],
    });
    session.answered(42);
    expect(session.next([target(0, 5), target(1, 9)], 17)).toMatchObject({
      sessionId: 42,
      sessionEpoch: 1,
      topics: [{ topicId: ID_1, partitions: [{ partition: 1, fetchOffset: 9 }] }],
      forgottenTopicsData: [],
    });
    session.answered(42);
    expect(session.next([target(0, 5)], 17)).toMatchObject({
      sessionEpoch: 2,
      topics: [],
      forgottenTopicsData: [{ topicId: ID_1, partitions: [1] }],
    });
  });

  it('names topics up to version 12', () => {
    const session = new FetchSession();
    expect(session.next([target(0, 5)], 12).topics).toEqual([
      { topic: 't', partitions: [{ partition: 0, fetchOffset: 5, currentLeaderEpoch: 0, partitionMaxBytes: 100 }] },
    ]);
    session.answered(1);
    expect(session.next([], 12).forgottenTopicsData).toEqual([{ topic: 't', partitions: [0] }]);
    expect(fetchVersionMax([target(0, 0), target(1, 0, { topicId: ZERO_UUID })])).toBe(12);
    expect(fetchVersionMax([target(0, 0)])).toBeUndefined();
  });

  it('has the broker forget the old id of a topic that was made anew', () => {
    const session = new FetchSession();
    session.next([target(0, 5)], 17);
    session.answered(1);
    expect(session.next([target(0, 0, { topicId: ID_2 })], 17)).toMatchObject({
      topics: [{ topicId: ID_2, partitions: [{ partition: 0 }] }],
      forgottenTopicsData: [{ topicId: ID_1, partitions: [0] }],
    });
  });

  it('begins anew after errors, closing what may be left of the old one', () => {
    const session = new FetchSession();
    session.next([target(0, 5)], 17);
    session.answered(42);
    session.next([target(0, 6)], 17);
    session.refused(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    expect(session.next([target(0, 6)], 17)).toMatchObject({ sessionId: 0, sessionEpoch: 0, topics: [{}] });
    session.answered(43);
    session.next([target(0, 7)], 17);
    session.unanswered();
    expect(session.next([target(0, 7)], 17)).toMatchObject({ sessionId: 43, sessionEpoch: 0, topics: [{}] });
  });

  it('does without where the broker keeps none', () => {
    const session = new FetchSession();
    session.next([target(0, 5)], 17);
    session.answered(0);
    expect(session.next([target(0, 6)], 17)).toMatchObject({ sessionId: 0, sessionEpoch: 0, topics: [{}] });
    expect(sessionless([target(0, 6)], 17)).toMatchObject({ sessionId: 0, sessionEpoch: -1 });
  });

  it('leaves the broker with exactly what was asked for, whatever is lost on the way', () => {
    const step = fc.record({
      wanted: fc.uniqueArray(
        fc.record({ partition: fc.nat(5), fetchOffset: fc.nat(3), topicId: fc.constantFrom(ID_1, ID_2) }),
        {
          selector: ({ partition }) => partition,
        },
      ),
      fate: fc.constantFrom('answered', 'answered', 'answered', 'request lost', 'answer lost', 'evicted'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const session = new FetchSession();
        let broker: { id: number; epoch: number; partitions: Map<string, number> } | undefined;
        let lastId = 0;
        for (const { wanted, fate } of steps) {
          if (fate === 'evicted') broker = undefined;
          const targets = wanted.map(({ partition, fetchOffset, topicId }) =>
            target(partition, fetchOffset, { topicId }),
          );
          const request = session.next(targets, 17);
          if (fate === 'request lost') {
            session.unanswered();
            continue;
          }
          if (request.sessionEpoch === 0) {
            broker = { id: ++lastId, epoch: 1, partitions: new Map() };
          } else if (broker === undefined || broker.id !== request.sessionId) {
            session.refused(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
            continue;
          } else {
            expect(request.sessionEpoch).toBe(broker.epoch++);
          }
          for (const { topicId, partitions } of request.forgottenTopicsData) {
            for (const partition of partitions) expect(broker.partitions.delete(`${topicId}/${partition}`)).toBe(true);
          }
          for (const { topicId, partitions } of request.topics) {
            for (const { partition, fetchOffset } of partitions)
              broker.partitions.set(`${topicId}/${partition}`, fetchOffset);
          }
          const asked = wanted.map(({ partition, fetchOffset, topicId }) => [`${topicId}/${partition}`, fetchOffset]);
          expect([...broker.partitions].sort()).toEqual(asked.sort());
          if (fate === 'answer lost') session.unanswered();
          else session.answered(broker.id);
        }
      }),
    );
  });
});
