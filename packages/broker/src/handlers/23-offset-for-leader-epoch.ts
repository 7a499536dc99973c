/**
 * OffsetForLeaderEpoch: where an epoch of leadership ended, so that a client or follower finds out whether its log has been
 * cut off behind its back (KIP-101, KIP-320).
 *
 * - v1 the epoch that was found; v2 throttle time, the epoch that the client believes in; v3 the follower's id; v4 flexible.
 */
import {
  ErrorCode,
  OffsetForLeaderEpoch,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponseInput,
  type OffsetForLeaderEpochResponseTopicInput,
  type OffsetForLeaderEpochResponseTopicPartitionInput as PartitionResult,
} from '@millrace/protocol';
import { CLUSTER, topicResource } from '../shared/authorization.ts';
import { isRefusal } from '../shared/refusal.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const offsetForLeaderEpoch = defineHandler(
  OffsetForLeaderEpoch,
  { minVersion: 0, maxVersion: 4 },
  (request, context) => inTurns(endOfEach(request, context), () => context.pause()),
);

function* endOfEach(
  request: OffsetForLeaderEpochRequest,
  context: RequestContext,
): Generator<void, OffsetForLeaderEpochResponseInput> {
  const topics: OffsetForLeaderEpochResponseTopicInput[] = [];
  for (const { topic, partitions } of request.topics) {
    const results: PartitionResult[] = [];
    for (const { partition, currentLeaderEpoch, leaderEpoch } of partitions) {
      results.push(endOf(topic, partition, currentLeaderEpoch, leaderEpoch, context));
      yield;
    }
    topics.push({ topic, partitions: results });
    yield;
  }
  return { topics };
}

function endOf(
  topic: string,
  partition: number,
  currentLeaderEpoch: number,
  leaderEpoch: number,
  context: RequestContext,
): PartitionResult {
  const { broker } = context;
  // Followers ask too, who have the cluster's rights and not the topic's.
  const isBroker = context.isAllowed('ClusterAction', CLUSTER);
  const notAllowed = isBroker ? undefined : context.authorize('Describe', topicResource(topic));
  if (notAllowed !== undefined) return { partition, errorCode: notAllowed.errorCode };
  const found = broker.replicas.leaderOf(topic, partition, currentLeaderEpoch);
  if (isRefusal(found)) return { partition, errorCode: found.errorCode };
  return { partition, errorCode: ErrorCode.NONE, ...found.endOffsetForEpoch(leaderEpoch) };
}
