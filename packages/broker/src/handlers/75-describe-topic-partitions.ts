/**
 * DescribeTopicPartitions: topics and their partitions page by page, for admin tools (KIP-966).
 *
 * - Topics come in the order of their names; without names, all. A response holds at most `responsePartitionLimit`
 *   partitions (never more than {@link RESPONSE_PARTITIONS_MAX}); `nextCursor` says where the next one begins.
 */
import {
  DescribeTopicPartitions,
  type DescribeTopicPartitionsRequest,
  ErrorCode,
  type DescribeTopicPartitionsResponseTopicInput as TopicResponse,
} from '@millrace/protocol';
import type { TopicImage } from '../cluster/cluster-image.ts';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { type ListingOptions, listPartition } from '../cluster/partition-listing.ts';
import { noSuchTopic } from '../cluster/topic-name.ts';
import { topicResource } from '../shared/authorization.ts';
import { authorizedOperations } from './authorized-operations.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** `max.request.partition.size.limit` of Kafka. */
export const RESPONSE_PARTITIONS_MAX = 2000;

export const describeTopicPartitions = defineHandler(
  DescribeTopicPartitions,
  { minVersion: 0, maxVersion: 0 },
  (request, context) => {
    const { cluster } = context.broker;
    const options = { listener: context.connection.listenerName, knowsListenerNotFound: true };
    let left = Math.max(1, Math.min(request.responsePartitionLimit, RESPONSE_PARTITIONS_MAX));
    const topics: TopicResponse[] = [];
    for (const name of namesFrom(request, context)) {
      const refusal = context.authorize('Describe', topicResource(name));
      if (refusal !== undefined) {
        topics.push({ errorCode: refusal.errorCode, name, isInternal: false, partitions: [] });
        continue;
      }
      const topic = cluster.topic(name);
      if (topic === undefined) {
        topics.push(unknownTopic(name));
        continue;
      }
      const first = name === request.cursor?.topicName ? Math.max(0, request.cursor.partitionIndex) : 0;
      if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } };
      const listed = listedTopic(topic, first, left, options, context);
      topics.push(listed);
      const count = listed.partitions?.length ?? 0;
      left -= count;
      if (first + count < topic.partitions.length) {
        return { topics, nextCursor: { topicName: name, partitionIndex: first + count } };
      }
    }
    return { topics, nextCursor: null };
  },
);

/** The names to tell of, sorted, from the cursor's on. */
function namesFrom(request: DescribeTopicPartitionsRequest, context: RequestContext): string[] {
  const asked = request.topics.length === 0 ? visibleTopics(context) : request.topics.map(({ name }) => name);
  const names = [...new Set(asked)].sort();
  const from = request.cursor?.topicName;
  return from === undefined ? names : names.filter((name) => name >= from);
}

function visibleTopics(context: RequestContext): string[] {
  const all = [...context.broker.cluster.topics.keys()];
  return all.filter((name) => context.isAllowed('Describe', topicResource(name)));
}

function listedTopic(
  topic: TopicImage,
  first: number,
  count: number,
  options: ListingOptions,
  context: RequestContext,
): TopicResponse {
  const { broker } = context;
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.slice(first, first + count).flatMap((state) => ({
      ...listPartition(broker.cluster, state, options),
      // Empty, though null is allowed: Java's admin client stumbles over null.
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
    topicAuthorizedOperations: authorizedOperations(context, topicResource(topic.name)),
  };
}

function unknownTopic(name: string): TopicResponse {
  return {
    errorCode: noSuchTopic(name),
    name,
    isInternal: isInternalTopic(name),
    partitions: [],
  };
}
