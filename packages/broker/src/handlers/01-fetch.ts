/**
 * Fetch: records from an offset on, of many partitions; waits for `minBytes` up to `maxWaitMs`.
 *
 * - v1 throttle time; v3 a limit for the whole response, and a batch larger than the limit comes all the same; v4 isolation
 *   level; v5 log start offsets; v6 KAFKA_STORAGE_ERROR; v7 sessions (KIP-227); v9 leader epochs; v10 zstd; v11 rack;
 *   v12 flexible, diverging epochs; v13 topic ids; v15 the follower's epoch; v16 endpoints of new leaders; v17 directory ids;
 *   v18 the high watermark that the reader knows of, which nothing here needs (KIP-1166).
 * - The chunks of the log go out as they are: nothing here looks into a batch. Clients up to v3 do not know batches of magic 2, and
 *   have them converted to messages of magic 0 (v0, v1) or 1 (v2, v3).
 */

import {
  ErrorCode,
  Fetch,
  type FetchRequest,
  type FetchResponseInput,
  type FetchResponseResponsePartitionInput as PartitionResponse,
  ZERO_UUID,
} from '@millrace/protocol';
import { RACK_AWARE_SELECTOR } from '../config/broker-definitions.ts';
import { type FetchContext, openFetchContext } from '../fetch-sessions/fetch-context.ts';
import type { PartitionRef } from '../fetch-sessions/fetch-session.ts';
import type { FetchTarget } from '../fetch-sessions/fetch-target.ts';
import { type FetchLimits, type FetchReading, type PartitionFetch, readTargets } from '../replicas/fetch-reader.ts';
import { type FetchReach, FetchWait, reachedEnd } from '../replicas/fetch-wait.ts';
import type { Partition } from '../replicas/partition.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import { rackAwareReplica } from '../replicas/replica-selector.ts';
import { allowAll, CLUSTER, topicResource } from '../shared/authorization.ts';
import type { Counter } from '../shared/metrics.ts';
import { defineHandler, type RequestContext } from './handler.ts';
import { LeaderHints } from './leader-hints.ts';
import { asOldRecords, oldMagicOf } from './old-records.ts';

const READ_COMMITTED = 1;
const FIRST_VERSION_WITH_RACK = 11;
const FIRST_VERSION_WITH_IDS = 13;

export const fetch = defineHandler(Fetch, { minVersion: 0, maxVersion: 18 }, (request, context) => {
  const { broker } = context;
  const session = openSession(request, context);
  if (session.errorCode !== ErrorCode.NONE) return { errorCode: session.errorCode, responses: [] };
  const limits = limitsOf(request, session.targets, context);
  const { commandCount } = broker.replicas;
  const first = readTargets(broker.replicas, session.targets, limits, () => context.pause());
  if (first instanceof Promise) {
    return first.then((reading) => {
      // What a command has changed while the disk was read told nobody who is about to wait.
      if (broker.replicas.commandCount !== commandCount) reading.isUrgent = true;
      return answer(request, context, session, limits, reading);
    });
  }
  return answer(request, context, session, limits, first);
});

/** Answers with what was read, or waits and reads again. */
function answer(
  request: FetchRequest,
  context: RequestContext,
  session: FetchContext,
  limits: FetchLimits,
  reading: FetchReading,
): FetchResponseInput | Promise<FetchResponseInput> {
  const bytesMissing = Math.min(request.minBytes, limits.bytesMax) - reading.sizeBytes;
  const isEnough = bytesMissing <= 0 || reading.isUrgent || request.maxWaitMs <= 0 || reading.fetches.length === 0;
  if (isEnough || !context.connection.open || !context.mayWait()) return respondWith(context, session, limits, reading);
  context.releaseRequest();
  context.reserveResponse(0);
  reading.release();
  return waitAndRespond(request, context, session, bytesMissing, reading);
}

async function waitAndRespond(
  request: FetchRequest,
  context: RequestContext,
  session: FetchContext,
  bytesMissing: number,
  reading: FetchReading,
): Promise<FetchResponseInput> {
  const partitions: Partition[] = [];
  for (const { partition } of reading.fetches) if (partition !== undefined) partitions.push(partition);
  const { broker } = context;
  const replicaId = replicaIdOf(request, context.version);
  const isFollower = replicaId >= 0;
  const waitMs = isFollower
    ? broker.replicas.awaited.waitMs(replicaId, request.maxWaitMs, reading.fetches.length)
    : request.maxWaitMs;
  const reach = isFollower ? 'durable' : request.isolationLevel === READ_COMMITTED ? 'stable' : 'replicated';
  const wait = new FetchWait(partitions, bytesMissing, waitMs, broker.deadlines, reach);
  // What became readable while a cold read was under way told nobody.
  if (reading.fetches.some((fetched) => hasMoved(fetched, reach))) wait.finish();
  // One that has been told of a partition before this broker waits for that; and a follower that hears of another one to ask for in the same
  // moment would have to give its connection up to do so.
  const forget = isFollower ? broker.replicas.onCommand(() => wait.finish()) : undefined;
  await broker.fetchWaits.follow(wait, context.connection);
  forget?.();
  const now = { ...limitsOf(request, session.targets, context), isAgain: true };
  const again = await readTargets(broker.replicas, session.targets, now, () => context.pause());
  return respondWith(context, session, now, again);
}

function hasMoved({ partition, readableEndOffset }: PartitionFetch, reach: FetchReach): boolean {
  return partition !== undefined && reachedEnd(partition, reach) > readableEndOffset;
}

function limitsOf(request: FetchRequest, targets: Iterable<FetchTarget>, context: RequestContext): FetchLimits {
  const { broker, version } = context;
  const replicaId = replicaIdOf(request, version);
  const refusalOf = refusalFor(replicaId, targets, context);
  const bytesMax = Math.min(request.maxBytes, broker.config.fetchMaxBytes, context.quota.fetchBytesMax());
  const wantedBytes = wantedOf(targets, bytesMax);
  const grantedBytes = context.reserveResponse(wantedBytes);
  const forConsumers = request.isolationLevel === READ_COMMITTED ? 'committed' : 'highWatermark';
  return {
    bytesMax: grantedBytes < wantedBytes ? grantedBytes : bytesMax,
    hardBytesMax: version <= 2,
    isolation: replicaId >= 0 ? 'logEnd' : forConsumers,
    replicaId,
    mayReadFollower: version >= FIRST_VERSION_WITH_RACK && replicaId < 0,
    preferredReplica: selectorOf(request, context),
    isAgain: false,
    refusalOf,
  };
}

const MAY_READ_ALL = (): number => ErrorCode.NONE;

/** Why somebody may not read a partition. Followers need a right to the cluster, whatever replica they say they are. */
function refusalFor(
  replicaId: number,
  targets: Iterable<FetchTarget>,
  context: RequestContext,
): FetchLimits['refusalOf'] {
  const { authorizer, cluster } = context.broker;
  if (replicaId >= 0) {
    if (context.authorize('ClusterAction', CLUSTER) !== undefined) return () => ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    // What a broker reads counts for nobody. With Kafka nobody has to be one for that: a replica id will do.
    context.quota.exempt();
    return MAY_READ_ALL;
  }
  if (authorizer === allowAll) return MAY_READ_ALL;
  // Each topic is asked for once, however many partitions there are of it. Most requests are for one topic, and need no map.
  let codes: Map<string, number> | undefined;
  let lastTopic: string | undefined;
  let lastCode: number = ErrorCode.NONE;
  const references = countedByTopic(targets);
  return (target, partition) => {
    const byId = target.topic === '' ? cluster.topicById(target.topicId)?.name : target.topic;
    const topic = partition?.topic ?? byId;
    if (topic === undefined) return ErrorCode.NONE;
    if (topic === lastTopic) return lastCode;
    if (lastTopic !== undefined) codes = (codes ?? new Map()).set(lastTopic, lastCode);
    lastTopic = topic;
    lastCode =
      codes?.get(topic) ??
      context.authorize('Read', topicResource(topic), () => references(target))?.errorCode ??
      ErrorCode.NONE;
    return lastCode;
  };
}

/** How many partitions of a target's topic are asked for: counted when somebody wants to know. */
function countedByTopic(targets: Iterable<FetchTarget>): (target: FetchTarget) => number {
  let counts: Map<string, number> | undefined;
  const keyOf = ({ topic, topicId }: FetchTarget): string => (topic === '' ? topicId : topic);
  return (target) => {
    if (counts === undefined) {
      counts = new Map();
      for (const each of targets) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1);
    }
    return counts.get(keyOf(target)) ?? 1;
  };
}

const HERE = (): number => -1;

/** Where consumers are sent that say which rack they are in (`replica.selector.class`). */
function selectorOf(request: FetchRequest, { broker }: RequestContext): FetchLimits['preferredReplica'] {
  const { rackId } = request;
  if (rackId === '' || broker.config.replicaSelectorClass !== RACK_AWARE_SELECTOR) return HERE;
  return (partition, offset) => rackAwareReplica(partition, offset, rackId, broker.cluster);
}

/** What all partitions together may answer with, up to the bound. */
function wantedOf(targets: Iterable<FetchTarget>, bytesMax: number): number {
  let wantedBytes = 0;
  for (const { maxBytes } of targets) {
    wantedBytes += Math.max(maxBytes, 0);
    if (wantedBytes >= bytesMax) return bytesMax;
  }
  return wantedBytes;
}

function replicaIdOf(request: FetchRequest, version: number): number {
  return version >= 15 ? request.replicaState.replicaId : request.replicaId;
}

function openSession(request: FetchRequest, context: RequestContext): FetchContext {
  const { broker, version } = context;
  const usesTopicIds = version >= FIRST_VERSION_WITH_IDS;
  const targets: FetchTarget[] = [];
  for (const topic of request.topics) {
    for (const partition of topic.partitions) {
      targets.push({
        topic: usesTopicIds ? '' : topic.topic,
        topicId: usesTopicIds ? topic.topicId : '',
        partition: partition.partition,
        fetchOffset: partition.fetchOffset,
        maxBytes: partition.partitionMaxBytes,
        currentLeaderEpoch: partition.currentLeaderEpoch,
        lastFetchedEpoch: partition.lastFetchedEpoch,
        followerLogStartOffset: partition.logStartOffset,
        sentHighWatermark: -1,
        sentLogStartOffset: -1,
      });
    }
  }
  return openFetchContext(
    broker.fetchSessions,
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      isFollower: replicaIdOf(request, version) >= 0 && context.isAllowed('ClusterAction', CLUSTER),
      usesTopicIds,
      targets,
      forgotten: forgottenOf(request),
    },
    broker.clock.now(),
  );
}

function forgottenOf(request: FetchRequest): PartitionRef[] {
  return request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => ({ topic, topicId, partition })),
  );
}

/** Beyond the quota, a session's answer is empty as if nothing had come, and no session is opened (`FetchContext.getThrottledResponse`). */
function heldBack({ broker }: RequestContext, session: FetchContext, reading: FetchReading): FetchResponseInput {
  reading.release();
  return { ...session.finishEmpty(broker.clock.now()), responses: [] };
}

/** Answers in the format that the client knows. */
function respondWith(
  context: RequestContext,
  session: FetchContext,
  limits: FetchLimits,
  reading: FetchReading,
): FetchResponseInput | Promise<FetchResponseInput> {
  if (reading.sizeBytes > 0 && !context.quota.mayFetch(reading.sizeBytes)) return heldBack(context, session, reading);
  const magic = oldMagicOf(context.version);
  const isOfOld = magic !== undefined && (reading.sizeBytes > 0 || reading.fetches.some(({ isCutOff }) => isCutOff));
  if (!isOfOld) return respond(context, session, reading, limits.replicaId >= 0);
  return asOldRecords(reading, magic, limits).then((converted) => respond(context, session, converted, false));
}

function trafficOf({ traffic }: Partition, isFollower: boolean): Counter {
  return isFollower ? traffic.replicationBytesOut : traffic.bytesOut;
}

/** What leaves for followers counts for the throttle where it is theirs, whether it was read before a wait or after it (KIP-73). */
function noteThrottled({ leader }: ReplicaManager['throttle'], { topic, partition }: Partition, bytes: number): void {
  if (leader.isOn && leader.isThrottled(topic, partition)) leader.record(bytes);
}

function respond(
  context: RequestContext,
  session: FetchContext,
  reading: FetchReading,
  isFollower: boolean,
): FetchResponseInput {
  const { broker, version } = context;
  const responses: { topic: string; topicId: string; partitions: PartitionResponse[] }[] = [];
  const leaders = new LeaderHints(context, version >= 16);
  let last: (typeof responses)[number] | undefined;
  for (const fetched of reading.fetches) {
    const { target } = fetched;
    if (!session.includes(target, newsOf(fetched))) continue;
    if (last === undefined || last.topic !== target.topic || last.topicId !== target.topicId) {
      last = { topic: target.topic, topicId: target.topicId, partitions: [] };
      responses.push(last);
    }
    last.partitions.push(partitionResponse(fetched, version, leaders));
    if (fetched.partition === undefined || fetched.sizeBytes === 0) continue;
    trafficOf(fetched.partition, isFollower).add(fetched.sizeBytes);
    if (isFollower) noteThrottled(broker.replicas.throttle, fetched.partition, fetched.sizeBytes);
  }
  for (const topic of responses) if (topic.topicId === '') topic.topicId = ZERO_UUID;
  const { errorCode, sessionId } = session.finish(broker.clock.now());
  if (reading.mustRelease) context.whenSent(() => reading.release());
  if (errorCode !== ErrorCode.NONE) return { errorCode, sessionId, responses: [] };
  return { errorCode, sessionId, responses, nodeEndpoints: leaders.endpoints };
}

function newsOf(fetched: PartitionFetch): Parameters<FetchContext['includes']>[1] {
  return {
    errorCode: fetched.errorCode,
    highWatermark: fetched.highWatermark,
    logStartOffset: fetched.logStartOffset,
    recordsSizeBytes: fetched.sizeBytes,
    hasAdvice: fetched.diverging !== undefined || fetched.preferredReplica >= 0,
  };
}

function partitionResponse(fetched: PartitionFetch, version: number, leaders: LeaderHints): PartitionResponse {
  const response: PartitionResponse = {
    partitionIndex: fetched.target.partition,
    errorCode: errorFor(version, fetched.errorCode),
    highWatermark: fetched.highWatermark,
    lastStableOffset: fetched.lastStableOffset,
    logStartOffset: fetched.logStartOffset,
    abortedTransactions: fetched.abortedTransactions as PartitionResponse['abortedTransactions'],
    records: fetched.chunks,
    ...(fetched.preferredReplica >= 0 ? { preferredReadReplica: fetched.preferredReplica } : {}),
  };
  if (fetched.diverging !== undefined && version >= 12) return { ...response, divergingEpoch: fetched.diverging };
  const currentLeader = leaders.of(fetched.errorCode, fetched.partition);
  return currentLeader === undefined ? response : { ...response, currentLeader };
}

/** Clients before v6 do not know KAFKA_STORAGE_ERROR, and refresh their metadata on NOT_LEADER_OR_FOLLOWER. */
function errorFor(version: number, errorCode: number): number {
  return version < 6 && errorCode === ErrorCode.KAFKA_STORAGE_ERROR ? ErrorCode.NOT_LEADER_OR_FOLLOWER : errorCode;
}
