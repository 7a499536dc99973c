/**
 * OffsetFetch: how far a group has read; offset -1 where nothing was committed.
 *
 * 0: some partitions, from the metadata store (see old-offsets.ts). 1: from the group. 2: no topics means all that the group has, and an error code for the whole. 3: throttle time.
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
import { invalidTopicName } from '../cluster/topic-name.ts';
import type { FetchedTopic, TopicPartitions } from '../groups/offset-commits.ts';
import { groupResource, topicResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { defineHandler, type RequestContext } from './handler.ts';
import { fetchFromStore } from './old-offsets.ts';

/** The first version whose response has an error code beside the partitions. */
const GROUP_ERROR_SINCE = 2;
const BATCHED_SINCE = 8;

export const offsetFetch = defineHandler(OffsetFetch, { minVersion: 0, maxVersion: 9 }, (request, context) => {
  if (context.version === 0) return fetchFromStore(request, context);
  return inTurns(context.version >= BATCHED_SINCE ? fetchEach(request, context) : fetchOne(request, context), () =>
    context.pause(),
  );
});

/** Each group once, however often it is named: all its offsets may be asked for in a few bytes. */
function* fetchEach(request: OffsetFetchRequest, context: RequestContext): Generator<void, OffsetFetchResponseInput> {
  const answers = new Map<string, OffsetFetchResponseGroupInput>();
  for (const { groupId, topics } of request.groups) {
    if (answers.has(groupId)) continue;
    const refusal = context.authorize('Describe', groupResource(groupId));
    const fetched =
      refusal === undefined
        ? fetchVisible(groupId, wanted(topics), request.requireStable, context)
        : { errorCode: refusal.errorCode, topics: [] };
    yield;
    answers.set(groupId, { groupId, errorCode: fetched.errorCode, topics: yield* topicResponses(fetched.topics) });
  }
  return { groups: [...answers.values()] };
}

function* fetchOne(request: OffsetFetchRequest, context: RequestContext): Generator<void, OffsetFetchResponseInput> {
  const { version } = context;
  const topics = wanted(request.topics);
  const refusal = context.authorize('Describe', groupResource(request.groupId));
  // Version 1 has no place for it, and Kafka's answer to who may not is empty.
  if (refusal !== undefined && version === 1) return { topics: [] };
  const fetched =
    refusal === undefined
      ? fetchVisible(request.groupId, topics, request.requireStable, context)
      : { errorCode: refusal.errorCode, topics: [] };
  if (fetched.errorCode !== ErrorCode.NONE && version < GROUP_ERROR_SINCE) {
    return { topics: (topics ?? []).map((topic) => failed(topic, fetched.errorCode)) };
  }
  return { errorCode: fetched.errorCode, topics: yield* topicResponses(fetched.topics) };
}

/** The offsets of topics that who asks may see: where he names others he is told so, and where he wants all they are left out. */
function fetchVisible(
  groupId: string,
  topics: readonly TopicPartitions[] | null,
  requireStable: boolean,
  context: RequestContext,
): { readonly errorCode: number; readonly topics: readonly FetchedTopic[] } {
  const { groups } = context.broker;
  if (topics === null) {
    const all = groups.fetchOffsets(groupId, null, requireStable);
    return { ...all, topics: all.topics.filter(({ topic }) => context.isAllowed('Describe', topicResource(topic))) };
  }
  const refused: FetchedTopic[] = [];
  const visible: TopicPartitions[] = [];
  for (const each of topics) {
    const refusal = context.authorize('Describe', topicResource(each.topic)) ?? invalidTopicName(each.topic);
    if (refusal === undefined) visible.push(each);
    else refused.push(refusedTopic(each, refusal.errorCode));
  }
  const fetched = groups.fetchOffsets(groupId, visible, requireStable);
  return { ...fetched, topics: [...fetched.topics, ...refused] };
}

function refusedTopic({ topic, partitions }: TopicPartitions, errorCode: number): FetchedTopic {
  const nothing = { offset: -1, leaderEpoch: -1, metadata: '', errorCode };
  return { topic, partitions: partitions.map((partition) => ({ partition, ...nothing })) };
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
