/**
 * OffsetFetch: how far a group has read; offset -1 where nothing was committed.
 *
 * 0: some partitions. 2: no topics means all that the group has, and an error code for the whole. 3: throttle time.
 * 5: leader epoch (KIP-320). 6: flexible. 7: requireStable: an offset that may still change is an error (KIP-447).
 * 8: several groups at once (KIP-709). 9: member id and epoch of KIP-848 groups, which a classic group does not look at.
 */
import { ErrorCode, OffsetFetch } from '@millrace/protocol';
import type { FetchedTopic, TopicPartitions } from '../groups/offset-commits.ts';
import { defineHandler } from './handler.ts';

/** The first version whose response has an error code beside the partitions. */
const GROUP_ERROR_SINCE = 2;
const BATCHED_SINCE = 8;

export const offsetFetch = defineHandler(OffsetFetch, { minVersion: 0, maxVersion: 9 }, (request, context) => {
  const { groups } = context.broker;
  const { requireStable } = request;
  if (context.version >= BATCHED_SINCE) {
    return {
      groups: request.groups.map(({ groupId, topics }) => {
        const fetched = groups.fetchOffsets(groupId, wanted(topics), requireStable);
        return { groupId, errorCode: fetched.errorCode, topics: fetched.topics.map(topicResponse) };
      }),
    };
  }
  const topics = wanted(request.topics);
  const fetched = groups.fetchOffsets(request.groupId, topics, requireStable);
  if (fetched.errorCode !== ErrorCode.NONE && context.version < GROUP_ERROR_SINCE) {
    return { topics: (topics ?? []).map((topic) => failed(topic, fetched.errorCode)) };
  }
  return { errorCode: fetched.errorCode, topics: fetched.topics.map(topicResponse) };
});

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
