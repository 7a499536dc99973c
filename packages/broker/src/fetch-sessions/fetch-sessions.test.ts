import { seededRandom } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { type FetchSessionRequest, openFetchContext } from './fetch-context.ts';
import { nextSessionEpoch, SESSION_EPOCH_FINAL, SESSION_EPOCH_INITIAL } from './fetch-session.ts';
import { FetchSessionCache } from './fetch-session-cache.ts';
import type { FetchTarget, PartitionNews } from './fetch-target.ts';

const NOW_MS = 1_000_000;
const EVICTION_MS = 120_000;

function target(topic: string, partition: number, fetchOffset = 0): FetchTarget {
  return {
    topic,
    topicId: '',
    partition,
    fetchOffset,
    maxBytes: 1000,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    followerLogStartOffset: -1,
    sentHighWatermark: -1,
    sentLogStartOffset: -1,
  };
}

function request(overrides: Partial<FetchSessionRequest>): FetchSessionRequest {
  return {
    sessionId: 0,
    sessionEpoch: SESSION_EPOCH_INITIAL,
    isFollower: false,
    usesTopicIds: false,
    targets: [],
    forgotten: [],
    ...overrides,
  };
}

const QUIET: PartitionNews = {
  errorCode: 0,
  highWatermark: 0,
  logStartOffset: 0,
  recordsSizeBytes: 0,
  hasAdvice: false,
};

function newCache(slots = 10): FetchSessionCache {
  return new FetchSessionCache({ slots, evictionMs: EVICTION_MS }, seededRandom(7));
}

/** Opens a session over quiet partitions. */
function openSession(cache: FetchSessionCache, targets: FetchTarget[], nowMs = NOW_MS): number {
  const context = openFetchContext(cache, request({ targets }), nowMs);
  for (const each of context.targets) context.includes(each, QUIET);
  return context.finish(nowMs).sessionId;
}

describe('a fetch session', () => {
  it('is opened by epoch 0, and its first response tells of every partition', () => {
    const cache = newCache();
    const context = openFetchContext(cache, request({ targets: [target('a', 0), target('a', 1)] }), NOW_MS);
    expect(Array.from(context.targets, (each) => context.includes(each, QUIET))).toEqual([true, true]);
    const { errorCode, sessionId } = context.finish(NOW_MS);
    expect(errorCode).toBe(0);
    expect(cache.get(sessionId)?.size).toBe(2);
  });

  it('is not opened for a client that wants none', () => {
    const cache = newCache();
    const context = openFetchContext(
      cache,
      request({ sessionEpoch: SESSION_EPOCH_FINAL, targets: [target('a', 0)] }),
      0,
    );
    expect(context.finish(0)).toEqual({ errorCode: 0, sessionId: 0 });
    expect(cache.size).toBe(0);
  });

  it('fetches all its partitions when a request names none, and tells only of those with news', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0), target('a', 1), target('b', 0)]);
    const context = openFetchContext(cache, request({ sessionId, sessionEpoch: 1 }), NOW_MS);
    const told = Array.from(context.targets, (each) =>
      context.includes(each, each.partition === 1 ? { ...QUIET, recordsSizeBytes: 5 } : QUIET),
    );
    expect(told).toEqual([false, true, false]);
    expect(context.finish(NOW_MS)).toEqual({ errorCode: 0, sessionId });
  });

  it('puts partitions whose records were sent behind the others', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0), target('a', 1), target('a', 2)]);
    const context = openFetchContext(cache, request({ sessionId, sessionEpoch: 1 }), NOW_MS);
    for (const each of context.targets)
      context.includes(each, { ...QUIET, recordsSizeBytes: each.partition === 0 ? 9 : 0 });
    const next = openFetchContext(cache, request({ sessionId, sessionEpoch: 2 }), NOW_MS);
    expect(Array.from(next.targets, ({ partition }) => partition)).toEqual([1, 2, 0]);
  });

  it('takes over changed offsets, new partitions and forgotten ones', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0), target('a', 1)]);
    const changes = request({
      sessionId,
      sessionEpoch: 1,
      targets: [target('a', 0, 42), target('c', 3)],
      forgotten: [{ topic: 'a', topicId: '', partition: 1 }],
    });
    const context = openFetchContext(cache, changes, NOW_MS);
    expect(Array.from(context.targets, ({ topic, partition, fetchOffset }) => [topic, partition, fetchOffset])).toEqual(
      [
        ['a', 0, 42],
        ['c', 3, 0],
      ],
    );
  });

  it('tells of a changed high watermark, log start or error, and again when the error is gone', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0)]);
    const news: PartitionNews[] = [
      QUIET,
      { ...QUIET, highWatermark: 5 },
      { ...QUIET, highWatermark: 5 },
      { ...QUIET, highWatermark: 5, logStartOffset: 2 },
      { ...QUIET, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, highWatermark: -1, logStartOffset: 2 },
      { ...QUIET, highWatermark: 5, logStartOffset: 2 },
      { ...QUIET, highWatermark: 5, logStartOffset: 2 },
    ];
    const told = news.map((each, index) => {
      const context = openFetchContext(cache, request({ sessionId, sessionEpoch: index + 1 }), NOW_MS);
      return Array.from(context.targets, (one) => context.includes(one, each))[0];
    });
    expect(told).toEqual([false, true, false, true, true, true, false]);
  });

  it('tells a follower where the log begins until its own does, whatever has kept it from taking that over', () => {
    const cache = newCache();
    const follower = (logStartOffset: number): FetchTarget => ({
      ...target('a', 0),
      followerLogStartOffset: logStartOffset,
    });
    const sessionId = openSession(cache, [follower(0)]);
    const told = [0, 0, 2].map((logStartOffset, index) => {
      const asked = request({
        sessionId,
        sessionEpoch: index + 1,
        isFollower: true,
        targets: [follower(logStartOffset)],
      });
      const context = openFetchContext(cache, asked, NOW_MS);
      return Array.from(context.targets, (one) => context.includes(one, { ...QUIET, logStartOffset: 2 }))[0];
    });
    expect(told).toEqual([true, true, false]);
  });

  it('tells offsets again behind what is to be cut, and in another epoch, for they counted for nothing before', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0)]);
    const steps: [number, PartitionNews][] = [
      [-1, { ...QUIET, highWatermark: 5, hasAdvice: true }],
      [-1, { ...QUIET, highWatermark: 5 }],
      [-1, { ...QUIET, highWatermark: 5 }],
      [3, { ...QUIET, highWatermark: 5 }],
      [3, { ...QUIET, highWatermark: 5 }],
    ];
    const told = steps.map(([currentLeaderEpoch, news], index) => {
      const asked = { ...target('a', 0), currentLeaderEpoch };
      const context = openFetchContext(
        cache,
        request({ sessionId, sessionEpoch: index + 1, targets: [asked] }),
        NOW_MS,
      );
      return Array.from(context.targets, (one) => context.includes(one, news))[0];
    });
    expect(told).toEqual([true, true, false, true, false]);
  });

  it('ends when it has no partitions left', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0)]);
    const forgotten = [{ topic: 'a', topicId: '', partition: 0 }];
    const context = openFetchContext(cache, request({ sessionId, sessionEpoch: 1, forgotten }), NOW_MS);
    expect(context.finish(NOW_MS)).toEqual({ errorCode: 0, sessionId: 0 });
    expect(cache.size).toBe(0);
  });

  it('is closed by a request that starts over', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0)]);
    openFetchContext(
      cache,
      request({ sessionId, sessionEpoch: SESSION_EPOCH_FINAL, targets: [target('a', 0)] }),
      NOW_MS,
    );
    expect(cache.get(sessionId)).toBeUndefined();
  });

  it('refuses what is unknown, out of step, or changes from names to ids', () => {
    const cache = newCache();
    const sessionId = openSession(cache, [target('a', 0)]);
    const errorOf = (overrides: Partial<FetchSessionRequest>): number =>
      openFetchContext(cache, request(overrides), NOW_MS).errorCode;
    expect(errorOf({ sessionId: sessionId + 1, sessionEpoch: 1 })).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    expect(errorOf({ sessionId, sessionEpoch: 2 })).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
    expect(errorOf({ sessionId, sessionEpoch: 1, usesTopicIds: true })).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
    expect(errorOf({ sessionId, sessionEpoch: 1 })).toBe(0);
  });

  it('counts its epochs on from 1 after the largest', () => {
    expect([nextSessionEpoch(0), nextSessionEpoch(2 ** 31 - 1), nextSessionEpoch(-1)]).toEqual([1, 1, -1]);
  });
});

describe('the cache of fetch sessions', () => {
  const options = { privileged: false, usesTopicIds: false, nowMs: NOW_MS };
  const targets = (count: number): FetchTarget[] => Array.from({ length: count }, (_, index) => target('t', index));

  it('opens no session beyond its slots while the others are in use', () => {
    const cache = newCache(2);
    expect(cache.create(targets(1), options)).toBeDefined();
    expect(cache.create(targets(1), options)).toBeDefined();
    expect(cache.create(targets(50), options)).toBeUndefined();
    expect([cache.size, cache.partitionCount, cache.evictionCount]).toEqual([2, 2, 0]);
  });

  it('gives the slot of the session that was unused for longest, if that was long enough', () => {
    const cache = newCache(2);
    const first = cache.create(targets(9), options)!;
    const second = cache.create(targets(1), options)!;
    cache.touch(first, NOW_MS + 5);
    expect(cache.create(targets(1), { ...options, nowMs: NOW_MS + EVICTION_MS + 1 })).toBeDefined();
    expect([cache.get(first.id)?.id, cache.get(second.id)]).toEqual([first.id, undefined]);
  });

  it('prefers a follower to a consumer, and never the other way round', () => {
    const cache = newCache(1);
    const consumer = cache.create(targets(9), options)!;
    const follower = cache.create(targets(1), { ...options, privileged: true });
    expect(follower).toBeDefined();
    expect(cache.get(consumer.id)).toBeUndefined();
    expect(cache.create(targets(50), options)).toBeUndefined();
  });

  it('prefers a larger session to a smaller one that is no longer young', () => {
    const cache = newCache(1);
    const old = cache.create(targets(3), options)!;
    const nowMs = NOW_MS + EVICTION_MS + 1;
    cache.touch(old, nowMs);
    expect(cache.create(targets(3), { ...options, nowMs })).toBeUndefined();
    expect(cache.create(targets(4), { ...options, nowMs })).toBeDefined();
    expect(cache.get(old.id)).toBeUndefined();
    expect(cache.evictionCount).toBe(1);
  });

  it('opens no session that would bring more partitions than all may have together, unless others go', () => {
    const cache = new FetchSessionCache({ slots: 10, evictionMs: EVICTION_MS, partitionsMax: 10 }, seededRandom(7));
    expect(cache.create(targets(11), options)).toBeUndefined();
    const old = cache.create(targets(6), options)!;
    expect(cache.create(targets(5), options)).toBeUndefined();
    expect(cache.create(targets(4), options)).toBeDefined();
    expect(cache.create(targets(5), { ...options, nowMs: NOW_MS + EVICTION_MS + 1 })).toBeDefined();
    expect(cache.get(old.id)).toBeUndefined();
    expect(cache.partitionCount).toBe(9);
  });

  it('closes a session that grows beyond what is left, and has its client start over', () => {
    const cache = new FetchSessionCache({ slots: 10, evictionMs: EVICTION_MS, partitionsMax: 3 }, seededRandom(7));
    const sessionId = openSession(cache, [target('a', 0), target('a', 1)]);
    const grows = (partition: number, sessionEpoch: number) =>
      openFetchContext(cache, request({ sessionId, sessionEpoch, targets: [target('b', partition)] }), NOW_MS)
        .errorCode;
    expect(grows(0, 1)).toBe(0);
    expect(cache.partitionCount).toBe(3);
    expect(grows(1, 2)).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    expect([cache.size, cache.partitionCount]).toEqual([0, 0]);
  });
});
