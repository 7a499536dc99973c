/**
 * OffsetDelete: removes a group's offsets of topics that nobody in it subscribes to (KIP-496). Answered when durable.
 *
 * 0: the only version.
 */
import { ErrorCode, OffsetDelete } from '@millrace/protocol';
import type { TopicPartition } from '../groups/group-offsets.ts';
import { groupResource, topicResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const offsetDelete = defineHandler(OffsetDelete, { minVersion: 0, maxVersion: 0 }, async (request, context) => {
  const { cluster, groups } = context.broker;
  const refusal = context.authorize('Delete', groupResource(request.groupId));
  if (refusal !== undefined) return { errorCode: refusal.errorCode, topics: [] };
  const known: TopicPartition[] = [];
  const refusals = new Map<string, number>();
  for (const { name, partitions } of request.topics) {
    const notAllowed = context.authorize('Read', topicResource(name));
    if (notAllowed !== undefined) {
      refusals.set(name, notAllowed.errorCode);
      continue;
    }
    for (const { partitionIndex } of partitions) {
      if (cluster.partition(name, partitionIndex) !== undefined) known.push({ topic: name, partition: partitionIndex });
    }
  }
  const outcome = await groups.deleteOffsets(request.groupId, known);
  if (outcome.errorCode !== ErrorCode.NONE) return { errorCode: outcome.errorCode, topics: [] };
  let next = 0;
  return {
    errorCode: ErrorCode.NONE,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const at = known[next];
        if (at?.topic !== name || at.partition !== partitionIndex) {
          return { partitionIndex, errorCode: refusals.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
        }
        next += 1;
        return { partitionIndex, errorCode: outcome.partitions[next - 1]! };
      }),
    })),
  };
});
