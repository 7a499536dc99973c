/**
 * OffsetFetch: how far a group has read; offset -1 where nothing was committed.
 *
 * 0: some partitions. 2: no topics means all that the group has, and an error code for the whole. 3: throttle time.
 * 5: leader epoch (KIP-320). 6: flexible. 7: requireStable: an offset that may still change is an error (KIP-447).
 * 8: several groups at once (KIP-709). 9: member id and epoch of KIP-848 groups, which a classic group does not look at.
 */
import {
  ErrorCode,
  OffsetFetch,
  type OffsetFetchRequest,
  type OffsetFetchResponseGroupInput,
  type OffsetFetchResponseInput,
  type OffsetFetchResponseTopicInput,
} from '@millrace/protocol';
import type { FetchedTopic, TopicPartitions } from '../groups/offset-commits.ts';
import { groupResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** The first version whose response has an error code beside the partitions. */
const GROUP_ERROR_SINCE = 2;
const BATCHED_SINCE = 8;

export const offsetFetch = defineHandler(OffsetFetch, { minVersion: 0, maxVersion: 9 }, (request, context) =>
  inTurns(context.version >= BATCHED_SINCE ? fetchEach(request, context) : fetchOne(request, context), () =>
    context.pause(),
  ),
);

/** Each group once, however often it is named: all its offsets may be asked for in a few bytes. */
function* fetchEach(request: OffsetFetchRequest, context: RequestContext): Generator<void, OffsetFetchResponseInput> {
  const { broker } = context;
  const answers = new Map<string, OffsetFetchResponseGroupInput>();
  for (const { groupId, topics } of request.groups) {
    if (answers.has(groupId)) continue;
    const refusal = context.authorize('Describe', groupResource(groupId));
    const fetched =
      refusal === undefined
        ? broker.groups.fetchOffsets(groupId, wanted(topics), request.requireStable)
        : { errorCode: refusal.errorCode, topics: [] };
    yield;
    answers.set(groupId, { groupId, errorCode: fetched.errorCode, topics: yield* topicResponses(fetched.topics) });
  }
  return { groups: [...answers.values()] };
}

function* fetchOne(request: OffsetFetchRequest, context: RequestContext): Generator<void, OffsetFetchResponseInput> {
  const { broker, version } = context;
  const topics = wanted(request.topics);
  const refusal = context.authorize('Describe', groupResource(request.groupId));
  const fetched =
    refusal === undefined
      ? broker.groups.fetchOffsets(request.groupId, topics, request.requireStable)
      : { errorCode: refusal.errorCode, topics: [] };
  if (fetched.errorCode !== ErrorCode.NONE && version < GROUP_ERROR_SINCE) {
    return { topics: (topics ?? []).map((topic) => failed(topic, fetched.errorCode)) };
  }
  return { errorCode: fetched.errorCode, topics: yield* topicResponses(fetched.topics) };
}

function* topicResponses(topics: readonly FetchedTopic[]): Generator<void, OffsetFetchResponseTopicInput[]> {
  const responses: OffsetFetchResponseTopicInput[] = [];
  for (const topic of topics) {
    responses.push(topicResponse(topic));
    for (let partitions = 0; partitions <= topic.partitions.length; partitions += 1) yield;
  }
  return responses;
}

function wanted(
  topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null,
): readonly TopicPartitions[] | null {
  return topics?.map(({ name, partitionIndexes }) => ({ topic: name, partitions: partitionIndexes })) ?? null;
}

function topicResponse({ topic, partitions }: FetchedTopic) {
  return {
    name: topic,
    partitions: partitions.map(({ partition, offset, leaderEpoch, metadata, errorCode }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      metadata,
      errorCode,
    })),
  };
}

function failed({ topic, partitions }: TopicPartitions, errorCode: number) {
  return {
    name: topic,
    partitions: partitions.map((partitionIndex) => ({ partitionIndex, committedOffset: -1, metadata: '', errorCode })),
  };
}
