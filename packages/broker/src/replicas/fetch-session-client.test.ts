import { describe, expect, it } from 'vitest';
import { FetchSessionClient, type FollowedFetch } from './fetch-session-client.ts';

const fetch = (partition: number, overrides: Partial<FollowedFetch> = {}): FollowedFetch => ({
  topic: 't',
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  partition,
  fetchOffset: 0,
  currentLeaderEpoch: 1,
  lastFetchedEpoch: 0,
  logStartOffset: 0,
  partitionMaxBytes: 1000,
  ...overrides,
});

const wanted = (...fetches: FollowedFetch[]): Map<string, FollowedFetch> =>
  new Map(fetches.map((each) => [`${each.topicId}-${each.partition}`, each]));

const asked = ({ topics }: ReturnType<FetchSessionClient['next']>): number[] =>
  topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition));

describe("a follower's fetch session", () => {
  it('names everything first, then only what has changed, and what is no longer wanted', () => {
    const session = new FetchSessionClient(true);
    const first = session.next(wanted(fetch(0), fetch(1), fetch(2)));
    expect([first.sessionId, first.sessionEpoch, asked(first)]).toEqual([0, 0, [0, 1, 2]]);
    session.answered(7);
    const second = session.next(wanted(fetch(0), fetch(1, { fetchOffset: 5 }), fetch(2)));
    expect([second.sessionId, second.sessionEpoch, asked(second)]).toEqual([7, 1, [1]]);
    session.answered(7);
    const third = session.next(wanted(fetch(1, { fetchOffset: 5 })));
    expect([third.sessionEpoch, asked(third)]).toEqual([2, []]);
    expect(third.forgottenTopicsData).toEqual([{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [0, 2] }]);
  });

  it('asks again for what was asked in a request that was not answered (KAFKA-8052)', () => {
    const session = new FetchSessionClient(true);
    session.next(wanted(fetch(0), fetch(1)));
    session.answered(7);
    session.next(wanted(fetch(0, { fetchOffset: 3 }), fetch(1)));
    session.startOver();
    const again = session.next(wanted(fetch(0, { fetchOffset: 3 }), fetch(1)));
    // Epoch 0 with an id closes the session that was and opens another.
    expect([again.sessionId, again.sessionEpoch, asked(again)]).toEqual([7, 0, [0, 1]]);
  });

  it('names all each time where the leader keeps no session for it', () => {
    const session = new FetchSessionClient(false);
    session.next(wanted(fetch(0)));
    session.answered(0);
    const next = session.next(wanted(fetch(0)));
    expect([next.sessionId, next.sessionEpoch, next.topics]).toEqual([0, 0, [{ topic: 't', partitions: [fetch(0)] }]]);
  });

  it.each([
    ['the leader epoch', { currentLeaderEpoch: 2 }],
    ['the last epoch', { lastFetchedEpoch: 1 }],
    ['the log start', { logStartOffset: 1 }],
    ['the bytes', { partitionMaxBytes: 5 }],
  ])('tells of a change of %s', (_, change) => {
    const session = new FetchSessionClient(true);
    session.next(wanted(fetch(0), fetch(1)));
    session.answered(7);
    expect(asked(session.next(wanted(fetch(0, change), fetch(1))))).toEqual([0]);
  });
});
