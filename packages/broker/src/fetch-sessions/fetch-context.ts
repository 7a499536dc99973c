import { ErrorCode } from '@millrace/protocol';
import {
  type FetchSession,
  nextSessionEpoch,
  type PartitionRef,
  SESSION_EPOCH_FINAL,
  SESSION_EPOCH_INITIAL,
  SESSION_ID_NONE,
} from './fetch-session.ts';
import type { FetchSessionCache } from './fetch-session-cache.ts';
import { type FetchTarget, type PartitionNews, takeNews } from './fetch-target.ts';

/** What a Fetch request says about its session. */
export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** Whether the request comes from a follower. */
  readonly isFollower: boolean;
  /** Whether it names topics by id (version 13 and up). */
  readonly usesTopicIds: boolean;
  /** The partitions that it names; all of them when it opens a session or has none, else those that changed. */
  readonly targets: readonly FetchTarget[];
  readonly forgotten: readonly PartitionRef[];
}

/** How a Fetch request is answered with regard to its session. */
export interface FetchContext {
  /** Not 0 when the session is unknown or out of step: the response then carries this code and no partitions. */
  readonly errorCode: number;
  /** The partitions to fetch, in the order in which the response is to be filled. */
  readonly targets: Iterable<FetchTarget>;
  /**
   * Whether the response must tell of the partition. To be called once per target, when the response is final; remembers
   * what the client then knows.
   */
  includes(target: FetchTarget, news: PartitionNews): boolean;
  /** To be called last: opens the session where the request asks for one; the session id that the response carries. */
  finish(nowMs: number): { errorCode: number; sessionId: number };
  /** Instead of `finish`, for an answer that tells of no partition: opens no session. */
  finishEmpty(nowMs: number): { errorCode: number; sessionId: number };
}

/** Finds out which partitions a request means, and brings its session up to date. */
export function openFetchContext(cache: FetchSessionCache, request: FetchSessionRequest, nowMs: number): FetchContext {
  if (request.sessionEpoch === SESSION_EPOCH_INITIAL || request.sessionEpoch === SESSION_EPOCH_FINAL) {
    // A request that starts over closes the session it names.
    if (request.sessionId !== SESSION_ID_NONE) cache.remove(request.sessionId);
    return request.sessionEpoch === SESSION_EPOCH_FINAL ? sessionless(request) : opening(cache, request);
  }
  const session = cache.get(request.sessionId);
  if (session === undefined) return refused(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  if (session.usesTopicIds !== request.usesTopicIds) return refused(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
  if (session.epoch !== request.sessionEpoch) return refused(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
  if (!cache.update(session, request.targets, request.forgotten)) return refused(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  if (session.size === 0) {
    cache.remove(session.id);
    return sessionless(request);
  }
  cache.touch(session, nowMs);
  session.epoch = nextSessionEpoch(session.epoch);
  return incremental(session);
}

function refused(errorCode: number): FetchContext {
  const finish = () => ({ errorCode, sessionId: SESSION_ID_NONE });
  return { errorCode, targets: [], includes: () => false, finish, finishEmpty: finish };
}

function withoutSession() {
  return { errorCode: ErrorCode.NONE, sessionId: SESSION_ID_NONE };
}

function sessionless(request: FetchSessionRequest): FetchContext {
  return {
    errorCode: ErrorCode.NONE,
    targets: request.targets,
    includes: () => true,
    finish: withoutSession,
    finishEmpty: withoutSession,
  };
}

function opening(cache: FetchSessionCache, request: FetchSessionRequest): FetchContext {
  return {
    errorCode: ErrorCode.NONE,
    targets: request.targets,
    includes(target, news) {
      takeNews(target, news);
      return true;
    },
    finish(nowMs) {
      const session = cache.create(request.targets, {
        privileged: request.isFollower,
        usesTopicIds: request.usesTopicIds,
        nowMs,
      });
      return { errorCode: ErrorCode.NONE, sessionId: session?.id ?? SESSION_ID_NONE };
    },
    finishEmpty: withoutSession,
  };
}

function incremental(session: FetchSession): FetchContext {
  const expectedEpoch = session.epoch;
  // Partitions may move within the session while the response is filled, so the order is fixed here.
  const targets = [...session.targets];
  const finish = () => {
    // A second request with the same epoch got in between: one of the two is a repetition, and the client starts over.
    const errorCode = session.epoch === expectedEpoch ? ErrorCode.NONE : ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    return { errorCode, sessionId: session.id };
  };
  return {
    errorCode: ErrorCode.NONE,
    targets,
    includes(target, news) {
      const mustSend = takeNews(target, news);
      if (mustSend) session.moveToEnd(target);
      return mustSend;
    },
    finish,
    finishEmpty: finish,
  };
}
